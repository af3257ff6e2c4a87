"""What the tables of figures share: heads, numbers to the cent, sections. They fit 80 columns and use 110 and more."""

import textwrap
from typing import Any

from cli.output import cell, coloured, console, say

NARROW_BELOW = 110
DASH = "-"


def table(*heads: tuple[str, str]) -> Any:
    """A table without lines. Beside each head: `l` left, `r` right (numbers under numbers), `w` left and may wrap."""
    from rich.table import Table

    apart = 1 if console().width < NARROW_BELOW else 2
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, apart, 0, 0))
    for head, side in heads:
        made.add_column(head, justify="right" if side == "r" else "left", no_wrap=side != "w", overflow="fold")
    return made


def add(rows: Any, *cells: object) -> None:
    """One row; what came from a file steers nothing."""
    rows.add_row(*(cell(each) for each in cells))


def show(rows: Any) -> None:
    """Print a table."""
    console().print(rows)


def section(words: str) -> None:
    """An empty line and a head."""
    say()
    say(coloured(words, "bold"))


def usd(value: float | None, *, signed: bool = True) -> str:
    """Dollars to the cent, no negative zero."""
    return number(value, 2, signed=signed)


def number(value: float | None, decimals: int = 2, *, signed: bool = False) -> str:
    """Thousands apart, no negative zero; a dash where it is not known."""
    if value is None:
        return DASH
    text = f"{value:{'+' if signed else ''},.{decimals}f}"
    return text.lstrip("+-") if float(text.replace(",", "")) == 0 else text


def plural(n: int, one: str, many: str) -> str:
    """The word for so many."""
    return one if n == 1 else many


def wrapped(text: str, indent: str = "") -> list[str]:
    """Lines no wider than the terminal; what follows the first is indented, long words stay whole."""
    return textwrap.wrap(
        text,
        max(40, console().width),
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
