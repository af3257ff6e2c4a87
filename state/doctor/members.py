"""Whether a JSON object holds what a record asks for: each member that does not, by its name. Pure."""

import difflib
import functools
import re
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from state.records import JournalType
from state.undecodable import UNDECODABLE

_EXACT_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
_TIMES = frozenset({"ts", "wall_ts", "since", "until", "at"})
_FREE = frozenset({"data", "strategy", "counters", "account_summary", "event", "checkpoint"})
"""Members whose inside is nobody's business but the writer's."""
_TIME_REMEDY = "write UTC as 2026-11-21T10:00:00.000000Z: six digits of a second, then Z"


class NotAnObjectError(Exception):
    """What should be one JSON object is none; the text says why."""


class Wrong(NamedTuple):
    """One member that is not as the record says. `place` is like `self_check.checks[0].ok`."""

    place: str
    problem: str
    remedy: str


def decode(content: bytes) -> dict[str, Any]:
    """The JSON object in a file or line. Raises NotAnObjectError."""
    try:
        found = msgspec.json.decode(content)
    except UNDECODABLE as error:
        raise NotAnObjectError(_why_no_json(content, error)) from error
    if not isinstance(found, dict):
        raise NotAnObjectError(f"holds a JSON {_kind(found)} where one object belongs")
    return found


def _why_no_json(content: bytes, error: Exception) -> str:
    if re.search(rb":\s*-?(NaN|Infinity|nan|inf)\b", content) or "out of range" in str(error):
        return "holds a number that is not finite (NaN or infinity): leave the member out, or write null"
    if not content.strip(b"\0 \r\n\t"):
        return "is empty"
    return f"is no JSON: {error}"


def wrong_members(record: type[msgspec.Struct], found: dict[str, Any]) -> Iterator[Wrong]:
    """Every member of `found` that keeps `record` from being read, and every time that is not UTC."""
    try:
        msgspec.convert(found, record)
    except msgspec.ValidationError:
        yield from _unreadable_members(record, found)
    yield from _wrong_times(found, "")


def _unreadable_members(record: type[msgspec.Struct], found: dict[str, Any], inside: str = "") -> Iterator[Wrong]:
    """One by one, for a decoder stops at the first."""
    for field in msgspec.structs.fields(record):
        place = f"{inside}.{field.name}" if inside else field.name
        if field.name in found:
            yield from _unreadable(field.type, found[field.name], place)
        elif field.required:
            remedy = _TIME_REMEDY if field.name in _TIMES else f"write it: {_wanted(field.type)}"
            yield Wrong(place, "is missing", remedy)


def _unreadable(hint: Any, value: Any, place: str) -> Iterator[Wrong]:
    """What keeps one value from being read, as deep inside as it can be told."""
    if hint is msgspec.Raw:
        hint = dict[str, Any]  # what the tape holds inside is told by its members, never converted here
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        record = next((each for each in _options(hint) if _is_record(each)), None)
        if record is not None and isinstance(value, dict):
            yield from _unreadable_members(record, value, place)
        elif typing.get_origin(hint) is tuple and isinstance(value, list):
            for index, each in enumerate(value):
                yield from _unreadable(typing.get_args(hint)[0], each, f"{place}[{index}]")
        elif hint is JournalType:
            yield Wrong(place, f"{value!r} is no type of operation: readers leave the line out", _nearest_type(value))
        else:
            yield Wrong(place, f"is {_short(value)}, not {_wanted(hint)}", f"write {_wanted(hint)}")


def _options(hint: Any) -> tuple[Any, ...]:
    """`X | None` as its parts."""
    return typing.get_args(hint) if typing.get_origin(hint) is types.UnionType else (hint,)


def _is_record(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _nearest_type(value: Any) -> str:
    near = difflib.get_close_matches(str(value), [each.value for each in JournalType], n=1)
    return f"did you mean {near[0]}?" if near else "take one of the listed types, and say yours in reason"


def unknown_members(record: type[msgspec.Struct], found: dict[str, Any]) -> list[str]:
    """Names at the top that the record does not know; readers skip them."""
    return sorted(found.keys() - _names(record))


@functools.cache
def _names(record: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(record.__struct_fields__)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _kind(value: Any) -> str:
    kinds = {list: "list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "number")


def _wanted(hint: Any) -> str:
    """`a whole number`, `a text`, `one of ok, degraded, blocked`: a type in words, from its JSON Schema."""
    schema = msgspec.json.schema(hint)
    options = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    return " or ".join(_option(each) for each in options)


def _option(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(str(each) for each in schema["enum"])
    words = {
        "integer": "a whole number",
        "number": "a finite number",
        "string": "a text",
        "boolean": "true or false",
        "array": "a list",
    }
    if schema.get("additionalProperties", {}).get("type") == "number":
        return "an object of finite numbers"
    return words.get(schema.get("type", ""), "an object")


def _wrong_times(found: Any, place: str) -> Iterator[Wrong]:
    """Times that are none, and those in another spelling than the contract's."""
    if isinstance(found, list):
        for index, each in enumerate(found):
            yield from _wrong_times(each, f"{place}[{index}]")
    if not isinstance(found, dict):
        return
    for name, value in found.items():
        if name in _TIMES and isinstance(value, str):
            problem = _time_problem(value)
            if problem is not None:
                yield Wrong(f"{place}.{name}" if place else name, problem, _TIME_REMEDY)
        elif isinstance(value, dict | list) and name not in _FREE:
            yield from _wrong_times(value, f"{place}.{name}" if place else name)


def _time_problem(text: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return f"{_short(text)} is no time"
    if moment.tzinfo is None:
        return f"{_short(text)} is a time without its zone"
    return None if _EXACT_TIME.fullmatch(text) else f"{_short(text)} is not spelled as the contract's UTC"
