"""The decision table of a backtest, a page at a time, narrowed down by what became of the moments.

Which rows match is found once from three small columns; of the rest only the row groups of one page are read.
"""

from typing import Any, Final, Literal

import msgspec
import numpy as np
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from cockpit import wording
from cockpit.reader import Reader
from cockpit.runs.columns import RunColumns
from cockpit.runs.store import store
from cockpit.tables import Row, Table, Tone
from state.runs.folder import BacktestPaths
from state.runs.tables import RunTable, numbers_of, times_of
from state.times import iso_from_us

Which = Literal["needed", "hedged", "refused", "all"]
WHICH: Final[tuple[Which, ...]] = ("needed", "hedged", "refused", "all")
PAGE: Final = 100
_SHOWN = (
    "ts_us", "ts", "spot", "net_delta_shares", "own_shares", "state_code", "needed", "hedged", "side",
    "quantity_shares", "price", "commission_usd", "refused", "measured", "limit", "measured_text", "limit_text",
)  # fmt: skip


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the matching rows, oldest first. `total` match, of `rows` in the table."""

    table: Table
    total: int
    rows: int
    pages: int


def page_of(
    paths: BacktestPaths, reader: Reader, *, which: Which, rule: str = "", session: str = "", page: int = 0
) -> Found:
    """One page. Raises UnreadableError."""
    matching = store.made((which, rule, session), (paths.decisions,), lambda: _matching(paths, which, rule, session))
    pages = max(1, -(-matching.size // PAGE))
    page = min(max(page, 0), pages - 1)
    with RunTable(paths.decisions) as table:
        rows = table.rows
        found = table.rows_at(matching[page * PAGE : (page + 1) * PAGE], _SHOWN)
    first, last = page * PAGE + 1, min((page + 1) * PAGE, matching.size)
    aside = reader.say(
        "backtests.decisions.aside", first=f"{first:,d}", last=f"{last:,d}", n=f"{matching.size:,d}", rows=f"{rows:,d}"
    )
    return Found(
        table=_table(found, reader, aside if matching.size else ""), total=int(matching.size), rows=rows, pages=pages
    )


def _matching(paths: BacktestPaths, which: Which, rule: str, session: str) -> NDArray[np.int64]:
    with RunTable(paths.decisions) as table:
        found = table.columns(("needed", "hedged", "refused", "session"))
    fits = np.ones(found.num_rows, dtype=bool)
    if which != "all" and which in found.column_names:
        fits &= _refused(found) if which == "refused" else _true(found.column(which))
    if rule and "refused" in found.column_names:
        fits &= _true(pc.equal(found.column("refused").cast("string"), rule))
    if session and "session" in found.column_names:
        fits &= _true(pc.equal(found.column("session").cast("string"), session))
    return np.flatnonzero(fits)


def _refused(found: Any) -> NDArray[np.bool_]:
    """A rule stands there, also where an empty text means none."""
    return _true(pc.not_equal(found.column("refused").cast("string"), ""))


def _true(column: Any) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(pc.cast(column, "bool"), False).to_numpy(zero_copy_only=False), dtype=bool)  # noqa: FBT003


def _table(found: Any, reader: Reader, aside: str) -> Table:
    to = RunColumns(lambda name: reader.say(f"backtests.columns.{name}"))
    return Table(
        title=reader.say("backtests.decisions.title"),
        aside=aside,
        columns=(
            to.left("time", unit=reader.zone_name),
            to.right("spot", "USD"),
            to.right("net_delta", reader.say("units.shares")),
            to.right("own", reader.say("units.shares")),
            to.left("state_code"),
            to.left("outcome"),
            to.right("price", "USD"),
            to.right("commission", "USD"),
            to.left("rule"),
            to.right("measured"),
            to.right("limit"),
        ),
        rows=_rows(found, reader) if found.num_rows else (),
        empty=reader.say("backtests.decisions.empty"),
    )


def _rows(found: Any, reader: Reader) -> tuple[Row, ...]:
    ts_us = times_of(found)
    numbers = {
        name: numbers_of(found, name)
        for name in ("spot", "net_delta_shares", "own_shares", "quantity_shares", "price", "commission_usd")
    }
    words = {
        name: found.column(name).to_pylist() if name in found.column_names else [None] * found.num_rows
        for name in (
            "state_code",
            "needed",
            "hedged",
            "side",
            "refused",
            "measured",
            "limit",
            "measured_text",
            "limit_text",
        )
    }
    rows = []
    for at in range(found.num_rows):
        refused = words["refused"][at] or ""
        rule = wording.rule(str(refused), reader) if refused else wording.DASH
        cells = (
            reader.day_and_time(iso_from_us(int(ts_us[at]))),
            _number(numbers["spot"][at], 4),
            _number(numbers["net_delta_shares"][at], 1, signed=True),
            _number(numbers["own_shares"][at], 0, signed=True),
            str(words["state_code"][at] or wording.DASH),
            _outcome(words, numbers["quantity_shares"][at], at, reader),
            _number(numbers["price"][at], 4),
            _number(numbers["commission_usd"][at], 2),
            rule,
            _told(words["measured"][at], words["measured_text"][at], str(refused), reader),
            _told(words["limit"][at], words["limit_text"][at], str(refused), reader),
        )
        rows.append(Row(key=f"{ts_us[at]}-{at}", cells=cells, tone=_tone(words, at)))
    return tuple(rows)


def _outcome(words: dict[str, list[Any]], quantity: float, at: int, reader: Reader) -> str:
    if words["hedged"][at]:
        size = "" if np.isnan(quantity) else wording.shares(float(quantity))
        return f"{words['side'][at] or ''} {size}".strip() or reader.say("backtests.decisions.hedged")
    if words["refused"][at]:
        return reader.say("backtests.decisions.refused")
    return reader.say("backtests.decisions.needed") if words["needed"][at] else wording.DASH


def _tone(words: dict[str, list[Any]], at: int) -> Tone | None:
    return None if words["needed"][at] or words["hedged"][at] else "foreign"


def _number(value: float, decimals: int, *, signed: bool = False) -> str:
    return wording.DASH if np.isnan(value) else wording.number(float(value), decimals=decimals, signed=signed)


def _told(value: Any, text: Any, rule: str, reader: Reader) -> str:
    """A measured value or limit in the unit of its rule; a text where it is no number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:  # noqa: PLR0124 - no NaN
        return wording.with_unit(rule, float(value), reader)
    return reader.phrase(str(text)) if text else wording.DASH
