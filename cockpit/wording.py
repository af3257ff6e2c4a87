"""How values read on a page: numbers with their unit's decimals, ages, times, and the words of a state.

Pure. Every function takes what a record holds, missing (None) included, and returns text to show.
Nothing here is markup: whoever shows it must not interpret it.
"""

from typing import Literal

from cockpit.reader import DASH as DASH  # noqa: PLC0414 - the dash is a word like the others
from cockpit.reader import Reader
from state.records import SessionState

MINUS = "\N{MINUS SIGN}"
Kind = Literal["simulated", "paper", "live", "unknown"]


def number(value: float | None, *, decimals: int = 0, signed: bool = False) -> str:
    """`-1234.5` -> `1,234.5` after a true minus, thousands apart, no negative zero; a dash when missing."""
    if value is None:
        return DASH
    text = f"{abs(value):,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return text
    if value < 0:
        return MINUS + text
    return f"+{text}" if signed else text


def usd(value: float | None, *, signed: bool = False) -> str:
    """Dollars to the cent."""
    return number(value, decimals=2, signed=signed)


def shares(value: float | None, *, signed: bool = False) -> str:
    """A quantity: whole when it is whole, else one decimal (deltas are not whole)."""
    if value is None:
        return DASH
    return number(value, decimals=0 if abs(value - round(value)) < 1e-9 else 1, signed=signed)


def percent(value: float | None, *, decimals: int = 2, signed: bool = False) -> str:
    """A percentage with its sign `%`."""
    text = number(value, decimals=decimals, signed=signed)
    return text if value is None else f"{text} %"


def drawdown(value_pct: float | None) -> str:
    """The snapshot's drawdown is a positive depth; it is read as a loss, so it gets a minus."""
    return DASH if value_pct is None else percent(-abs(value_pct))


def age(age_ms: float | None) -> str:
    """`240 ms`, `3.2 s`, `42 s`, `5 min`, `3 h`, `2 d`."""
    if age_ms is None:
        return DASH
    seconds = max(0.0, age_ms) / 1000
    for below_s, unit_s, decimals, unit in _AGES:
        if seconds < below_s:
            return f"{seconds / unit_s:.{decimals}f} {unit}"
    return f"{seconds / 86400:.0f} d"


_AGES = ((1, 0.001, 0, "ms"), (10, 1, 1, "s"), (120, 1, 0, "s"), (7200, 60, 0, "min"), (172_800, 3600, 0, "h"))


def session(state: SessionState | None, *, now_iso: str | None, reader: Reader) -> str:
    """`OPEN until 20:00Z`, `CLOSED until 2014-06-06 13:30Z`, or a dash."""
    if state is None:
        return DASH
    word = "OPEN" if state.is_open else "CLOSED"
    return word if state.until is None else f"{word} until {reader.until(state.until, now_iso=now_iso)}"


def account_kind(kind: str | None) -> Kind:
    """The word of the mode box. An account of unknown kind is treated as such, never as harmless."""
    if kind in ("simulated", "paper", "live"):
        return kind  # type: ignore[return-value]  # narrowed by the line above
    return "unknown"


def measured(value: str | float | None) -> str:
    """A measured value or limit without a known unit: numbers short, text as it is."""
    if value is None:
        return DASH
    if isinstance(value, str):
        return value
    if abs(value) >= 1000 or abs(value - round(value)) < 1e-9:
        return number(value)
    return f"{value:.4g}".replace("-", MINUS)


_UNITS = {"_pct": "%", "_shares": "shares", "_usd": "USD", "_s": "s"}
_KNOWN_CHECKS = {
    "quote_age": "_ms",
    "quote_age_near": "_ms",
    "data_lag": "_ms",
    "event_loop": "_ms",
    "order_age": "_ms",
    "probe": "_ms",
    "spread": "_pct",
    "spread_near": "_pct",
    "greeks": "_shares",
    "force_hedge": "_shares",
    "closed_delta": "_shares",
    "foreign_shares": "_shares",
}
"""Checks of our own daemon whose names do not end with their unit."""


def with_unit(name: str, value: str | float | None) -> str:
    """A check's value in the unit that its name stands for: `quote_age`, 14210 -> `14 s`."""
    if value is None or isinstance(value, str):
        return measured(value)
    ending = _KNOWN_CHECKS.get(name, name)
    if ending.endswith("_ms"):
        return age(value)
    unit = next((unit for known, unit in _UNITS.items() if ending.endswith(known)), "")
    return f"{measured(value)} {unit}".rstrip()


def check_name(name: str) -> str:
    """`loop_age_ms` -> `loop age`: the unit is shown with the value."""
    ending = next((ending for ending in ("_ms", *_UNITS) if name.endswith(ending)), "")
    return name.removesuffix(ending).removesuffix("_near").replace("_", " ")
