"""The same model for what lies beside the journal's open segment: audit, archive, anchors and tape."""

import itertools
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state.anchors import read_anchors, read_chain
from state.archive import clean_temporaries, compress_segment
from state.audit import append_audit, read_audit
from state.journal_reader import read_journal
from state.records import JournalType
from state.retention import remove_oldest
from state.tape import TapeError, TapeWriter, read_events, tape_files
from state.verification import verify
from tests.faults.cuts import Cuts
from tests.faults.lossy_disk import Tree, materialise
from tests.faults.recorder import KilledError, Recorder
from tests.support.desk_files import NOON_US, make_journal, make_line

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Told:
    """What was promised: so many acknowledged, of so many begun."""

    acknowledged: int = 0
    begun: int = 0


def checked_in(memory: Path, check: Callable[[Path, Any], None]) -> Callable[[Tree, Any], None]:
    """Make the state real, look at it, and let go of it."""
    root = memory / "state"

    def checked(tree: Tree, told: Any) -> None:
        root.mkdir()
        materialise(tree, root)
        with Recorder(root, lambda _operation: None):
            check(root, told)
        shutil.rmtree(root)

    return checked


def cut_and_kill(
    memory: Path,
    check: Callable[[Path, Any], None],
    told: Any,
    prepare: Callable[[Path], None],
    live: Callable[[Path, Cuts], None],
) -> int:
    """Power cuts at every operation of `live`; then again where it is killed at any operation and begun anew."""
    checked = checked_in(memory, check)
    seen: set[int] = set()
    visited = 0
    for kill_at in itertools.chain((0,), itertools.count(1)):
        root = memory / "root"
        root.mkdir()
        prepare(root)
        cuts = Cuts(checked, seen=seen, kill_at=kill_at, known=told)
        with Recorder(root, cuts.before) as recorder:
            cuts.disk = recorder.disk
            for _ in range(2 if kill_at else 1):
                with suppress(KilledError):
                    live(root, cuts)
                recorder.revive()
            cuts.visit()
        recorder.assert_faithful()
        shutil.rmtree(root)
        visited += cuts.visited
        if kill_at and not cuts.was_killed:
            return visited
    raise AssertionError


# --- audit -----------------------------------------------------------------------------------------
def audited(root: Path, cuts: Cuts) -> None:
    """Three entries, the last on another day and so in another segment."""
    for place in range(3):
        told = cuts.known
        assert isinstance(told, Told)
        cuts.known = Told(told.acknowledged, told.begun + 1)
        line = append_audit(
            root / "desk" / "audit",
            wall_us=NOON_US + (place // 2) * DAY_US,
            source="cli",
            action="stop",
            by="ann",
            outcome="done",
        )
        cuts.known = Told(line.seq, told.begun + 1)


def check_audit(root: Path, told: Told) -> None:
    folder = root / "desk" / "audit"
    found = read_audit(folder)
    assert told.acknowledged <= len(found) <= told.begun
    assert [line.seq for line in found] == list(range(1, len(found) + 1))
    added = append_audit(folder, wall_us=NOON_US + 2 * DAY_US, source="cli", action="x", by="bob", outcome="done")
    after = read_audit(folder)
    assert after[: len(found)] == found
    assert after[-1] == added
    assert [line.action for line in after[len(found) : -1]] in ([], ["repaired"])


def test_the_audit_keeps_every_acknowledged_entry(memory: Path) -> None:
    assert cut_and_kill(memory, check_audit, Told(), lambda _: None, audited) > 150


# --- archive and retention -------------------------------------------------------------------------
LINES = 8


def four_segments(root: Path) -> None:
    writer = make_journal(root / "journal", 0, segment_bytes=300, reserve_bytes=64)
    for _ in range(LINES // 2):
        seq = writer.next_seq
        writer.append([make_line(seq, JournalType.LEDGER_CHECKPOINT), make_line(seq + 1)])
    writer.close()
    assert len(read_chain(root / "journal").segments) == 4


def maintained(root: Path, _cuts: Cuts) -> None:
    """What `maintain` does: temporaries, two segments compressed, the two oldest removed."""
    folder = root / "journal"
    clean_temporaries(folder)
    for number in (1, 2):
        chain = read_chain(folder)
        for index, segment in enumerate(chain.segments):
            if segment.number == number:
                compress_segment(chain, index)
    for number in (1, 2):
        remove_oldest(folder, number, wall_us=NOON_US)


def check_maintained(root: Path, _told: Told) -> None:
    folder = root / "journal"
    verdict = verify(folder)
    assert verdict.ok, verdict.problem
    assert verdict.head_seq == LINES
    chain = read_chain(folder)
    lines = list(read_journal(folder))
    assert [line.seq for line in lines] == list(range(chain.start.seq + 1, LINES + 1))
    assert sum(anchor.lines for anchor in read_anchors(folder)) >= chain.start.seq
    with suppress(OSError):
        maintained(root, Cuts(lambda _tree, _known: None))
    assert verify(folder).ok
    assert read_chain(folder).segments[0].number == 3


def test_archive_and_retention_leave_a_whole_chain(memory: Path) -> None:
    assert cut_and_kill(memory, check_maintained, Told(), four_segments, maintained) > 100


# --- tape ------------------------------------------------------------------------------------------
EVENTS = 5


def taped(root: Path, cuts: Cuts) -> None:
    writer = TapeWriter(root / "tape", desk="demo", run_id=f"run{cuts.operations}")
    writer.start({"own": 0}, ts="t", wall_ts="w")
    for number in range(EVENTS):
        writer.append({"event": "quote", "number": number})
    writer.close()


def check_tape(root: Path, _told: Told) -> None:
    """Nothing of it is synced, so anything may be lost; but what is read was written, in order, from the first on."""
    for path in (root / "tape").glob("*.jsonl"):
        found = []
        with suppress(TapeError):
            found += [bytes(event.event) for event in read_events(path)]
        assert found == [b'{"event":"quote","number":%d}' % number for number in range(len(found))]
        assert path in tape_files(root / "tape", path.stem[:-5])


def test_a_tape_gives_a_prefix_of_what_was_written(memory: Path) -> None:
    assert cut_and_kill(memory, check_tape, Told(), lambda _: None, taped) > 100
