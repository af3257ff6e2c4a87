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
Machine = Literal["trading", "hedge", "daemon", "link", "posture"]


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
    name = "open" if state.is_open else "closed"
    if state.until is None:
        return reader.say(f"wording.session.{name}")
    return reader.say(f"wording.session.{name}_until", until=reader.until(state.until, now_iso=now_iso))


def account_kind(kind: str | None) -> Kind:
    """The word of the mode box. An account of unknown kind is treated as such, never as harmless."""
    if kind in ("simulated", "paper", "live"):
        return kind  # type: ignore[return-value]  # narrowed by the line above
    return "unknown"


def measured(value: str | float | None, reader: Reader) -> str:
    """A measured value or limit without a known unit: numbers short, a desk's sentence in the reader's language."""
    if value is None:
        return DASH
    if isinstance(value, str):
        return reader.phrase(value)
    if abs(value) >= 1000 or abs(value - round(value)) < 1e-9:
        return number(value)
    return f"{value:.4g}".replace("-", MINUS)


def unit(name: str, reader: Reader) -> str:
    """A unit of the files (`share`, `contracts`, `pct`, `orders_per_minute`) in words; an unknown one as it is."""
    return reader.say_known("units", name, name)


def quantity(value: float | None, of: str | None, reader: Reader) -> str:
    """`5 shares`, `1 contract`: a quantity with the unit that its record names in the singular; a dash when missing."""
    text = shares(value)
    if value is None or not of:
        return text
    return f"{text} {unit(of if value in (1, -1) else f'{of}s', reader)}"


_UNITS = {"_pct": "pct", "_shares": "shares", "_usd": "usd", "_s": "s"}
_KNOWN_CHECKS = {
    "quote_age": "_ms",
    "quote_age_near": "_ms",
    "data_lag": "_ms",
    "event_loop": "_ms",
    "order_age": "_ms",
    "probe": "_ms",
    "wall_clock": "_ms",
    "disk_speed": "_ms",
    "spread": "_pct",
    "spread_near": "_pct",
    "greeks": "_shares",
    "force_hedge": "_shares",
    "closed_delta": "_shares",
    "foreign_shares": "_shares",
    "flatten_dust": "_shares",
    "daily_loss": "_usd",
    "max_delta_limit": "_shares",
}
"""Checks and limits of our own daemon whose names do not end with their unit."""


def with_unit(name: str, value: str | float | None, reader: Reader) -> str:
    """A check's value in the unit that its name stands for: `quote_age`, 14210 -> `14 s`."""
    if value is None or isinstance(value, str):
        return measured(value, reader)
    ending = _KNOWN_CHECKS.get(name, name)
    if ending.endswith("_ms"):
        return age(value)
    known = next((each for end, each in _UNITS.items() if ending.endswith(end)), None)
    return measured(value, reader) if known is None else f"{measured(value, reader)} {unit(known, reader)}"


def check_name(name: str, reader: Reader) -> str:
    """`loop_age_ms` -> `loop age`: the unit is shown with the value."""
    ending = next((ending for ending in ("_ms", *_UNITS) if name.endswith(ending)), "")
    plain = name.removesuffix(ending).removesuffix("_near").replace("_", " ")
    halted_by = name.removeprefix("halt_")
    if halted_by != name:
        return reader.say_known("rules", halted_by, reader.say_known("reason_words", halted_by, plain))
    return reader.say_known("checks", name, plain)


def limit_name(name: str, reader: Reader) -> str:
    """A limit of the snapshot: `drawdown_pct` -> `drawdown`."""
    return reader.say_known("limits", name, check_name(name, reader))


def rule(name: str, reader: Reader) -> str:
    """What held a hedge back: a rule of the guard, a gate, or a reason code; English keeps the code, to search for."""
    return reader.say_known("rules", name, reader.say_known("reason_words", name, name))


def operation(kind: str, reader: Reader) -> str:
    """A kind of operation of the journal: `order_sent` -> `order sent`."""
    return reader.say_known("journal_types", kind, kind.replace("_", " "))


def status(word: str, reader: Reader) -> str:
    """How an operation stands: our own words are translated, a venue's stay as they are."""
    return reader.say_known("statuses", word, word)


def cause(reason: str, reader: Reader) -> str:
    """Why an operation happened: a code, a rule, a reason of the light, or a sentence of the desk."""
    known = reader.say_known("causes", reason, rule(reason, reader))
    return reader.phrase(reason) if known == reason else known


def state(machine: Machine, name: str | None, reader: Reader) -> str:
    """A state of one of the daemon's machines; English keeps the machine's own word."""
    return DASH if name is None else reader.say_known(f"states.{machine}", name, name.replace("_", " "))
