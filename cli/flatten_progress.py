"""The steps of a flatten as the journal tells them, in words for the terminal of whoever waits for it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from state.records import JournalLine


def words(line: "JournalLine") -> str | None:
    """One sentence for a line that a waiting operator wants to hear of; None for every other."""
    told = _WORDS.get(line.type.value)
    return None if told is None else told(line)


def _seen(line: "JournalLine") -> str | None:
    return "seen" if _fact(line, "command") == "flatten" else None


def _started(line: "JournalLine") -> str | None:
    if _fact(line, "command") != "flatten":
        return None
    again = "goes on" if _fact(line, "resumed") else "started"
    return f"{again}: own {_number(_fact(line, 'own_shares'))} shares, to be {_number(_fact(line, 'target_shares'))}"


def _sized(line: "JournalLine") -> str:
    attempt = _fact(line, "attempt")
    tries = f" (try {int(attempt) + 1})" if isinstance(attempt, int | float) and attempt else ""
    return f"closing: {line.side} {_number(line.quantity)} shares{tries}"


def _filled(line: "JournalLine") -> str:
    own = _number(_fact(line, "own_shares"))
    return f"filled {_number(line.quantity)} at {_number(line.price)}; own {own} shares now"


def _ended(line: "JournalLine") -> str:
    why = f": {line.reason}" if line.reason else ""
    return f"order {line.order_ref} {line.status}{why}"


def _unknown(line: "JournalLine") -> str:
    return f"what became of order {line.order_ref} is not known; it is asked for again over a new connection"


def _stuck(line: "JournalLine") -> str:
    return f"NOT CLOSING: {_fact(line, 'detail')}"


def _verified(line: "JournalLine") -> str:
    return f"verified {line.status}: own {_number(line.quantity)} shares by two reads"


_WORDS: dict[str, Callable[["JournalLine"], str | None]] = {
    "control_seen": _seen,
    "control_started": _started,
    "flatten_sized": _sized,
    "partial_fill": _filled,
    "fill": _filled,
    "cancelled": _ended,
    "rejected": _ended,
    "unknown_outcome": _unknown,
    "flatten_stuck": _stuck,
    "flatten_verified": _verified,
}


def _fact(line: "JournalLine", key: str) -> object:
    return None if line.data is None else line.data.get(key)


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "-"
