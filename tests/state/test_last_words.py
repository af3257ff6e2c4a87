"""What a writer may still do after the system said no: the reserve, the fresh descriptor, and when neither is right."""

import errno
import itertools
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import state.atomic
import state.journal
from state.journal import JournalError, JournalWriter
from state.journal_reader import read_journal
from state.records import JournalType
from state.reserve import RESERVE_NAME, Reserve
from state.verification import verify
from tests.support.desk_files import NOON_US, make_journal, make_line

ROOT = Path(__file__).parents[2]
DAY_US = 86_400_000_000


def refuse(monkeypatch: pytest.MonkeyPatch, code: int, *, after_bytes: int = 0) -> None:
    """The next write takes some bytes of what it is given; every one behind it refuses."""
    real = os.write
    taken: list[int] = []

    def write(descriptor: int, data: bytes) -> int:
        if taken or after_bytes == 0:
            raise OSError(code, os.strerror(code))
        taken.append(after_bytes)
        return real(descriptor, data[:after_bytes])

    monkeypatch.setattr(os, "write", write)


def blocks(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_the_reserve_is_real_room_and_stays_for_the_next_writer(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, wall_us=lambda: NOON_US, reserve_bytes=1_000_000)
    assert writer.open().reserve_bytes == 1_000_000
    assert blocks(tmp_path / RESERVE_NAME) >= 1_000_000
    writer.close()
    assert blocks(tmp_path / RESERVE_NAME) >= 1_000_000
    assert JournalWriter(tmp_path, wall_us=lambda: NOON_US, reserve_bytes=1_000_000).open().reserve_bytes == 1_000_000


def test_where_the_system_offers_no_allocation_the_room_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    reserve = Reserve(tmp_path, 3_000_000)
    assert reserve.keep() == 3_000_000
    assert blocks(tmp_path / RESERVE_NAME) >= 3_000_000
    reserve.release()
    assert not (tmp_path / RESERVE_NAME).exists()
    reserve.release()


def test_a_disk_without_room_for_a_reserve_can_still_be_journaled_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    writer = JournalWriter(tmp_path, wall_us=lambda: NOON_US)
    assert writer.open().reserve_bytes == 0
    assert not (tmp_path / RESERVE_NAME).exists()
    writer.append([make_line(1)])
    writer.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("lines_landed", [0, 1, 2])
def test_after_a_refused_write_the_reserve_goes_and_the_chain_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, lines_landed: int
) -> None:
    make_journal(tmp_path / "whole", 5).close()
    (segment,) = (tmp_path / "whole").glob("*.jsonl")
    ends = [place + 1 for place, byte in enumerate(segment.read_bytes()) if byte == ord("\n")]
    folder = tmp_path / "journal"
    writer = make_journal(folder, 2)
    refuse(monkeypatch, code, after_bytes=ends[1 + lines_landed] - ends[1] + 10)
    with pytest.raises(JournalError, match="cannot be written"):
        writer.append([make_line(seq) for seq in (3, 4, 5)])
    assert writer.head[0] == 2
    monkeypatch.undo()
    opened = writer.last_words()
    assert opened is not None
    assert opened.head_seq == 2 + lines_landed
    assert opened.repaired is not None
    assert opened.repaired.torn_bytes == 10
    assert not (folder / RESERVE_NAME).exists()
    writer.append([make_line(writer.next_seq, JournalType.HALT)])
    assert writer.last_words() is None
    writer.close()
    assert verify(folder).records == 3 + lines_landed
    assert verify(folder).ok


def test_the_second_refusal_is_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = make_journal(tmp_path, 1)
    for seq, spoken in ((2, True), (2, False)):
        refuse(monkeypatch, errno.ENOSPC)
        with pytest.raises(JournalError):
            writer.append([make_line(seq)])
        monkeypatch.undo()
        assert (writer.last_words() is not None) is spoken
    with pytest.raises(JournalError, match="closed to writing"):
        writer.append([make_line(2)])
    writer.close()
    assert verify(tmp_path).records == 1


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS])
def test_a_broken_disk_is_not_written_to_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    writer = make_journal(tmp_path, 1)
    refuse(monkeypatch, code)
    with pytest.raises(JournalError):
        writer.append([make_line(2)])
    monkeypatch.undo()
    assert writer.last_words() is None
    assert (tmp_path / RESERVE_NAME).exists()
    writer.close()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_after_a_failed_sync_there_are_no_last_words_whatever_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    writer = make_journal(tmp_path, 1)

    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(state.journal, "_sync_data", fail)
    with pytest.raises(JournalError):
        writer.append([make_line(2)])
    monkeypatch.undo()
    assert writer.last_words() is None
    assert writer.head[0] == 1
    writer.close()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES, errno.ENOSPC])
def test_a_segment_that_cannot_be_started_leaves_the_old_one_in_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    now = [NOON_US]
    writer = JournalWriter(tmp_path, wall_us=lambda: now[0])
    writer.open()
    writer.append([make_line(1, JournalType.LEDGER_CHECKPOINT)])
    now[0] += DAY_US
    real = os.open

    def no_new_file(path: Any, flags: int, *rest: Any) -> int:
        if flags & os.O_EXCL:
            raise OSError(code, os.strerror(code))
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", no_new_file)
    with pytest.raises(JournalError):
        writer.append([make_line(2, JournalType.LEDGER_CHECKPOINT)])
    assert writer.last_words() is not None
    assert not writer.rotation_due()
    writer.append([make_line(2, JournalType.LEDGER_CHECKPOINT), make_line(3, JournalType.HALT)])
    writer.close()
    monkeypatch.undo()
    (segment,) = tmp_path.glob("*.jsonl")
    assert segment.name == "20261120-0001.jsonl"
    assert [line.seq for line in read_journal(tmp_path)] == [1, 2, 3]


def next_day(folder: Path) -> JournalWriter:
    """A writer whose next checkpoint begins a segment."""
    now = [NOON_US]
    writer = JournalWriter(folder, wall_us=lambda: now[0])
    writer.open()
    writer.append([make_line(1, JournalType.LEDGER_CHECKPOINT)])
    now[0] += DAY_US
    return writer


def test_no_segment_is_begun_whose_name_there_is_no_descriptor_left_to_make_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = next_day(tmp_path)
    real = os.open

    def no_folder(path: Any, flags: int, *rest: Any) -> int:
        if Path(path) == tmp_path:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", no_folder)
    with pytest.raises(JournalError):
        writer.append([make_line(2, JournalType.LEDGER_CHECKPOINT)])
    monkeypatch.undo()
    assert writer.last_words() is not None
    writer.append([make_line(2, JournalType.LEDGER_CHECKPOINT), make_line(3, JournalType.HALT)])
    writer.close()
    (segment,) = tmp_path.glob("*.jsonl")
    assert segment.name == "20261120-0001.jsonl"
    assert verify(tmp_path).records == 3


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_after_the_sync_of_a_new_segments_name_failed_there_are_no_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    writer = next_day(tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(JournalError):
        writer.append([make_line(2, JournalType.LEDGER_CHECKPOINT)])
    monkeypatch.undo()
    assert writer.last_words() is None
    writer.close()
    assert JournalWriter(tmp_path, wall_us=lambda: NOON_US).open().head_seq == 1


def test_acknowledged_lines_that_are_gone_are_not_written_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make_journal(tmp_path, 3)
    refuse(monkeypatch, errno.ENOSPC)
    with pytest.raises(JournalError):
        writer.append([make_line(4)])
    monkeypatch.undo()
    (segment,) = tmp_path.glob("*.jsonl")
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:2]))
    assert writer.last_words() is None
    assert writer.head[0] == 3
    writer.close()


OUT_OF_DESCRIPTORS = """
import os, resource, sys
from pathlib import Path
from state.journal import JournalError, JournalWriter
from state.records import JournalType
from tests.support.desk_files import NOON_US, make_line
now = [NOON_US]
writer = JournalWriter(Path(sys.argv[1]), wall_us=lambda: now[0])
writer.open()
writer.append([make_line(1, JournalType.LEDGER_CHECKPOINT)])
now[0] += 86_400_000_000
highest = max(int(name) for name in os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (highest, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    pass
try:
    writer.append([make_line(2, JournalType.LEDGER_CHECKPOINT)])
except JournalError as error:
    print(error)
assert writer.last_words() is not None, writer.broken
writer.append([make_line(2, JournalType.LEDGER_CHECKPOINT), make_line(3, JournalType.HALT)])
"""


def test_without_any_descriptor_left_the_reserve_gives_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", OUT_OF_DESCRIPTORS, str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Too many open files" in done.stdout
    assert [line.seq for line in read_journal(tmp_path)] == [1, 2, 3]


def test_what_a_failed_sync_may_have_left_in_memory_is_written_again_at_the_next_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_journal(tmp_path, 3).close()
    (segment,) = tmp_path.glob("*.jsonl")
    content = segment.read_bytes()
    covered: list[tuple[int, int]] = []
    synced_after: list[int] = []
    real_write, real_sync = os.pwrite, os.fsync
    monkeypatch.setattr(state.atomic, "_PART_BYTES", 100)
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: covered.append((at, len(data))) or real_write(fd, data, at))

    def sync(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # folders are synced too
            synced_after.append(len(covered))
        real_sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    writer = JournalWriter(tmp_path, wall_us=lambda: NOON_US)
    writer.open()
    monkeypatch.undo()
    assert covered[0][0] == 0
    assert all(one[0] + one[1] == two[0] for one, two in itertools.pairwise(covered))
    assert sum(covered[-1]) == len(content)
    assert synced_after == [len(covered)]
    assert segment.read_bytes() == content
    writer.close()
