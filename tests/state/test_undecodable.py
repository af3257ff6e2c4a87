"""Bytes that nest deeper than the interpreter follows are damage like any other: told, and nobody dies of them."""

import time
from pathlib import Path

import pytest

from state.audit import newest_audit
from state.chain import LineError, read_head
from state.control import COMMANDS, read_control, read_requests
from state.journal_reader import decode_line
from state.snapshot import read_snapshot
from state.statistics.digest import decoded

DEEP = b'{"schema":1,"nobody_asked":' + b"[" * 30_000
NOW_US = time.time_ns() // 1000  # noqa: TID251 - file times are the machine's


@pytest.mark.parametrize("content", [DEEP, b'{"x":' + b'{"x":' * 10_000])
def test_a_command_is_obeyed_whatever_its_file_holds(tmp_path: Path, content: bytes) -> None:
    for name in COMMANDS:
        (tmp_path / name).write_bytes(content)
    found = read_control(tmp_path, NOW_US)
    assert set(found.files) == set(COMMANDS)
    assert not any(command.readable for command in found.files.values())


def test_what_nests_without_end_is_a_problem_told(tmp_path: Path) -> None:
    (tmp_path / "snapshot.json").write_bytes(DEEP)
    assert read_snapshot(tmp_path / "snapshot.json").reason == "snapshot_damaged"
    (tmp_path / "one.json").write_bytes(DEEP)
    assert "recursion" in (read_requests(tmp_path, NOW_US)[0].problem or "")
    audit = tmp_path / "audit"
    audit.mkdir()
    (audit / "20260105-000001.jsonl").write_bytes(DEEP + b"\n")
    assert newest_audit(audit, 5) == []
    assert decode_line(DEEP) is None
    assert list(decoded([DEEP])) == [None]
    with pytest.raises(LineError):
        read_head(DEEP)
