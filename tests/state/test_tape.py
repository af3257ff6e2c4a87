import errno
import json
import os
from pathlib import Path

import msgspec
import pytest

import state.tape
from state.tape import TapeError, TapeWriter, read_checkpoint, read_events, tape_files

TS = "2026-11-20T12:00:00.000000Z"


class Tick(msgspec.Struct, frozen=True, tag_field="event", tag="quote"):
    ts_us: int


def make_tape(folder: Path, count: int, **options: int) -> TapeWriter:
    tape = TapeWriter(folder, desk="demo", run_id="20261120T120000-7", **options)
    tape.start({"book": {"own_shares": 0}}, ts=TS, wall_ts=TS)
    for number in range(count):
        assert tape.append(Tick(number)) == number + 1
    return tape


def test_a_tape_is_a_checkpoint_and_then_events(tmp_path: Path) -> None:
    make_tape(tmp_path / "tape", 3).close()
    (path,) = tape_files(tmp_path / "tape", "20261120T120000-7")
    assert path.name == "20261120T120000-7-0001.jsonl"
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    assert rows[0] == {
        "schema": 1,
        "desk": "demo",
        "run_id": "20261120T120000-7",
        "tape_seq": 0,
        "ts": TS,
        "wall_ts": TS,
        "checkpoint": {"book": {"own_shares": 0}},
    }
    assert rows[2] == {"tape_seq": 2, "event": {"event": "quote", "ts_us": 1}}
    assert [msgspec.json.decode(each.event, type=Tick) for each in read_events(path)] == [Tick(0), Tick(1), Tick(2)]


def test_a_full_file_is_followed_by_another_with_its_own_checkpoint(tmp_path: Path) -> None:
    tape = make_tape(tmp_path, 3, file_bytes=300)
    assert not tape.rotation_due()
    tape.append(Tick(3))
    tape.append(Tick(4))
    assert tape.rotation_due()
    assert tape.start({"book": 2}, ts=TS, wall_ts=TS) == ()
    assert not tape.rotation_due()
    assert tape.append(Tick(9)) == 6
    tape.close()
    first, second = tape_files(tmp_path, "20261120T120000-7")
    assert read_checkpoint(second).tape_seq == 5
    assert [each.tape_seq for each in read_events(first)] == [1, 2, 3, 4, 5]
    assert [each.tape_seq for each in read_events(second)] == [6]


def test_an_unfinished_end_is_left_out_and_anything_else_named(tmp_path: Path) -> None:
    make_tape(tmp_path, 3).close()
    (path,) = tape_files(tmp_path, "20261120T120000-7")
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    assert [each.tape_seq for each in read_events(path)] == [1, 2]
    rows = content.splitlines(keepends=True)
    path.write_bytes(rows[0] + rows[1] + rows[3])
    with pytest.raises(TapeError, match="line 3: tape_seq 3, expected 2"):
        list(read_events(path))
    path.write_bytes(rows[0] + b"{\n")
    with pytest.raises(TapeError, match="line 2: not an event"):
        list(read_events(path))
    path.write_bytes(rows[1])
    with pytest.raises(TapeError, match="not a tape's checkpoint"):
        read_checkpoint(path)


def test_after_a_failure_no_line_follows_a_half_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = make_tape(tmp_path, 1)

    def refuse(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(state.tape.os, "write", refuse)
        with pytest.raises(TapeError, match="No space left"):
            tape.append(Tick(2))
    with pytest.raises(TapeError, match="not open"):
        tape.append(Tick(3))
    assert tape.tape_seq == 1


def test_a_run_never_writes_over_another_tape(tmp_path: Path) -> None:
    make_tape(tmp_path, 1).close()
    with pytest.raises(TapeError, match="File exists"):
        make_tape(tmp_path, 1)
