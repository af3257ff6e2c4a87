"""The table of `ops`: one operation a line, numbers under numbers with their unit in the head."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cli.output import cell, console

if TYPE_CHECKING:
    from state.records import JournalLine

OWN_TIME_APART_US = 60 * 1_000_000
"""From so far apart on, a desk's own time is a market's and not the wall clock's: the reader must be told."""
NARROW_BELOW = 120
"""Columns: an SSH window of 80 must still show what happened and why."""
_UNITS = {"share": "shares", "contract": "contracts"}


def is_market_time(ts: str, wall_ts: str) -> bool:
    """Whether a desk's `ts` is another time than the machine's: a made-up market, a replay, an accelerated run."""
    from state.times import us_from_iso

    try:
        return abs(us_from_iso(ts) - us_from_iso(wall_ts)) > OWN_TIME_APART_US
    except ValueError:
        return False


def print_table(lines: "Sequence[JournalLine]") -> None:
    """Print the operations in the order given; there is at least one. A narrow terminal gets shorter cells."""
    from rich.table import Table

    terminal = console()
    narrow = terminal.width < NARROW_BELOW
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    whose = "market time" if is_market_time(lines[-1].ts, lines[-1].wall_ts) else "time"
    table.add_column("seq", justify="right", no_wrap=True)
    for title in (whose if narrow else f"{whose} (UTC)", "type", "about"):
        table.add_column(title, no_wrap=not narrow or title == "type", overflow="fold")
    for title, units in (("quantity", {line.unit for line in lines}), ("price", {line.ccy for line in lines})):
        table.add_column(_head(title, units, narrow=narrow), justify="right", no_wrap=True)
    for title in ("what",) if narrow else ("status", "reason"):
        table.add_column(title, overflow="fold")
    decimals = max((_decimals(line.price) for line in lines if line.price is not None), default=2)
    one_day = len({line.ts[:10] for line in lines}) == 1
    for line in lines:
        quantity = "" if line.quantity is None else f"{line.side or ''} {line.quantity:g}".strip()
        price = "" if line.price is None else f"{line.price:.{decimals}f}"
        shown, about = line.ts[:19].replace("T", " "), _about(line)
        outcome = [line.status or "", _why(line)]
        if narrow:
            shown = shown[11:] if one_day else shown[5:]
            about = about.removeprefix(f"{line.desk}.")
            outcome = [": ".join(part for part in outcome if part)]
        cells: list[Any] = [line.seq, shown, line.type.value, about, quantity, price, *outcome]
        table.add_row(*(cell(each) for each in cells))
    terminal.print(table)


def _head(title: str, units: set[str | None], *, narrow: bool) -> str:
    """`quantity (shares)`, or `shares` where it must be short, when every number below has the same unit."""
    named = units - {None}
    if len(named) != 1:
        return title
    unit = cell(named.pop())
    name = _UNITS.get(unit, unit)
    return name if narrow else f"{title} ({name})"


def _decimals(price: float) -> int:
    """How many decimals a price needs, 2 to 4: all are written with as many, so that the points stand in a column."""
    return max(2, len(f"{price:.4f}".rstrip("0").partition(".")[2]))


def _about(line: "JournalLine") -> str:
    """The order, else the command, else the instrument that the line speaks of."""
    command = (line.data or {}).get("command")
    return line.order_ref or line.intent_id or (str(command) if command else None) or line.instrument or ""


def _why(line: "JournalLine") -> str:
    """`daily_loss: loss 2.70 USD, limit 0.50`, `lunch (by anna)`."""
    data = line.data or {}
    parts = [part for part in (line.reason, data.get("detail")) if part]
    by = data.get("by")
    return ": ".join(str(part) for part in parts) + (f" (by {by})" if by else "")
