import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import state.control
from cli.children import Child, Children
from cli.options import CHECKOUT
from daemon.runtime.clocks import wall_us
from state.audit import read_audit
from state.control import assert_command, read_control
from state.records import Check, JournalType, SelfCheck, WorkingOrder
from state.times import iso_from_us
from tests.cli.conftest import Cli, Desk


def _done(desk: Desk, command: str, status: str = "done", **fields: object) -> Callable[[], None]:
    return lambda: desk.journal(JournalType.CONTROL_DONE, status=status, data={"command": command}, **fields)


@pytest.mark.parametrize("command", ["stop", "pause"])
def test_a_command_is_a_file_with_a_note_and_an_audit_line(cli: Cli, desk: Desk, command: str) -> None:
    desk.shows()
    answer = cli(command, "--reason", "end of day")
    assert (answer.code, answer.out) == (0, f"demo: {command}: asserted\n")
    found = read_control(desk.paths.control, wall_us()).files[command]  # type: ignore[index]
    assert found.reason == "end of day"
    assert found.by
    [line] = read_audit(desk.paths.audit)
    assert (line.source, line.action, line.outcome, line.reason) == ("cli", command, "asserted", "end of day")
    assert cli(command).out == f"demo: {command}: asserted already\n"


@pytest.mark.parametrize("command", ["stop", "pause", "flatten --yes", "stop --flatten --yes"])
def test_a_command_to_a_desk_that_is_not_live_says_so(cli: Cli, desk: Desk, command: str) -> None:
    answer = cli(*command.split())
    assert answer.code == 0
    assert answer.out.endswith("; the desk is not live, so perhaps nobody obeys it now: see ./bifrost status\n")


def test_wait_ends_with_the_daemons_receipt(cli: Cli, desk: Desk) -> None:
    desk.when(lambda: desk.asserted("pause"), _done(desk, "pause"))
    answer = cli("pause", "--wait", "10")
    assert answer.code == 0
    assert answer.out.startswith("demo: pause: done at 20")


def test_wait_takes_the_receipt_of_a_pause_that_stood_already(cli: Cli, desk: Desk) -> None:
    cli("pause")
    _done(desk, "pause")()
    assert cli("pause", "--wait", "0").code == 0


@pytest.mark.parametrize("command", ["stop", "pause", "flatten --yes"])
def test_wait_without_a_daemon_is_exit_7_and_the_command_stands(cli: Cli, desk: Desk, command: str) -> None:
    answer = cli(*command.split(), "--wait", "0.1")
    assert answer.code == 7
    assert "not confirmed within 0.1 s; the command stands and is obeyed as soon as a daemon runs" in answer.err
    assert desk.asserted(command.split(maxsplit=1)[0])


def test_a_command_that_a_running_daemon_is_at_does_not_wait_for_a_daemon(cli: Cli, desk: Desk) -> None:
    desk.shows()
    answer = cli("flatten", "--yes", "--wait", "0.1")
    assert answer.code == 7
    assert "the daemon, which runs, goes on with it: ./bifrost status says what keeps it" in answer.err
    assert "as soon as a daemon runs" not in answer.err


def test_a_receipt_of_another_command_or_of_yesterday_does_not_count(cli: Cli, desk: Desk) -> None:
    _done(desk, "pause")()
    desk.when(lambda: desk.asserted("pause"), _done(desk, "stop"))
    assert cli("pause", "--wait", "0.3").code == 7


@pytest.mark.parametrize("command", ["stop", "pause", "flatten --yes"])
def test_a_receipt_of_just_before_does_not_count_where_the_disks_clock_is_behind(
    cli: Cli, desk: Desk, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    write_new = state.control._write_new

    def write_behind(path: Path, content: bytes) -> None:
        write_new(path, content)
        behind_ns = path.stat().st_mtime_ns - 2_000_000_000
        os.utime(path, ns=(behind_ns, behind_ns))

    monkeypatch.setattr(state.control, "_write_new", write_behind)
    _done(desk, command.split(maxsplit=1)[0])()
    assert cli(*command.split(), "--wait", "0.1").code == 7


def test_stop_of_a_desk_that_has_stopped_is_done(cli: Cli, desk: Desk) -> None:
    desk.journal(JournalType.RUN_STARTED)
    desk.journal(JournalType.RUN_STOPPED, status="stopped", data={"exit_code": 0})
    assert cli("stop", "--wait", "0").code == 0


@pytest.mark.parametrize("code", [1, 6])
def test_stop_after_a_crash_is_not_done(cli: Cli, desk: Desk, code: int) -> None:
    desk.journal(JournalType.RUN_STARTED)
    desk.journal(JournalType.RUN_STOPPED, status="crashed", data={"exit_code": code})
    assert cli("stop", "--wait", "0").code == 7


def test_a_stop_that_could_not_be_confirmed_is_exit_1(cli: Cli, desk: Desk) -> None:
    refused = {"command": "stop", "detail": "not confirmed cancelled: demo.ab.1"}
    desk.when(
        lambda: desk.asserted("stop"),
        lambda: desk.journal(
            JournalType.CONTROL_REFUSED, status="unconfirmed", reason="stop_unconfirmed", data=refused
        ),
    )
    answer = cli("stop", "--wait", "10")
    assert answer.code == 1
    assert "not confirmed cancelled: demo.ab.1" in answer.err


JOURNAL_FAILED = Check(name="journal", ok=False, severity="red", reason="journal_failed")
UNCONFIRMED = Check(name="stop", ok=False, severity="red", reason="stop_unconfirmed")
WORKING = WorkingOrder(
    order_ref="demo.a.1", instrument="TWX", side="SELL", quantity=1.0, filled=0.0, status="working", own=True
)


@pytest.mark.parametrize(
    ("last_word", "code"),
    [
        ({"daemon_state": "stopped"}, 0),
        ({"daemon_state": "stopping"}, 7),
        ({"daemon_state": "stopped", "working_orders": (WORKING,)}, 7),
        ({"daemon_state": "stopped", "checks": (JOURNAL_FAILED, UNCONFIRMED)}, 7),
        ({"daemon_state": "stopped", "checks": ()}, 7),
        ({"daemon_state": "stopped", "wall_ts": "2026-01-01T00:00:00.000000Z"}, 7),
    ],
)
def test_a_stop_that_the_journal_cannot_confirm_takes_the_last_snapshot_where_that_is_sure(
    cli: Cli, desk: Desk, last_word: dict[str, Any], code: int
) -> None:
    desk.journal(JournalType.RUN_STARTED)
    checks = last_word.pop("checks", (JOURNAL_FAILED,))
    check = SelfCheck(status="blocked", checks=checks)
    desk.when(lambda: desk.asserted("stop"), lambda: desk.shows(**{"self_check": check, **last_word}))
    answer = cli("stop", "--wait", "10" if code == 0 else "0.3")
    assert answer.code == code
    assert ("the journal failed, so there is no receipt" in answer.out) == (code == 0)


def test_a_daemon_that_still_holds_the_desk_has_not_stopped(cli: Cli, desk: Desk, holds: Callable[[str], int]) -> None:
    holds(".daemon.lock")
    check = SelfCheck(status="blocked", checks=(JOURNAL_FAILED,))
    desk.when(lambda: desk.asserted("stop"), lambda: desk.shows(self_check=check, daemon_state="stopped"))
    assert cli("stop", "--wait", "0.3").code == 7


def test_resume_removes_pause_only(cli: Cli, desk: Desk) -> None:
    cli("pause"), cli("stop")
    desk.when(lambda: not desk.asserted("pause"), _done(desk, "pause", "released"))
    assert cli("resume", "--wait", "10").code == 0
    assert desk.asserted("stop")
    assert not desk.asserted("pause")


def test_resume_and_start_where_nothing_stands(cli: Cli, desk: Desk) -> None:
    assert cli("start").out == (
        "demo: start: no stop stands; nothing to do; no daemon is seen: start one with ./bifrost up --profile P\n"
    )
    desk.shows()
    assert cli("start").out == "demo: start: no stop stands; nothing to do\n"
    assert cli("resume").out == "demo: resume: no pause stands; nothing to do\n"


def test_start_names_the_profile_of_the_last_run(cli: Cli, desk: Desk) -> None:
    data = {"profile": "paper", "profile_path": "/elsewhere/my paper.yaml"}
    desk.journal(JournalType.RUN_STARTED, status="started", data=data)
    assert "start one with ./bifrost up --profile '/elsewhere/my paper.yaml'\n" in cli("start").out


def test_resume_of_a_halted_desk_says_that_it_does_not_help(cli: Cli, desk: Desk) -> None:
    halted = Check(name="halt_daily_loss", ok=False, severity="red", reason="daily_loss")
    desk.shows(self_check=SelfCheck(status="blocked", block_reasons=("daily_loss",), checks=(halted,)))
    assert cli("resume").out == (
        "demo: resume: no pause stands; nothing to do; the desk is HALTED: ./bifrost status says why and what ends it\n"
    )


def test_start_removes_stop_and_waits_for_a_run(cli: Cli, desk: Desk) -> None:
    cli("stop")
    desk.when(lambda: not desk.asserted("stop"), lambda: desk.journal(JournalType.RUN_STARTED))
    assert cli("start", "--wait", "10").code == 0
    assert not desk.asserted("pause")


def test_start_without_a_supervisor_says_what_to_run(cli: Cli, desk: Desk) -> None:
    cli("stop")
    answer = cli("start", "--wait", "0")
    assert answer.code == 7
    assert "no daemon started within 0 s; run ./bifrost supervise or ./bifrost up" in answer.err


def test_start_after_the_supervisors_stop_comes_up_paused(cli: Cli, desk: Desk) -> None:
    assert_command(desk.paths.control, "stop", by="supervisor", reason="crash_loop", at=iso_from_us(wall_us()))
    answer = cli("start", "--reason", "cause found")
    assert answer.code == 0
    assert "comes up paused" in answer.err
    assert not desk.asserted("stop")
    pause = read_control(desk.paths.control, wall_us()).files["pause"]
    assert pause.reason == "start after a stop by the supervisor: cause found"


def test_flatten_asks_for_a_terminal_or_yes(cli: Cli, shell: Cli, desk: Desk) -> None:
    greeks = {"greeks": {"net_delta_shares": 2.5}}
    desk.shows(own_shares=-181.0, target_shares=-183.5, foreign_shares=100.0, strategy=greeks)
    answer = shell("flatten")
    assert answer.code == 2
    assert answer.err.startswith("flatten demo: own -181 shares (")
    assert "are brought to 0;" in answer.err
    assert "a net delta of +183.5 shares stays open" in answer.err
    assert "+100 foreign shares stay untouched" in answer.err
    assert "flatten needs a terminal to confirm at, or --yes" in answer.err
    assert not desk.asserted("flatten")
    assert cli("flatten", "--yes").code == 0
    assert desk.asserted("flatten")


@pytest.mark.parametrize(("typed", "code", "stands"), [("demo\n", 0, True), ("yes\n", 1, False), ("\x04", 1, False)])
def test_flatten_at_a_terminal_wants_the_desks_name(desk: Desk, typed: str, code: int, stands: bool) -> None:
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", "flatten"],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.write(master, typed.encode())
    assert process.wait(30) == code
    os.close(slave)
    os.close(master)
    assert desk.asserted("flatten") is stands


def test_flatten_refused_by_the_daemon_is_exit_1_with_its_words(cli: Cli, desk: Desk) -> None:
    words = {"command": "flatten", "detail": "the market is closed; the next session opens 2014-06-06T13:30:00Z"}
    desk.when(
        lambda: desk.asserted("flatten"),
        lambda: desk.journal(JournalType.CONTROL_REFUSED, status="refused", reason="flatten_refused", data=words),
    )
    answer = cli("flatten", "--yes", "--wait", "10")
    assert answer.code == 1
    assert "the next session opens" in answer.err


def test_stop_with_flatten_waits_for_both_in_this_order(cli: Cli, desk: Desk) -> None:
    def obey() -> None:
        _done(desk, "flatten")()
        _done(desk, "stop", reason="stopped")()

    desk.when(lambda: desk.asserted("flatten") and desk.asserted("stop"), obey)
    answer = cli("stop", "--flatten", "--yes", "--wait", "10")
    assert answer.code == 0
    assert answer.out.startswith("demo: stop: done (stopped)")
    assert [line.action for line in read_audit(desk.paths.audit)] == ["flatten", "stop"]


def test_json_carries_the_receipt(cli: Cli, desk: Desk) -> None:
    desk.when(lambda: desk.asserted("pause"), _done(desk, "pause"))
    found = json.loads(cli("pause", "--wait", "10", "--json").out)
    assert (found["command"], found["exit_code"], found["receipt"]["type"]) == ("pause", 0, "control_done")


def test_a_folder_that_cannot_be_written_names_the_last_resort(cli: Cli, desk: Desk) -> None:
    (desk.paths.control / "requests").rmdir()
    desk.paths.control.rmdir()
    desk.paths.control.write_text("a file where the folder should be")
    answer = cli("stop")
    assert answer.code == 1
    assert "as a last resort: touch" in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_broken_audit_never_stops_a_command(cli: Cli, desk: Desk) -> None:
    desk.paths.audit.rmdir()
    desk.paths.audit.write_text("a file where the folder should be")
    answer = cli("stop")
    assert answer.code == 0
    assert desk.asserted("stop")
    assert answer.err.startswith("bifrost: not audited:")


# --- where nobody is left to obey ------------------------------------------------------------------
@pytest.fixture
def holds(desk: Desk) -> Iterator[Callable[[str], int]]:
    """Another process takes a lock of the desk; gives its pid."""
    code = "import sys; from pathlib import Path; from daemon.runtime.locks import Locks; locks = Locks(); "
    code += "locks.take(Path(sys.argv[1]), 'it'); print('held', flush=True); sys.stdin.read()"
    running: list[subprocess.Popen[str]] = []

    def hold(name: str) -> int:
        words = [sys.executable, "-P", "-c", code, str(desk.paths.folder / name)]
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
        holder = subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return holder.pid

    yield hold
    for holder in running:
        holder.kill()
        holder.communicate()


RAN = {"profile": "demo", "profile_path": None, "profile_hash": "0", "ib_port": 7497, "pid": 1}


def test_start_without_a_supervisor_says_that_nothing_starts_and_how(cli: Cli, desk: Desk) -> None:
    desk.journal(JournalType.RUN_STARTED, data=RAN)
    cli("stop")
    assert cli("start").out == (
        "demo: start: stop released; no supervisor runs, so nothing starts by itself: "
        "./bifrost supervise --profile demo, or ./bifrost up --profile demo\n"
    )


def test_start_with_a_supervisor_needs_no_advice(cli: Cli, desk: Desk, holds: Callable[[str], int]) -> None:
    holds(".supervisor.lock")
    cli("stop")
    assert cli("start").out == "demo: start: stop released\n"


def test_a_stop_that_nobody_obeys_says_what_to_do(cli: Cli, desk: Desk, holds: Callable[[str], int]) -> None:
    desk.journal(JournalType.RUN_STARTED, data=RAN)
    confirm = "./bifrost daemon --profile demo (it cancels own orders, confirms, and exits 3)"
    assert f"no daemon runs, so nothing leaves; to confirm that no own order works: {confirm}" in (
        cli("stop", "--wait", "0").err
    )
    pid = holds(".daemon.lock")
    hung = f"process {pid} holds the desk and does not answer, and nobody supervises it: kill -9 {pid}, then {confirm}"
    assert hung in cli("stop", "--wait", "0").err
    supervisor = holds(".supervisor.lock")
    assert f"the supervisor (process {supervisor}) kills a daemon" in cli("stop", "--wait", "0").err


def test_a_hung_daemon_is_not_killed_unasked(
    desk: Desk, holds: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = holds(".daemon.lock")
    desk.journal(JournalType.RUN_STARTED, data={**RAN, "pid": pid})
    from cli import desk_runners, flatten_run
    from cli.errors import CommandError
    from cli.options import Settings
    from cli.receipts import Receipts

    monkeypatch.setattr(desk_runners, "SEEN_WITHIN_S", 0.1)
    monkeypatch.setattr(flatten_run, "_AT_ONCE_S", 0.05)
    chosen = Settings(desk="demo", root=desk.paths.root, as_json=False, explicit_desk=None)
    run = flatten_run.FlattenRun(chosen, desk.paths, Receipts(desk.paths), None, may_kill=False)
    with pytest.raises(CommandError, match=f"process {pid} holds the desk and has not seen the flatten; give --kill-h"):
        run.see_to_it()
    assert desk_runners.runners(desk.paths).daemon_pid == pid
    with pytest.raises(CommandError, match="does not hold the desk any more"):
        desk_runners.kill_hung(desk.paths, os.getpid())
    allowed = flatten_run.FlattenRun(chosen, desk.paths, Receipts(desk.paths), None, may_kill=True)
    assert not allowed.see_to_it(), "killed, but with no profile there is nothing to run"
    assert desk_runners.runners(desk.paths).daemon_pid is None


def test_a_daemon_that_has_seen_the_flatten_is_left_alone(cli: Cli, desk: Desk, holds: Callable[[str], int]) -> None:
    pid = holds(".daemon.lock")
    desk.journal(JournalType.RUN_STARTED, data={**RAN, "pid": pid})
    seen = {"command": "flatten"}
    desk.when(lambda: desk.asserted("flatten"), lambda: desk.journal(JournalType.CONTROL_SEEN, data=seen))
    assert cli("flatten", "--yes").code == 0
    os.kill(pid, 0)


def test_a_supervised_desk_is_waited_for_and_its_steps_are_shown(
    cli: Cli, desk: Desk, holds: Callable[[str], int]
) -> None:
    supervisor = holds(".supervisor.lock")

    def flatten() -> None:
        desk.journal(JournalType.CONTROL_SEEN, data={"command": "flatten"})
        desk.journal(JournalType.CONTROL_STARTED, data={"command": "flatten", "own_shares": -100, "target_shares": 0})
        desk.journal(JournalType.FLATTEN_SIZED, side="BUY", quantity=100, data={"command": "flatten", "attempt": 1})
        desk.journal(JournalType.REJECTED, order_ref="demo.ab.7", status="rejected", reason="201: no margin")
        desk.journal(JournalType.FLATTEN_STUCK, data={"detail": "5 tries"})
        desk.journal(JournalType.UNKNOWN_OUTCOME, order_ref="demo.ab.8")
        desk.journal(JournalType.FILL, side="BUY", quantity=100, price=70.25, data={"own_shares": 0})
        desk.journal(JournalType.FLATTEN_VERIFIED, status="flat", quantity=0)
        _done(desk, "flatten")()

    desk.when(lambda: desk.asserted("flatten"), flatten)
    answer = cli("flatten", "--yes")
    assert answer.code == 0
    told = [line.split("Z ", 1)[1] for line in answer.err.splitlines() if "Z " in line]
    assert f"the supervisor (process {supervisor}) sees to it" in answer.err
    assert told == [
        "seen",
        "started: own -100 shares, to be 0",
        "closing: BUY 100 shares (try 2)",
        "order demo.ab.7 rejected: 201: no margin",
        "NOT CLOSING: 5 tries",
        "what became of order demo.ab.8 is not known; it is asked for again over a new connection",
        "filled 100 at 70.25; own 0 shares now",
        "verified flat: own 0 shares by two reads",
    ]


def test_a_profile_that_is_gone_is_said_before_anything_is_done(cli: Cli, desk: Desk) -> None:
    desk.journal(JournalType.RUN_STARTED, data={**RAN, "profile_path": "/nowhere/desk.yaml"})
    answer = cli("flatten", "--yes")
    assert answer.code == 2
    assert "name it with --profile" in answer.err
    assert not desk.asserted("flatten")


def test_a_helper_that_cannot_run_is_told_at_once_not_after_the_wait(cli: Cli, desk: Desk, tmp_path: Path) -> None:
    """The daemon that the command starts refuses: there is a file in the journal's folder that is none of its own."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("extends: demo\nib: {port: 1}\n")
    (desk.paths.folder / "journal" / "j-odd.jsonl").write_text("not a line\n")
    answer = cli("flatten", "--yes", "--profile", str(broken))
    assert answer.code == 1
    assert "the flatten ended (exit" in answer.err
    assert desk.asserted("flatten")


def test_a_flatten_that_is_not_done_in_time_is_exit_7_and_goes_on(
    cli: Cli, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.journal(JournalType.RUN_STARTED, data=RAN)
    desk.shows()  # its last words are young: killed a moment ago
    (desk.paths.folder / ".daemon.lock").write_text("1")
    idle = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr("cli.run_commands.daemon_command", lambda *_: idle)
    started: list[Child] = []
    start = Children.start

    def remembered(self: Children, name: str, command: Sequence[str]) -> Child:
        started.append(start(self, name, command))
        return started[-1]

    monkeypatch.setattr(Children, "start", remembered)
    answer = cli("flatten", "--yes", "--wait", "0.2")
    assert answer.code == 7
    assert "not confirmed within 0.2 s" in answer.err
    [child] = started
    assert child.is_running
    child.process.kill()
    child.process.wait()
    assert f"process {child.process.pid} goes on; watch it with ./bifrost status, or end it: kill" in answer.err
    assert desk.asserted("flatten")
