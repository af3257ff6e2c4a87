"""From a tree of values to a `Profile`, or to every reason why not, each with its file, line and key."""

import difflib
import math
import types
import typing
from datetime import date
from typing import Any

import msgspec
import msgspec.inspect as inspected

from config.schema import IsoDate, Profile
from config.yaml_tree import Node, Problem, plain

_UNITS = {
    "_pct": "percent",
    "_ms": "milliseconds",
    "_s": "seconds",
    "_seconds": "seconds",
    "_min": "minutes",
    "_usd": "USD",
    "_shares": "shares",
    "_per_order": "shares",
    "_dte": "days",
    "_days_before": "days",
    "_days_after": "days",
}
_DATE_PATTERN = msgspec.json.schema(IsoDate)["pattern"]


def validate(tree: Node, name: str) -> tuple[Profile | None, list[Problem]]:
    """Check every key against the schema. The profile is None when anything is wrong."""
    problems: list[Problem] = []
    rooted = Node({**tree.value, "name": Node(name, tree.file, 1, 1)}, tree.file, 1, 1)
    _check_section(Profile, rooted, "", problems)
    if problems:
        return None, problems
    try:
        return msgspec.convert(plain(rooted), Profile), []
    except msgspec.ValidationError as error:  # the walk above and msgspec disagree: never let it pass
        return None, [Problem(tree.file, 1, "", str(error))]


def join(path: str, key: str) -> str:
    """`join("gates.state", "delta")` -> `gates.state.delta`."""
    return f"{path}.{key}" if path else key


def _check_section(section: type[msgspec.Struct], node: Node, path: str, problems: list[Problem]) -> None:
    if not isinstance(node.value, dict):
        text = f"must be a section of keys, found {_shown(node.value)}; its keys are {', '.join(_keys(section))}"
        problems.append(Problem(node.file, node.key_line, path, text, node.key_column))
        return
    hints = typing.get_type_hints(section, include_extras=True)
    for key, child in node.value.items():
        if key not in hints:
            problems.append(_unknown_key(section, key, child, path))
        else:
            _check_value(hints[key], child, join(path, key), problems)
    for field in msgspec.structs.fields(section):
        if field.required and field.encode_name not in node.value:
            missing = join(path, field.encode_name)
            words = describe(hints[field.name], field.encode_name)
            problems.append(Problem(node.file, node.key_line, missing, f"missing; it must be {words}", node.key_column))


def _check_value(hint: Any, node: Node, path: str, problems: list[Problem]) -> None:
    options = options_of(hint)
    if node.value is None and type(None) in options:
        return
    section = next((option for option in options if _is_section(option)), None)
    if section is not None:
        _check_section(section, node, path, problems)
        return
    items = next((option for option in options if typing.get_origin(option) is tuple), None)
    if items is not None:
        _check_items(typing.get_args(items)[0], node, path, problems)
        return
    text = leaf_fault(hint, node.value, path)
    if text is not None:
        problems.append(Problem(node.file, node.line, path, text, node.column))


def _check_items(hint: Any, node: Node, path: str, problems: list[Problem]) -> None:
    if not isinstance(node.value, list):
        text = f"must be a list, found {_shown(node.value)}; write each item on a line of its own after `- `"
        problems.append(Problem(node.file, node.key_line, path, text, node.key_column))
        return
    for index, item in enumerate(node.value):
        _check_value(hint, item, f"{path}[{index}]", problems)


def leaf_fault(hint: Any, value: Any, path: str) -> str | None:
    """What is wrong with one value, or None."""
    key = path.rpartition(".")[2].partition("[")[0]
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be a finite number, found {value}; it must be {describe(hint, key)}"
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return f"must be {describe(hint, key)}; found {_shown(value)}"
    if isinstance(value, str) and _DATE_PATTERN in _patterns(hint):
        try:
            date.fromisoformat(value)
        except ValueError:
            return f"no such day: {value}; it must be a day of the calendar as YYYY-MM-DD"
    return None


def _unknown_key(section: type[msgspec.Struct], key: str, node: Node, path: str) -> Problem:
    known = _keys(section)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        hint = f"did you mean {near[0]}?"
    else:
        places = [place for place in schema_paths(Profile) if place.rpartition(".")[2] == key]
        hint = f"it belongs at {places[0]}" if places else f"known here: {', '.join(known)}"
    return Problem(node.file, node.key_line, join(path, key), f"unknown key; {hint}", node.key_column)


def schema_paths(section: type[msgspec.Struct], prefix: str = "") -> list[str]:
    """Every dotted key that a profile may hold, sections and their keys alike."""
    found: list[str] = []
    for key, hint in typing.get_type_hints(section, include_extras=True).items():
        if section is Profile and key == "name":
            continue
        path = join(prefix, key)
        found.append(path)
        for option in options_of(hint):
            inner = typing.get_args(option)[0] if typing.get_origin(option) is tuple else option
            if _is_section(inner):
                found.extend(schema_paths(inner, path))
    return found


def describe(hint: Any, key: str) -> str:
    """What a value must be, in words with bounds and unit: `a number > 0 and ≤ 600 (seconds)`."""
    return ", or ".join(_describe_option(option, key) for option in options_of(hint))


def _describe_option(option: Any, key: str) -> str:
    """Choices in the schema's own order (msgspec sorts them): weekdays as a week goes."""
    if typing.get_origin(option) is typing.Literal:
        return "one of " + ", ".join(str(value) for value in typing.get_args(option))
    if typing.get_origin(option) is tuple:
        item = typing.get_args(option)[0]
        return "a list" if _is_section(item) else f"a list; each: {describe(item, key)}"
    return _describe_type(inspected.type_info(option), key)


def _describe_type(info: inspected.Type, key: str) -> str:
    unit, description = _unit(key), None
    if isinstance(info, inspected.Metadata):
        unit = (info.extra or {}).get("unit", unit)
        description = (info.extra_json_schema or {}).get("description")
        info = info.type
    if description is not None:
        return str(description)
    if isinstance(info, inspected.FloatType | inspected.IntType):
        kind = "a whole number" if isinstance(info, inspected.IntType) else "a number"
        signs = (("≥", info.ge), (">", info.gt), ("≤", info.le), ("<", info.lt))
        bounds = " and ".join(f"{sign} {bound:.10g}" for sign, bound in signs if bound is not None)
        return kind + (f" {bounds}" if bounds else "") + (f" ({unit})" if unit else "")
    if isinstance(info, inspected.StructType):
        return f"a section with {', '.join(_keys(info.cls))}"
    names: dict[type[inspected.Type], str] = {
        inspected.BoolType: "true or false",
        inspected.NoneType: "null",
        inspected.StrType: "text",
    }
    return names.get(type(info), "text")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a section of keys"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def unit_of(hint: Any, key: str) -> str:
    """The unit of a value, from its annotation or its key's ending; empty where it has none."""
    for option in options_of(hint):
        info = inspected.type_info(option)
        if isinstance(info, inspected.Metadata) and info.extra is not None and "unit" in info.extra:
            return str(info.extra["unit"])
    return _unit(key) or ""


def _unit(key: str) -> str | None:
    return next((unit for ending, unit in _UNITS.items() if key.endswith(ending)), None)


def _keys(section: type[msgspec.Struct]) -> list[str]:
    """The keys a file may write; the loader itself consumes `extends` and sets `name`."""
    keys = list(section.__struct_fields__)
    return ["extends", *(key for key in keys if key != "name")] if section is Profile else keys


def options_of(hint: Any) -> tuple[Any, ...]:
    """The members of a union; anything else is its own only member."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _is_section(option: Any) -> typing.TypeGuard[type[msgspec.Struct]]:
    return isinstance(option, type) and issubclass(option, msgspec.Struct)


def _patterns(hint: Any) -> set[str]:
    found = set()
    for option in options_of(hint):
        info = inspected.type_info(option)
        info = info.type if isinstance(info, inspected.Metadata) else info
        if isinstance(info, inspected.StrType) and info.pattern is not None:
            found.add(info.pattern)
    return found
