"""What the commands print: results on stdout, everything else on stderr, colour only where a person looks."""

import os
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_FRACTION = re.compile(r"(?<=:\d\d)\.\d+(?=Z)")
_COLOURS = {"green": "32", "yellow": "33", "red": "31", "not_live": "35", "bold": "1", "dim": "2"}


def say(text: str = "") -> None:
    """A line of result. A terminal that was closed takes nothing; the command goes on."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """A line about the command itself: an error, a hint, progress."""
    _write(sys.stderr, text)


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

    say(msgspec.json.encode(value).decode())


def console() -> "Console":
    """A rich console for tables; it honours NO_COLOR and wraps at the terminal's width, or at 160 in a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)
