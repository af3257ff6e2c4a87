import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.runtime.locks import (
    Locks,
    LockTakenError,
    account_lock_path,
    client_lock_path,
    desk_lock_path,
    holder_pid,
    is_held,
    owner_pid,
    run_directory,
)

_HOLDER = """
import sys
from pathlib import Path
from daemon.runtime.locks import Locks
locks = Locks()
locks.take(Path(sys.argv[1]), "it")
print("held", flush=True)
sys.stdin.read()
"""


def hold_elsewhere(path: Path) -> "subprocess.Popen[str]":
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_refused_with_the_holders_pid_and_welcome_after_its_death(tmp_path: Path) -> None:
    path = tmp_path / "desk" / ".daemon.lock"
    holder = hold_elsewhere(path)
    locks = Locks()
    try:
        assert holder_pid(path) == holder.pid
        with pytest.raises(LockTakenError, match=rf"desk demo is in use by process {holder.pid};"):
            locks.take(path, "desk demo")
    finally:
        holder.kill()
        holder.communicate()
    locks.take(path, "desk demo")
    assert holder_pid(path) == os.getpid()
    locks.release_all()


def test_the_same_process_may_ask_again_and_release_frees(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first, second = Locks(), Locks()
    first.take(path, "x")
    first.take(path, "x")
    with pytest.raises(LockTakenError):
        second.take(path, "x")
    first.release_all()
    second.take(path, "x")
    second.release_all()


def test_an_unknown_holder_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first = Locks()
    first.take(path, "x")
    path.write_text("")
    with pytest.raises(LockTakenError, match="x is in use by another process"):
        Locks().take(path, "x")
    first.release_all()


def test_lock_names_tell_accounts_clients_and_simulators_apart(run_directory: Path) -> None:
    assert account_lock_path("U123", "BRK B").name == "account-U123-BRK_B.lock"
    assert account_lock_path("U123", "TWX").parent == run_directory
    assert account_lock_path("DU1", "TWX", simulated_at="127.0.0.1:1") != account_lock_path(
        "DU1", "TWX", simulated_at="127.0.0.1:2"
    )
    assert client_lock_path("localhost", 7497, 1) != client_lock_path("localhost", 7497, 2)
    assert desk_lock_path(Path("/var/demo")).name.startswith(".")


def test_without_override_the_run_directory_survives_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIFROST_RUN_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/4242")
    assert not run_directory().is_relative_to("/run")


def test_who_holds_a_lock_is_told_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "desk" / ".daemon.lock"
    assert (is_held(path), owner_pid(path)) == (False, None)
    holder = hold_elsewhere(path)
    try:
        assert (is_held(path), owner_pid(path)) == (True, holder.pid)
        path.write_text(str(os.getpid()))
        assert is_held(path)
        assert owner_pid(path) is None, "a pid that does not have the file open is not its owner"
        path.write_text("1")
        assert owner_pid(path) is None
    finally:
        holder.kill()
        holder.communicate()
    assert (is_held(path), owner_pid(path)) == (False, None)


def test_whoever_only_asks_does_not_keep_a_starting_daemon_out(tmp_path: Path) -> None:
    import fcntl
    import threading

    path = tmp_path / ".daemon.lock"
    path.touch()
    with path.open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.05, lambda: fcntl.flock(asking, fcntl.LOCK_UN)).start()
        locks = Locks()
        locks.take(path, "desk")
    locks.release_all()
