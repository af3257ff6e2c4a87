"""What can be believed of a damaged journal, and putting it aside under kills at every step."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.options import CHECKOUT
from state.anchors import ANCHORS_NAME, append_anchor
from state.chain import Head, seal
from state.damage import Remains, first_damage, what_holds
from state.journal import JournalDamaged, JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import JournalLine, JournalType, SegmentAnchor
from state.salvage import KEPT_IN, SalvageError, discard, name_for_kept, prepare, put_in_place, standing
from state.segments import list_segments
from state.snapshot import read_snapshot, write_snapshot
from state.verification import verify
from tests.support.desk_files import NOON_US, make_line, make_snapshot

CHECKPOINTS = (1, 11, 21, 31)
COUNT = 40


def write(folder: Path, *, segment_bytes: int = 1 << 20) -> Head:
    """Forty lines, every tenth a checkpoint, the others orders; small segments each begin with a checkpoint."""
    writer = JournalWriter(folder, wall_us=lambda: NOON_US, segment_bytes=segment_bytes)
    writer.open()
    for seq in range(1, COUNT + 1):
        kind = JournalType.LEDGER_CHECKPOINT if seq in CHECKPOINTS else JournalType.ORDER_SENT
        ref = None if seq in CHECKPOINTS else f"demo.ab12.{seq}"
        writer.append([make_line(seq, kind, order_ref=ref)])
    writer.close()
    return Head(*writer.head)


def edit(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def flipped(number: int) -> Callable[[list[bytes]], list[bytes]]:
    """One bit of the line with this number, in its body."""

    def change(lines: list[bytes]) -> list[bytes]:
        line = bytearray(lines[number - 1])
        line[30] ^= 1
        return [*lines[: number - 1], bytes(line), *lines[number:]]

    return change


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One segment of forty lines."""
    write(tmp_path / "journal")
    return tmp_path / "journal"


def only(folder: Path) -> Path:
    (segment,) = list_segments(folder)
    return segment.path


def seqs(remains: Remains) -> list[int]:
    return [line.seq for line in remains.lines]


# --- what holds ------------------------------------------------------------------------------------
def test_a_sound_journal_has_no_damage_and_holds_to_its_end(folder: Path) -> None:
    assert first_damage(folder) is None
    assert seqs(what_holds(folder)) == list(range(31, 41))


def test_a_torn_end_is_no_damage(folder: Path) -> None:
    with only(folder).open("ab") as file:
        file.write(b'{"seq":41,"order_ref":"demo.ab12.77"')
    assert first_damage(folder) is None
    assert what_holds(folder).head.seq == COUNT


@pytest.mark.parametrize(
    ("number", "holds"),
    [
        (5, (31, 40)),  # the lines behind the damage vouch for one another, and hold newer checkpoints
        (25, (31, 40)),
        (30, (31, 40)),
        (31, (21, 40)),  # the newest checkpoint is the damaged line
        (35, (31, 40)),  # damage behind the newest checkpoint
        (40, (31, 39)),
    ],
)
def test_one_flipped_bit_costs_no_more_than_it_must(folder: Path, number: int, holds: tuple[int, int]) -> None:
    edit(only(folder), flipped(number))
    damage = first_damage(folder)
    assert damage is not None
    assert (damage.file, damage.line) == (str(only(folder)), number)
    first, last = holds
    assert seqs(what_holds(folder)) == [seq for seq in range(first, last + 1) if seq != number]


def test_every_single_flipped_byte_is_located_and_what_holds_is_as_it_was_written(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write(journal)
    written = {line.seq: line for line in read_journal(journal)}
    content = only(journal).read_bytes()
    for place in range(0, len(content) - 1, 11):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        only(journal).write_bytes(changed)
        assert first_damage(journal) is not None, place
        remains = what_holds(journal)
        assert remains.lines, place
        assert all(written[line.seq] == line for line in remains.lines), place
        number = content[:place].count(b"\n") + 1
        assert number not in seqs(remains), place


@pytest.mark.parametrize(
    ("change", "kind", "holds"),
    [
        (lambda lines: lines[:34] + lines[35:], "sequence", [*range(31, 35), *range(37, 41)]),
        (lambda lines: [*lines[:34], lines[35], lines[34], *lines[36:]], "sequence", [*range(31, 35), *range(38, 41)]),
        (lambda lines: [*lines[:35], lines[34], *lines[35:]], "sequence", [*range(31, 41)]),
        (lambda lines: [*lines[:35], b"by hand\n", *lines[35:]], "not_a_line", [*range(31, 36), *range(37, 41)]),
        (lambda lines: lines[20:], "sequence", [*range(31, 41)]),
    ],
    ids=["deleted", "swapped", "doubled", "added by hand", "beginning lost"],
)
def test_moved_lines(folder: Path, change: Callable[[list[bytes]], list[bytes]], kind: str, holds: list[int]) -> None:
    edit(only(folder), change)
    damage = first_damage(folder)
    assert damage is not None
    assert damage.kind == kind
    assert seqs(what_holds(folder)) == holds


@pytest.mark.parametrize("first", [15, 21, 35], ids=["with its checkpoint", "behind it", "behind the newest"])
def test_old_lines_copied_behind_newer_ones_are_neither_believed_instead_nor_twice(folder: Path, first: int) -> None:
    edit(only(folder), lambda lines: [*lines, *lines[first : first + 4 if first == 35 else 30]])
    assert first_damage(folder) is not None
    assert seqs(what_holds(folder)) == list(range(31, 41))


def test_damage_at_several_places_leaves_the_newest_checkpoint_and_what_is_vouched_for_behind_it(folder: Path) -> None:
    for number in (15, 31, 35, 39, 40):
        edit(only(folder), flipped(number))
    remains = what_holds(folder)
    assert seqs(remains) == [*range(21, 31), *range(32, 35), *range(36, 39)]
    assert remains.head.seq == 38
    assert remains.lines_left_out == 4
    assert remains.newest_order == {"demo.ab12": 40}


def test_without_any_checkpoint_that_holds_there_is_nothing(folder: Path) -> None:
    for number in CHECKPOINTS:
        edit(only(folder), flipped(number))
    remains = what_holds(folder)
    assert remains.lines == ()
    assert remains.lines_left_out == COUNT


def test_a_believed_line_of_another_version_is_not_guessed_at(folder: Path) -> None:
    head = Head(COUNT, what_holds(folder).head.hash)
    body = json.dumps({"seq": COUNT + 1, "type": "teleported"}, separators=(",", ":")).encode()
    with only(folder).open("ab") as file:
        file.write(seal(head, body)[0])
    with pytest.raises(JournalDamaged, match="use the version that wrote it"):
        what_holds(folder)


# --- whole files -----------------------------------------------------------------------------------
@pytest.fixture
def segments(tmp_path: Path) -> Path:
    """Four segments of ten lines."""
    journal = tmp_path / "journal"
    write(journal, segment_bytes=1)
    assert len(list_segments(journal)) == 4
    return journal


def test_a_missing_segment(segments: Path) -> None:
    list_segments(segments)[1].path.unlink()
    damage = first_damage(segments)
    assert damage is not None
    assert damage.kind == "missing_segment"
    assert seqs(what_holds(segments)) == list(range(31, 41))


def test_a_missing_segment_before_the_last_leaves_its_opening_line_without_a_witness(segments: Path) -> None:
    list_segments(segments)[2].path.unlink()
    assert seqs(what_holds(segments)) == [*range(11, 21), *range(32, 41)]


def test_a_lost_tail_is_told_by_the_snapshots_memory_alone(folder: Path) -> None:
    head = what_holds(folder).head
    edit(only(folder), lambda lines: lines[:36])
    assert first_damage(folder) is None
    damage = first_damage(folder, anchor=(head.seq, head.hash))
    assert damage is not None
    assert damage.kind == "lost_tail"
    assert seqs(what_holds(folder)) == list(range(31, 37))


def test_a_torn_end_that_the_snapshot_remembers_whole_is_damage(folder: Path) -> None:
    head = what_holds(folder).head
    only(folder).write_bytes(only(folder).read_bytes()[:-5])
    assert first_damage(folder) is None
    damage = first_damage(folder, anchor=(head.seq, head.hash))
    assert damage is not None
    assert damage.kind == "lost_tail"
    assert seqs(what_holds(folder)) == list(range(31, 40))


def test_another_line_at_the_place_that_the_snapshot_remembers(folder: Path) -> None:
    damage = first_damage(folder, anchor=(20, "0" * 64))
    assert damage is not None
    assert damage.kind == "hash"


def test_a_damaged_compressed_segment(segments: Path) -> None:
    second = list_segments(segments)[1].path
    packed = gzip.compress(second.read_bytes())
    second.with_name(second.name + ".gz").write_bytes(packed[: len(packed) // 2])
    second.unlink()
    damage = first_damage(segments)
    assert damage is not None
    assert damage.kind == "archive"
    assert seqs(what_holds(segments)) == list(range(31, 41))


def retired(segments: Path) -> None:
    """Take the first two segments away as retention does."""
    previous = Head()
    for segment in list_segments(segments)[:2]:
        lines = segment.path.read_bytes().splitlines()
        last = json.loads(lines[-1])
        append_anchor(
            segments,
            SegmentAnchor(
                seq=segment.number,
                wall_ts="2026-11-21T00:00:00.000000Z",
                segment=segment.name,
                number=segment.number,
                lines=10,
                first_seq=previous.seq + 1,
                last_seq=last["seq"],
                previous_hash=previous.hash,
                last_hash=last["hash"],
                opening=lines[0].decode(),
            ),
        )
        previous = Head(last["seq"], last["hash"])
        segment.path.unlink()


def test_retired_segments_are_no_damage_and_damaged_anchors_are(segments: Path) -> None:
    retired(segments)
    assert first_damage(segments) is None
    assert seqs(what_holds(segments)) == list(range(31, 41))
    edit(segments / ANCHORS_NAME, flipped(2))
    damage = first_damage(segments)
    assert damage is not None
    assert damage.file == str(segments / ANCHORS_NAME)
    # The first segment's opening line has lost its witness; the next one's is vouched for.
    assert seqs(what_holds(segments)) == list(range(31, 41))


def test_the_checkpoint_of_the_newest_removed_segment_is_the_last_resort(segments: Path) -> None:
    retired(segments)
    for segment in list_segments(segments):
        edit(segment.path, flipped(1))
    remains = what_holds(segments)
    assert seqs(remains) == [11, *range(22, 31), *range(32, 41)]
    assert remains.lines_left_out == 2
    edit(segments / ANCHORS_NAME, flipped(2))
    assert seqs(what_holds(segments)) == []


def test_all_segments_gone(segments: Path) -> None:
    for segment in list_segments(segments):
        segment.path.unlink()
    assert first_damage(segments) is None
    assert first_damage(segments, anchor=(40, "ab")) is not None
    assert what_holds(segments).lines == ()


# --- putting it aside ------------------------------------------------------------------------------
def desk(root: Path) -> DeskPaths:
    """A desk with a damaged journal and a snapshot that remembers its head."""
    paths = DeskPaths(root, "demo")
    paths.create()
    head = write(paths.journal)
    write_snapshot(paths.snapshot, make_snapshot(journal_seq=head.seq, journal_hash=head.hash), sync=False)
    edit(only(paths.journal), flipped(35))
    return paths


def opening(kept_in: str) -> list[JournalLine]:
    """What a salvage begins with, as far as the files care."""
    return [
        make_line(1, JournalType.LEDGER_CHECKPOINT),
        make_line(2, JournalType.REPAIRED, status="salvaged", data={KEPT_IN: kept_in}),
        make_line(3, JournalType.HALT, reason="journal_salvaged", data={"detail": "own +5"}),
    ]


def salvage(paths: DeskPaths) -> None:
    """As the command does: finish what was cut short, or do it."""
    how_far = standing(paths)
    if how_far == "abandoned":
        discard(paths)
    if how_far != "unfinished":
        prepare(paths, opening(name_for_kept(paths, NOON_US)), wall_us=NOON_US)
    put_in_place(paths)


def assert_salvaged(paths: DeskPaths, damaged: bytes) -> None:
    """The old one is whole, the new one stands, and the snapshot remembers the new one's head."""
    kept = list(paths.folder.glob("journal.damaged-*"))
    assert [only(each).read_bytes() for each in kept] == [damaged]
    assert not paths.salvaging.exists()
    assert [line.seq for line in read_journal(paths.journal)] == [1, 2, 3]
    snapshot = read_snapshot(paths.snapshot).snapshot
    assert snapshot is not None
    assert snapshot.journal_seq == 3
    assert verify(paths.journal, anchor=(3, str(snapshot.journal_hash))).ok
    assert snapshot.self_check.block_reasons == ("journal_salvaged",)


def test_a_salvage_keeps_the_old_folder_whole_and_begins_a_new_chain(tmp_path: Path) -> None:
    paths = desk(tmp_path)
    damaged = only(paths.journal).read_bytes()
    salvage(paths)
    assert_salvaged(paths, damaged)


def test_the_new_chain_opens_and_its_own_lost_tail_is_noticed(tmp_path: Path) -> None:
    paths = desk(tmp_path)
    salvage(paths)
    snapshot = read_snapshot(paths.snapshot).snapshot
    assert snapshot is not None
    anchor = (snapshot.journal_seq or 0, str(snapshot.journal_hash))
    writer = JournalWriter(paths.journal, wall_us=lambda: NOON_US)
    assert writer.open(anchor=anchor).head_seq == 3
    writer.close()
    edit(only(paths.journal), lambda lines: lines[:2])
    with pytest.raises(JournalDamaged, match="lines were lost"):
        JournalWriter(paths.journal, wall_us=lambda: NOON_US).open(anchor=anchor)


def test_a_desk_without_a_snapshot_is_salvaged_too(tmp_path: Path) -> None:
    paths = desk(tmp_path)
    paths.snapshot.unlink()
    salvage(paths)
    assert not paths.snapshot.exists()
    assert verify(paths.journal).ok


def test_anchors_that_are_all_that_is_left_are_put_aside_too(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "demo")
    paths.create()
    write(paths.journal, segment_bytes=1)
    retired(paths.journal)
    for segment in list_segments(paths.journal):
        segment.path.unlink()
    assert seqs(what_holds(paths.journal)) == [11]
    anchors = (paths.journal / ANCHORS_NAME).read_bytes()
    prepare(paths, opening("journal.damaged-x"), wall_us=NOON_US)
    assert standing(paths) == "unfinished"  # as after a kill here
    put_in_place(paths)
    assert (paths.folder / "journal.damaged-x" / ANCHORS_NAME).read_bytes() == anchors
    assert verify(paths.journal).records == 3


def test_a_second_salvage_in_the_same_second_keeps_both(tmp_path: Path) -> None:
    paths = desk(tmp_path)
    salvage(paths)
    salvage(paths)
    assert len(list(paths.folder.glob("journal.damaged-*"))) == 2


def test_what_a_supervisor_leaves_in_the_gap_does_not_stop_it(tmp_path: Path) -> None:
    paths = desk(tmp_path)
    prepare(paths, opening("journal.damaged-x"), wall_us=NOON_US)
    paths.journal.rename(paths.folder / "journal.damaged-x")
    paths.create()
    (paths.journal / ".lock").touch()
    assert standing(paths) == "unfinished"
    put_in_place(paths)
    assert [line.seq for line in read_journal(paths.journal)] == [1, 2, 3]


def test_a_journal_that_somebody_began_in_the_gap_is_not_thrown_away(tmp_path: Path) -> None:
    paths = desk(tmp_path)
    prepare(paths, opening("journal.damaged-x"), wall_us=NOON_US)
    paths.journal.rename(paths.folder / "journal.damaged-x")
    write(paths.journal)
    with pytest.raises(SalvageError, match="keep one as journal/"):
        standing(paths)


def test_a_prepared_journal_that_was_damaged_in_turn_is_not_put_in_place(tmp_path: Path) -> None:
    paths = desk(tmp_path)
    prepare(paths, opening("journal.damaged-x"), wall_us=NOON_US)
    paths.journal.rename(paths.folder / "journal.damaged-x")
    edit(only(paths.salvaging), flipped(2))
    with pytest.raises(SalvageError, match="rename the newest"):
        put_in_place(paths)


_KILLED_AT = """
import os, sys
from pathlib import Path
from state.layout import DeskPaths
from tests.state import test_salvage
from tests.support.dying import die_before

calls = ("open", "write", "fsync", "fdatasync", "mkdir", "rename", "replace", "unlink", "rmdir", "link")
die_before(int(sys.argv[2]), calls)
import state.journal
state.journal._sync_data = os.fdatasync
test_salvage.salvage(DeskPaths(Path(sys.argv[1]), "demo"))
"""


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.nightly)])
def test_killed_before_every_system_call_it_finishes_or_starts_over(tmp_path: Path, every: int) -> None:
    """Each run is killed one call later than the last (four, in a usual run), until one is not killed at all."""
    survived, at = False, 1 - every
    while not survived:
        at += every
        paths = desk(tmp_path / str(at))
        damaged = only(paths.journal).read_bytes()
        ended = subprocess.run(
            [sys.executable, "-P", "-c", _KILLED_AT, str(paths.root), str(at)],
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            check=False,
            timeout=30,
        )
        assert ended.returncode in (0, -signal.SIGKILL)
        survived = ended.returncode == 0
        # What lies there now is never taken for a journal that may be written to: it is damaged, or being salvaged.
        if not paths.salvaging.exists() and not list(paths.folder.glob("journal.damaged-*")):
            assert first_damage(paths.journal) is not None
        elif not survived:
            assert paths.salvaging.exists() or verify(paths.journal).records == 3
        if paths.salvaging.exists() or first_damage(paths.journal) is not None:
            salvage(paths)
        assert_salvaged(paths, damaged)
    assert at > 12
