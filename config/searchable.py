"""What a key of the schema may be, by its dotted name alone: for who wants to vary it before there is a value."""

import difflib
import typing
from functools import cache
from typing import Any, Literal

import msgspec
import msgspec.inspect as inspected

from config.schema import Profile
from config.validation import describe, leaf_fault, options_of, schema_paths, unit_of

Kind = Literal["integer", "number", "choice"]

_FIXED = {
    "simulator": "it makes the market, and cells can only be compared on the same one",
    "underlying": "it names the data",
    "legs": "they name the data",
    "desk": "it only names a folder",
    "live": "it decides nothing over history",
    "strategy": "there is one",
    "ib": "no broker takes part over history",
    "storage": "it decides nothing over history",
}
"""First part of a key -> why varying it over history means nothing."""


class SearchKeyError(ValueError):
    """A key that does not exist, or that cannot be varied. One line with the remedy."""


class Searchable(msgspec.Struct, frozen=True, kw_only=True):
    """One key that takes a single value."""

    key: str
    kind: Kind
    bounds: str
    """In words, with the unit: `a number > 0 (seconds)`."""
    unit: str
    choices: tuple[str, ...]
    """The words that it may be, as YAML has them; empty for a number that has no such."""
    hint: Any
    """The schema's annotation."""

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value for this key, or None: bounds and type, not how it goes with other keys."""
        return leaf_fault(self.hint, value, self.key)


@cache
def searchable(key: str) -> Searchable:
    """The key's kind, bounds and unit. Raises SearchKeyError with the nearest name, or with why it cannot be varied."""
    hint = _hint_of(key)
    top = key.partition(".")[0]
    if top in _FIXED:
        raise SearchKeyError(f"{key}: cannot be varied: {_FIXED[top]}")
    return Searchable(
        key=key,
        kind=_kind(hint),
        bounds=describe(hint, _last(key)),
        unit=unit_of(hint, _last(key)),
        choices=_choices(hint),
        hint=hint,
    )


@cache
def searchable_keys() -> tuple[str, ...]:
    """Every key that can be varied, in the schema's order."""
    found = []
    for key in schema_paths(Profile):
        try:
            searchable(key)
        except SearchKeyError:
            continue
        found.append(key)
    return tuple(found)


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _hint_of(key: str) -> Any:
    section: type[msgspec.Struct] | None = Profile
    hint: Any = None
    for part in key.split("."):
        hints = {} if section is None else typing.get_type_hints(section, include_extras=True)
        if part not in hints or (section is Profile and part == "name"):
            raise SearchKeyError(f"{key}: no such key; {_nearest(key)}")
        hint = hints[part]
        section = next(
            (each for each in options_of(hint) if isinstance(each, type) and issubclass(each, msgspec.Struct)), None
        )
    if section is not None:
        raise SearchKeyError(f"{key}: is a section; name one of its keys: {', '.join(section.__struct_fields__)}")
    if any(typing.get_origin(option) is tuple for option in options_of(hint)):
        raise SearchKeyError(f"{key}: is a list; a sweep varies keys that hold one value")
    return hint


def _nearest(key: str) -> str:
    known = schema_paths(Profile)
    same_end = [each for each in known if _last(each) == _last(key)]
    near = same_end or difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if not near:
        ends = {_last(each): each for each in known}
        near = [ends[each] for each in difflib.get_close_matches(_last(key), list(ends), n=1, cutoff=0.6)]
    return f"did you mean {near[0]}?" if near else "`bifrost profile show demo` lists them all"


def _choices(hint: Any) -> tuple[str, ...]:
    found: list[str] = []
    for option in options_of(hint):
        if option is bool:
            found += ["true", "false"]
        elif typing.get_origin(option) is Literal:
            found += [str(word) for word in typing.get_args(option)]
    return tuple(found)


def _kind(hint: Any) -> Kind:
    kinds = set()
    for option in options_of(hint):
        info = inspected.type_info(option)
        kinds.add(type(info.type if isinstance(info, inspected.Metadata) else info))
    if inspected.FloatType in kinds:
        return "number"
    return "integer" if inspected.IntType in kinds else "choice"
