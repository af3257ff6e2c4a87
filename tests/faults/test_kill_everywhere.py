"""SIGKILL at the n-th system call that leaves a trace, n = 1, 2, … until a session finishes unkilled.

strace counts each syscall, and each thread, by itself; so there is one such loop for each syscall. A call that is
killed at was not executed: everything before it was. The page cache survives a SIGKILL; what a power cut may take
is the business of `test_crash_states`.
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.killed_session import SYSCALLS, kill_and_recover
from tests.faults.syscalls import Call

MOMENTS = {
    "birth": ("fsync", "/journal>", ""),
    "first lines synced": ("fdatasync", "-0001.jsonl", ""),
    "rotation": ("fsync", "/journal>", "-0002.jsonl"),
    "first intent": ("write", ".jsonl", '\\"type\\":\\"intent\\"'),
    "first intent synced": ("fdatasync", ".jsonl", '\\"type\\":\\"intent\\"'),
    "first order": ("sendto", "socket:", "SELL"),
    "a snapshot": ("rename", "snapshot.json", ""),
    "what the venue answered": ("write", ".jsonl", '\\"type\\":\\"fill\\"'),
}
"""Name → syscall, what its arguments hold, and what the call or the write before it holds."""


def moment(calls: list[Call], wanted: tuple[str, str, str]) -> int:
    """Which of its thread's calls of that name it is, counting from 1, in a session that nobody killed."""
    name, place, content = wanted
    counts: Counter[tuple[int, str]] = Counter()
    journal_write = ""
    for call in calls:
        if not call.has_entered:
            continue
        counts[call.pid, call.name] += 1
        if call.name == "write" and "/journal/" in call.path:
            journal_write = call.path + call.arguments
        about = call.arguments if name in ("write", "sendto") else journal_write
        if call.name == name and place in call.arguments and content in about:
            return counts[call.pid, call.name]
    raise AssertionError(f"no such call: {wanted}")


@pytest.fixture(scope="module")
def unkilled(strace: str, tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """The calls of a whole session; it also has to pass every check without a kill."""
    left = kill_and_recover(strace, tmp_path_factory.mktemp("unkilled"), syscall=None, number=0, patience_s=0)
    assert not left.was_killed
    assert len(left.placed) >= 3, "the session should hedge in several orders"
    assert len(left.segments) >= 3, "the session should rotate its journal"
    return left.calls


@pytest.mark.parametrize("name", MOMENTS)
def test_row_32_killed_at_a_moment_that_matters_it_recovers_everything(
    name: str, unkilled: list[Call], strace: str, tmp_path: Path
) -> None:
    wanted = MOMENTS[name]
    left = kill_and_recover(strace, tmp_path, syscall=wanted[0], number=moment(unkilled, wanted), patience_s=0)
    assert left.was_killed


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("syscall", SYSCALLS)
def test_row_32_killed_at_every_call_it_recovers_everything_and_hedges_on(
    syscall: str, strace: str, tmp_path: Path
) -> None:
    """The second daemon has to finish the hedge, also where it first has to find out that an order never left."""
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        left = kill_and_recover(strace, folder, syscall=syscall, number=number, patience_s=90)
        print(f"{syscall} {number}: {left.place if left.was_killed else 'finished unkilled'}", flush=True)  # noqa: T201
        if not left.was_killed:
            break
    assert number > 1 or syscall in ("unlink", "ftruncate"), f"no {syscall} was ever made"
