"""Styled lines as the bytes that a terminal understands. Pure."""

from typing import Final

from cockpit.terminal.text import Line, Style

RESET: Final = "\x1b[0m"
_WITH_COLOUR: Final[dict[Style, str]] = {
    "plain": "",
    "dim": "2",
    "bold": "1",
    "green": "1;32",
    "yellow": "1;30;43",
    "red": "1;97;41",
    "not_live": "1;7",
    "warn": "33",
    "alarm": "1;31",
    "live_money": "1;97;45",
}
_WITHOUT_COLOUR: Final[dict[Style, str]] = {
    "plain": "",
    "dim": "2",
    "bold": "1",
    "green": "1",
    "yellow": "1;7",
    "red": "1;7",
    "not_live": "1;7",
    "warn": "4",
    "alarm": "1;7",
    "live_money": "1;7",
}
"""Calm is plain; what asks for action is a filled bar. Shape and word say the same where there is no colour."""


def painted(content: Line, *, colour: bool) -> str:
    """One line with its styles, ended by a reset."""
    codes = _WITH_COLOUR if colour else _WITHOUT_COLOUR
    return "".join(
        f"\x1b[{codes[span.style]}m{span.text}{RESET}" if codes[span.style] else span.text for span in content
    )


def bare(content: Line) -> str:
    """One line without any style, for a pipe."""
    return "".join(span.text for span in content).rstrip()
