"""Three follower processes beside a living writer through 50 rotations: identical sequences, no gap, no duplicate."""

import hashlib
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from state.anchors import read_chain
from state.archive import compress_segment
from state.follow import JournalTail
from state.journal import JournalWriter
from state.records import JournalType
from state.retention import remove_oldest
from state.segments import list_segments
from state.verification import verify
from tests.support.desk_files import NOON_US, make_line

CHECKPOINT = JournalType.LEDGER_CHECKPOINT
ROTATIONS = 50
DEADLINE_S = 200
spawn = multiprocessing.get_context("spawn")


def write(folder: Path, rotations: int) -> None:
    """Appends of one to five lines, as fast as the disk allows, until so many segments were closed."""
    writer = JournalWriter(folder, wall_us=lambda: NOON_US, segment_bytes=2500)
    writer.open()
    while writer.segment_number <= rotations:
        first = writer.next_seq
        type_ = CHECKPOINT if writer.rotation_due() else JournalType.TRANSITION
        writer.append([make_line(first, type_), *(make_line(first + more) for more in range(1, 1 + first % 5))])
    writer.append([make_line(writer.next_seq, JournalType.RUN_STOPPED)])
    writer.close()


def follow(folder: Path, pause_s: float, max_lines: int, answer: Connection) -> None:
    """Poll until the writer's last word; send every seq and a digest over the lines."""
    tail = JournalTail(folder, from_end=False, max_lines=max_lines)
    seen: list[int] = []
    gaps: list[tuple[int, int]] = []
    digest = hashlib.sha256()
    is_over = False
    while not is_over:
        for line in tail.poll():
            seen.append(line.seq)
            digest.update(repr(line).encode())
            is_over = line.type is JournalType.RUN_STOPPED
        if tail.gap is not None:
            gaps.append((tail.gap.after_seq, tail.gap.next_seq))
        if not tail.has_more:
            time.sleep(pause_s)
    answer.send((seen, gaps, digest.hexdigest()))


def compress_meanwhile(folder: Path) -> None:
    """What maintenance does, as often as it can, until it is ended."""
    while True:
        chain = read_chain(folder)
        for index in range(len(chain.segments) - 1):
            compress_segment(chain, index)
        time.sleep(0.002)


def run(folder: Path, *, pauses_s: tuple[float, ...], max_lines: int, beside: Callable[..., None] | None) -> list[Any]:
    """The writer, its followers and somebody beside them, each a process; gives the followers' answers."""
    followers, answers = [], []
    for pause_s in pauses_s:
        ours, theirs = spawn.Pipe(duplex=False)
        followers.append(spawn.Process(target=follow, args=(folder, pause_s, max_lines, theirs), daemon=True))
        answers.append(ours)
    writer = spawn.Process(target=write, args=(folder, ROTATIONS), daemon=True)
    others = [spawn.Process(target=beside, args=(folder,), daemon=True)] if beside is not None else []
    everybody = [*followers, writer, *others]
    for process in everybody:
        process.start()
    try:
        received = []
        for answer in answers:
            assert answer.poll(DEADLINE_S), "a follower did not see the writer's last word"
            received.append(answer.recv())
        writer.join(DEADLINE_S)
        assert writer.exitcode == 0
        assert all(other.is_alive() for other in others)
    finally:
        for process in everybody:
            process.kill()
            process.join()
    return received


@pytest.mark.parametrize("beside", [None, compress_meanwhile], ids=["rotation", "rotation and compression"])
@pytest.mark.parametrize("max_lines", [7, 10_000])
def test_three_followers_see_the_same_through_fifty_rotations(
    tmp_path: Path, beside: Callable[..., None] | None, max_lines: int
) -> None:
    received = run(tmp_path, pauses_s=(0.0, 0.01, 0.15), max_lines=max_lines, beside=beside)
    (seen, gaps, digest), *others = received
    assert seen == list(range(1, len(seen) + 1))
    assert gaps == []
    assert others == [(seen, [], digest)] * 2
    found = verify(tmp_path)
    assert (found.ok, found.records) == (True, len(seen))
    assert len(list_segments(tmp_path)) == ROTATIONS + 1
    if beside is not None:
        assert any(segment.is_compressed for segment in list_segments(tmp_path))


def remove_meanwhile(folder: Path) -> None:
    """Retention that keeps three closed segments, while others are compressed."""
    while True:
        chain = read_chain(folder)
        for segment in chain.segments[:-4]:
            remove_oldest(folder, segment.number, wall_us=NOON_US)
        chain = read_chain(folder)
        for index in range(len(chain.segments) - 1):
            compress_segment(chain, index)
        time.sleep(0.002)


def test_followers_beside_retention_miss_exactly_what_they_are_told(tmp_path: Path) -> None:
    """What a slow follower has not seen is what its gaps name, and nothing else."""
    received = run(tmp_path, pauses_s=(0.0, 0.05, 0.5), max_lines=10_000, beside=remove_meanwhile)
    last = verify(tmp_path).head_seq
    for seen, gaps, _ in received:
        missing = [seq for after, following in gaps for seq in range(after + 1, following)]
        first = seen[0]
        assert sorted(seen + missing) == list(range(first, last + 1))
        assert seen == sorted(set(seen))
    found = verify(tmp_path)
    assert found.ok
    assert found.removed_segments + len(list_segments(tmp_path)) == ROTATIONS + 1
