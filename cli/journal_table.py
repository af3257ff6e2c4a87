"""The table of `ops`: one operation a line, numbers under numbers with their unit in the head."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cli.output import console

if TYPE_CHECKING:
    from state.records import JournalLine

OWN_TIME_APART_US = 60 * 1_000_000
"""From so far apart on, a desk's own time is a market's and not the wall clock's: the reader must be told."""
_UNITS = {"share": "shares", "contract": "contracts"}


def is_market_time(ts: str, wall_ts: str) -> bool:
    """Whether a desk's `ts` is another time than the machine's: a made-up market, a replay, an accelerated run."""
    from state.times import us_from_iso

    try:
        return abs(us_from_iso(ts) - us_from_iso(wall_ts)) > OWN_TIME_APART_US
    except ValueError:
        return False


def print_table(lines: "Sequence[JournalLine]") -> None:
    """Print the operations in the order given; there is at least one."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    market = is_market_time(lines[-1].ts, lines[-1].wall_ts)
    table.add_column("seq", justify="right")
    for title in ("market time (UTC)" if market else "time (UTC)", "type", "about"):
        table.add_column(title, no_wrap=True)
    table.add_column(_head("quantity", {line.unit for line in lines}), justify="right", no_wrap=True)
    table.add_column(_head("price", {line.ccy for line in lines}), justify="right", no_wrap=True)
    for title in ("status", "reason"):
        table.add_column(title, overflow="fold")
    decimals = max((_decimals(line.price) for line in lines if line.price is not None), default=2)
    for line in lines:
        quantity = "" if line.quantity is None else f"{line.side or ''} {line.quantity:g}".strip()
        price = "" if line.price is None else f"{line.price:.{decimals}f}"
        cells: list[Any] = [line.seq, line.ts[:19].replace("T", " "), line.type.value, _about(line), quantity, price]
        cells += [line.status or "", _why(line)]
        table.add_row(*(_literal(cell) for cell in cells))
    console().print(table)


def _head(title: str, units: set[str | None]) -> str:
    """`quantity (shares)`, when every number below has the same unit."""
    named = units - {None}
    if len(named) != 1:
        return title
    unit = str(named.pop())
    return f"{title} ({_UNITS.get(unit, unit)})"


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


def _literal(cell: Any) -> str:
    """Text as it is: a reason such as `[red]` is no markup."""
    from rich.markup import escape

    return escape(str(cell))
