"""What the commands print: results on stdout, everything else on stderr, colour only where a person looks."""

import os
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_FRACTION = re.compile(r"(?<=:\d\d)\.\d+(?=Z)")
_COLOURS = {"green": "32", "yellow": "33", "red": "31", "not_live": "35", "bold": "1", "dim": "2"}
_CONTROLS = "\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_STEERS = re.compile(rf"[\x1b{_CONTROLS}]")
"""What moves the cursor or turns the text's direction: a name or a reason of a file must not repaint the terminal."""
_STEERS_BUT_OURS = re.compile(rf"\x1b(?!\[(?:0|{'|'.join(_COLOURS.values())})m)|[{_CONTROLS}]")


def say(text: str = "") -> None:
    """A line of result. A terminal that was closed takes nothing; the command goes on."""
    _write(sys.stdout, _STEERS_BUT_OURS.sub("?", text))


def complain(text: str) -> None:
    """A line about the command itself: an error, a hint, progress."""
    _write(sys.stderr, _STEERS_BUT_OURS.sub("?", text))


def _write(stream: Any, text: str) -> None:
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError:
        # The terminal behind us is gone (EIO): `up` must still end its children in order.
        return


def coloured(text: str, name: str) -> str:
    """Wrap in an ANSI colour when stdout is a terminal and NO_COLOR is unset."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m"


def to_the_second(text: str) -> str:
    """Times in a sentence without their microseconds: they are in the files for who needs them."""
    return _FRACTION.sub("", text)


def say_json(value: Any) -> None:
    """One JSON object, keys as the records spell them; a number that is not finite is null."""
    import msgspec

    _write(sys.stdout, msgspec.json.encode(value).decode())


def cell(value: object) -> str:
    """A table's cell as it is: `[red]` is no markup, and nothing in it steers the terminal."""
    from rich.markup import escape

    return escape(_STEERS.sub("?", str(value)))


def console() -> "Console":
    """A rich console for tables; it honours NO_COLOR and wraps at the terminal's width, or at 160 in a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)
