"""Many readers beside a writer that replaces the snapshot as fast as it can: whole, in order, and never in its way."""

import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

import msgspec
import pytest

from state.atomic import clean_stale_temporaries
from state.snapshot import read_snapshot, write_snapshot
from tests.support.desk_files import make_snapshot
from tests.support.memory import folder_in_memory

REPLACES = 10_000
READERS = 4
PAUSE_S = 0.001
"""Between two looks of a reader: four that never rest would take both cores from the writer."""
FILLERS = tuple("x" * (number * 997 % 9000) for number in range(64))
"""The size changes with every replace, so that a mixture of two would not decode."""


class Seen(msgspec.Struct):
    """What one reader reports: every problem it met, its distinct `seq`s in order, how often it read."""

    problems: list[str]
    seqs: list[int]
    reads: int


def read_until(path: Path, over: Event, answer: Connection) -> None:
    problems: list[str] = []
    seqs: list[int] = []
    reads = 0
    answer.send("reading")
    while not over.is_set():
        found = read_snapshot(path)
        reads += 1
        if found.snapshot is None:
            problems.append(str(found.problem))
        elif found.snapshot.strategy != {"filler": FILLERS[found.snapshot.seq % len(FILLERS)]}:
            problems.append(f"seq {found.snapshot.seq} with another one's content")
        elif not seqs or found.snapshot.seq != seqs[-1]:
            seqs.append(found.snapshot.seq)
        time.sleep(PAUSE_S)
    answer.send(Seen(problems=problems, seqs=seqs, reads=reads))


def replace(path: Path, seq: int) -> None:
    write_snapshot(path, make_snapshot(seq=seq, strategy={"filler": FILLERS[seq % len(FILLERS)]}), sync=False)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """Replacing is a matter of names; a disk would only make the writer slow."""
    with folder_in_memory(tmp_path) as folder:
        yield folder


def test_ten_thousand_replaces_beside_four_readers_show_whole_snapshots_in_order(memory: Path) -> None:
    path = memory / "snapshot.json"
    replace(path, 1)
    spawn = multiprocessing.get_context("spawn")
    over = spawn.Event()
    answers: list[Connection] = []
    readers = []
    for _ in range(READERS):
        receive, send = spawn.Pipe(duplex=False)
        readers.append(spawn.Process(target=read_until, args=(path, over, send), daemon=True))
        answers.append(receive)
        readers[-1].start()
    assert [answer.recv() for answer in answers] == ["reading"] * READERS
    for seq in range(2, REPLACES + 1):
        replace(path, seq)
    over.set()
    found: list[Seen] = [answer.recv() for answer in answers]
    for reader in readers:
        reader.join(10)
    for seen in found:
        assert seen.problems == []
        assert seen.seqs == sorted(set(seen.seqs)), "a reader went back"
        assert len(seen.seqs) > 100, "a reader that sees this few proves nothing"
    assert read_snapshot(path).snapshot == make_snapshot(
        seq=REPLACES, strategy={"filler": FILLERS[REPLACES % len(FILLERS)]}
    )
    assert [entry.name for entry in memory.iterdir()] == ["snapshot.json"], "a temporary was left"


@pytest.mark.parametrize("schema", [0, 2, 99])
def test_another_schema_is_refused_with_what_to_do(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(msgspec.json.encode(make_snapshot()).replace(b'"schema":1', b'"schema":%d' % schema))
    read = read_snapshot(path)
    assert (read.snapshot, read.reason) == (None, "snapshot_damaged")
    assert read.problem == f"{path} has schema {schema}, this version reads 1; update the older side"


def test_what_died_writers_left_goes_at_the_next_start_and_the_snapshot_stays(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    replace(path, 7)
    for name in (".snapshot.json.1-aaaa.tmp", ".snapshot.json.99999-bbbb.tmp"):
        (tmp_path / name).write_bytes(b'{"schema":1,"seq":8')
    assert clean_stale_temporaries(path) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["snapshot.json"]
    found = read_snapshot(path).snapshot
    assert found is not None
    assert found.seq == 7
