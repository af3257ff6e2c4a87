"""What an operator may have started from a page, and that no foreign process is ever ended for one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import cockpit.runs.children as children_module
from cockpit.runs import orders
from cockpit.runs.children import BusyError, CannotStartError, Children, Job
from cockpit.runs.orders import BacktestOrder, OrderError
from state.runs.folder import backtest_paths, check_run_id
from state.runs.living import Process
from state.runs.reading import RunLook
from tests.support.ranks import lift_rank
from tests.support.run_folders import write_progress
from tests.support.system import wait_for

ROOT = Path("/r")


def order(**words: object) -> BacktestOrder:
    return BacktestOrder(**{"profile": "demo", "data": "synthetic:1:5", **words})  # type: ignore[arg-type]


def test_an_order_becomes_words_of_which_none_can_be_an_option() -> None:
    told = order(
        data="csv:a b;rm -rf $HOME.csv",
        title="  --root=/etc  \n x",
        overrides=("gates.intent.hedge.cooldown_seconds=60", ""),
    )
    assert orders.words_of(told, ROOT, "r1") == [
        "backtest", "--profile=demo", "--data=csv:a b;rm -rf $HOME.csv",
        "--set=gates.intent.hedge.cooldown_seconds=60", "--title=--root=/etc x", "--name=r1", "--root=/r",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"profile": "../../etc/passwd"}, "profile"),
        ({"profile": "/etc/passwd"}, "profile"),
        ({"profile": "--help"}, "profile"),
        ({"data": "--json"}, "data"),
        ({"data": "/etc/passwd"}, "data"),
        ({"data": "file:/etc/passwd"}, "data"),
        ({"data": "csv:a\nb"}, "data"),
        ({"data": "csv:a\0b"}, "data"),
        ({"data": "csv:"}, "data"),
        ({"title": "x" * 121}, "title"),
        ({"title": "a\x1b[31m"}, "title"),
        ({"overrides": ("no_such.key=1",)}, "overrides"),
        ({"overrides": ("gates.intent.hedge.cooldown_seconds=-5",)}, "overrides"),
        ({"overrides": ("--root=/etc",)}, "overrides"),
        ({"overrides": ("a=1",) * 65}, "overrides"),
    ],
)
def test_what_is_no_order_is_refused_before_anything_starts(words: dict[str, object], code: str) -> None:
    with pytest.raises(OrderError) as refused:
        orders.words_of(order(**words), ROOT, "r1")
    assert refused.value.code == code


def test_a_run_that_is_started_has_a_name_that_is_a_folders() -> None:
    name = orders.run_id_of("recorded_day", "2014-06-05T14:31:07.000000Z")
    assert check_run_id(name) == "20140605-143107-recorded_day"


def test_a_profile_is_made_under_a_new_and_plain_name() -> None:
    assert orders.make_profile_words("s1", 7, "calmer", ROOT) == [
        "sweep", "make-profile", "s1", "--trial=7", "--as=calmer", "--root=/r",
    ]  # fmt: skip
    for name, code in (
        ("demo", "profile_exists"),
        ("../x", "profile_name"),
        ("", "profile_name"),
        ("-a", "profile_name"),
    ):
        with pytest.raises(OrderError) as refused:
            orders.make_profile_words("s1", 7, name, ROOT)
        assert refused.value.code == code


@pytest.fixture
def children() -> Iterator[Children]:
    found = Children()
    yield found
    found.close()


def test_one_at_a_time_and_the_last_lines_of_one_that_failed(children: Children) -> None:
    ended: list[Job] = []
    job = children.start(["profile", "show", "no_such_profile"], by="anna", on_end=ended.append)
    with pytest.raises(BusyError, match="profile show"):
        children.start(["--version"], by="ben")
    assert lift_rank(job.pid) == 19
    wait_for("its end", lambda: bool(ended), 120)
    (told,) = children.all()
    assert told == ended[0]
    assert (told.number, told.by, told.code) == (job.number, "anna", 2)
    assert "no_such_profile" in told.said[-1]
    assert not children.interrupt(job.number)
    children.close()
    with pytest.raises(CannotStartError):
        children.start(["--version"], by="anna")


@pytest.mark.timeout(30)
def test_a_signal_in_the_midst_of_a_look_at_the_jobs_is_heard(children: Children) -> None:
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: children.ask_to_end())
    try:
        with children._lock:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(CannotStartError):
        children.start(["--version"], by="anna")


def test_a_job_that_does_not_end_is_killed_in_time(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children_module, "_END_WITHIN_S", 0.2)
    ended: list[Job] = []
    job = children.start(["profile", "list"], by="anna", on_end=ended.append)
    lift_rank(job.pid)
    os.kill(job.pid, signal.SIGSTOP)  # it hears of no signal but the last
    wait_for("its stop", lambda: psutil.Process(job.pid).status() == psutil.STATUS_STOPPED, 60)
    children_module._rank(job.pid, 19)
    children.ask_to_end()
    assert lift_rank(job.pid) == (0 if Path(f"/proc/{job.pid}/autogroup").exists() else 19)
    with pytest.raises(CannotStartError):
        children.start(["--version"], by="anna")
    assert not ended
    children.close()
    wait_for("its end", lambda: bool(ended), 60)
    assert ended[0].code == -signal.SIGKILL


def test_a_foreign_process_is_never_ended_for_a_run(tmp_path: Path, children: Children) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "cli", "backtest"])
    try:
        progress = write_progress(
            backtest_paths(tmp_path, "old"), pid=bystander.pid, started_ts="2001-01-01T00:00:00.000000Z"
        )
        run = RunLook(run_id="old", kind="backtest", standing="running", progress=progress)
        assert not children.interrupt_run(run)  # it began after the run
        assert bystander.poll() is None
        strange = Children(look=lambda _pid: Process(0, ("sshd",)))
        assert not strange.interrupt_run(run)
        assert bystander.poll() is None
        believed = Children(look=lambda _pid: Process(0, ("python", "-m", "cli", "backtest")))
        assert believed.interrupt_run(run)
        assert bystander.wait(30) == -signal.SIGTERM
    finally:
        if bystander.poll() is None:
            bystander.kill()
            bystander.wait()
