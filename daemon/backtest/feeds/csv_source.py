"""The rows of a csv file that count: within sessions, each moment once, ascending; clean stretches as arrays."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from config.schema import Profile
from daemon.backtest.feeds.csv_blocks import BlockReader, CleanBlock
from daemon.backtest.feeds.csv_columns import Columns, parse_header
from daemon.backtest.feeds.csv_lines import CsvLines
from daemon.backtest.feeds.csv_rows import CsvRow, RowReader
from daemon.backtest.feeds.findings import Findings
from daemon.core.events import Session
from daemon.venues.exchange_hours import HoursError, sessions_from
from daemon.venues.feeds.errors import FeedError
from daemon.venues.feeds.lean_rows import Bar

SMALL_BYTES = 1 << 12
"""A piece of the file that is read row by row where it is not clean."""


class CsvSource:
    """Iterate over it once. What is left out goes into the findings."""

    def __init__(self, path: Path, profile: Profile, findings: Findings, *, gap_us: int) -> None:
        """Reads the header. Raises FeedError."""
        self.lines = CsvLines(path)
        self.columns, self._reader = open_rows(self.lines, profile)
        self._blocks = BlockReader(self.columns)
        self._findings = findings
        self._gap_us = gap_us
        self._calendar = profile.underlying.calendar
        self._near: Session | None = None
        self._newest_us = 0
        """Of the newest row that counts."""

    def __iter__(self) -> Iterator[CsvRow | CleanBlock]:
        """The file is closed behind its last row. Raises FeedError."""
        waiting: CsvRow | None = None
        try:
            for piece in self._pieces():
                found = (piece,) if isinstance(piece, CleanBlock) else self._counting(piece)
                for row in found:
                    if waiting is not None and (isinstance(row, CleanBlock) or row.ts_us > waiting.ts_us):
                        yield waiting
                    if isinstance(row, CsvRow):
                        waiting = row
                        continue
                    # The last row waits, because the next piece may speak of its moment again.
                    waiting = _row(row, len(self.columns.legs))
                    if len(row.ts_us) > 1:
                        yield row.but_last()
            if waiting is not None:
                yield waiting
        except HoursError as error:
            raise FeedError(f"{self.lines.place()}: {error}") from None
        finally:
            self.lines.close()

    def session_at(self, ts_us: int) -> Session:
        """The session that a moment lies in, its close included, or the next one. Raises HoursError."""
        near = self._near
        if near is None or not near.open_us <= ts_us <= near.close_us:
            # One microsecond back: at the very close it is still that session.
            near = self._near = sessions_from(ts_us - 1, 1, self._calendar)[0]
        return near

    def _pieces(self) -> Iterator[CleanBlock | bytes]:
        """Clean blocks, and bytes that must be read row by row."""
        waiting: list[bytes] = []
        while piece := waiting.pop() if waiting else self.lines.block():
            if not self._blocks.is_able:
                yield piece
                continue
            clean = self._clean(piece)
            if clean is not None:
                self._newest_us = int(clean.ts_us[-1])
                yield clean
                continue
            # Mostly one odd row, or the night, spoils it: both halves are tried.
            middle = piece.find(b"\n", len(piece) // 2) + 1 if len(piece) > SMALL_BYTES else 0
            if 0 < middle < len(piece):
                waiting += [piece[middle:], piece[:middle]]
            else:
                yield piece

    def _clean(self, piece: bytes) -> CleanBlock | None:
        """The piece as arrays, where each of its lines is a plain step later than the newest."""
        found = self._blocks.read(piece, self.lines.next_line)
        if found is None or found.ts_us[0] <= self._newest_us:
            return None
        session = self.session_at(int(found.ts_us[0]))
        if found.ts_us[0] < session.open_us or found.ts_us[-1] >= session.close_us:
            return None
        if len(found.ts_us) > 1 and np.diff(found.ts_us).max() > self._gap_us:
            return None
        self.lines.pass_over(piece)
        return found

    def _counting(self, piece: bytes) -> Iterator[CsvRow]:
        """The rows of a piece that count; one that takes the place of another of its moment follows it."""
        for line, fields in self.lines.lines_of(piece):
            row = self._reader.row(line, fields)
            if row.ts_us < self._newest_us:
                self._findings.add("late_row", ts_us=row.ts_us, detail=f"line {line}")
                continue
            session = self.session_at(row.ts_us)
            if not session.open_us <= row.ts_us <= session.close_us:
                self._findings.add("outside_session", ts_us=row.ts_us, detail=f"line {line}")
                continue
            if row.ts_us == self._newest_us:
                self._findings.add("duplicate_ts", ts_us=row.ts_us, detail=f"line {line}")
            self._newest_us = row.ts_us
            yield row


def _row(block: CleanBlock, legs: int) -> CsvRow:
    """The last row of a block, as the row reader gives it."""
    ts_us = int(block.ts_us[-1])
    return CsvRow(
        ts_us=ts_us,
        line=block.first_line + len(block.ts_us) - 1,
        stock=Bar(label_us=ts_us, bid=float(block.bid[-1]), ask=float(block.ask[-1])),
        last=None if block.last is None else float(block.last[-1]),
        legs=(None,) * legs,
    )


def synthetic_spread_usd(profile: Profile) -> float:
    """What stands for a spread where the file has none."""
    return 0.02 if profile.simulator is None else profile.simulator.synthetic.spread_usd


def open_rows(lines: CsvLines, profile: Profile) -> tuple[Columns, RowReader]:
    """Read the header; what comes next is behind it. Raises FeedError."""
    for _, names in lines:
        place = lines.place()
        if len(names) == 1:
            for other, word in ((";", "semicolons"), ("\t", "tabs")):
                if other in names[0]:
                    raise FeedError(f"{place}: the columns are separated by {word}; use commas")
        columns = parse_header(names, profile, place)
        spread = synthetic_spread_usd(profile)
        return columns, RowReader(columns, names, spread_usd=spread, place=str(lines.path))
    raise FeedError(f"{lines.path} is empty: it needs a header like timestamp,bid,ask")
