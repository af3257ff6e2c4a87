"""The JSON Schemas of `docs/schemas/`: drawn from the records, and true of real files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from docs.draw_schemas import FOLDER, RECORDS, text_of
from state.anchors import append_anchor
from state.audit import append_audit
from state.control import assert_command, write_request
from state.records import JournalLine, JournalType, OperatorRequest, SegmentAnchor
from state.tape import TapeWriter
from state.times import iso_from_us
from tests.support.desk_player import DeskPlayer, wall_us
from tests.support.schemas import complaints, desk_complaints

NOW = "2026-11-21T10:00:00.000000Z"
HASH = "0" * 64

SNAPSHOT: dict[str, Any] = {
    "schema": 1,
    "desk": "mybot",
    "run_id": "r1",
    "pid": 1,
    "seq": 1,
    "ts": NOW,
    "wall_ts": NOW,
    "period_ms": 1000,
    "daemon_state": "running",
    "self_check": {"status": "ok"},
}
LINE: dict[str, Any] = {
    "seq": 1,
    "ts": NOW,
    "wall_ts": NOW,
    "type": "fill",
    "desk": "mybot",
    "run_id": "r1",
    "hash": HASH,
}


@pytest.mark.parametrize("name", RECORDS)
def test_the_schemas_are_drawn_from_the_records(name: str) -> None:
    assert (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8") == text_of(name), "run docs/draw_schemas.py"


def test_no_schema_is_left_from_a_record_that_is_gone() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.schema.json" for name in RECORDS}


@pytest.fixture
def played(tmp_path: Path) -> Path:
    """A desk with every kind of file that the contract knows."""
    player = DeskPlayer(tmp_path, "demo", minutes=3)
    player.tell_a_day()
    for kind in JournalType:
        player.record(kind, reason="one of each")
    at = iso_from_us(wall_us())
    assert_command(player.paths.control, "pause", by="anna", reason="lunch", at=at)
    player.tick()
    assert_command(player.paths.control, "stop", by="anna", reason="home", at=at)
    assert_command(player.paths.control, "flatten", by="anna", reason="home", at=at)
    write_request(
        player.paths.requests, OperatorRequest(id="a1", command="adopt", by="anna", reason="mine", at=at, shares=4.0)
    )
    append_audit(player.paths.audit, wall_us=wall_us(), source="cli", action="pause", by="anna", outcome="written")
    tape = TapeWriter(player.paths.tape, desk="demo", run_id="r1")
    tape.start({"any": "book"}, ts=at, wall_ts=at)
    tape.append({"event": "clock", "ts_us": 1})
    tape.close()
    anchor = SegmentAnchor(
        seq=1,
        wall_ts=at,
        segment="20261120-0001",
        number=1,
        lines=1,
        first_seq=1,
        last_seq=1,
        previous_hash=HASH,
        last_hash=HASH,
        opening="{}",
    )
    append_anchor(player.paths.journal, anchor)
    player.close()
    return player.paths.folder


def test_every_file_of_a_played_desk_is_valid(played: Path) -> None:
    said, seen = desk_complaints(played)
    assert said == []
    assert set(seen) == set(RECORDS)
    assert seen["journal_line"] > len(JournalType)


def changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**base, **changes}.items() if value is not ...}


def test_the_bases_of_the_wrong_ones_are_right() -> None:
    assert complaints("snapshot", SNAPSHOT) == []
    assert complaints("journal_line", LINE) == []


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("snapshot", changed(SNAPSHOT, pid=...), "'pid' is a required property"),
        ("snapshot", changed(SNAPSHOT, schema=2), "$.schema: 1 was expected"),
        ("snapshot", changed(SNAPSHOT, desk="My Bot"), "$.desk"),
        ("snapshot", changed(SNAPSHOT, wall_ts="2026-11-21T10:00:00+01:00"), "$.wall_ts"),
        ("snapshot", changed(SNAPSHOT, wall_ts="2026-11-21 10:00:00"), "$.wall_ts"),
        ("snapshot", changed(SNAPSHOT, period_ms=60_001), "$.period_ms"),
        ("snapshot", changed(SNAPSHOT, period_ms=0), "$.period_ms"),
        ("snapshot", changed(SNAPSHOT, seq=1.5), "$.seq"),
        ("snapshot", changed(SNAPSHOT, self_check={"status": "fine"}), "$.self_check.status"),
        ("snapshot", changed(SNAPSHOT, self_check={"status": "ok", "checks": [{"name": "a"}]}), "$.self_check.checks"),
        ("snapshot", changed(SNAPSHOT, own_shares="3"), "$.own_shares"),
        ("snapshot", changed(SNAPSHOT, control=[{"name": "halt", "since": NOW}]), "$.control[0].name"),
        ("journal_line", changed(LINE, type="filled"), "$.type"),
        ("journal_line", changed(LINE, seq=0), "$.seq"),
        ("journal_line", changed(LINE, hash=...), "'hash' is a required property"),
        ("journal_line", changed(LINE, hash="ABC"), "$.hash"),
        ("journal_line", changed(LINE, side="buy"), "$.side"),
        ("operator_request", {"id": "a", "command": "sell", "by": "a", "reason": "b", "at": NOW}, "$.command"),
        ("control_note", {"at": "noon"}, "$.at"),
    ],
)
def test_a_wrong_one_is_not_valid(name: str, wrong: dict[str, Any], said: str) -> None:
    found = complaints(name, wrong)
    assert any(said in complaint for complaint in found), found


@pytest.mark.parametrize("name", ["snapshot", "journal_line"])
def test_members_that_a_schema_does_not_know_are_no_fault(name: str) -> None:
    base = {"snapshot": SNAPSHOT, "journal_line": LINE}[name]
    assert complaints(name, {**base, "mood": "calm"}) == []


@pytest.mark.parametrize("drop", ["seq", "ts", "wall_ts", "type", "desk", "run_id"])
def test_schema_and_reader_ask_for_the_same_members_of_a_line(drop: str) -> None:
    wrong = changed(LINE, **{drop: ...})
    assert complaints("journal_line", wrong) != []
    decoder: Callable[..., Any] = msgspec.json.decode
    with pytest.raises(msgspec.ValidationError, match=drop):
        decoder(msgspec.json.encode(wrong), type=JournalLine)
