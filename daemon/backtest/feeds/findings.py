"""What was odd in the data, counted: one row for each kind and instrument, however often it was met."""

import msgspec

from state.runs.records import Finding
from state.times import iso_from_us

SENTENCES = {
    "missing_day": "session days without a recording: left out, the positions stay as they are",
    "gap": "minutes without a row of their own, in stretches of more than five: the last quote stands",
    "no_quotes": "session days on which the leg has no row at all: it is valued by its model, if at all",
    "not_recorded": "session days of which the leg was not recorded: it is valued by its model, if at all",
    "no_bid": "minutes without a bid",
    "no_ask": "minutes without an ask",
    "empty_side": "sides that a row left empty: the last value of the session stands",
    "sentinel": "prices that are none (not positive, or at the recording's word for none): no quote",
    "not_positive": "prices that are zero, negative or no number: no quote",
    "crossed": "rows with bid above ask: no quote until the next row",
    "outlived": "standing sides that a newer opposite side has passed: no quote",
    "unsorted": "rows earlier than the row above them",
    "duplicate_ts": "rows for a moment that has one already: the later row of the file holds",
    "outside_session": "rows outside the regular session: left out",
    "late_row": "rows earlier than the row above them: left out",
    "silence": "longer silences within a session than the file's spacing explains: the last quotes stand",
    "cut_off": "files whose last line has no line end: it is used, and may have been cut off",
    "unused_column": "columns that this profile does not ask for: left out",
    "unquoted_leg": "legs without any column: priced by the profile's fixed volatility",
    "price_level": "nights over which the price level changed: a split that the data does not adjust, perhaps",
    "torn_tape": "tape files end in the middle: what is whole is used",
    "damaged_tape": "tape files with a damaged line: what comes before it is used",
    "refused": "quotes of which the daemon refused a value (a sentinel, crossed, absurd): without that side",
    "tape_gap": "silences of more than a minute within a session: nothing was recorded",
    "trading_halt": "quotes during a trading halt: no quote",
    "delayed": "quotes that came late (delayed market data): used as they are",
    "unused_instrument": "quotes of instruments that this profile does not ask for: left out",
    "overlap": "events of a tape that lie before those of the tape ahead of it: left out",
}
"""Code -> what was counted: and what became of it."""


ROUTINE = frozenset({"outside_session", "empty_side", "outlived", "no_bid", "no_ask", "sentinel"})
"""What recordings of options are full of; the rest deserves the first look."""
LEVEL_CHANGE = 0.2
"""A first mid this far (as a part) from the last one of the session before is a `price_level`."""


class _Row(msgspec.Struct):
    count: int
    first_us: int | None
    detail: str


class Findings:
    """Collects; the rows come out in the order in which each kind was met first, what is routine behind the rest."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str | None], _Row] = {}

    def add(
        self, code: str, *, instrument: str | None = None, ts_us: int | None = None, count: int = 1, detail: str = ""
    ) -> None:
        """Count one kind of oddity; `detail` of the first one (a line, a file, numbers) ends its sentence."""
        if count == 0:
            return
        row = self._rows.get((code, instrument))
        if row is None:
            self._rows[code, instrument] = _Row(count=count, first_us=ts_us, detail=detail)
        else:
            row.count += count

    def rows(self) -> tuple[Finding, ...]:
        """As the summary of a run holds them; what every recording has comes last."""
        found = sorted(self._rows.items(), key=lambda each: each[0][0] in ROUTINE)
        return tuple(_finding(code, instrument, row) for (code, instrument), row in found)


def _finding(code: str, instrument: str | None, row: _Row) -> Finding:
    what, _, therefore = SENTENCES[code].partition(": ")
    text = f"{what}: {row.count}"
    if therefore:
        text = f"{text} ({therefore})"
    return Finding(
        code=code,
        text=f"{text}; first: {row.detail}" if row.detail else text,
        count=row.count,
        instrument=instrument,
        first_ts=None if row.first_us is None else iso_from_us(row.first_us),
        detail=row.detail,
    )
