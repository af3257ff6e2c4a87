"""What may be searched: `KEY=LOW:HIGH[:STEP][:log]` or `KEY=v1,v2,v3`, read and checked against the schema's bounds.

A fault says in English what a command prints, and beside it what a page needs to say it in its own words: a code, the
part of the search that it is about, and the numbers.
"""

import math
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from config.searchable import Searchable, SearchKeyError, searchable
from config.yaml_tree import Node, UnreadableError, parse_profile_text

MOST_VALUES = 1_000_000
"""Along one key; more is a mistake in a step."""
EXAMPLES = "gates.intent.hedge.cooldown_seconds=30:120:30, or execution.order_type=market,limit"
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER})(?::({_NUMBER}))?(:log)?")

Part = Literal["key", "low", "high", "step", "values"]


class SpaceError(ValueError):
    """What was asked for cannot be searched. The text is one line that names the key and the remedy.

    `code` names the kind of fault; `numbers` are those of the text by name.
    """

    def __init__(self, text: str, *, code: str = "", part: Part = "key", **numbers: str) -> None:
        super().__init__(text)
        self.code, self.part, self.numbers = code, part, numbers


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """One key and what it may be, as `state.runs.records.Searched` holds it: bounds with a step, or the values."""

    key: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    integer: bool = False
    values: tuple[Any, ...] = ()


def parse_axis(pair: str, *, most_values: int = MOST_VALUES) -> Axis:
    """One `--search`. Raises SpaceError, also where a step makes more than `most_values`: none of them is made yet."""
    name, equals, text = (part.strip() for part in pair.partition("="))
    if not equals or not name or not text:
        said = f"--search {pair!r}: write KEY=LOW:HIGH:STEP or KEY=v1,v2, such as {EXAMPLES}"
        raise SpaceError(said, code="unreadable")
    try:
        key = searchable(name)
    except SearchKeyError as error:
        raise SpaceError(f"--search {error}", code="key", said=str(error)) from error
    matched = _RANGE.fullmatch(text)
    return _values(key, text) if matched is None else _range(key, text, matched, most_values)


def _range(key: Searchable, text: str, matched: re.Match[str], most_values: int) -> Axis:
    low, high, step, log = matched.groups()
    head = f"--search {key.key}"
    if key.kind == "choice":
        raise SpaceError(
            f"{head}: has no order, so no bounds; list its values ({key.bounds})", code="choice", bounds=key.bounds
        )
    first, last, by = float(low), float(high), None if step is None else float(step)
    integer, is_log = key.kind == "integer", log is not None
    for part, value in (("low", first), ("high", last), ("step", by or 0.0)):
        if integer and not value.is_integer():
            said = f"{head}={text}: must be {key.bounds}: bounds and step are whole numbers too"
            raise SpaceError(said, code="whole", part=part)  # type: ignore[arg-type]
    if first > last:
        raise SpaceError(f"{head}={text}: LOW is above HIGH; write {high}:{low}", code="order", part="high")
    if is_log and first <= 0:
        raise SpaceError(f"{head}={text}: a logarithm needs LOW > 0", code="log_low", part="low")
    if by is not None and by <= (1 if is_log else 0):
        said = "with log, STEP is a factor: it must be > 1" if is_log else "STEP must be > 0"
        raise SpaceError(f"{head}={text}: {said}", code="factor" if is_log else "step", part="step")
    for part, value in (("low", first), ("high", last)):
        fault = key.fault(int(value) if integer else value)
        if fault is not None:
            said = f"{head}: {fault}; keep LOW and HIGH inside that"
            raise SpaceError(said, code="bounds", part=part, bounds=key.bounds)  # type: ignore[arg-type]
    axis = Axis(key=key.key, low=first, high=last, step=by, log=is_log, integer=integer)
    count = _count(axis)
    if count > most_values:
        said = f"{head}={text}: {count:,.0f} values; take a larger STEP"
        raise SpaceError(said, code="many", part="step", n=f"{count:,.0f}")
    return axis


def _count(axis: Axis) -> float:
    """How many values a step makes, before any of them is."""
    low, high, step = axis.low or 0.0, axis.high or 0.0, axis.step
    if step is None:
        return 0.0
    return math.log(high / low) / math.log(step) if axis.log else (high - low) / step


def _values(key: Searchable, text: str) -> Axis:
    head = f"--search {key.key}"
    listed = _listed(text)
    if not isinstance(listed, list) or not listed:
        said = f"{head}={text}: neither LOW:HIGH[:STEP][:log] nor a list v1,v2 of values"
        raise SpaceError(said, code="list", part="values")
    values: list[Any] = []
    for item in listed:
        value = item.value if isinstance(item, Node) else item
        fault = key.fault(value)
        if fault is not None:
            raise SpaceError(f"{head}: {fault}", code="bounds", part="values", bounds=key.bounds)
        if isinstance(value, int) and not isinstance(value, bool) and key.kind == "number":
            value = float(value)
        if value in values:
            raise SpaceError(f"{head}: {value} is listed twice", code="twice", part="values", value=str(value))
        values.append(value)
    return Axis(key=key.key, values=tuple(values), integer=key.kind == "integer")


def _listed(text: str) -> Any:
    try:
        node, problems = parse_profile_text(f"value: [{text}]\n".encode(), Path("--search"))
    except UnreadableError:
        return None
    return None if problems or not isinstance(node.value, dict) else node.value["value"].value
