"""What the kernel was asked, in its order: the promise that nothing acts before it is durable, from real traces."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.killed_session import kill_and_recover
from tests.faults.syscalls import Call, read_calls
from tests.support.system import CHECKOUT

WRITER = """
import os, sys
from pathlib import Path
from state.records import JournalType
from state.snapshot import write_snapshot
from tests.support.desk_files import make_journal, make_line, make_snapshot
desk = Path(sys.argv[1])
writer = make_journal(desk / "journal", 0, segment_bytes=900)
for number in range(6):
    writer.append([make_line(writer.next_seq, JournalType.LEDGER_CHECKPOINT), make_line(writer.next_seq + 1)])
    os.write(1, b"ack %d\\n" % writer.head[0])
    write_snapshot(desk / "snapshot.json", make_snapshot(seq=number + 1), sync=True)
    os.write(1, b"shown %d\\n" % (number + 1))
writer.close()
"""
APPENDS = 6


@pytest.fixture(scope="module")
def writing(strace: str, tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """The calls of a small program that appends, rotates and shows; each promise is followed by a word on stdout."""
    folder = tmp_path_factory.mktemp("order")
    log = folder / "calls"
    traced = "trace=openat,write,fsync,fdatasync,rename,renameat,renameat2"
    tracer = [strace, "-f", "-y", "-qq", "-s", "400", "-o", str(log), "-e", traced]
    subprocess.run(
        [*tracer, sys.executable, "-P", "-c", WRITER, str(folder / "desk")],
        cwd=CHECKOUT,
        env={"PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    return read_calls(log)


def places(calls: list[Call], name: str, *, path: str = "", content: str = "", entered: bool = False) -> list[int]:
    """Where calls of that name are, by what their descriptor is open on and what they say: completed, or entered."""
    return [
        place
        for place, call in enumerate(calls)
        if call.name == name
        and path in call.path
        and content in call.arguments
        and (call.has_entered if entered else call.has_completed)
    ]


def between(found: list[int], first: int, last: int) -> list[int]:
    return [place for place in found if first < place < last]


def test_an_append_is_written_then_synced_then_acknowledged(writing: list[Call]) -> None:
    for number in range(1, APPENDS + 1):
        (written,) = places(writing, "write", path="/journal/", content=f'{{\\"seq\\":{2 * number - 1},')
        (acknowledged,) = places(writing, "write", content=f'"ack {2 * number}\\n"', entered=True)
        synced = between(places(writing, "fdatasync", path=writing[written].path), written, acknowledged)
        assert len(synced) == 1, "one append is one write and one fdatasync"
        assert not between(places(writing, "write", path="/journal/", entered=True), written, acknowledged)


def test_a_new_segments_name_is_synced_before_its_first_line_is_acknowledged(writing: list[Call]) -> None:
    born = [
        place
        for place in places(writing, "openat", content="O_CREAT|O_EXCL")
        if ".jsonl" in writing[place].arguments and "/journal/" in writing[place].arguments
    ]
    assert len(born) >= 2, "the program rotates"
    for place in born:
        acknowledged = min(ack for ack in places(writing, "write", content='"ack ', entered=True) if ack > place)
        first_line = min(each for each in places(writing, "write", path="/journal/", entered=True) if each > place)
        synced = [each for each in places(writing, "fsync") if writing[each].path.endswith("/journal")]
        assert between(synced, place, min(first_line, acknowledged)), "the folder is synced after the creation"


def test_a_synced_snapshot_is_written_synced_renamed_and_its_folder_synced(writing: list[Call]) -> None:
    renamed = places(writing, "rename", content="snapshot.json")
    assert len(renamed) == APPENDS
    after = -1
    for number, rename in enumerate(renamed, start=1):
        (shown,) = places(writing, "write", content=f'"shown {number}\\n"', entered=True)
        (written,) = between(places(writing, "write", path="/.snapshot.json."), after, rename)
        temporary = writing[written].path
        assert temporary in writing[rename].arguments
        (synced,) = between(places(writing, "fsync", path=temporary), after, shown)
        assert written < synced < rename
        desk = str(Path(temporary).parent)
        assert [each for each in between(places(writing, "fsync"), rename, shown) if writing[each].path == desk]
        after = shown


@pytest.fixture(scope="module")
def hedging(strace: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Call], list[str]]:
    """The calls of a real daemon that hedges against the simulator, and the orders that arrived there."""
    left = kill_and_recover(strace, tmp_path_factory.mktemp("hedging"), syscall=None, number=0, patience_s=0)
    assert not left.was_killed
    return left.calls, left.placed


def test_no_order_goes_to_the_socket_before_its_intent_is_durable(hedging: tuple[list[Call], list[str]]) -> None:
    calls, placed = hedging
    assert len(placed) >= 3
    for order_ref in placed:
        sent = places(calls, "sendto", path="socket:", content=f"\\0{order_ref}\\0", entered=True)
        assert len(sent) == 1, f"{order_ref}: sent {len(sent)} times"
        intents = [
            place
            for place in between(places(calls, "write", path="/journal/"), -1, sent[0])
            if f'\\"order_ref\\":\\"{order_ref}\\"' in _intent_part(calls[place])
        ]
        assert len(intents) == 1, f"{order_ref}: {len(intents)} intents before it was sent"
        synced = places(calls, "fdatasync", path=calls[intents[0]].path)
        assert between(synced, intents[0], sent[0]), f"{order_ref}: its intent was not synced before it was sent"


def test_no_snapshot_remembers_a_line_that_is_not_yet_durable(hedging: tuple[list[Call], list[str]]) -> None:
    calls, _ = hedging
    shown = places(calls, "write", path="/.snapshot.json.", entered=True)
    assert len(shown) >= 2
    for place in shown:
        seq = calls[place].arguments.split('\\"journal_seq\\":')[1].split(",")[0]
        written = places(calls, "write", path="/journal/", content=f'{{\\"seq\\":{seq},')
        assert written, f"seq {seq} is remembered and was never written"
        synced = places(calls, "fdatasync", path=calls[written[0]].path)
        assert between(synced, written[0], place), f"seq {seq} is remembered before it is durable"


def _intent_part(call: Call) -> str:
    """The intent lines of one append."""
    return "".join(line for line in call.arguments.split("\\n") if '\\"type\\":\\"intent\\"' in line)
