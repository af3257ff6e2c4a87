"""Faults put under the journal of a live daemon: no new risk from the first one on, and flatten works."""

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from state.records import JournalType
from state.verification import verify
from tests.faults.faulty_desk import ALARM, FaultyDesk

T = JournalType
MIB = 1024 * 1024


@pytest.fixture
def desk(tmp_path: Path, strace: str) -> Iterator[FaultyDesk]:
    made = FaultyDesk(tmp_path, strace)
    yield made
    made.close()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What the kernel says, and whether the journal may be believed afterwards."""

    calls: str
    injection: str
    word: str
    is_journaled_on: bool
    at_rotation: bool = False


FAULTS = {
    "a failed sync": Fault(
        calls="fdatasync,fsync,write,pwrite64",
        injection="fdatasync:error=EIO:when=1",
        word="Input/output error",
        is_journaled_on=False,
    ),
    "a full disk": Fault(
        calls="write", injection="write:error=ENOSPC:when=1", word="No space left", is_journaled_on=True
    ),
    "a disk that became read-only": Fault(
        calls="write,openat", injection="write:error=EROFS", word="Read-only file system", is_journaled_on=False
    ),
    "no descriptor at rotation": Fault(
        calls="openat",
        injection="openat:error=EMFILE",
        word="Too many open files",
        is_journaled_on=True,
        at_rotation=True,
    ),
    "a lost permission at rotation": Fault(
        calls="openat",
        injection="openat:error=EACCES",
        word="Permission denied",
        is_journaled_on=True,
        at_rotation=True,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_no_new_risk_after_the_journal_failed_and_flatten_still_works(desk: FaultyDesk, name: str) -> None:
    fault = FAULTS[name]
    desk.start("--segment-bytes", "20000" if fault.at_rotation else "1000000")
    desk.until("some orders", lambda: len(desk.bought()) >= 5)
    desk.inject(fault.calls, fault.injection, coming(desk) if fault.at_rotation else desk.segment())
    desk.until("the alarm", lambda: ALARM in desk.said())
    bought = desk.bought()
    assert fault.word in desk.said()
    desk.until("red", lambda: "journal_failed" in desk.reasons())
    assert desk.light().state == "red"

    desk.flatten()
    time.sleep(0.5)
    assert desk.bought() == bought, "an order left after the journal had failed"
    assert desk.stop() == 0
    no_order_without_its_intent(desk, bought)
    if fault.is_journaled_on:
        journaled_on(desk)
    else:
        only_said(desk)
    restarted_it_waits_for_the_operator(desk, bought)


def coming(desk: FaultyDesk) -> Path:
    """A segment that the journal has not reached yet."""
    day, number = desk.segment().stem.split("-")
    return desk.paths.journal / f"{day}-{int(number) + 3:04d}.jsonl"


def no_order_without_its_intent(desk: FaultyDesk, bought: list[str]) -> None:
    intents = {line.order_ref for line in desk.lines(T.INTENT)}
    assert set(bought) <= intents
    assert all(desk.exchange.orders()[ref]["durable"] for ref in bought)
    sent = desk.exchange.sent_refs()
    assert len(set(sent)) == len(sent), "an order was sent twice"
    said = {str(record["order_ref"]) for record in desk.unjournaled() if record["type"] == "intent"}
    assert set(sent) - set(bought) <= intents | said, "a closing order whose intent was neither journaled nor said"


def journaled_on(desk: FaultyDesk) -> None:
    """The halt and the whole flatten are in the journal, in the room of the reserve."""
    assert not desk.unjournaled()
    assert verify(desk.paths.journal).ok
    (halt,) = desk.lines(T.HALT)
    assert halt.reason == "journal_failed"
    after = [line for line in desk.lines() if line.seq > halt.seq]
    assert not [line for line in after if line.type is T.INTENT and line.side == "BUY"]
    assert {T.FLATTEN_VERIFIED, T.CONTROL_DONE, T.RUN_STOPPED} <= {line.type for line in after}
    assert not (desk.paths.journal / ".reserve").exists()


def only_said(desk: FaultyDesk) -> None:
    """The record was never touched again; all that happened was said."""
    said = {str(record["type"]) for record in desk.unjournaled()}
    assert {"halt", "intent", "fill", "flatten_verified", "control_done", "run_stopped"} <= said
    failed = [place for place, call in enumerate(desk.calls()) if call.result == -1]
    later = [call for call in desk.calls()[failed[0] + 1 :] if call.name in ("write", "pwrite64", "fdatasync", "fsync")]
    assert not later, "the journal was written or synced after it had failed"
    assert not desk.lines(T.HALT)


def restarted_it_waits_for_the_operator(desk: FaultyDesk, bought: list[str]) -> None:
    desk.start("--stop-timeout", "1")
    desk.until("the halt of the run before", lambda: desk.snapshot().posture is not None and alive(desk))
    desk.until("red", lambda: "journal_failed" in desk.reasons())
    (desk.paths.control / "pause").unlink(missing_ok=True)
    time.sleep(0.5)
    assert desk.bought() == bought
    assert verify(desk.paths.journal).ok
    assert "journal_failed" in {line.reason for line in desk.lines(T.HALT)}
    desk.reset()
    desk.until("its reason to be gone", lambda: "journal_failed" not in desk.reasons())
    # An intent that may or may not have left before the end stays an open question for half a minute.
    desk.until("an order", lambda: len(desk.bought()) > len(bought) or desk.reasons() == {"unknown_outcome"})
    assert desk.stop() == (6 if desk.bought() == bought else 0)
    assert verify(desk.paths.journal).ok


def alive(desk: FaultyDesk) -> bool:
    return desk.daemon is not None and desk.snapshot().pid == desk.daemon.pid


def test_a_write_that_is_cut_short_is_followed_by_nothing_and_repaired_at_the_next_start(desk: FaultyDesk) -> None:
    process = desk.start()
    desk.until("a journal larger than any other file of the run", lambda: desk.segment_bytes() > 40_000)
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    largest = desk.segment_bytes() + 3000
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, before[1]))
    desk.until("the alarm", lambda: ALARM in desk.said())
    bought = desk.bought()
    assert "File too large" in desk.said()
    assert desk.segment_bytes() == largest
    assert not desk.segment().read_bytes().endswith(b"\n")
    desk.until("red", lambda: "journal_failed" in desk.reasons())
    desk.flatten()
    assert desk.bought() == bought
    assert desk.segment_bytes() == largest
    assert desk.stop() == 0
    no_order_without_its_intent(desk, bought)
    restarted_it_waits_for_the_operator(desk, bought)
    (repaired,) = desk.lines(T.REPAIRED)
    assert repaired.data is not None
    kept = desk.paths.journal / str(repaired.data["kept_in"])
    assert kept.stat().st_size == repaired.data["torn_bytes"] > 0


def test_a_slow_disk_is_yellow_and_no_order_is_ahead_of_its_intent(desk: FaultyDesk) -> None:
    desk.start("--quote-every", "3")
    desk.until("an order", desk.bought)
    segment = desk.segment()
    desk.inject("fdatasync,write", "fdatasync:delay_enter=500000", segment, desk.exchange.path)
    desk.until("yellow", lambda: "slow_disk" in desk.reasons())
    assert desk.light().state == "yellow"
    before = len(desk.bought())
    desk.until("orders on the slow disk", lambda: len(desk.bought()) >= before + 2)
    desk.flatten()
    assert desk.stop() == 0
    assert not desk.lines(T.HALT)
    assert verify(desk.paths.journal).ok

    refs = desk.exchange.sent_refs()
    durable: set[str] = set()
    written: set[str] = set()
    orders: list[str] = []
    ahead: list[str] = []

    def named(text: str) -> set[str]:
        return {ref for ref in refs if f'\\"{ref}\\"' in text}

    for call in desk.calls():
        if call.name == "write" and call.path == str(segment) and call.has_completed:
            lines = call.arguments.split("\\n")
            written |= {ref for line in lines if '\\"intent\\"' in line for ref in named(line)}
        elif call.name == "fdatasync" and call.has_completed:
            durable |= written
        elif call.name == "write" and call.path == str(desk.exchange.path) and '\\"new\\": true' in call.arguments:
            orders += named(call.arguments)
            ahead += named(call.arguments) - durable
    # The trace may begin between the first order's intent and the order; that intent is then in no traced write.
    assert ahead in ([], orders[:1]), "an order was ahead of its intent"
    assert not set(ahead) & written, "an order was ahead of its intent"
    assert len(orders) >= 4


@pytest.fixture
def small_disk(desk: FaultyDesk) -> Iterator[Path]:
    """A file system of 24 MiB under the desk's folder."""
    folder = desk.paths.folder
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=750", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    yield folder
    desk.close()
    subprocess.run(["umount", str(folder)], check=True)


def free_mib(folder: Path) -> float:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize / MIB


def fill(folder: Path, *, leave_mib: float) -> Path:
    """Take the room that somebody else's file takes."""
    file = folder / "somebody_elses"
    taken = file.stat().st_size if file.exists() else 0
    with file.open("ab", buffering=0) as stream, contextlib.suppress(OSError):
        os.posix_fallocate(stream.fileno(), 0, taken + int((free_mib(folder) - max(leave_mib, 1)) * MIB))
        while leave_mib == 0:
            stream.write(bytes(4096))
    return file


def test_a_disk_that_really_fills_up_leaves_room_for_the_halt_and_the_flatten(
    desk: FaultyDesk, small_disk: Path
) -> None:
    desk.start()
    desk.until("some orders", lambda: len(desk.bought()) >= 3)
    assert (desk.paths.journal / ".reserve").stat().st_blocks * 512 >= 8 * MIB
    fill(small_disk, leave_mib=0)
    desk.until("the alarm", lambda: ALARM in desk.said())
    bought = desk.bought()
    desk.until("red", lambda: "journal_failed" in desk.reasons())
    desk.flatten()
    assert desk.bought() == bought
    assert desk.stop() == 0
    assert "No space left" in desk.said()
    no_order_without_its_intent(desk, bought)
    journaled_on(desk)
    # Started on a disk that is still full: nothing to release any more, and still the operator can look and leave.
    fill(small_disk, leave_mib=0)
    desk.start()
    desk.until("the second run", lambda: desk.said().count(ALARM) == 2 or alive(desk))
    (small_disk / "somebody_elses").unlink()
    assert desk.stop() == 0
    restarted_it_waits_for_the_operator(desk, bought)


def test_a_disk_that_is_nearly_full_pauses_early_and_goes_on_when_there_is_room(
    desk: FaultyDesk, small_disk: Path
) -> None:
    desk.start("--min-free-mib", "5")
    desk.until("some orders", lambda: len(desk.bought()) >= 3)
    file = fill(small_disk, leave_mib=4)
    desk.until("red", lambda: "disk_low" in desk.reasons())
    assert desk.light().state == "red"
    bought = desk.bought()
    file.write_bytes(bytes(file.stat().st_size - int(1.2 * MIB)))  # above the limit, by less than a tenth
    time.sleep(2.5)
    assert "disk_low" in desk.reasons()
    assert desk.bought() == bought
    desk.flatten()
    (desk.paths.control / "pause").unlink()
    assert desk.bought() == bought
    file.unlink()
    desk.until("an order", lambda: len(desk.bought()) > len(bought))
    desk.until("no reason", lambda: not desk.reasons())
    assert not desk.lines(T.HALT)
    assert desk.stop() == 0
    no_order_without_its_intent(desk, desk.bought())
    assert verify(desk.paths.journal).ok
