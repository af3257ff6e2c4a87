"""`ops --count-by`: how many operations, by group."""

from typing import TYPE_CHECKING, Any

from cli.output import cell, console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from state.query import Count, GroupBy

_UNNAMED = "\u2013"


def counts_as_json(counts: "Sequence[Count]", by: "Sequence[GroupBy]") -> list[dict[str, Any]]:
    """One object per group: its names, the count, and the sum of the quantities."""
    return [
        dict(zip(by, count.key, strict=True)) | {"count": count.count, "quantity": count.quantity} for count in counts
    ]  # fmt: skip


def print_counts(counts: "Sequence[Count]", by: "Sequence[GroupBy]", *, quantity: bool) -> None:
    """A table with one line per group and the total under it; there is at least one group.

    `quantity` adds what was asked to be added up: of one type it means something, of an intent and its fill it is
    the same shares twice.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=len(counts) > 1, footer_style="bold")
    for number, name in enumerate(by):
        table.add_column(name, footer="" if number else "all", overflow="fold")
    table.add_column("operations", f"{sum(count.count for count in counts):,}", justify="right", no_wrap=True)
    if quantity:
        added = [count.quantity for count in counts if count.quantity is not None]
        table.add_column("quantity", f"{sum(added):,.10g}" if added else "", justify="right", no_wrap=True)
    for count in counts:
        numbers = [f"{count.count:,}"]
        if quantity:
            numbers.append("" if count.quantity is None else f"{count.quantity:,.10g}")
        table.add_row(*(cell(name) if name is not None else _UNNAMED for name in count.key), *numbers)
    console().print(table)
