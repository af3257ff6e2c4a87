"""`csv:FILE`: one row a moment, plain or gzip. The columns are those of `csv_columns`.

The first rows decide how the file is played: where they are usually less than five seconds apart they are ticks, and
the clock ticks between them as it does live; else they are bars, whose quotes stand until the next.
"""

from datetime import date, datetime
from itertools import islice, pairwise
from pathlib import Path
from statistics import median_low
from zoneinfo import ZoneInfo

from config.schema import Profile
from daemon.backtest.feeds.asked import asked_legs, refuse_expired, wants_model
from daemon.backtest.feeds.csv_lines import CsvLines
from daemon.backtest.feeds.csv_market import CsvMarket
from daemon.backtest.feeds.csv_source import open_rows
from daemon.backtest.feeds.sliced import SlicedMarket
from daemon.backtest.feeds.spec import Slice, Spec
from daemon.venues.exchange_hours import session_of
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.model import Market
from state.runs.records import Finding
from state.times import iso_from_us

HEAD_ROWS = 200
TICKS_BELOW_US = 5_000_000
CLOCK_EVERY_MS = 500


class CsvFeed:
    """Implements `daemon.backtest.feeds.feed.Feed`."""

    def __init__(self, spec: Spec, profile: Profile, *, base: Path) -> None:
        """Raises FeedError: no file, an odd header or head, no row within a session, a leg that is over."""
        self._path = csv_path(spec, base)
        self._profile = profile
        self._cut: Slice | None = spec.cut
        first_us, self._usual_us = _head(self._path, profile)
        self.clock_every_ms: int | None = CLOCK_EVERY_MS if self._usual_us < TICKS_BELOW_US else None
        self.spec = f"csv:{self._path}{spec.cut or ''}"
        symbol, legs = profile.underlying.symbol, len(asked_legs(profile))
        kind = "ticks" if self.clock_every_ms is not None else f"a row every {self._usual_us / 1e6:g} s"
        self.description = f"{symbol} from {iso_from_us(first_us)[:10]}, {kind}, {legs} option legs, {self._path.name}"
        self._rows = self._opened()
        self.market: Market = self._cut_market()
        opening = self._rows.first_session
        refuse_expired(self._rows.contracts, opening.open_us, date.fromisoformat(opening.date), self.spec)

    def rewind(self) -> None:
        """As the protocol says."""
        self._rows.lines.close()
        self._rows = self._opened()
        self.market = self._cut_market()

    def _opened(self) -> CsvMarket:
        return CsvMarket(self._path, self._profile, usual_us=self._usual_us, model=wants_model(self._profile))

    def _cut_market(self) -> Market:
        return self._rows if self._cut is None else SlicedMarket(self._rows, self._cut)

    @property
    def data_hash(self) -> str:
        """SHA-256 over the unpacked bytes read so far."""
        return self._rows.lines.digest.hexdigest()

    def findings(self) -> tuple[Finding, ...]:
        """As the protocol says."""
        return self._rows.findings.rows()

    def done(self) -> float:
        """0 to 1, by bytes."""
        return self._rows.lines.done()


def csv_path(spec: Spec, base: Path) -> Path:
    """The file, absolute. Raises FeedError where there is none."""
    path = (base / Path(spec.rest).expanduser()).absolute()
    if not path.exists():
        raise FeedError(f"no file {path}: write csv:FILE with a path that is absolute or relative to {base.absolute()}")
    if path.is_dir():
        raise FeedError(f"{path} is a folder: write csv:FILE, one file")
    return path


def _head(path: Path, profile: Profile) -> tuple[int, int]:
    """The first row's time and the usual spacing of the first ones, microseconds."""
    lines = CsvLines(path)
    try:
        _, reader = open_rows(lines, profile)
        times = [reader.row(line, fields).ts_us for line, fields in islice(lines, HEAD_ROWS)]
    finally:
        lines.close()
    if not times:
        raise FeedError(f"{path} has a header and no row")
    steps = [after - before for before, after in pairwise(times) if after != before]
    backwards = sum(step < 0 for step in steps)
    if 2 * backwards > len(steps):
        raise FeedError(f"{path} runs backwards in time from its first rows on: sort it by time, oldest first")
    forwards = [step for step in steps if step > 0]
    return times[0], median_low(forwards) if forwards else 60_000_000


def csv_days(spec: Spec, profile: Profile, *, base: Path) -> tuple[date, ...]:
    """The session days that have a row. Reads the whole file, its times alone. Raises FeedError."""
    lines = CsvLines(csv_path(spec, base))
    found: set[date] = set()
    try:
        _, reader = open_rows(lines, profile)
        zone = ZoneInfo("America/New_York")
        known: set[date] = set()
        for line, fields in lines:
            day = datetime.fromtimestamp(reader.row(line, fields).ts_us // 1_000_000, tz=zone).date()
            if day not in known:
                known.add(day)
                if session_of(day, profile.underlying.calendar) is not None:
                    found.add(day)
    finally:
        lines.close()
    return tuple(sorted(day for day in found if spec.cut is None or spec.cut.holds(day)))
