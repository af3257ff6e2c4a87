"""Draw `docs/profile.md` from the schema: `PYTHONPATH=. .venv/bin/python -P docs/draw_profile.py` in the checkout."""

import inspect
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec

from config import schema
from config.keys import section_in, sentences, shown
from config.validation import describe, join

PAGE = Path(__file__).with_name("profile.md")

HEAD = """# The keys of a profile

Drawn by `docs/draw_profile.py` from `config/schema.py`; a test keeps this page equal to it. A profile is a YAML file
under `config/profiles/`, or anywhere; `extends: NAME` takes another profile's keys first. `./bifrost profile validate`
checks one, `./bifrost profile show` prints every key with the value that counts. Keys ending in `_pct` are percent.
"""


def walk(section: type[msgspec.Struct], path: str) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Every section with its dotted path, in the schema's order; a list's path ends in `[]`."""
    yield path, section
    for key, hint in typing.get_type_hints(section, include_extras=True).items():
        inner, is_list = section_in(hint)
        if inner is not None:
            yield from walk(inner, join(path, key) + ("[]" if is_list else ""))


def default_of(field: msgspec.structs.FieldInfo) -> str:
    """`60`, `null`, `needed`, as YAML would write it."""
    return "needed" if field.required else f"`{shown(field.default)}`"


def table(path: str, section: type[msgspec.Struct]) -> str:
    """One section: its sentence and its keys. Empty for a section that only holds sections."""
    said, hints = sentences(section), typing.get_type_hints(section, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(section):
        inner, _ = section_in(hints[field.name])
        if inner is not None or (section is schema.Profile and field.name == "name"):
            continue
        words = describe(hints[field.name], field.name).replace("|", "\\|")
        sentence = said[field.name].replace("|", "\\|")
        rows.append(f"| `{field.name}` | {words} | {default_of(field)} | {sentence} |")
    if not rows:
        return ""
    title = f"`{path}`" if path else "The top"
    head = "| key | value | default | what |\n|---|---|---|---|"
    return f"## {title}\n\n{inspect.getdoc(section)}\n\n{head}\n" + "\n".join(rows) + "\n"


def page() -> str:
    """The whole page. Raises KeyError for a key without a sentence."""
    parts = [table(path, section) for path, section in walk(schema.Profile, "")]
    return "\n".join([HEAD, *(part for part in parts if part)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
