"""Judges a desk's files by the JSON Schemas of `docs/schemas/`, as a stranger's tool would: it knows no record."""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from tests.support.system import CHECKOUT

FOLDER = CHECKOUT / "docs" / "schemas"


@cache
def judge(name: str) -> jsonschema.Draft202012Validator:
    """The validator of one schema, itself checked."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def complaints(name: str, found: Any) -> list[str]:
    """What the schema says against one object; empty when it is valid."""
    return [f"{error.json_path}: {error.message}" for error in judge(name).iter_errors(found)]


def desk_complaints(folder: Path) -> tuple[list[str], dict[str, int]]:
    """Everything that is said against a desk's files; and how many objects of each schema were looked at."""
    said: list[str] = []
    seen: dict[str, int] = {}
    for name, place, found in _objects(folder):
        seen[name] = seen.get(name, 0) + 1
        said += [f"{place}: {complaint}" for complaint in complaints(name, found)]
    return said, seen


def _objects(folder: Path) -> Iterator[tuple[str, str, Any]]:
    """Schema name, place and content of every object in a desk's files."""
    if (folder / "snapshot.json").exists():
        yield "snapshot", "snapshot.json", json.loads((folder / "snapshot.json").read_text())
    for name, schema in (("journal", "journal_line"), ("audit", "audit_line"), ("history", "history_sample")):
        for path in sorted((folder / name).glob("[0-9]*.jsonl*")):
            for number, line in enumerate(_lines(path), start=1):
                yield schema, f"{name}/{path.name}:{number}", json.loads(line)
    for path in sorted((folder / "journal").glob("anchors.jsonl")):
        for number, line in enumerate(_lines(path), start=1):
            yield "segment_anchor", f"{path.name}:{number}", json.loads(line)
    for path in sorted((folder / "tape").glob("*.jsonl*")):
        for number, line in enumerate(_lines(path), start=1):
            yield "tape_checkpoint" if number == 1 else "tape_event", f"tape/{path.name}:{number}", json.loads(line)
    for name in ("stop", "pause", "flatten"):
        path = folder / "control" / name
        if path.is_file() and path.read_bytes().strip():
            yield "control_note", f"control/{name}", json.loads(path.read_text())
    for path in sorted((folder / "control" / "requests").glob("*.json")):
        yield "operator_request", f"control/requests/{path.name}", json.loads(path.read_text())


def _lines(path: Path) -> list[str]:
    """Whole lines; a living writer's unfinished one is not there yet."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content[: content.rfind(b"\n") + 1].decode().splitlines()
