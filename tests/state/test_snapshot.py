import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from state.records import Limit, SessionState
from state.snapshot import read_snapshot, write_snapshot
from tests.support.desk_files import make_snapshot


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    snapshot = make_snapshot(
        session=SessionState(is_open=False, until="2026-11-23T14:30:00.000000Z"),
        limits=(Limit(name="hedges", used=3, limit=50),),
        strategy={"name": "x", "legs": [1.5]},
    )
    for sync in (False, True):
        write_snapshot(path, snapshot, sync=sync)
        assert read_snapshot(path).snapshot == snapshot
        assert read_snapshot(path).problem is None


def test_none_is_told_from_damaged(tmp_path: Path) -> None:
    read = read_snapshot(tmp_path / "snapshot.json")
    assert (read.snapshot, read.reason) == (None, "snapshot_missing")
    assert "does not exist" in read.problem


VALID = msgspec.json.encode(make_snapshot())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "damaged"),
        (b"\0" * 500, "damaged"),
        (b"[]", "damaged"),
        (VALID[:-1], "damaged"),
        (VALID + b"x", "damaged"),
        (b"\xff" + VALID, "damaged"),
        (VALID.replace(b'"schema":1', b'"schema":2'), "has schema 2, this version reads 1"),
        (VALID.replace(b'"schema":1,', b""), "schema"),
        (VALID.replace(b'"seq":1', b'"seq":"one"'), "seq"),
        (VALID.replace(b'"status":"ok"', b'"status":"fine"'), "self_check.status"),
        (VALID.replace(b'"period_ms":1000', b'"period_ms":0'), "period_ms"),
        (VALID.replace(b'"wall_ts":"2026', b'"wall_ts":"yesterday'), "damaged"),
        (VALID.replace(b'"equity_usd":null', b'"equity_usd":NaN'), "damaged"),
    ],
)
def test_damage_is_told_and_left_alone(tmp_path: Path, content: Any, says: str) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(content)
    read = read_snapshot(path)
    assert (read.snapshot, read.reason) == (None, "snapshot_damaged")
    assert says in read.problem
    assert "\n" not in read.problem
    assert [entry.name for entry in tmp_path.iterdir()] == ["snapshot.json"]
    assert path.read_bytes() == content


def test_truncated_anywhere_it_is_never_half_read(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    for length in range(0, len(VALID), 3):
        path.write_bytes(VALID[:length])
        assert read_snapshot(path).snapshot is None


def test_a_folder_a_pipe_and_a_broken_link_neither_hang_nor_raise(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert read_snapshot(tmp_path / "folder").reason == "snapshot_damaged"
    assert read_snapshot(tmp_path / "pipe").reason == "snapshot_damaged"
    assert read_snapshot(tmp_path / "link").reason == "snapshot_missing"


def test_another_bots_snapshot_with_only_the_needed_fields_and_own_ones_is_read(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text(
        '{"schema":1,"desk":"maker","run_id":"a","pid":7,"seq":1,"ts":"2026-11-20T12:00:00Z",'
        '"wall_ts":"2026-11-20T12:00:00+00:00","period_ms":1000,"daemon_state":"quoting",'
        '"self_check":{"status":"ok"},"inventory":{"BTC":1}}'
    )
    assert read_snapshot(path).snapshot.equity_usd is None


def test_a_number_that_is_not_finite_becomes_unknown(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "snapshot.json", make_snapshot(equity_usd=float("nan")), sync=False)
    assert read_snapshot(tmp_path / "snapshot.json").snapshot.equity_usd is None
