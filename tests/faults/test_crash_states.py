"""Recovery on every disk state that a power cut may leave behind, by the model of `lossy_disk`.

Every scenario runs the real writers under a recorder. Ahead of each of their operations the model lists the states a
power cut could leave at that moment; each is made a real folder, and the real recovery has to make good of it. What
was known to be promised by then (acknowledged lines, a synced snapshot) is what must be there.
"""

import itertools
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from state.atomic import clean_stale_temporaries
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import JournalLine, JournalType
from state.segments import JournalDamaged
from state.snapshot import read_snapshot, write_snapshot
from state.verification import verify
from tests.faults.cuts import Cuts
from tests.faults.lossy_disk import Bound, Tree, materialise
from tests.faults.recorder import KilledError, Recorder
from tests.support.desk_files import NOON_US, make_line, make_snapshot

FINE = Bound(every_byte_of=".jsonl")
SEGMENT_BYTES = 700
"""Three lines or so: a short day rotates."""


@dataclass(frozen=True)
class Known:
    """What the outside may rely on at one moment."""

    acknowledged: int = 0
    """Lines whose append (or whose recovery) has returned."""
    attempted: tuple[JournalLine, ...] = ()
    """Lines that were handed over for writing, acknowledged or not; index + 1 is their seq."""
    snapshot_seq: int = 0
    """The newest snapshot whose synced write has returned; 0 from the next write on that is not synced."""
    snapshot_attempted: int = 0
    torn: bytes = b""
    """What a recovery found behind the last whole line; it may move, never vanish."""


class Life:
    """One process of a desk: the calls that a daemon makes, in its order, with what they promise noted in `cuts`."""

    def __init__(self, root: Path, cuts: Cuts) -> None:
        self.paths = DeskPaths(root, "demo")
        self.cuts = cuts
        self.writer = JournalWriter(
            self.paths.journal, wall_us=lambda: NOON_US, segment_bytes=SEGMENT_BYTES, reserve_bytes=64
        )
        self.snapshots = 0

    def start(self) -> None:
        self.paths.create()
        clean_stale_temporaries(self.paths.snapshot)
        remembered = read_snapshot(self.paths.snapshot).snapshot
        anchor = None
        if remembered is not None:
            self.snapshots = remembered.seq
            assert remembered.journal_seq is not None
            assert remembered.journal_hash is not None
            anchor = (remembered.journal_seq, remembered.journal_hash)
        opened = self.writer.open(anchor=anchor)
        known = self.known
        assert opened.head_seq >= known.acknowledged
        # What recovery has read it builds on: from here on it may not be lost either.
        self._know(acknowledged=opened.head_seq, attempted=known.attempted[: opened.head_seq])

    def append(self, *types: JournalType) -> None:
        lines = [make_line(self.writer.next_seq + place, type_) for place, type_ in enumerate(types)]
        if self.writer.rotation_due():
            assert types[0] is JournalType.LEDGER_CHECKPOINT or self.writer.head[0] > 0
        self._know(attempted=(*self.known.attempted, *lines))
        self.writer.append(lines)
        self._know(acknowledged=self.writer.head[0])

    def show(self, *, sync: bool) -> None:
        """The publisher's turn: it takes the head that the last durable append left."""
        self.snapshots += 1
        seq, digest = self.writer.head
        # One that is not synced may cost the synced one before it: its name may land without its content.
        self._know(snapshot_attempted=self.snapshots, **({} if sync else {"snapshot_seq": 0}))
        snapshot = make_snapshot(seq=self.snapshots, journal_seq=seq, journal_hash=digest)
        write_snapshot(self.paths.snapshot, snapshot, sync=sync)
        if sync:
            self._know(snapshot_seq=self.snapshots)

    @property
    def known(self) -> Known:
        assert isinstance(self.cuts.known, Known)
        return self.cuts.known

    def _know(self, **changes: Any) -> None:
        self.cuts.known = replace(self.known, **changes)


CHECKPOINT, LINE = JournalType.LEDGER_CHECKPOINT, JournalType.TRANSITION


def day(life: Life) -> None:
    """A birth, appends of one and of many lines, rotations, snapshots of both kinds, an orderly end."""
    life.start()
    life.append(CHECKPOINT, LINE)
    life.show(sync=False)
    life.append(LINE, LINE)
    life.append(CHECKPOINT, LINE)
    life.show(sync=True)
    life.append(LINE)
    life.show(sync=False)
    life.writer.close()


def opening(life: Life) -> None:
    """As much of a day as it takes to be born, to write and to rotate."""
    life.start()
    life.append(CHECKPOINT, LINE, LINE, LINE)
    life.show(sync=False)
    life.append(CHECKPOINT)
    life.writer.close()


def morning_after(life: Life) -> None:
    life.start()
    life.append(CHECKPOINT, LINE)
    life.show(sync=True)
    life.append(LINE)
    life.writer.close()


def recover(root: Path, known: Known, cuts: Cuts) -> None:
    """What a restart does, and everything that must then hold."""
    paths = DeskPaths(root, "demo")
    before = {path: path.read_bytes() for path in paths.journal.glob("*.jsonl")}
    read = read_snapshot(paths.snapshot)
    if known.snapshot_seq:
        assert read.snapshot is not None, f"a synced snapshot is gone: {read.problem}"
        assert read.snapshot.seq >= known.snapshot_seq
    assert read.snapshot is None or read.snapshot.seq <= known.snapshot_attempted
    files = [path.read_bytes() for path in paths.journal.glob("*.jsonl*")]
    assert any(content.endswith(known.torn) for content in files) or not known.torn, "torn bytes are gone"
    torn = b"".join(content[content.rfind(b"\n") + 1 :] for content in before.values())
    cuts.known = replace(known, torn=torn) if torn else known
    life = Life(root, cuts)
    try:
        life.start()
        head = life.writer.head[0]
        assert known.acknowledged <= head <= len(known.attempted)
        assert list(read_journal(paths.journal)) == list(known.attempted[:head])
        _torn_bytes_are_kept(paths.journal, before)
        life.append(CHECKPOINT, LINE)
        assert list(read_journal(paths.journal)) == list(life.known.attempted)
        assert verify(paths.journal, anchor=life.writer.head).ok
    finally:
        life.writer.close()


def _torn_bytes_are_kept(folder: Path, before: dict[Path, bytes]) -> None:
    for path, content in before.items():
        now = path.read_bytes()
        if now != content:
            # More than one, where a recovery was itself cut short and done again.
            copies = [each.read_bytes() for each in folder.glob(f"{path.name}.torn-{len(now)}*")]
            assert content.startswith(now)
            assert content[len(now) :] in copies


def never(_tree: Tree, _known: Known) -> None:
    """For a recovery that is only carried out, not cut again."""


def recovers_in(memory: Path) -> Callable[[Tree, Known], None]:
    """The check of one state: the real recovery on real files."""
    root = memory / "state"

    def check(tree: Tree, known: Known) -> None:
        root.mkdir()
        materialise(tree, root)
        with Recorder(root, lambda _operation: None):
            recover(root, known, Cuts(never))
        shutil.rmtree(root)

    return check


def record(root: Path, cuts: Cuts, *lives: Callable[[Life], None]) -> None:
    """Run lives one after the other under one recorder; a killed one is followed by the next on the same cache."""
    with Recorder(root, cuts.before) as recorder:
        cuts.disk = recorder.disk
        for live in lives:
            life = Life(root, cuts)
            with suppress(KilledError):
                live(life)
            life.writer.close()
            recorder.revive()
        cuts.visit()
    recorder.assert_faithful()


NIGHTLY = (pytest.mark.nightly, pytest.mark.timeout(3600))


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=NIGHTLY)])
def test_a_power_cut_at_any_moment_of_a_day_and_every_byte(every: int, memory: Path) -> None:
    """All moments; of the states that each may leave, every fifth in a usual run."""
    cuts = Cuts(recovers_in(memory), bound=FINE, known=Known(), every=every)
    (memory / "var").mkdir()
    record(memory / "var", cuts, day)
    assert cuts.operations > 30
    assert cuts.visited > 1000 / every


@pytest.mark.parametrize(
    ("story", "every"),
    [(opening, 4), pytest.param(opening, 1, marks=NIGHTLY), pytest.param(day, 1, marks=NIGHTLY)],
)
def test_a_second_power_cut_at_any_moment_of_the_recovery(
    story: Callable[[Life], None], every: int, memory: Path
) -> None:
    """Recovery is itself recorded, on every state of the first cut, and cut anew ahead of each of its operations.

    A usual run takes every fourth state of the first cut.
    """
    deeper = recovers_in(memory)
    seen: set[int] = set()
    second = 0

    def check(tree: Tree, known: Known) -> None:
        nonlocal second
        root = memory / "first"
        root.mkdir()
        materialise(tree, root)
        cuts = Cuts(deeper, seen=seen)
        with Recorder(root, cuts.before) as recorder:
            cuts.disk = recorder.disk
            recover(root, known, cuts)
            cuts.visit()
        second += cuts.visited
        shutil.rmtree(root)

    cuts = Cuts(check, known=Known(), every=every)
    (memory / "var").mkdir()
    if story is opening:
        DeskPaths(memory / "var", "demo").create()  # the many states of its birth are for the night
    record(memory / "var", cuts, story)
    assert cuts.visited > 50 / every
    assert second > 300 / every


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=NIGHTLY)])
def test_a_kill_at_any_operation_and_a_power_cut_at_any_later_one(every: int, memory: Path) -> None:
    """What a killed process wrote and did not sync is what the next one reads; it must not build on sand."""
    visited = 0
    seen: set[int] = set()
    for kill_at in itertools.count(2, every):
        cuts = Cuts(recovers_in(memory), seen=seen, kill_at=kill_at, from_operation=kill_at + 1, known=Known())
        root = memory / "var"
        root.mkdir()
        record(root, cuts, day, morning_after)
        shutil.rmtree(root)
        visited += cuts.visited
        if not cuts.was_killed:
            break
    assert visited > 500


def test_a_page_missing_inside_an_append_is_told_as_damage_behind_everything_acknowledged(memory: Path) -> None:
    """The one state that is not repaired by itself: later pages of an unacknowledged append landed, earlier ones not.

    Whole lines behind a hole look the same when a disk has lost what was acknowledged, so a human decides.
    """
    damaged = 0

    def check(tree: Tree, known: Known) -> None:
        nonlocal damaged
        root = memory / "state"
        root.mkdir()
        materialise(tree, root)
        folder = DeskPaths(root, "demo").journal
        writer = JournalWriter(folder, wall_us=lambda: NOON_US, reserve_bytes=64)
        found: JournalDamaged | None = None
        try:
            assert writer.open().head_seq >= known.acknowledged
        except JournalDamaged as error:
            found = error
        finally:
            writer.close()
        if found is not None:
            damaged += 1
            assert (found.path.name, found.line > known.acknowledged) == ("20261120-0001.jsonl", True)
        lines = itertools.islice(read_journal(folder), known.acknowledged)
        assert list(lines) == list(known.attempted[: known.acknowledged])
        shutil.rmtree(root)

    def big_append(life: Life) -> None:
        life.start()
        life.append(CHECKPOINT)
        cuts.from_operation = cuts.operations + 1
        life.append(*[LINE] * 60)

    cuts = Cuts(check, from_operation=1_000_000, known=Known())
    (memory / "var").mkdir()
    record(memory / "var", cuts, big_append)
    assert 0 < damaged < cuts.visited
