"""`bifrost flatten` where nobody is left to do it: the daemon holds the desk and hangs, nobody supervises it."""

import signal

from daemon.runtime.locks import desk_lock_path, is_held
from state.records import JournalType
from state.times import us_from_iso
from tests.acceptance.test_control import hedging
from tests.support.system import System, wait_for


def test_a_hung_daemon_is_killed_and_the_command_itself_flattens(demo: System) -> None:
    demo.start_simulator()
    hung = demo.start("daemon", "--profile", str(demo.profile))
    hedging(demo)
    wait_for("its shares in the snapshot", lambda: demo.snapshot().own_shares != 0)
    hung.send_signal(signal.SIGSTOP)
    old_us = us_from_iso(demo.snapshot().wall_ts)

    done = demo.cli("flatten", "--reason", "it hangs", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"killed process {hung.pid}" in done.stderr
    assert "closing: " in done.stderr
    assert "verified flat: own 0 shares" in done.stderr
    assert hung.wait(5) == -signal.SIGKILL
    last = demo.snapshot()
    assert us_from_iso(last.wall_ts) > old_us
    assert (last.own_shares, last.daemon_state) == (0, "stopped")
    assert demo.of(JournalType.RUN_STOPPED)[-1].data["exit_code"] == 0
    assert not is_held(desk_lock_path(demo.paths.folder)), "whoever flattened has left"
    assert [path.name for path in demo.paths.control.glob("[a-z]*") if path.is_file()] == ["pause"]
    assert "killed" in "".join(file.read_text() for file in demo.paths.audit.glob("*.jsonl"))
    wait_for("nobody", lambda: demo.daemon_pid() is None, 5)
