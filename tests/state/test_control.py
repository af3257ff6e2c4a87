import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from state.control import (
    ControlError,
    assert_command,
    read_control,
    read_requests,
    release_command,
    remove_request,
    write_request,
)
from state.records import OperatorRequest
from tests.support.desk_files import NOON_US

AT = "2026-11-20T12:00:00.000000Z"


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    made = tmp_path / "control"
    made.mkdir()
    return made


def look(folder: Path, now_us: int = NOON_US) -> Any:
    return read_control(folder, now_us)


def test_an_empty_folder_commands_nothing(folder: Path) -> None:
    (folder / "requests").mkdir()
    read = look(folder)
    assert (read.files, read.unknown_names, read.readable) == ({}, (), True)


@pytest.mark.parametrize("name", ["stop", "pause", "flatten"])
def test_a_touch_asserts_and_its_mtime_is_the_time(folder: Path, name: str) -> None:
    (folder / name).touch()
    os.utime(folder / name, ns=((NOON_US - 1_500_000) * 1000, (NOON_US - 1_500_000) * 1000))
    found = look(folder).files[name]
    assert (found.since_us, found.age_ms, found.readable, found.by) == (NOON_US - 1_500_000, 1500.0, True, None)


def _make_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").touch()


ODDITIES = {
    "folder": _make_folder,
    "broken link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a note": lambda path: path.symlink_to("/etc/hostname"),
    "pipe": os.mkfifo,
    "noise": lambda path: path.write_bytes(b"\xff\0\x80"),
    "words": lambda path: path.write_text("now!"),
    "list": lambda path: path.write_text("[]"),
    "number as name": lambda path: path.write_text('{"by": 3}'),
    "huge": lambda path: path.write_bytes(b" " * 100_000),
}


@pytest.mark.parametrize("name", ["stop", "pause", "flatten"])
@pytest.mark.parametrize("odd", ODDITIES)
def test_whatever_lies_under_the_name_is_the_command_though_not_readable(folder: Path, name: str, odd: str) -> None:
    ODDITIES[odd](folder / name)
    read = look(folder)
    assert list(read.files) == [name]
    assert read.files[name].readable is False
    assert read.readable


@pytest.mark.parametrize("content", ["", "\n", "{}", '{"by": null}', '{"new": 1}'])
def test_nothing_or_a_note_without_words_is_readable(folder: Path, content: Any) -> None:
    (folder / "flatten").write_text(content)
    assert look(folder).files["flatten"].readable


def test_ignored_and_unknown_names(folder: Path) -> None:
    for name in (".stop.swp", "stop~", ".hidden", "requests", "Stop", "stop.txt", "resume"):
        (folder / name).touch()
    read = look(folder)
    assert read.files == {}
    assert read.unknown_names == ("Stop", "resume", "stop.txt")


def test_a_folder_that_is_missing_or_none_is_unreadable(tmp_path: Path) -> None:
    read = look(tmp_path / "control")
    assert (read.readable, read.files) == (False, {})
    (tmp_path / "control").touch()
    assert not look(tmp_path / "control").readable


def test_a_folder_that_may_be_entered_but_not_listed_still_commands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "stop").touch()

    def refuse(self: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    read = look(folder)
    assert not read.readable
    assert list(read.files) == ["stop"]
    assert "Permission denied" in read.problem


def test_asserting_leaves_a_note_and_nothing_else(folder: Path) -> None:
    assert assert_command(folder, "stop", by="anna", reason="lunch", at=AT, command_id="7") is True
    assert [entry.name for entry in folder.iterdir()] == ["stop"]
    note = json.loads((folder / "stop").read_text())
    assert note == {"id": "7", "by": "anna", "reason": "lunch", "at": AT}
    found = look(folder).files["stop"]
    assert (found.id, found.by, found.reason, found.at) == ("7", "anna", "lunch", AT)


def test_an_asserted_stop_keeps_its_first_note(folder: Path) -> None:
    assert_command(folder, "stop", by="supervisor", reason="crash_loop", at=AT)
    assert assert_command(folder, "stop", by="anna", reason="too", at=AT) is False
    assert look(folder).files["stop"].by == "supervisor"


def test_an_asserted_flatten_is_renewed(folder: Path) -> None:
    assert_command(folder, "flatten", by="anna", reason="first", at=AT)
    os.utime(folder / "flatten", ns=(0, 0))
    assert assert_command(folder, "flatten", by="bert", reason="again", at=AT) is False
    found = look(folder).files["flatten"]
    assert found.by == "bert"
    assert found.since_us > NOON_US - 10**15
    assert [entry.name for entry in folder.iterdir()] == ["flatten"]


@pytest.mark.parametrize("name", ["stop", "flatten"])
def test_asserting_over_a_folder_of_that_name_counts_as_asserted(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    assert assert_command(folder, name, by="anna", reason="x", at=AT) is False
    assert list(look(folder).files) == [name]


def test_asserting_makes_a_lost_control_folder_but_no_desk(tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir()
    assert assert_command(tmp_path / "desk" / "control", "stop", by="a", reason="b", at=AT)
    with pytest.raises(ControlError, match="touch"):
        assert_command(tmp_path / "other" / "control", "stop", by="a", reason="b", at=AT)


def test_a_file_system_without_hard_links_serves_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Any, target: Any) -> Any:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert assert_command(folder, "stop", by="a", reason="b", at=AT) is True
    assert assert_command(folder, "stop", by="a", reason="b", at=AT) is False
    assert [entry.name for entry in folder.iterdir()] == ["stop"]


def test_releasing(folder: Path) -> None:
    assert release_command(folder, "stop") is False
    (folder / "stop").symlink_to("nowhere")
    assert release_command(folder, "stop") is True
    (folder / "stop").mkdir()
    assert release_command(folder, "stop") is True
    assert look(folder).files == {}
    _make_folder(folder / "stop")
    with pytest.raises(ControlError, match="by hand"):
        release_command(folder, "stop")


def request(number: int, **changes: Any) -> Any:
    fields = {
        "id": f"r{number}",
        "command": "adopt",
        "shares": 10.0,
        "by": "anna",
        "reason": "mine",
        "at": AT,
        **changes,
    }
    return OperatorRequest(**fields)


def test_requests_come_back_oldest_first_with_their_age(folder: Path) -> None:
    requests = folder / "requests"
    assert read_requests(requests, NOON_US) == ()
    for number, age_s in ((1, 5), (2, 50), (3, 0)):
        path = write_request(requests, request(number))
        stamp = (NOON_US - age_s * 1_000_000) * 1000
        os.utime(path, ns=(stamp, stamp))
    found = read_requests(requests, NOON_US)
    assert [(each.name, each.age_ms, each.problem) for each in found] == [
        ("r2.json", 50_000.0, None),
        ("r1.json", 5_000.0, None),
        ("r3.json", 0.0, None),
    ]
    assert found[1].request == request(1)
    remove_request(requests, "r2.json")
    remove_request(requests, "r2.json")
    assert [each.name for each in read_requests(requests, NOON_US)] == ["r1.json", "r3.json"]


def test_odd_requests_come_back_with_a_problem(folder: Path) -> None:
    requests = folder / "requests"
    requests.mkdir()
    (requests / "half.json").write_text('{"id": "half"')
    (requests / "other.json").write_text(
        json.dumps({"id": "x", "command": "reset", "by": "a", "reason": "b", "at": AT})
    )
    (requests / "cmd.json").write_text(json.dumps({"id": "cmd", "command": "sell", "by": "a", "reason": "b", "at": AT}))
    (requests / "dir.json").mkdir()
    (requests / ".temp").touch()
    found = {each.name: each for each in read_requests(requests, NOON_US)}
    assert set(found) == {"half.json", "other.json", "cmd.json", "dir.json"}
    assert all(each.request is None and each.problem for each in found.values())
    for name in found:
        remove_request(requests, name)
    assert read_requests(requests, NOON_US) == ()


def test_a_taken_or_odd_id_is_refused(folder: Path) -> None:
    write_request(folder / "requests", request(1))
    with pytest.raises(ControlError, match="already"):
        write_request(folder / "requests", request(1))
    for odd in ("", "../stop", ".x", "a/b", "x" * 65):
        with pytest.raises(ControlError, match="request id"):
            write_request(folder / "requests", request(1, id=odd))
    assert [each.name for each in read_requests(folder / "requests", NOON_US)] == ["r1.json"]


def test_names_that_are_no_text_are_shown_in_words_that_can_be_journaled(folder: Path) -> None:
    (folder / "requests").mkdir()
    for odd in (folder / os.fsdecode(b"st\xffop"), folder / "requests" / os.fsdecode(b"r\xfe.json")):
        odd.touch()
    read = look(folder)
    assert read.unknown_names == ("st\\xffop",)
    (request,) = read_requests(folder / "requests", NOON_US)
    assert request.problem is not None
    assert "r\\xfe.json" in request.problem
    msgspec.json.encode((read, request.problem))
    remove_request(folder / "requests", request.name)
    assert read_requests(folder / "requests", NOON_US) == ()
