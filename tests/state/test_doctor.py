"""The doctor: every fault that is planted is found at its place with a remedy, and a healthy desk has none."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from state.anchors import read_chain
from state.audit import append_audit
from state.chain import Head, read_head, seal
from state.doctor import Finding, Findings, compare_snapshots, examine_desk
from state.doctor.findings import LISTED_PER_FILE
from state.tape import TapeWriter
from state.times import iso_from_us
from tests.support.desk_files import make_snapshot
from tests.support.desk_player import DeskPlayer, wall_us

Plant = Callable[[Path], None]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The folder of a healthy desk, written by the real writers, with every kind of file."""
    player = DeskPlayer(tmp_path, "demo", minutes=3)
    player.tell_a_day()
    player.write()
    append_audit(player.paths.audit, wall_us=wall_us(), source="cli", action="pause", by="anna", outcome="written")
    at = iso_from_us(wall_us())
    tape = TapeWriter(player.paths.tape, desk="demo", run_id="r1")
    tape.start({"any": "book"}, ts=at, wall_ts=at)
    for number in range(3):
        tape.append({"event": "clock", "ts_us": number})
    tape.close()
    player.close()
    return player.paths.folder


def examine(folder: Path, *, wall: int | None = None) -> tuple[Finding, ...]:
    findings = Findings()
    examine_desk(folder, wall_us() if wall is None else wall, findings)
    return findings.all()


def of(found: tuple[Finding, ...], *severities: str) -> list[Finding]:
    return [each for each in found if each.severity in severities]


def segment(folder: Path, name: str = "journal") -> Path:
    return max((folder / name).glob("*-*.jsonl"))


def test_a_healthy_desk_has_no_fault_and_says_what_was_looked_at(desk: Path) -> None:
    found = examine(desk)
    assert of(found, "fault", "warning", "info") == []
    assert {each.path for each in of(found, "ok")} == {
        "snapshot.json",
        "control",
        "journal",
        "audit",
        "history",
        "tape",
    }


# --- planting ---


def snapshot_with(**changes: Any) -> Plant:
    """Rewrite the snapshot; `...` takes a member away."""

    def plant(folder: Path) -> None:
        found = json.loads((folder / "snapshot.json").read_text())
        kept = {key: value for key, value in {**found, **changes}.items() if value is not ...}
        (folder / "snapshot.json").write_text(json.dumps(kept))

    return plant


def content(name: str, text: bytes) -> Plant:
    return lambda folder: (folder / name).write_bytes(text) and None


def lines_of(edit: Callable[[list[bytes]], list[bytes]], name: str = "journal") -> Plant:
    def plant(folder: Path) -> None:
        path = segment(folder, name)
        path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))

    return plant


def resealed(edit: Callable[[dict[str, Any]], dict[str, Any]], *, only: int | None = None) -> Plant:
    """Change the journal's lines (the one with seq `only`, or all) and chain them anew: wrong inside, whole outside."""

    def plant(folder: Path) -> None:
        path, head, out = segment(folder), Head(), []
        for raw in path.read_bytes().splitlines():
            line = json.loads(raw)
            del line["hash"]
            if only in (None, line["seq"]):
                line = edit(line)
            sealed, head = seal(head, json.dumps(line).encode())
            out.append(sealed)
        path.write_bytes(b"".join(out))
        snapshot_with(journal_seq=head.seq, journal_hash=head.hash)(folder)

    return plant


def member(name: str, value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def edit(line: dict[str, Any]) -> dict[str, Any]:
        return {key: each for key, each in {**line, name: value}.items() if each is not ...}

    return edit


def append_line(name: str, line: dict[str, Any] | bytes) -> Plant:
    def plant(folder: Path) -> None:
        path = max((folder / name).glob("*.jsonl"))
        raw = line if isinstance(line, bytes) else json.dumps(line).encode()
        path.write_bytes(path.read_bytes() + raw + b"\n")

    return plant


def second_segment(folder: Path) -> None:
    """A third segment without the second."""
    (folder / "journal" / "20261121-0003.jsonl").write_bytes(b"")


def lost_tail(folder: Path) -> None:
    lines_of(lambda lines: lines[:-2])(folder)


def old(path: Path) -> Path:
    """As if it had been left an hour ago."""
    past_s = wall_us() / 1e6 - 3600
    os.utime(path, (past_s, past_s))
    return path


def temporary(folder: Path) -> None:
    path = folder / ".snapshot.json.99-aa.tmp"
    path.touch()
    old(path)


def request(folder: Path) -> None:
    path = folder / "control" / "requests" / "a.json"
    note = {"id": "a", "command": "reset", "by": "anna", "reason": "r", "at": "2026-11-21T10:00:00.000000Z"}
    path.write_text(json.dumps(note))
    old(path)


def compressed_garbage(folder: Path) -> None:
    path = segment(folder)
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(f"{path.name}.gz").write_bytes(b"\x00" + packed[1:])


def late_sample(folder: Path) -> None:
    """A day in both forms, as it is until the next pass joins them; the compressed one tells of another desk."""
    path = folder / "history" / "20140605.jsonl"
    other = path.read_bytes().replace(b'"desk":"demo"', b'"desk":"old"')
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(other))


def unreadable(name: str) -> Plant:
    return lambda folder: (folder / name).chmod(0o000)


def no_control(folder: Path) -> None:
    (folder / "control" / "requests").rmdir()
    (folder / "control").rmdir()


PLANTED: dict[str, tuple[Plant, str, str, int, str, str, str]] = {
    # what: plant, severity, path, line, place, words of the problem, words of the remedy
    "no snapshot": (lambda f: (f / "snapshot.json").unlink(), "fault", "snapshot.json", 0, "", "missing", "rename"),
    "half a snapshot": (
        content("snapshot.json", b'{"schema":1,'),
        "fault",
        "snapshot.json",
        0,
        "",
        "no JSON",
        "rename",
    ),
    "an empty one": (content("snapshot.json", b""), "fault", "snapshot.json", 0, "", "empty", "rename"),
    "a list": (content("snapshot.json", b"[]"), "fault", "snapshot.json", 0, "", "list", "rename"),
    "NaN": (content("snapshot.json", b'{"a":NaN}'), "fault", "snapshot.json", 0, "", "not finite", "rename"),
    "another schema": (snapshot_with(schema=2), "fault", "snapshot.json", 0, "", "schema is 2", "schema 1"),
    "no schema": (snapshot_with(schema=...), "fault", "snapshot.json", 0, "", "schema is missing", "schema 1"),
    "no pid": (snapshot_with(pid=...), "fault", "snapshot.json", 0, "pid", "missing", "whole number"),
    "seq as text": (snapshot_with(seq="7"), "fault", "snapshot.json", 0, "seq", "'7'", "whole number"),
    "status": (
        snapshot_with(self_check={"status": "fine"}),
        *("fault", "snapshot.json", 0, "self_check.status", "'fine'", "degraded"),
    ),
    "a check without ok": (
        snapshot_with(self_check={"status": "ok", "checks": [{"name": "a", "severity": "red"}]}),
        *("fault", "snapshot.json", 0, "self_check.checks[0].ok", "missing", "true or false"),
    ),
    "local time": (
        snapshot_with(ts="2026-11-21T11:00:00+01:00"),
        *("fault", "snapshot.json", 0, "ts", "not spelled", "then Z"),
    ),
    "no zone": (snapshot_with(ts="2026-11-21T11:00:00"), "fault", "snapshot.json", 0, "ts", "zone", "then Z"),
    "the future": (
        snapshot_with(wall_ts="2099-01-01T00:00:00.000000Z"),
        *("fault", "snapshot.json", 0, "wall_ts", "in the future", "UTC"),
    ),
    "the past": (
        snapshot_with(wall_ts="2020-01-01T00:00:00.000000Z"),
        *("warning", "snapshot.json", 0, "wall_ts", "three periods", "start the bot"),
    ),
    "period 0": (snapshot_with(period_ms=0), "fault", "snapshot.json", 0, "period_ms", "is 0", "1000"),
    "an hour's period": (
        snapshot_with(period_ms=3_600_000),
        *("fault", "snapshot.json", 0, "period_ms", "3600000", "60000"),
    ),
    "another desk": (snapshot_with(desk="other"), "fault", "snapshot.json", 0, "desk", "called demo", "same name"),
    "half an anchor": (
        snapshot_with(journal_hash=...),
        *("fault", "snapshot.json", 0, "journal", "without the other", "journal_hash"),
    ),
    "no anchor": (
        snapshot_with(journal_hash=..., journal_seq=...),
        *("info", "journal", 0, "", "does not remember", "journal_seq"),
    ),
    "a stranger's member": (snapshot_with(mood="calm"), "info", "snapshot.json", 0, "", "mood", ""),
    "a stranger's reason": (
        snapshot_with(self_check={"status": "blocked", "block_reasons": ["moon"]}),
        *("info", "snapshot.json", 0, "self_check", "moon", ""),
    ),
    "ok with a failed check": (
        snapshot_with(self_check={"status": "ok", "checks": [{"name": "paused", "ok": False, "severity": "yellow"}]}),
        *("warning", "snapshot.json", 0, "self_check.status", "paused", "degraded"),
    ),
    "an edited line": (
        lines_of(lambda lines: [*lines[:3], lines[3].replace(b"TWX", b"TWY", 1), *lines[4:]]),
        *("fault", "journal/SEGMENT", 4, "", "does not match its hash", "backup"),
    ),
    "a deleted line": (
        lines_of(lambda lines: [*lines[:3], *lines[4:]]),
        *("fault", "journal/SEGMENT", 4, "", "seq 5 follows 3", "1, 2, 3"),
    ),
    "a line without hash": (
        append_line("journal", b'{"seq":99}'),
        *("fault", "journal/SEGMENT", 20, "", "does not end with a hash", "64 hexadecimal"),
    ),
    "a torn end": (
        lines_of(lambda lines: [*lines, b'{"seq":20']),
        *("fault", "journal/SEGMENT", 20, "", "unfinished", "cuts it off"),
    ),
    "lost lines": (lost_tail, "fault", "journal", 0, "", "lost from its end", "backup"),
    "another head": (
        snapshot_with(journal_hash="1" * 64),
        *("fault", "journal", 0, "", "not the one that the snapshot remembers", "journal_hash"),
    ),
    "a gap of segments": (second_segment, "fault", "journal/20261121-0003.jsonl", 0, "", "missing", "without gaps"),
    "a broken archive": (compressed_garbage, "fault", "journal/SEGMENT.gz", 1, "", "does not unpack", "backup"),
    "an unknown type": (
        resealed(member("type", "filled"), only=5),
        *("fault", "journal/SEGMENT", 5, "type", "'filled'", "did you mean fill?"),
    ),
    "no ts": (resealed(member("ts", ...), only=6), "fault", "journal/SEGMENT", 6, "ts", "missing", "UTC"),
    "a price as text": (
        resealed(member("price", "70"), only=7),
        *("fault", "journal/SEGMENT", 7, "price", "'70'", "finite number"),
    ),
    "a copied journal": (
        resealed(member("desk", "other")),
        *("fault", "journal/SEGMENT", 1, "desk", "called demo", "folder's name"),
    ),
    "a stranger's member of a line": (
        resealed(member("mood", "calm")),
        "info",
        "journal",
        0,
        "",
        "mood (19 times)",
        "",
    ),
    "a stray file": (
        content("journal/today.jsonl", b"{}"),
        *("warning", "journal/today.jsonl", 0, "", "not named", "20261121-0001.jsonl"),
    ),
    "a torn copy": (
        content("journal/20261121-0001.jsonl.torn-99", b"{"),
        *("warning", "journal/20261121-0001.jsonl.torn-99", 0, "", "crash", "look at it"),
    ),
    "no journal": (
        lambda f: (f / "journal").rename(f.parent / "away"),
        *("warning", "journal", 0, "", "missing", "write a line"),
    ),
    "an audit edited": (
        lines_of(lambda lines: [lines[0].replace(b"anna", b"otto")], "audit"),
        *("fault", "audit/SEGMENT", 1, "", "does not match its hash", "backup"),
    ),
    "half a sample that a crash left": (
        append_line("history", b'{"schema":1,"kin'),
        *("warning", "history/20140605.jsonl", 7, "", "cut short", "after a crash"),
    ),
    "a sample that is none": (
        append_line("history", b"{hello}"),
        *("fault", "history/20140605.jsonl", 7, "", "no JSON", "per line"),
    ),
    "a salvage that was cut short": (
        lambda f: (f / "journal.salvaging").mkdir(),
        *("fault", "journal.salvaging", 0, "", "no daemon starts", "salvage again"),
    ),
    "a journal that was put aside": (
        lambda f: (f / "journal.damaged-20261121T101500Z").mkdir(),
        *("info", "journal.damaged-20261121T101500Z", 0, "", "put aside", ""),
    ),
    "a late sample of a compressed day": (late_sample, "fault", "history/20140605.jsonl.gz", 1, "desk", "'old'", ""),
    "a sample of another kind": (
        append_line("history", {"schema": 1, "kind": "hour"}),
        *("fault", "history/20140605.jsonl", 7, "kind", "'hour'", "minute"),
    ),
    "a tape with a gap": (
        append_line("tape", {"tape_seq": 9, "event": {}}),
        *("fault", "tape/r1-0001.jsonl", 5, "tape_seq", "is 9, expected 4", "without gaps"),
    ),
    "a file that is not the contract's": (content("notes.txt", b""), "info", "notes.txt", 0, "", "not part", ""),
    "no control": (no_control, "fault", "control", 0, "", "pause", "mkdir"),
    "an open control": (
        lambda f: (f / "control").chmod(0o777),
        *("fault", "control", 0, "", "anybody", "chmod o-w control"),
    ),
    "an open desk": (lambda f: f.chmod(0o777), "fault", ".", 0, "", "world-writable", "chmod o-w"),
    "a snapshot for all": (
        lambda f: (f / "snapshot.json").chmod(0o666),
        *("warning", "snapshot.json", 0, "", "world-writable", "umask 027"),
    ),
    "a closed snapshot": (unreadable("snapshot.json"), "fault", "snapshot.json", 0, "", "may not be read", "chmod g+r"),
    "a misspelt command": (content("control/stopp", b""), "warning", "control/stopp", 0, "", "no command", "remove"),
    "a flatten that is no note": (
        content("control/flatten", b"now!"),
        *("warning", "control/flatten", 0, "", "refused", "touch it again"),
    ),
    "a stop": (content("control/stop", b'{"by":"anna"}'), "info", "control/stop", 0, "", "stands by anna", ""),
    "a waiting request": (request, "warning", "control/requests/a.json", 0, "", "will be refused", "ask again"),
    "a stale temporary": (
        temporary,
        *("warning", ".snapshot.json.99-aa.tmp", 0, "", "temporary file", "remove it"),
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_fault_is_found_at_its_place_with_its_remedy(desk: Path, what: str) -> None:
    plant, severity, path, line, place, problem, remedy = PLANTED[what]
    parent = "audit" if path.startswith("audit") else "journal"
    path = path.replace("SEGMENT", segment(desk, parent).name)
    plant(desk)
    found = examine(desk)
    assert any(
        (each.severity, each.path, each.line, each.place) == (severity, path, line, place)
        and problem in each.problem
        and remedy in each.remedy
        for each in found
    ), [each for each in found if each.severity != "ok"]
    if severity != "fault":
        assert of(found, "fault") == [], "a look that is only a warning must not fail a desk"
    assert all(each.remedy for each in of(found, "fault", "warning")), "everything that is wrong has its remedy"


def test_a_folder_with_a_name_that_is_no_desks(desk: Path) -> None:
    renamed = desk.rename(desk.parent / "My Desk")
    assert any(each.path == "." and "My Desk" in each.problem for each in of(examine(renamed), "fault"))


def test_a_stopped_desk_may_be_as_old_as_it_likes(desk: Path) -> None:
    snapshot_with(daemon_state="stopped", wall_ts="2020-01-01T00:00:00.000000Z")(desk)
    assert of(examine(desk), "fault", "warning") == []


def test_after_a_break_the_rest_of_the_chain_is_still_judged(desk: Path) -> None:
    lines_of(lambda lines: [*lines[:2], *lines[3:9], lines[9].replace(b"TWX", b"TWY", 1), *lines[10:]])(desk)
    assert [each.line for each in of(examine(desk), "fault")] == [3, 9]


def test_the_same_fault_in_many_lines_is_told_once_with_their_number(desk: Path) -> None:
    resealed(member("desk", "other"))(desk)
    (fault,) = of(examine(desk), "fault")
    assert (fault.line, fault.repeated) == (1, 18)


def test_a_file_that_is_wrong_in_many_ways_is_cut_short(desk: Path) -> None:
    path = desk / "history" / "20140605.jsonl"
    path.write_text("".join(json.dumps({"kind": f"kind {number}"}) + "\n" for number in range(500)))
    faults = of(examine(desk), "fault")
    assert len(faults) == LISTED_PER_FILE + 1
    assert faults[-1].problem.endswith("more that are not listed")


def test_a_line_that_its_writer_completes_while_we_look_is_no_fault(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = segment(desk)
    whole = path.read_bytes()
    sealed, _ = seal(read_head(whole.splitlines(keepends=True)[-1]), b'{"seq":20,"ts":"x"}')
    path.write_bytes(whole + sealed[:-9])

    def finish(_: float) -> None:
        path.write_bytes(whole + sealed)

    monkeypatch.setattr("state.doctor.lines.time.sleep", finish)
    assert of(examine(desk), "fault") == []


def test_two_looks_tell_whether_the_desk_lives() -> None:
    first = make_snapshot(seq=7)

    def compared(**changes: Any) -> list[str]:
        findings = Findings()
        compare_snapshots(first, make_snapshot(**{"seq": 8, **changes}), 5000, findings)
        return [each.problem for each in findings.all()]

    assert compared() == []
    assert "fell from 7 to 3" in compared(seq=3)[0]
    assert "while wall_ts moved" in compared(seq=7, wall_ts="2026-11-20T12:00:05.000000Z")[0]
    assert "longer than three periods" in compared(seq=7)[0]
    assert compared(seq=7, daemon_state="stopped") == []


def test_a_segment_that_retention_removes_while_we_look_is_no_fault(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, journal = read_chain(desk / "journal"), desk / "journal"
    segment(desk).unlink()
    monkeypatch.setattr("state.doctor.lines.read_chain", lambda at: listed if at == journal else read_chain(at))
    found = examine(desk)
    assert of(found, "fault") == []
    assert any("while we looked" in each.problem for each in of(found, "warning"))


def test_behind_a_file_that_does_not_unpack_nothing_is_guessed(desk: Path) -> None:
    compressed_garbage(desk)
    (fault,) = of(examine(desk), "fault")
    assert fault.problem.startswith("does not unpack")


def test_a_journal_with_compressed_segments_is_judged_like_any_other(desk: Path) -> None:
    path = segment(desk)
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert of(examine(desk), "fault", "warning") == []
