"""What is searched: `--search KEY=LOW:HIGH[:STEP][:log]` or `KEY=v1,v2,v3`, checked against the schema's bounds."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from config.searchable import Searchable, SearchKeyError, searchable
from config.yaml_tree import Node, UnreadableError, parse_profile_text
from state.runs.axes import axis
from state.runs.records import Searched

MOST_CELLS = 1_000_000
"""A grid of more is a mistake in a step."""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER})(?::({_NUMBER}))?(:log)?")
_EXAMPLES = "gates.intent.hedge.cooldown_seconds=30:120:30, or execution.order_type=market,limit"


class SpaceError(ValueError):
    """What was asked for cannot be searched. One line that names the key and the remedy."""


def parse_search(pairs: Sequence[str], *, needs_steps: bool) -> tuple[Searched, ...]:
    """The keys in the order given. `needs_steps`: a grid cannot walk a continuous key. Raises SpaceError."""
    if not pairs:
        raise SpaceError(f"nothing is searched: give --search KEY=LOW:HIGH:STEP, such as {_EXAMPLES}")
    found: list[Searched] = []
    for pair in pairs:
        searched = _parse(pair)
        if searched.key in {each.key for each in found}:
            raise SpaceError(f"--search {searched.key}: given twice")
        if needs_steps and not axis(searched):
            raise SpaceError(
                f"--search {searched.key}: a grid needs a step: {searched.key}={_bounds(searched)}:STEP"
                + (":log" if searched.log else "")
                + "; or search with --method random or bayes"
            )
        found.append(searched)
    return tuple(found)


def cell_count(searched: Sequence[Searched]) -> int | None:
    """How many cells the space has; None where a key is continuous."""
    if not all(axis(each) for each in searched):
        return None
    return math.prod(len(axis(each)) for each in searched)


def _parse(pair: str) -> Searched:
    name, equals, text = (part.strip() for part in pair.partition("="))
    if not equals or not name or not text:
        raise SpaceError(f"--search {pair!r}: write KEY=LOW:HIGH:STEP or KEY=v1,v2, such as {_EXAMPLES}")
    try:
        key = searchable(name)
    except SearchKeyError as error:
        raise SpaceError(f"--search {error}") from error
    matched = _RANGE.fullmatch(text)
    return _values(key, text) if matched is None else _range(key, text, matched)


def _range(key: Searchable, text: str, matched: re.Match[str]) -> Searched:
    low, high, step, log = matched.groups()
    if key.kind == "choice":
        raise SpaceError(f"--search {key.key}: has no order, so no bounds; list its values ({key.bounds})")
    first, last, by = float(low), float(high), None if step is None else float(step)
    integer, is_log = key.kind == "integer", log is not None
    if integer and any(not each.is_integer() for each in (first, last, by or 0.0)):
        raise SpaceError(f"--search {key.key}={text}: must be {key.bounds}: bounds and step are whole numbers too")
    if first > last:
        raise SpaceError(f"--search {key.key}={text}: LOW is above HIGH; write {high}:{low}")
    if is_log and first <= 0:
        raise SpaceError(f"--search {key.key}={text}: a logarithm needs LOW > 0")
    if by is not None and by <= (1 if is_log else 0):
        raise SpaceError(
            f"--search {key.key}={text}: "
            + ("with log, STEP is a factor: it must be > 1" if is_log else "STEP must be > 0")
        )
    for bound in (first, last):
        fault = key.fault(int(bound) if integer else bound)
        if fault is not None:
            raise SpaceError(f"--search {key.key}: {fault}; keep LOW and HIGH inside that")
    searched = Searched(key=key.key, low=first, high=last, step=by, log=is_log, integer=integer)
    count = _count(searched)
    if count > MOST_CELLS:
        raise SpaceError(f"--search {key.key}={text}: {count:,.0f} values; take a larger STEP")
    return searched


def _count(searched: Searched) -> float:
    """How many values a step makes, before any of them is."""
    low, high, step = searched.low or 0.0, searched.high or 0.0, searched.step
    if step is None:
        return 0.0
    return math.log(high / low) / math.log(step) if searched.log else (high - low) / step


def _values(key: Searchable, text: str) -> Searched:
    listed = _listed(text)
    if not isinstance(listed, list) or not listed:
        raise SpaceError(f"--search {key.key}={text}: neither LOW:HIGH[:STEP][:log] nor a list v1,v2 of values")
    values: list[Any] = []
    for item in listed:
        value = item.value if isinstance(item, Node) else item
        fault = key.fault(value)
        if fault is not None:
            raise SpaceError(f"--search {key.key}: {fault}")
        if isinstance(value, int) and not isinstance(value, bool) and key.kind == "number":
            value = float(value)
        if value in values:
            raise SpaceError(f"--search {key.key}: {value} is listed twice")
        values.append(value)
    return Searched(key=key.key, values=tuple(values), integer=key.kind == "integer")


def _listed(text: str) -> Any:
    try:
        node, problems = parse_profile_text(f"value: [{text}]\n".encode(), Path("--search"))
    except UnreadableError:
        return None
    return None if problems or not isinstance(node.value, dict) else node.value["value"].value


def _bounds(searched: Searched) -> str:
    return f"{searched.low:g}:{searched.high:g}"
