import errno
import os
from pathlib import Path
from typing import Any

import pytest

import state.atomic
from state.atomic import clean_stale_temporaries, replace_file
from state.layout import DeskNameError, DeskPaths, desks


def test_a_desk_lies_under_its_root(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path / "var", "demo")
    assert not paths.exists()
    paths.create()
    paths.create()
    assert paths.exists()
    assert paths.requests == tmp_path / "var" / "demo" / "control" / "requests"
    assert {entry.name for entry in paths.folder.iterdir()} == {
        "journal",
        "history",
        "tape",
        "control",
        "audit",
        "logs",
    }
    (tmp_path / "var" / "_archive").mkdir()
    (tmp_path / "var" / "file").touch()
    assert desks(tmp_path / "var") == ("demo",)
    assert desks(tmp_path / "none") == ()


@pytest.mark.parametrize("name", ["", "_archive", "../up", "Demo", "a/b", "a" * 32, "-x", "x\n"])
def test_what_is_no_desks_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DeskNameError, match="desk"):
        DeskPaths(tmp_path, name)


def test_replacing_leaves_the_new_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"", b"three" * 100_000):
        replace_file(path, content, sync=True)
        assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_every_call_that_can_fail_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a database's own tests do: fail the first, then the second fallible call, until nothing fails."""
    path = tmp_path / "file"
    fails_at = 0
    while True:
        path.write_bytes(b"old")
        fails_at += 1
        calls = []

        def guarded(real: Any, fails_at: Any = fails_at, calls: Any = calls) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                calls.append(real)
                if len(calls) == fails_at:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return real(*args, **kwargs)

            return call

        with monkeypatch.context() as patch:
            patch.setattr(state.atomic.os, "open", guarded(os.open))
            patch.setattr(state.atomic.os, "write", guarded(os.write))
            patch.setattr(state.atomic.os, "fsync", guarded(os.fsync))
            patch.setattr(Path, "replace", guarded(Path.replace))
            try:
                replace_file(path, b"new", sync=True)
            except OSError:
                failed = True
            else:
                break
        assert failed
        renamed = Path.replace in calls[: fails_at - 1]
        assert path.read_bytes() == (b"new" if renamed else b"old")
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert fails_at == 7  # create, write, fsync, rename, open folder, fsync folder; then none fails


def test_the_order_is_write_sync_rename_sync_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    for name in ("write", "fsync"):
        real = getattr(os, name)
        monkeypatch.setattr(
            state.atomic.os, name, lambda fd, *rest, real=real, name=name: done.append(name) or real(fd, *rest)
        )
    real_replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: done.append("rename") or real_replace(self, to))
    replace_file(tmp_path / "file", b"x", sync=True)
    replace_file(tmp_path / "file", b"x", sync=False)
    assert done == ["write", "fsync", "rename", "fsync", "write", "rename"]


def test_only_this_files_stale_temporaries_are_removed(tmp_path: Path) -> None:
    for name in ("snapshot.json", ".snapshot.json.99-abcd.tmp", ".other.json.99-abcd.tmp", "note.tmp"):
        (tmp_path / name).write_text("x")
    assert clean_stale_temporaries(tmp_path / "snapshot.json") == 1
    assert {entry.name for entry in tmp_path.iterdir()} == {"snapshot.json", ".other.json.99-abcd.tmp", "note.tmp"}
