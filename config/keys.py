"""Every key of an effective profile: its value, whether that is the default, what it may be, and where it was set."""

import ast
import inspect
import json
import typing
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from config.loader import PROFILES_DIR, load_profile, load_tree
from config.schema import Profile
from config.validation import describe, join, unit_of
from config.yaml_tree import Node


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key with the value that counts. `file` and `line` are None where no file sets it."""

    path: str
    """Dotted; an item of a list has its place in brackets."""
    value: str
    """As JSON writes it, a text without quotes."""
    is_default: bool
    """Whether the value is what it would be without any file."""
    default: str | None
    """None where a file must give it."""
    unit: str
    bounds: str
    meaning: str
    file: Path | None = None
    line: int | None = None


def effective_keys(name_or_path: str, *, profiles_dir: Path = PROFILES_DIR) -> tuple[Key, ...]:
    """Every key of a profile, `extends` resolved, in the schema's order. Raises ProfileError."""
    loaded = load_profile(name_or_path, profiles_dir=profiles_dir)
    tree = load_tree(name_or_path, profiles_dir=profiles_dir)
    return tuple(_section(loaded.profile, tree, ""))


def settings_of(profile: Profile) -> dict[str, str]:
    """Dotted key -> value as YAML would take it, every key that decides: where the broker is and who asks is left out.

    What a run keeps of its profile, so that its report can say what it was run with after the file has changed.
    """
    keys = _section(profile, None, "")
    return {key.path: key.value for key in keys if not key.path.startswith(_WHERE)}


_WHERE = ("ib.", "account", "live")


def _section(section: msgspec.Struct, node: Node | None, path: str) -> typing.Iterator[Key]:
    for told in _fields(type(section)):
        value = getattr(section, told.field.name)
        child = node.value.get(told.field.encode_name) if node is not None and isinstance(node.value, dict) else None
        here = join(path, told.field.encode_name)
        if isinstance(value, msgspec.Struct):
            yield from _section(value, child, here)
        elif told.holds_sections and value:
            for place, item in enumerate(value):
                yield from _section(item, child.value[place] if child is not None else None, f"{here}[{place}]")
        else:
            yield Key(
                path=here,
                value=shown(value),
                is_default=told.default == shown(value),
                default=told.default,
                unit=told.unit,
                bounds=told.bounds,
                meaning=told.meaning,
                file=None if child is None else child.file,
                line=None if child is None else child.key_line,
            )


class _Field(msgspec.Struct, frozen=True, kw_only=True):
    """What the schema says of a key, whatever its value."""

    field: msgspec.structs.FieldInfo
    holds_sections: bool
    """Whether it is a list of sections."""
    default: str | None
    unit: str
    bounds: str
    meaning: str


@cache
def _fields(section: type[msgspec.Struct]) -> tuple[_Field, ...]:
    said, hints = sentences(section), typing.get_type_hints(section, include_extras=True)
    found = []
    for field in msgspec.structs.fields(section):
        if section is Profile and field.name == "name":
            continue  # the loader's, not a file's
        inner, is_list = section_in(hints[field.name])
        meaning = said.get(field.name) or (inspect.getdoc(inner) or "" if inner is not None else "")
        found.append(
            _Field(
                field=field,
                holds_sections=inner is not None and is_list,
                default=None if field.required else shown(field.default),
                unit=unit_of(hints[field.name], field.name),
                bounds=describe(hints[field.name], field.name),
                meaning=" ".join(meaning.split()),
            )
        )
    return tuple(found)


def shown(value: Any) -> str:
    """A value as YAML would take it: `60`, `null`, `true`, `[mon, fri]`."""
    plain = msgspec.to_builtins(value)
    if isinstance(plain, str):
        return plain
    if isinstance(plain, float) and plain.is_integer():
        return str(int(plain))
    return json.dumps(plain)


@cache
def sentences(section: type[msgspec.Struct]) -> dict[str, str]:
    """The sentence under each key in the schema: key -> sentence."""
    [body] = [node.body for node in ast.parse(inspect.getsource(section)).body if isinstance(node, ast.ClassDef)]
    found = {}
    for key, said in pairwise(body):
        if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name) and isinstance(said, ast.Expr):
            found[key.target.id] = inspect.cleandoc(str(ast.literal_eval(said.value))).replace("\n", " ")
    return found


def section_in(hint: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The section that a key holds, if it does, and whether it is a list of them."""
    for option in (hint, *typing.get_args(hint)):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option, typing.get_origin(hint) is tuple
    return None, False
