"""The pieces of the report's page: tables, bars, sections. Everything that is not ours is escaped here."""

import html
from collections.abc import Iterable, Sequence

from daemon.backtest.report_words import MINUS


def esc(value: object) -> str:
    """Text as text, whatever stands in it."""
    return html.escape(str(value), quote=True)


def table(heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[object]], *, name: str) -> str:
    """Heads with `l` or `r` (numbers). The table scrolls within its own box, never the page."""
    head = "".join(f'<th scope="col" class="{side}">{esc(words)}</th>' for words, side in heads)
    sides = [side for _, side in heads]
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{side}">{esc(value)}</td>' for value, side in zip(row, sides, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{esc(name)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def diverging(rows: Sequence[tuple[str, float, str, str]]) -> str:
    """(name, value, value in words, about) as bars left and right of a common zero."""
    most = max((abs(value) for _, value, _, _ in rows), default=0.0) or 1.0
    lowest = min(0.0, *(value for _, value, _, _ in rows))
    highest = max(0.0, *(value for _, value, _, _ in rows))
    room = (highest - lowest) or most
    zero = -lowest / room * 100
    cells = []
    for name, value, words, about in rows:
        width = abs(value) / room * 100
        left = zero - width if value < 0 else zero
        role = "loss" if value < 0 else "gain"
        cells.append(
            f'<div class="row"><dt>{esc(name)}<small>{esc(about)}</small></dt><dd class="num">{esc(words)}</dd>'
            f'<dd class="track" aria-hidden="true"><i class="{role}" style="left:{left:.2f}%;width:{width:.2f}%"></i>'
            f'<b style="left:{zero:.2f}%"></b></dd></div>'
        )
    return f'<dl class="bars">{"".join(cells)}</dl>'


def counted(rows: Sequence[tuple[str, int, str]]) -> str:
    """(name, count, about) as bars from the left, most first."""
    most = max((count for _, count, _ in rows), default=0) or 1
    cells = "".join(
        f'<div class="row"><dt>{esc(name)}</dt><dd class="num">{count:,}<small>{esc(about)}</small></dd>'
        f'<dd class="track" aria-hidden="true"><i class="plain" style="left:0;width:{count / most * 100:.2f}%"></i>'
        "</dd></div>"
        for name, count, about in rows
    )
    return f'<dl class="bars">{cells}</dl>'


_SIGNED = ("P&L", "Return", "Sharpe", "Sortino")


def tile(name: str, value: str, about: str) -> str:
    """One key figure; a loss has its colour beside its sign."""
    sign = " neg" if name in _SIGNED and value.startswith(MINUS) else ""
    return f'<div class="tile"><dt>{esc(name)}</dt><dd class="big{sign}">{esc(value)}</dd><dd>{esc(about)}</dd></div>'


def section(key: str, title: str, about: str, body: str) -> str:
    """A section with its heading and a sentence."""
    return (
        f'<section id="{esc(key)}" aria-labelledby="{esc(key)}-head"><h2 id="{esc(key)}-head">{esc(title)}</h2>'
        f'<p class="about">{esc(about)}</p>{body}</section>'
    )


def folded(words: str, body: str) -> str:
    """What few need, one touch away; printed in full."""
    return f"<details><summary>{esc(words)}</summary>{body}</details>"


def nothing(words: str) -> str:
    """An empty state."""
    return f'<p class="nothing">{esc(words)}</p>'
