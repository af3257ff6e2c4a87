import gzip
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from state.anchors import read_chain
from state.archive import archive_path, check_closed, clean_temporaries, compress_file, compress_segment
from state.journal import JournalWriter
from state.journal_reader import read_journal, read_since_checkpoint
from state.records import JournalType
from state.segments import JournalDamaged
from state.verification import verify
from tests.support.desk_files import NOON_US, make_line

ROOT = Path(__file__).parents[2]
SEGMENTS, LINES = 4, 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four segments of six lines, each opening with a checkpoint; the fourth is the open one."""
    return fill(tmp_path / "journal")


def fill(folder: Path) -> Path:
    writer = JournalWriter(folder, wall_us=lambda: NOON_US, segment_bytes=1, reserve_bytes=0)
    writer.open()
    for segment in range(SEGMENTS):
        first = segment * LINES + 1
        writer.append([make_line(first, JournalType.LEDGER_CHECKPOINT, data={"own": segment})])
        writer.append([make_line(seq) for seq in range(first + 1, first + LINES)])
    writer.close()
    return folder


def names(folder: Path) -> list[str]:
    """What lies there, the writer's own files aside."""
    return sorted(path.name for path in folder.iterdir() if path.name not in (".lock", ".reserve"))


def put_all_away(folder: Path) -> None:
    for index in range(SEGMENTS):
        compress_segment(read_chain(folder), index)


def test_a_closed_segment_keeps_its_bytes_its_chain_its_mode_and_its_age(folder: Path) -> None:
    plain = read_chain(folder).segments[1].path
    content, before = plain.read_bytes(), read_journal(folder)
    lines = list(before)
    plain.chmod(0o640)
    os.utime(plain, ns=(NOON_US * 1000, NOON_US * 1000))
    sizes = compress_segment(read_chain(folder), 1)
    archive = archive_path(plain)
    assert sizes is not None
    assert (sizes.plain_bytes, sizes.gzip_bytes) == (len(content), archive.stat().st_size)
    assert not plain.exists()
    assert gzip.decompress(archive.read_bytes()) == content
    assert stat.S_IMODE(archive.stat().st_mode) == 0o640
    assert archive.stat().st_mtime_ns == NOON_US * 1000
    assert list(read_journal(folder)) == lines
    assert verify(folder).ok


def test_the_same_lines_give_the_same_archive(tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        folder = fill(tmp_path / name)
        put_all_away(folder)
        made.append([path.read_bytes() for path in sorted(folder.glob("*.gz"))])
    assert made[0] == made[1]
    assert len(made[0]) == SEGMENTS - 1


def test_the_open_segment_is_never_touched_and_a_second_pass_finds_nothing(folder: Path) -> None:
    put_all_away(folder)
    there = names(folder)
    assert [name.endswith(".gz") for name in there] == [True] * (SEGMENTS - 1) + [False]
    assert [compress_segment(read_chain(folder), index) for index in range(SEGMENTS)] == [None] * SEGMENTS
    assert names(folder) == there


@pytest.mark.parametrize("start_of_next", [b"", b'{"seq":19,"ts":'])
def test_a_segment_counts_as_open_until_the_next_one_has_a_whole_line(folder: Path, start_of_next: bytes) -> None:
    chain = read_chain(folder)
    chain.segments[-1].path.write_bytes(start_of_next)
    assert check_closed(chain, SEGMENTS - 2) is None
    assert compress_segment(chain, SEGMENTS - 2) is None
    assert chain.segments[-2].path.exists()


def test_the_writer_goes_on_behind_compressed_segments(folder: Path) -> None:
    put_all_away(folder)
    writer = JournalWriter(folder, wall_us=lambda: NOON_US, segment_bytes=1, reserve_bytes=0)
    opened = writer.open()
    assert opened.head_seq == SEGMENTS * LINES
    writer.append([make_line(writer.next_seq, JournalType.LEDGER_CHECKPOINT)])
    writer.close()
    assert compress_segment(read_chain(folder), SEGMENTS - 1) is not None
    assert [line.seq for line in read_since_checkpoint(folder)] == [SEGMENTS * LINES + 1]
    assert verify(folder).records == SEGMENTS * LINES + 1


@pytest.mark.parametrize(
    ("harm", "line", "kind"),
    [
        (lambda rows: [rows[0], rows[1].replace(b"demo", b"omed"), *rows[2:]], 2, "hash"),
        (lambda rows: [rows[0], *rows[2:]], 2, "sequence"),
        (lambda rows: [*rows[:-1], rows[-1][:-9]], LINES, "torn"),
    ],
)
def test_a_segment_that_does_not_verify_is_left_as_it_is(
    folder: Path, harm: Callable[[list[bytes]], list[bytes]], line: int, kind: str
) -> None:
    path = read_chain(folder).segments[1].path
    damaged = b"".join(harm(path.read_bytes().splitlines(keepends=True)))
    path.write_bytes(damaged)
    there = names(folder)
    with pytest.raises(JournalDamaged) as caught:
        compress_segment(read_chain(folder), 1)
    assert (caught.value.path, caught.value.line, caught.value.kind) == (path, line, kind)
    assert path.read_bytes() == damaged
    assert names(folder) == there


def test_lines_lost_from_a_segments_end_are_noticed_at_the_next_ones_start(folder: Path) -> None:
    chain = read_chain(folder)
    path = chain.segments[1].path
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(JournalDamaged) as caught:
        compress_segment(chain, 1)
    assert (caught.value.path, caught.value.line, caught.value.kind) == (chain.segments[2].path, 1, "sequence")


@pytest.mark.parametrize("left", ["whole", "cut", "other", "empty"])
def test_where_both_forms_lie_there_the_archive_is_proven_before_the_plain_one_goes(folder: Path, left: str) -> None:
    segment = read_chain(folder).segments[1]
    content = segment.path.read_bytes()
    packed = gzip.compress(content)
    archive_path(segment.path).write_bytes(
        {"whole": packed, "cut": packed[:-20], "other": gzip.compress(content[:-1]), "empty": b""}[left]
    )
    assert verify(folder).ok
    compress_segment(read_chain(folder), 1)
    assert not segment.path.exists()
    assert gzip.decompress(archive_path(segment.path).read_bytes()) == content
    assert (archive_path(segment.path).read_bytes() == packed) == (left == "whole")
    assert verify(folder).ok


def test_stale_temporary_files_are_seen_by_no_reader_and_removed_by_the_next_pass(folder: Path) -> None:
    stale = folder / ".20261120-0001.jsonl.77-0badcafe.tmp.gz"
    stale.write_bytes(b"half")
    lines = list(read_journal(folder))
    assert len(lines) == SEGMENTS * LINES
    assert clean_temporaries(folder) == 1
    assert not stale.exists()
    assert list(read_journal(folder)) == lines


def test_an_archive_that_does_not_read_back_replaces_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that returns other bytes than it took: one flipped bit in the temporary file."""
    real = os.fsync

    def flip(descriptor: int) -> None:
        real(descriptor)
        with Path(f"/proc/self/fd/{descriptor}").open("r+b") as file:
            file.seek(40)
            byte = file.read(1)
            file.seek(40)
            file.write(bytes([byte[0] ^ 1]))

    path = read_chain(folder).segments[0].path
    there = names(folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", flip)
        with pytest.raises(OSError, match="does not read back equal"):
            compress_segment(read_chain(folder), 0)
    assert path.exists()
    assert names(folder) == there


CALLS = ("open", "fsync", "replace", "unlink", "fchmod", "utime", "write")


def failing_at(number: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From now on the n-th call of the system that compressing makes is refused; gives the names of those made."""
    made: list[str] = []

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: object, **options: object) -> object:
            made.append(name)
            if len(made) == number:
                raise OSError(28, f"refused {name}")
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    for name in CALLS:
        wrap(name)
    return made


def test_a_refusal_at_any_step_loses_nothing_and_the_next_pass_ends_the_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = list(read_journal(folder))
    met: set[str] = set()
    for number in range(1, 100):
        before = names(folder)
        with monkeypatch.context() as patch:
            made = failing_at(number, patch)
            try:
                compress_segment(read_chain(folder), 1)
            except OSError:
                met.add(made[number - 1])
        if len(made) < number:
            break
        assert list(read_journal(folder)) == lines
        assert not list(folder.glob(".*.tmp.gz"))
        if names(folder) != before:  # the rename was done: begin again from a plain segment
            put_all_away(folder)
            assert list(read_journal(folder)) == lines
            folder = fill(folder.with_name(f"again{number}"))
    else:
        raise AssertionError("the work was never done")
    assert met == {"open", "fsync", "replace", "unlink", "fchmod", "utime"}
    assert names(folder)[1].endswith(".gz")
    assert list(read_journal(folder)) == lines


KILLED = f"""
import sys
from pathlib import Path
from state.anchors import read_chain
from state.archive import compress_segment
from tests.support.dying import die_before
die_before(int(sys.argv[2]), {CALLS!r})
compress_segment(read_chain(Path(sys.argv[1])), 1)
"""


def test_a_kill_before_any_step_loses_nothing_and_the_next_pass_ends_the_work(tmp_path: Path) -> None:
    lines = list(read_journal(fill(tmp_path / "0")))
    stages: set[tuple[bool, bool, bool]] = set()
    for number in range(1, 100):
        folder = fill(tmp_path / str(number))
        plain = read_chain(folder).segments[1].path
        done = subprocess.run(
            [sys.executable, "-P", "-c", KILLED, str(folder), str(number)],
            env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
        stages.add((plain.exists(), archive_path(plain).exists(), any(folder.glob(".*.tmp.gz"))))
        assert list(read_journal(folder)) == lines
        assert verify(folder).ok
        clean_temporaries(folder)
        put_all_away(folder)
        assert [name.endswith(".gz") for name in names(folder)] == [True] * (SEGMENTS - 1) + [False]
        assert list(read_journal(folder)) == lines
        if done.returncode == 0:
            break
    # plain alone; with a temporary; both forms; the archive alone
    assert stages == {(True, False, False), (True, False, True), (True, True, False), (False, True, False)}


def test_a_file_without_a_chain_is_put_away_whole(tmp_path: Path) -> None:
    path = tmp_path / "run-0001.jsonl"
    path.write_bytes(b'{"tape_seq":1}\n{"tape_s')
    compress_file(path)
    assert [each.name for each in tmp_path.iterdir()] == ["run-0001.jsonl.gz"]
    assert gzip.decompress(archive_path(path).read_bytes()) == b'{"tape_seq":1}\n{"tape_s'
