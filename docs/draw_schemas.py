"""Draw `docs/schemas/` from the records: `PYTHONPATH=. .venv/bin/python -P docs/draw_schemas.py` in the checkout.

One JSON Schema (draft 2020-12) per kind of file or line of a desk's folder. The records give members, types and
words; what a type cannot say (a time's shape, a hash's length) is added here by the member's name.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from docs.draw_profile import sentences
from state import records
from state.light import LONGEST_PERIOD_MS

FOLDER = Path(__file__).with_name("schemas")
DRAFT = "https://json-schema.org/draft/2020-12/schema"

RECORDS: dict[str, type[msgspec.Struct]] = {
    "snapshot": records.Snapshot,
    "journal_line": records.JournalLine,
    "history_sample": records.HistorySample,
    "control_note": records.ControlNote,
    "operator_request": records.OperatorRequest,
    "audit_line": records.AuditLine,
    "segment_anchor": records.SegmentAnchor,
    "tape_checkpoint": records.TapeCheckpoint,
    "tape_event": records.TapeEvent,
}
"""File name under `docs/schemas/` -> the record that it describes."""

SEALED = frozenset({"journal_line", "audit_line", "segment_anchor"})
"""Lines of a hash-chained file: in the file they end with `hash`, which the record leaves to the chain."""

_TIME = {"pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$", "format": "date-time"}
_HASH = {"pattern": "^[0-9a-f]{64}$"}
_DESK = {"pattern": "^[a-z0-9][a-z0-9_-]{0,30}$"}
_BY_NAME: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("ts", "wall_ts", "since", "until", "at"), _TIME),
    **dict.fromkeys(("journal_hash", "previous_hash", "last_hash"), _HASH),
    "desk": _DESK,
    "schema": {"const": records.SCHEMA_VERSION},
    "seq": {"minimum": 1},
    "period_ms": {"minimum": 1, "maximum": LONGEST_PERIOD_MS},
}


def schema_of(name: str) -> dict[str, Any]:
    """The schema of one kind of file or line. Raises KeyError for a name that is not in `RECORDS`."""
    record = RECORDS[name]
    _, parts = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    for each in _structs(record):
        _add_words(each, parts[each.__name__]["properties"])
    for part in parts.values():
        _narrow(part.get("properties", {}))
    whole = parts.pop(record.__name__)
    if name in SEALED:
        whole["properties"]["hash"] = {"type": "string", **_HASH}
        whole["required"].append("hash")
    drawn = {"$schema": DRAFT, **whole}
    return {**drawn, "$defs": dict(sorted(parts.items()))} if parts else drawn


def _structs(record: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """The record and every record inside it."""
    _, parts = msgspec.json.schema_components([record])
    for name in parts:
        found = getattr(records, name)
        if issubclass(found, msgspec.Struct):
            yield found


def _add_words(record: type[msgspec.Struct], members: dict[str, dict[str, Any]]) -> None:
    """What the record's source says under a member."""
    for name, sentence in sentences(record).items():
        members[name]["description"] = sentence


def _narrow(members: dict[str, dict[str, Any]]) -> None:
    """Say of each member what its type cannot; of one that may be null, on its other side."""
    for name, member in members.items():
        more = _BY_NAME.get(name, {})
        options = [each for each in member.get("anyOf", [member]) if each.get("type") != "null"]
        for option in options if more else ():
            option.update(more)


def text_of(name: str) -> str:
    """The file's content, always the same for the same records."""
    return json.dumps(schema_of(name), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in RECORDS:
        (FOLDER / f"{each}.schema.json").write_text(text_of(each), encoding="utf-8")
    print(f"wrote {len(RECORDS)} schemas into {FOLDER.name}/")
