"""Every truncation, every flipped bit and every kind of surgery on a journal with 100 records of every type.

Two levels. Line by line, exhaustively: what a reader sees as line n of the changed file (up to its first line break)
is put to `chain.check` with the true head before it, which is all that any reader does. Through real files, in
`verify`, `verify_closed` and `JournalWriter.open`: every bit and byte of a small journal, and places spread over the
large one.

Nothing is sampled under `--nightly`. A usual run takes every tenth of the lines whose bits are flipped (all types, all
bits) and, through real files, places so far apart that all eight bits and all lines have their turn.
"""

import gzip
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from state.chain import Head, LineError, check, seal
from state.damage import first_damage
from state.journal import JournalDamaged, JournalWriter
from state.records import JournalType
from state.segments import Segment, list_segments, open_segment
from state.verification import Verification, verify
from state.verified import verify_closed
from tests.support.desk_files import NOON_US
from tests.support.every_type import line_of, type_of, write_every_type

TURNS = 101
KINDS = len(JournalType)
COMPRESSED = 2
LINE_KINDS = {"not_a_line", "hash", "sequence", "torn"}
NIGHTLY = pytest.mark.nightly


class Row(NamedTuple):
    """One line of the intact journal: its segment's index, its number within it, and the head before it."""

    segment: int
    number: int
    offset: int
    raw: bytes
    before: Head


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,300 lines and more in six segments, one of them compressed; the last is short."""
    folder = tmp_path_factory.mktemp("intact")
    write_every_type(folder, turns=TURNS, turns_per_segment=20)
    packed = list_segments(folder)[COMPRESSED].path
    packed.with_name(f"{packed.name}.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    assert verify(folder).ok
    return folder


@pytest.fixture(scope="module")
def rows(intact: Path) -> list[Row]:
    return rows_of(intact)


def rows_of(folder: Path) -> list[Row]:
    found = []
    head = Head()
    for index, segment in enumerate(list_segments(folder)):
        offset = 0
        with open_segment(segment) as file:
            for number, raw in enumerate(file, start=1):
                found.append(Row(index, number, offset, raw, head))
                offset += len(raw)
                _, head = check(head, raw)
    return found


@pytest.fixture
def journal(intact: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(intact, tmp_path / "journal"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of repairs; what is durable is tested elsewhere."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def anchor_of(rows: list[Row]) -> tuple[int, str]:
    """What the snapshot remembers: the head after the last line."""
    _, head = check(rows[-1].before, rows[-1].raw)
    return head.seq, head.hash


def start(folder: Path, *, anchor: tuple[int, str] | None = None) -> tuple[int, int]:
    """What the daemon does at its start; gives the head's seq and the bytes that were cut off."""
    verify_closed(folder)
    writer = JournalWriter(folder, wall_us=lambda: NOON_US)
    opened = writer.open(anchor=anchor)
    writer.close()
    return opened.head_seq, 0 if opened.repaired is None else opened.repaired.torn_bytes


def refused(folder: Path, *, anchor: tuple[int, str] | None = None) -> JournalDamaged:
    with pytest.raises(JournalDamaged) as caught:
        start(folder, anchor=anchor)
    return caught.value


def found_at(folder: Path, segment: Segment, line: int, kinds: set[str]) -> None:
    """Assert that both the command and the daemon's start find the damage, and where."""
    found = verify(folder)
    assert not found.ok
    assert (found.file, found.line) == (str(segment.path), line)
    assert found.kind in kinds
    damage = refused(folder)
    assert (damage.path, damage.line, damage.kind) == (segment.path, line, found.kind)


def kind_of(head: Head, raw: bytes) -> str | None:
    """Why a line does not continue from `head`; None when it does."""
    try:
        check(head, raw)
    except LineError as error:
        return error.kind
    return None


def undetected_flips(row: Row, following: bytes) -> list[int]:
    """The bits of a line that could be flipped without the line being refused at its own place."""
    missed = []
    content = bytearray(row.raw + following)
    breaks = len(row.raw) - 1
    for place in range(len(row.raw)):
        for bit in range(8):
            content[place] ^= 1 << bit
            # Up to its first line break: sooner where the flip made one, the next line's where it destroyed one.
            end = place if content[place] == 10 else len(content) - 1 if place == breaks else breaks
            try:
                check(row.before, bytes(content[: end + 1]))
            except LineError:
                pass
            else:
                missed.append(place * 8 + bit)
            content[place] ^= 1 << bit
    return missed


def test_the_journal_has_a_hundred_records_of_every_type_in_all_different_lines(rows: list[Row]) -> None:
    assert len(rows) == TURNS * KINDS >= 3200
    assert len({row.raw for row in rows}) == len(rows)
    for type_ in JournalType:
        assert sum(type_of(1 + place) is type_ for place in range(len(rows))) >= 100
        assert sum(f'"type":"{type_.value}"'.encode() in row.raw for row in rows) >= 100
    assert len({row.segment for row in rows}) == 6


@pytest.mark.parametrize("every", [10, pytest.param(1, marks=NIGHTLY)])
@pytest.mark.parametrize("type_", JournalType)
def test_every_single_bit_flip_of_every_line_is_found_at_that_line(
    rows: list[Row], type_: JournalType, every: int
) -> None:
    """All bits of lines of the large journal, which holds 100 and more of each type.

    A flip that destroys a line break joins two lines, one that makes a line break parts one: both are found at the
    line that was changed. The very last line break of the last segment is the exception: the next test.
    """
    for place in [place for place in range(len(rows)) if type_of(1 + place) is type_][::-1][::every]:
        following = rows[place + 1].raw if place + 1 < len(rows) else b""
        assert undetected_flips(rows[place], following) == [], rows[place]


def test_every_flip_of_the_last_line_break_makes_a_torn_end_that_is_repaired(tmp_path: Path) -> None:
    for bit in range(8):
        folder = tmp_path / str(bit)
        write_every_type(folder, turns=1, turns_per_segment=1)
        (segment,) = list_segments(folder)
        content = bytearray(segment.path.read_bytes())
        content[-1] ^= 1 << bit
        segment.path.write_bytes(content)
        assert verify(folder).kind == "torn"
        head, torn = start(folder)
        assert (head, torn) == (KINDS - 1, len(content) - content.rfind(b"\n", 0, -1) - 1)
        (kept,) = folder.glob("*.torn-*")
        assert kept.read_bytes() == content[-torn:]
        assert verify(folder).ok


def test_every_byte_truncation_of_every_line_is_found_in_a_closed_segment(rows: list[Row]) -> None:
    """All bytes of all lines: cut inside a line it is torn there, cut between lines, the next
    segment does not follow.
    """
    openings = {row.segment: row for row in rows if row.number == 1}
    for row in rows:
        for length in range(1, len(row.raw)):
            assert kind_of(row.before, row.raw[:length]) == "torn"
        following = openings.get(row.segment + 1)
        if following is not None:
            assert kind_of(row.before, following.raw) == "sequence"


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=NIGHTLY)])
def test_every_byte_truncation_of_the_last_segment_is_repaired_and_missed_by_the_anchor(
    journal: Path, rows: list[Row], every: int
) -> None:
    """Through real files: the last segment of the large journal, one turn of all types, cut around every line break."""
    segment = list_segments(journal)[-1].path
    content = segment.read_bytes()
    anchor = anchor_of(rows)
    ends = [0, *(row.offset + len(row.raw) for row in rows if row.segment == rows[-1].segment)]
    before = rows[-1].segment * 20 * KINDS
    around = {end + beside for end in ends for beside in (-1, 0, 1)}
    for length in sorted(around & set(range(len(content))) | set(range(0, len(content), every))):
        segment.write_bytes(content[:length])
        whole = sum(end <= length for end in ends) - 1
        writer = JournalWriter(journal, wall_us=lambda: NOON_US)
        opened = writer.open()
        writer.close()
        torn = 0 if opened.repaired is None else opened.repaired.torn_bytes
        assert (opened.head_seq, torn) == (before + whole, length - ends[whole])
        if length > ends[whole]:
            (kept,) = journal.glob("*.torn-*")
            assert kept.read_bytes() == content[ends[whole] : length]
            kept.unlink()
        else:  # nothing in the chain itself says that lines are gone
            found = verify(journal, anchor=anchor)
            assert (found.ok, found.kind, found.file) == (False, "lost_tail", str(journal))
            assert refused(journal, anchor=anchor).kind == "lost_tail"


def test_truncated_closed_segments_are_found_through_real_files(journal: Path, rows: list[Row]) -> None:
    segments = list_segments(journal)
    for row in rows[5::211]:
        if row.segment in (COMPRESSED, len(segments) - 1):
            continue
        with changed(segments[row.segment].path, lambda content, row=row: content[: row.offset + len(row.raw) // 2]):
            found_at(journal, segments[row.segment], row.number, {"torn"})
            assert not verify(journal).is_torn_end
            assert first_damage(journal) == verify(journal)  # a closed segment's end is nobody's to repair
        with changed(segments[row.segment].path, lambda content, row=row: content[: row.offset]):
            found_at(journal, segments[row.segment + 1], 1, {"sequence"})
    with changed(segments[1].path, lambda content: b""):
        found_at(journal, segments[1], 0, {"not_a_line"})


@contextmanager
def changed(path: Path, surgery: Callable[[bytes], bytes]) -> Iterator[None]:
    content = path.read_bytes()
    path.write_bytes(surgery(content))
    yield
    path.write_bytes(content)


def flip(path: Path, bit: int) -> None:
    with path.open("r+b", buffering=0) as file:
        file.seek(bit >> 3)
        byte = file.read(1)[0]
        file.seek(bit >> 3)
        file.write(bytes([byte ^ 1 << (bit & 7)]))


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=NIGHTLY)])
def test_every_bit_of_a_small_journal_is_found_through_real_files(tmp_path: Path, every: int) -> None:
    """One record of every type in one closed segment, checked by `verify`; the line that follows is in the next one."""
    write_every_type(tmp_path, turns=2, turns_per_segment=1)
    rows = rows_of(tmp_path)
    segment = list_segments(tmp_path)[0].path
    for row in rows[:KINDS]:
        for bit in range(row.offset * 8, (row.offset + len(row.raw)) * 8, every):
            flip(segment, bit)
            found = verify(tmp_path)
            assert (found.ok, found.file, found.line) == (False, str(segment), row.number), (row, bit)
            assert found.kind in LINE_KINDS
            flip(segment, bit)
    assert verify(tmp_path).ok


def test_bits_spread_over_the_large_journal_are_found_by_command_and_start(journal: Path, rows: list[Row]) -> None:
    """Two bits in every 23rd line, in a seeded order, closed segments and the last; not the last line break."""
    segments = list_segments(journal)
    chance = random.Random(3)
    for row in rows[::23]:
        if row.segment == COMPRESSED:
            continue
        for bit in chance.sample(range(len(row.raw) * 8 - 8), 2):
            flip(segments[row.segment].path, row.offset * 8 + bit)
            found_at(journal, segments[row.segment], row.number, LINE_KINDS)
            flip(segments[row.segment].path, row.offset * 8 + bit)
    assert verify(journal).ok
    assert start(journal) == (len(rows), 0)


def test_every_deleted_duplicated_or_swapped_line_is_found_at_its_place(rows: list[Row]) -> None:
    """All lines of the large journal, by what a reader sees next."""
    for row, following in pairwise(rows):
        _, after = check(row.before, row.raw)
        for head, wrong in ((row.before, following.raw), (after, row.raw)):
            assert kind_of(head, wrong) == "sequence"


SURGERIES: dict[str, tuple[Callable[[list[bytes], int], list[bytes]], int, str]] = {
    "deleted": (lambda lines, n: lines[:n] + lines[n + 1 :], 0, "sequence"),
    "duplicated": (lambda lines, n: lines[: n + 1] + lines[n:], 1, "sequence"),
    "swapped": (lambda lines, n: [*lines[:n], lines[n + 1], lines[n], *lines[n + 2 :]], 0, "sequence"),
    "moved to the end": (lambda lines, n: [*lines[:n], *lines[n + 1 :], lines[n]], 0, "sequence"),
    "edited": (lambda lines, n: [*lines[:n], lines[n].replace(b"demo", b"dem0", 1), *lines[n + 1 :]], 0, "hash"),
    "blank line": (lambda lines, n: [*lines[:n], b"\n", *lines[n:]], 0, "not_a_line"),
    "text": (lambda lines, n: [*lines[:n], b"hello\n", *lines[n:]], 0, "not_a_line"),
    "zeros": (lambda lines, n: [*lines[:n], bytes(len(lines[n]) - 1) + b"\n", *lines[n + 1 :]], 0, "not_a_line"),
}


@pytest.mark.parametrize("name", SURGERIES)
def test_line_surgery_is_found_through_real_files(journal: Path, rows: list[Row], name: str) -> None:
    operate, later, kind = SURGERIES[name]
    segments = list_segments(journal)
    for row in rows[7::173]:
        if row.segment == COMPRESSED:
            continue
        path = segments[row.segment].path
        with changed(
            path, lambda content, row=row: b"".join(operate(content.splitlines(keepends=True), row.number - 1))
        ):
            found_at(journal, segments[row.segment], row.number + later, {kind})


def test_an_edit_that_is_sealed_again_is_found_at_the_line_that_follows(journal: Path, rows: list[Row]) -> None:
    """Whoever forges one line has to forge all that follow, and then the snapshot remembers another head."""
    segments = list_segments(journal)
    row, following = rows[40], rows[41]
    body, _ = check(row.before, row.raw)
    forged, head = seal(row.before, body.replace(b"demo", b"dem0", 1))
    with changed(segments[0].path, lambda content: content.replace(row.raw, forged)):
        found_at(journal, segments[0], following.number, {"hash"})
    forgery = []
    for each in rows[row.segment * 20 * KINDS + 40 :]:
        body, _ = check(each.before, each.raw)
        sealed, head = seal(each.before if each is row else head, body.replace(b"demo", b"dem0", 1))
        forgery.append((each.segment, sealed))
    for index, segment in enumerate(segments):
        kept = [each.raw for each in rows[:40] if each.segment == index]
        segment.path.unlink()
        plain = segment.path.with_name(f"{segment.name}.jsonl")
        plain.write_bytes(b"".join(kept + [sealed for where, sealed in forgery if where == index]))
    assert verify(journal).ok
    assert verify(journal, anchor=anchor_of(rows)).kind == "hash"
    assert refused(journal, anchor=anchor_of(rows)).kind == "lost_tail"


def test_lost_last_lines_are_found_by_the_anchor(journal: Path, rows: list[Row]) -> None:
    """One to all lines of the last segment, then whole segments."""
    anchor = anchor_of(rows)
    segments = list_segments(journal)
    last = [row for row in rows if row.segment == len(segments) - 1]
    for row in reversed(last):
        with segments[-1].path.open("r+b") as file:
            file.truncate(row.offset)
        assert verify(journal).ok
        assert verify(journal, anchor=anchor).kind == "lost_tail"
        assert refused(journal, anchor=anchor).kind == "lost_tail"
    assert segments[COMPRESSED].is_compressed
    for segment in reversed(segments):
        segment.path.unlink()
        assert verify(journal, anchor=anchor).kind == "lost_tail"
        assert refused(journal, anchor=anchor).kind == "lost_tail"


def test_deleted_segments(journal: Path) -> None:
    segments = list_segments(journal)
    for gone, following in pairwise(segments):
        content = gone.path.read_bytes()
        gone.path.unlink()
        found_at(journal, following, 0, {"missing_segment"})
        gone.path.write_bytes(content)
    assert verify(journal).ok


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 3), (0, 5), (4, 5)])
def test_swapped_segments(journal: Path, one: int, other: int) -> None:
    first, second = (list_segments(journal)[index] for index in (one, other))
    kept = first.path.read_bytes()
    first.path.write_bytes(second.path.read_bytes())
    second.path.write_bytes(kept)
    found_at(journal, first, 1, {"sequence"})


@pytest.mark.parametrize("index", [0, 1, 3, 5])
def test_duplicated_segments(journal: Path, index: int) -> None:
    segments = list_segments(journal)
    content = segments[index].path.read_bytes()
    number = segments[-1].number + 1
    again = Segment(journal / f"20261120-{number:04d}.jsonl", "20261120", number)
    again.path.write_bytes(content)
    found_at(journal, again, 1, {"sequence"})
    again.path.unlink()
    same = segments[index]
    doubled = Segment(journal / f"20261121-{same.number:04d}.jsonl", "20261121", same.number)
    doubled.path.write_bytes(content)
    found_at(journal, doubled, 0, {"missing_segment"})


@pytest.mark.parametrize("zeros", [1, 100, 4096, 100_000])
@pytest.mark.parametrize("cut", [0, 1, 60])
def test_a_tail_filled_with_zeros_is_repaired(journal: Path, rows: list[Row], zeros: int, cut: int) -> None:
    segment = list_segments(journal)[-1].path
    content = segment.read_bytes()
    segment.write_bytes(content[: len(content) - cut] + bytes(zeros))
    assert (verify(journal).kind, verify(journal).is_torn_end) == ("torn", True)
    assert first_damage(journal) is None
    lost = 1 if cut else 0
    assert start(journal) == (len(rows) - lost, zeros + (len(rows[-1].raw) - cut if cut else 0))
    assert verify(journal).ok


def test_a_segment_filled_with_zeros_in_the_middle_is_found(journal: Path, rows: list[Row]) -> None:
    """As a disk does that lost a page: also in the last segment, where only the very end may look so."""
    segments = list_segments(journal)
    for index in (0, len(segments) - 1):
        with changed(segments[index].path, lambda content: content[:4096] + bytes(4096) + content[8192:]):
            line = next(row.number for row in rows if row.segment == index and row.offset + len(row.raw) > 4096)
            found_at(journal, segments[index], line, LINE_KINDS)


def verdicts_of_an_archive(folder: Path, changes: Iterator[bytes]) -> Iterator[tuple[Verification, bytes]]:
    """What `verify` says of each changed form of the first segment's archive."""
    path = list_segments(folder)[0].path
    for content in changes:
        path.write_bytes(content)
        yield verify(folder), content


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=NIGHTLY)])
def test_every_bit_of_a_compressed_segment_is_found_or_harmless(tmp_path: Path, every: int) -> None:
    """Bits of gzip's header that carry no content (times, names) may flip: the content is then the same."""
    packed, plain = small_archive(tmp_path)

    def flips() -> Iterator[bytes]:
        for bit in range(0, len(packed) * 8, every):
            changed_bytes = bytearray(packed)
            changed_bytes[bit >> 3] ^= 1 << (bit & 7)
            yield bytes(changed_bytes)

    harmless = 0
    for found, content in verdicts_of_an_archive(tmp_path, flips()):
        if found.ok:
            assert gzip.decompress(content) == plain
            harmless += 1
        else:
            assert found.file == str(list_segments(tmp_path)[0].path)
            assert found.kind in LINE_KINDS | {"archive"}
    assert 0 < harmless < 100


def test_every_truncation_of_a_compressed_segment_is_found(tmp_path: Path) -> None:
    packed, _ = small_archive(tmp_path)
    for found, content in verdicts_of_an_archive(tmp_path, (packed[:length] for length in range(len(packed)))):
        assert not found.ok, len(content)
        assert found.kind == ("archive" if content else "not_a_line")
        assert refused(tmp_path).kind == found.kind


def small_archive(folder: Path) -> tuple[bytes, bytes]:
    """Eight lines compressed and one behind them; the archive's bytes and what they hold."""
    writer = JournalWriter(folder, wall_us=lambda: NOON_US, segment_bytes=1)
    writer.open()
    writer.append([line_of(seq) for seq in range(1, 9)])
    writer.append([msgspec.structs.replace(line_of(1), seq=9)])
    writer.close()
    path = list_segments(folder)[0].path
    plain = path.read_bytes()
    packed = gzip.compress(plain, mtime=0)
    path.with_name(f"{path.name}.gz").write_bytes(packed)
    path.unlink()
    assert verify(folder).records == 9
    return packed, plain


def test_the_lines_are_those_that_were_meant(rows: list[Row]) -> None:
    assert [msgspec.json.decode(row.raw)["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert msgspec.json.encode(line_of(50))[:-1] == rows[49].raw.split(b',"hash"')[0]


def test_a_journal_that_ends_with_a_compressed_segment_goes_on_in_another(tmp_path: Path) -> None:
    """As after a restore of archives alone: the archive is closed, and its bytes are never touched."""
    packed, _ = small_archive(tmp_path)
    archive, last = list_segments(tmp_path)
    last.path.unlink()
    writer = JournalWriter(tmp_path, wall_us=lambda: NOON_US)
    assert writer.open().head_seq == 8
    assert writer.rotation_due()
    writer.append([msgspec.structs.replace(line_of(1), seq=9)])
    writer.close()
    assert archive.path.read_bytes() == packed
    assert [segment.number for segment in list_segments(tmp_path)] == [1, 2]
    assert verify(tmp_path).records == 9
