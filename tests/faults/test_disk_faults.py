"""Faults put under the journal of a live daemon: no new risk from the first one on, and flatten works."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from state.records import JournalType
from state.verification import verify
from tests.faults.faulty_desk import ALARM, FaultyDesk

T = JournalType


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
    desk.start()
    desk.until("the halt of the run before", lambda: desk.snapshot().posture is not None and alive(desk))
    desk.until("red", lambda: "journal_failed" in desk.reasons())
    (desk.paths.control / "pause").unlink(missing_ok=True)
    time.sleep(0.5)
    assert desk.bought() == bought
    assert verify(desk.paths.journal).ok
    assert "journal_failed" in {line.reason for line in desk.lines(T.HALT)}
    desk.reset()
    desk.until("an order after the reset", lambda: len(desk.bought()) > len(bought))
    desk.until("its reason to be gone", lambda: "journal_failed" not in desk.reasons())
    assert desk.stop() == 0
    assert verify(desk.paths.journal).ok


def alive(desk: FaultyDesk) -> bool:
    return desk.daemon is not None and desk.snapshot().pid == desk.daemon.pid
