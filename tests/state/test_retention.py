import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.anchors import ANCHORS_NAME, read_anchors, read_chain
from state.archive import archive_path, compress_segment
from state.journal import JournalWriter
from state.journal_reader import read_journal, read_since_checkpoint
from state.query import Filter, newest
from state.records import JournalLine, JournalType
from state.retention import age_days, expired_segments, remove_oldest
from state.segments import JournalDamaged, Segment
from state.verification import verify
from state.verified import verify_closed
from tests.support.desk_files import NOON_US, make_line

ROOT = Path(__file__).parents[2]
DAY_US = 86_400_000_000
DAYS, LINES = 5, 4


class Story:
    """A journal that is written, put away and let go of, and beside it the lines that must be there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[JournalLine] = []
        self.removed = 0
        self.day = 0
        self.segment_lines: list[int] = []

    def append(self, count: int, *, checkpoint: bool = True) -> None:
        """A fresh writer appends; a `ledger_checkpoint` first where a segment is due."""
        writer = JournalWriter(self.folder, wall_us=lambda: NOON_US + self.day * DAY_US, reserve_bytes=0)
        opened = writer.open()
        assert opened.repaired is None
        assert opened.head_seq == len(self.lines)
        for _ in range(count):
            due = writer.rotation_due() and (checkpoint or writer.segment_number == 0)
            kind = JournalType.LEDGER_CHECKPOINT if due else JournalType.TRANSITION
            line = make_line(writer.next_seq, kind, reason=f"line {writer.next_seq}")
            if due:
                self.segment_lines.append(0)
            writer.append([line])
            self.lines.append(line)
            self.segment_lines[-1] += 1
        writer.close()

    def remove(self) -> None:
        """The oldest segment goes, where one may."""
        chain = read_chain(self.folder)
        gone = expired_segments(chain, keep_days=1, wall_us=NOON_US + (self.day + 100) * DAY_US).segments
        if gone:
            assert remove_oldest(self.folder, gone[0].number, wall_us=NOON_US) is not None
            self.removed += 1

    def check(self) -> None:
        """The chain holds, and what is left is unchanged."""
        left = self.lines[sum(self.segment_lines[: self.removed]) :]
        assert list(read_journal(self.folder)) == left
        verdict = verify(self.folder, anchor=None)
        assert verdict.ok, verdict.problem
        assert verdict.head_seq == len(self.lines)
        assert [line.seq for line in newest(self.folder, Filter(), 10_000)] == [line.seq for line in reversed(left)]
        if self.segment_lines:
            assert list(read_since_checkpoint(self.folder)) == self.lines[-self.segment_lines[-1] :]
        assert len(read_anchors(self.folder)) == self.removed


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Five days, a segment of four lines each."""
    story = Story(tmp_path / "journal")
    for _ in range(DAYS):
        story.append(LINES)
        story.day += 1
    return story


def test_what_is_removed_leaves_its_anchor_and_its_opening_line(story: Story) -> None:
    first = read_chain(story.folder).segments[0]
    content = first.path.read_bytes()
    anchor = remove_oldest(story.folder, 1, wall_us=NOON_US)
    assert not first.path.exists()
    assert read_anchors(story.folder) == (anchor,)
    assert anchor is not None
    assert (anchor.seq, anchor.segment, anchor.number, anchor.lines) == (1, "20261120-0001", 1, LINES)
    assert (anchor.first_seq, anchor.last_seq, anchor.previous_hash) == (1, LINES, "0" * 64)
    assert anchor.opening.encode() + b"\n" == content.splitlines(keepends=True)[0]
    story.removed = 1
    story.check()
    story.append(3)
    story.check()


def test_the_oldest_go_first_and_the_newest_two_stay(story: Story) -> None:
    chain = read_chain(story.folder)

    def gone(keep_days: int, days_later: int) -> list[int]:
        expired = expired_segments(chain, keep_days=keep_days, wall_us=NOON_US + days_later * DAY_US)
        assert expired.obstacle is None
        return [segment.number for segment in expired.segments]

    assert gone(keep_days=4, days_later=4) == []
    assert gone(keep_days=3, days_later=4) == [1]
    assert gone(keep_days=2, days_later=4) == [1, 2]
    assert gone(keep_days=1, days_later=4000) == [1, 2, 3]
    assert gone(keep_days=1, days_later=-4000) == []
    assert remove_oldest(story.folder, 2, wall_us=NOON_US) is None
    story.check()


def test_a_young_segment_before_old_ones_keeps_them(story: Story) -> None:
    """The machine's clock once stood a year ahead."""
    chain = read_chain(story.folder)
    first = chain.segments[0]
    first.path.rename(first.path.with_name("20271120-0001.jsonl"))
    expired = expired_segments(read_chain(story.folder), keep_days=1, wall_us=NOON_US + 300 * DAY_US)
    assert expired.segments == ()


def test_what_is_no_date_is_never_old() -> None:
    assert age_days("20261399", NOON_US) == 0
    assert age_days("20261119", NOON_US) == 1


def test_nothing_goes_that_a_later_segment_still_needs(story: Story) -> None:
    third = read_chain(story.folder).segments[2].path
    rows = third.read_bytes().splitlines(keepends=True)
    third.write_bytes(b"".join(rows[1:]))
    chain = read_chain(story.folder)
    expired = expired_segments(chain, keep_days=1, wall_us=NOON_US + 100 * DAY_US)
    assert expired.segments == ()
    assert expired.obstacle is not None
    assert str(third) in expired.obstacle
    assert "does not open with a ledger_checkpoint" in expired.obstacle


@pytest.mark.parametrize("where", ["first", "line", "end"])
def test_a_segment_that_does_not_verify_stays_and_its_place_is_named(story: Story, where: str) -> None:
    segments = read_chain(story.folder).segments
    path = segments[0].path
    content = path.read_bytes()
    rows = content.splitlines(keepends=True)
    damaged, place, line = {
        "first": (content.replace(b"line 1", b"line 9"), path, 1),
        "line": (content.replace(b"line 3", b"line 9"), path, 3),
        "end": (b"".join(rows[:-1]), segments[1].path, 1),
    }[where]
    path.write_bytes(damaged)
    with pytest.raises(JournalDamaged) as caught:
        remove_oldest(story.folder, 1, wall_us=NOON_US)
    assert (caught.value.path, caught.value.line) == (place, line)
    assert path.read_bytes() == damaged
    assert read_anchors(story.folder) == ()


def test_an_anchor_that_an_interrupted_pass_left_is_used_again(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    path = read_chain(story.folder).segments[0].path

    def refuse(self: Path, *, missing_ok: bool = False) -> None:
        raise OSError(5, "refused")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(OSError, match="refused"):
            remove_oldest(story.folder, 1, wall_us=NOON_US)
    assert path.exists()
    assert len(read_anchors(story.folder)) == 1
    assert verify(story.folder).ok
    anchor = remove_oldest(story.folder, 1, wall_us=NOON_US + DAY_US)
    assert read_anchors(story.folder) == (anchor,)
    story.removed = 1
    story.check()


def test_an_anchor_of_other_lines_than_the_segment_holds_is_damage(story: Story, tmp_path: Path) -> None:
    other = Story(tmp_path / "other")
    for count in (LINES + 1, LINES, LINES):
        other.append(count)
        other.day += 1
    remove_oldest(other.folder, 1, wall_us=NOON_US)
    (story.folder / ANCHORS_NAME).write_bytes((other.folder / ANCHORS_NAME).read_bytes())
    with pytest.raises(JournalDamaged, match="tells of other lines"):
        remove_oldest(story.folder, 1, wall_us=NOON_US)
    assert read_chain(story.folder).segments[0].path.exists()


def test_both_forms_of_an_interrupted_compression_go_together(story: Story) -> None:
    path = read_chain(story.folder).segments[0].path
    archive_path(path).write_bytes(b"what a kill left")
    remove_oldest(story.folder, 1, wall_us=NOON_US)
    assert not path.exists()
    assert not archive_path(path).exists()
    story.removed = 1
    story.check()


KILLED = """
import sys
from pathlib import Path
from state.retention import remove_oldest
from tests.support.dying import die_before
die_before(int(sys.argv[2]), ("open", "write", "fsync", "unlink"))
remove_oldest(Path(sys.argv[1]), 1, wall_us=1_795_000_000_000_000)
"""


def test_a_kill_before_any_step_is_made_good_by_the_next_pass(tmp_path: Path) -> None:
    stages: set[tuple[int, bool]] = set()
    for number in range(1, 50):
        story = Story(tmp_path / str(number))
        for _ in range(3):
            story.append(2)
            story.day += 1
        done = subprocess.run(
            [sys.executable, "-P", "-c", KILLED, str(story.folder), str(number)],
            env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
        there = (story.folder / "20261120-0001.jsonl").exists()
        stages.add((len(read_anchors(story.folder)), there))
        assert verify(story.folder).ok
        assert [line.seq for line in read_journal(story.folder)] == list(range(1 if there else 3, 7))
        remove_oldest(story.folder, 1, wall_us=NOON_US)
        story.removed = 1
        story.check()
        if done.returncode == 0:
            break
    assert stages == {(0, True), (1, True), (1, False)}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_appended_rotated_compressed_and_removed_the_chain_verifies(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        story = Story(Path(name) / "journal")
        story.append(1)
        for _ in range(data.draw(st.integers(1, 12), label="steps")):
            match data.draw(st.sampled_from(["append", "rotate", "compress", "remove"]), label="step"):
                case "append":
                    story.append(data.draw(st.integers(1, 4), label="lines"))
                case "rotate":
                    story.day += data.draw(st.integers(1, 3), label="days")
                    story.append(1)
                case "compress":
                    chain = read_chain(story.folder)
                    index = data.draw(st.integers(0, len(chain.segments) - 1), label="index")
                    compressed: Segment = chain.segments[index]
                    is_open = index == len(chain.segments) - 1
                    sizes = compress_segment(chain, index)
                    assert (sizes is None) == (is_open or compressed.is_compressed)
                case "remove":
                    story.remove()
            story.check()


@pytest.mark.parametrize("compresses", [False, True], ids=["removed", "compressed"])
def test_a_start_and_a_verification_outlast_a_maintenance_that_is_always_one_segment_ahead(
    tmp_path: Path, *, compresses: bool
) -> None:
    """Neither calls a journal damaged because files go while it looks."""
    for judge in (verify_closed, verify):
        story = Story(tmp_path / judge.__name__)
        for _ in range(12):
            story.append(2)
            story.day += 1
        ahead = iter(range(10))

        def maintain(*_: int, story: Story = story, ahead: Iterator[int] = ahead) -> None:
            place = next(ahead, None)
            if place is None:
                return
            if compresses:
                assert compress_segment(read_chain(story.folder), place) is not None
            else:
                story.remove()

        verdict = judge(story.folder, progress=maintain)
        assert verdict is None or verdict.ok, verdict.problem
        story.check()
