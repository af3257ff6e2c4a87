import errno
import gzip
import json
import os
from pathlib import Path

import msgspec
import pytest

import state.tape
from state.archive import archive_path, compress_file
from state.tape import TapeError, TapeWriter, read_checkpoint, read_events, tape_files
from state.tape_folder import finished, list_tape, make_room

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


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_a_compressed_tape_is_read_like_a_plain_one(tmp_path: Path) -> None:
    make_tape(tmp_path, 3).close()
    (path,) = tape_files(tmp_path, "20261120T120000-7")
    checkpoint, events = read_checkpoint(path), list(read_events(path))
    content = path.read_bytes()
    path.write_bytes(content + b'{"tape_seq":4,"ev')
    compress_file(path)
    assert tape_files(tmp_path, "20261120T120000-7") == (archive_path(path),)
    for name in (path, archive_path(path)):  # who listed the folder before finds it all the same
        assert read_checkpoint(name) == checkpoint
        assert list(read_events(name)) == events
    path.write_bytes(content)
    assert tape_files(tmp_path, "20261120T120000-7") == (path,)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    make_tape(tmp_path, 3).close()
    (path,) = tape_files(tmp_path, "20261120T120000-7")
    compress_file(path)
    archive = archive_path(path)
    archive.write_bytes(archive.read_bytes()[:-12])
    with pytest.raises(TapeError, match=r"0001\.jsonl\.gz, line \d: "):
        list(read_events(archive))
    archive.unlink()
    with pytest.raises(TapeError, match="No such file"):
        list(read_events(archive))


def test_more_than_9999_files_stay_in_order(tmp_path: Path) -> None:
    for number in (9999, 10_000, 10_001):
        (tmp_path / f"run-{number:04d}.jsonl").touch()
    assert [path.name[4:-6] for path in tape_files(tmp_path, "run")] == ["9999", "10000", "10001"]


def test_the_folder_stays_within_its_bound_also_in_one_long_run(tmp_path: Path) -> None:
    bound = 1024 * 1024
    tape = TapeWriter(tmp_path, desk="demo", run_id="run", max_bytes=bound)
    tape.start({"book": "x" * 1000}, ts=TS, wall_ts=TS)
    largest = 0
    for number in range(6000):
        if tape.rotation_due():
            assert tape.start({"book": "x" * 1000}, ts=TS, wall_ts=TS) == ()
        tape.append({"ts_us": number, "text": "x" * 500})
        if number % 50 == 0:
            largest = max(largest, folder_bytes(tmp_path))
    tape.close()
    files = tape_files(tmp_path, "run")
    assert bound / 2 < largest <= bound
    assert files[0].name != "run-0001.jsonl"
    kept = [event.tape_seq for path in files for event in read_events(path)]
    assert kept == list(range(kept[0], 6001))


def test_a_book_larger_than_a_file_does_not_begin_one_at_every_event(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path, desk="demo", run_id="run", file_bytes=100)
    tape.start({"book": "x" * 5000}, ts=TS, wall_ts=TS)
    for number in range(10):
        tape.append(Tick(number))
    assert not tape.rotation_due()
    tape.close()


def test_the_least_recently_written_make_room_whatever_their_form(tmp_path: Path) -> None:
    for age, name in enumerate(("c-0001.jsonl", "a-0002.jsonl.gz", "b-0001.jsonl", "a-0001.jsonl")):
        (tmp_path / name).write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    (tmp_path / "notes.txt").write_bytes(b"x" * 100)
    assert make_room(tmp_path, 200) == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-0002.jsonl.gz", "c-0001.jsonl", "notes.txt"]
    assert make_room(tmp_path / "none", 0) == ()


def test_a_file_that_cannot_be_removed_is_told_and_the_tape_goes_on(tmp_path: Path) -> None:
    stuck = tmp_path / "old-0001.jsonl"
    stuck.mkdir()  # nobody can unlink a folder, not even root
    tape = TapeWriter(tmp_path, desk="demo", run_id="run", max_bytes=1000)
    (problem,) = tape.start({}, ts=TS, wall_ts=TS)
    assert problem.startswith(f"{stuck} cannot be removed, so the tape may grow beyond its bound")
    assert tape.append(Tick(1)) == 1
    tape.close()


def test_only_what_nobody_writes_to_is_finished(tmp_path: Path) -> None:
    now_us = 2_000_000_000_000_000
    hour_s = 3600
    for name, age_s in (
        ("running-0001.jsonl", 10),
        ("running-0002.jsonl", 9 * hour_s),
        ("died-0001.jsonl.gz", 2 * hour_s),
        ("died-0002.jsonl", 2 * hour_s),
        ("fresh-0001.jsonl", 600),
        ("ahead-0001.jsonl", -50),
    ):
        (tmp_path / name).write_bytes(gzip.compress(b""))
        written = now_us // 1_000_000 - age_s
        os.utime(tmp_path / name, (written, written))
    done = finished(list_tape(tmp_path), running_run_id="running", wall_us=now_us)
    assert [file.path.name for file in done] == ["died-0001.jsonl.gz", "died-0002.jsonl", "running-0001.jsonl"]


def test_an_event_that_is_no_text_ends_the_tape_and_not_the_daemon(tmp_path: Path) -> None:
    tape = make_tape(tmp_path, 1)
    with pytest.raises(TapeError, match="surrogates"):
        tape.append({"name": "\udcff"})
    with pytest.raises(TapeError, match="not open"):
        tape.append(Tick(1))
