"""`tape:PATH`: the prices that daemons recorded, over files and runs, as one market."""

from datetime import UTC, date, datetime
from pathlib import Path

from config.schema import Profile
from daemon.backtest.feeds.asked import asked_legs, refuse_expired
from daemon.backtest.feeds.findings import Findings
from daemon.backtest.feeds.sliced import SlicedMarket
from daemon.backtest.feeds.spec import Spec
from daemon.backtest.feeds.tape_files import RecordedTape, find_tapes
from daemon.backtest.feeds.tape_market import TapeMarket
from daemon.venues.exchange_hours import sessions_between, sessions_from
from daemon.venues.feeds.errors import FeedError
from daemon.venues.feeds.tape import newest_event
from daemon.venues.simulated.model import Market
from state.runs.records import Finding
from state.tape import TapeError
from state.times import iso_from_us

CLOCK_EVERY_MS = 500


class TapeFeed:
    """Implements `daemon.backtest.feeds.feed.Feed`."""

    clock_every_ms: int | None = CLOCK_EVERY_MS

    def __init__(self, spec: Spec, profile: Profile, *, base: Path, root: Path | None) -> None:
        """Raises FeedError: no tape, none that can be read, another underlying, no quote, a leg that is over."""
        self._spec, self._profile = spec, profile
        self._where = (base, root)
        path, self._tapes = find_tapes(spec.rest, base=base, root=root, findings=Findings())
        self._path = path
        _check_symbol(self._tapes, profile.underlying.symbol, path)
        self.spec = f"tape:{path}{spec.cut or ''}"
        self._tape, self.market = self._opened()
        first_us = self._tape.first_us
        if first_us is None:
            raise FeedError(f"{path} holds no quote of {profile.underlying.symbol}: there is nothing to run over")
        opening = sessions_from(first_us, 1, profile.underlying.calendar)[0]
        refuse_expired(self._tape.contracts, opening.open_us, date.fromisoformat(opening.date), self.spec)
        runs, desks = {tape.run_id for tape in self._tapes}, sorted({tape.desk for tape in self._tapes})
        self.description = (
            f"{profile.underlying.symbol} from {iso_from_us(first_us)[:10]}, recorded by desk {', '.join(desks)} in "
            f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}, {len(asked_legs(profile))} option legs"
        )

    def rewind(self) -> None:
        """As the protocol says."""
        self._tape, self.market = self._opened()

    def _opened(self) -> tuple[TapeMarket, Market]:
        findings = Findings()
        base, root = self._where
        _, self._tapes = find_tapes(self._spec.rest, base=base, root=root, findings=findings)
        tape = TapeMarket(self._tapes, self._profile, findings)
        return tape, tape if self._spec.cut is None else SlicedMarket(tape, self._spec.cut)

    @property
    def data_hash(self) -> str:
        """SHA-256 over the quotes and sessions read so far, as the tapes hold them."""
        return self._tape.digest.hexdigest()

    def findings(self) -> tuple[Finding, ...]:
        """As the protocol says."""
        return self._tape.findings.rows()

    def done(self) -> float:
        """0 to 1, by bytes."""
        return self._tape.done()


def _check_symbol(tapes: list[RecordedTape], symbol: str, path: Path) -> None:
    others = sorted({tape.underlying for tape in tapes if tape.underlying not in (None, symbol)} - {None}, key=str)
    if others and all(tape.underlying != symbol for tape in tapes):
        names = ", ".join(str(each) for each in others)
        raise FeedError(f"{path} was recorded of {names}, the profile's underlying is {symbol}: change one of them")


def tape_days(spec: Spec, profile: Profile, *, base: Path, root: Path | None) -> tuple[date, ...]:
    """The session days between each tape's first and last moment. Raises FeedError."""
    _, tapes = find_tapes(spec.rest, base=base, root=root, findings=Findings())
    found: set[date] = set()
    for tape in tapes:
        try:
            newest = newest_event(tape.path)
        except TapeError:
            newest = None
        end_us = tape.start_us if newest is None else newest[1].ts_us
        for session in sessions_between(_day(tape.start_us), _day(end_us), profile.underlying.calendar):
            if session.open_us <= end_us and session.close_us > tape.start_us:
                found.add(date.fromisoformat(session.date))
    return tuple(sorted(day for day in found if spec.cut is None or spec.cut.holds(day)))


def _day(ts_us: int) -> date:
    return datetime.fromtimestamp(ts_us // 1_000_000, tz=UTC).date()
