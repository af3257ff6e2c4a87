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


def _section(section: msgspec.Struct, node: Node | None, path: str) -> typing.Iterator[Key]:
    said, hints = sentences(type(section)), typing.get_type_hints(type(section), include_extras=True)
    for field in msgspec.structs.fields(section):
        if isinstance(section, Profile) and field.name == "name":
            continue
        value = getattr(section, field.name)
        child = node.value.get(field.encode_name) if node is not None and isinstance(node.value, dict) else None
        here = join(path, field.encode_name)
        inner, is_list = section_in(hints[field.name])
        if inner is not None and isinstance(value, msgspec.Struct):
            yield from _section(value, child, here)
        elif inner is not None and is_list and value:
            for place, item in enumerate(value):
                yield from _section(item, child.value[place] if child is not None else None, f"{here}[{place}]")
        else:
            yield _leaf(field, hints[field.name], value, child, path=here, said=said.get(field.name, ""))


def _leaf(field: msgspec.structs.FieldInfo, hint: Any, value: Any, node: Node | None, *, path: str, said: str) -> Key:
    default = None if field.required else shown(field.default)
    inner, _ = section_in(hint)
    meaning = said or (inspect.getdoc(inner) or "" if inner is not None else "")
    return Key(
        path=path,
        value=shown(value),
        is_default=default == shown(value),
        default=default,
        unit=unit_of(hint, field.name),
        bounds=describe(hint, field.name),
        meaning=" ".join(meaning.split()),
        file=None if node is None else node.file,
        line=None if node is None else node.key_line,
    )


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
