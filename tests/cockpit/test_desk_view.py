"""One desk's page over the files, across a journal that was put aside and begun anew."""

from pathlib import Path

import pytest

from cockpit.context import CockpitContext
from cockpit.desk_view import DeskView
from cockpit.reader import Reader
from daemon.runtime.clocks import wall_us
from state.journal import JournalWriter
from state.layout import DeskPaths
from state.records import JournalLine, JournalType
from state.times import iso_from_us
from tests.support.desk_files import make_line


@pytest.fixture
def paths(tmp_path: Path) -> DeskPaths:
    paths = DeskPaths(tmp_path / "var", "demo")
    paths.create()
    return paths


def seen(seq: int, command: str) -> JournalLine:
    now = iso_from_us(wall_us())
    data = {"command": command, "by": "anna", "since_us": wall_us()}
    return make_line(seq, JournalType.CONTROL_SEEN, ts=now, wall_ts=now, data=data)


def journal(paths: DeskPaths, *lines: JournalLine) -> None:
    writer = JournalWriter(paths.journal, wall_us=wall_us)
    writer.open()
    writer.append(lines)
    writer.close()


def test_receipts_go_on_in_the_journal_that_a_salvage_began(paths: DeskPaths) -> None:
    journal(paths, *(make_line(seq) for seq in range(1, 50)), seen(50, "stop"))
    view = DeskView(CockpitContext(root=paths.root, desk="demo"), paths, Reader())
    assert [receipt.command for receipt in view.build(wall_us()).controls.receipts] == ["STOP"]
    paths.journal.rename(paths.folder / "journal.damaged-x")
    journal(paths, make_line(1), make_line(2))
    view.build(wall_us())
    journal(paths, seen(3, "flatten"))
    assert {receipt.command for receipt in view.build(wall_us()).controls.receipts} == {"STOP", "FLATTEN"}


def test_a_view_that_fell_behind_removed_lines_looks_back_again(paths: DeskPaths) -> None:
    journal(paths, make_line(1, JournalType.LEDGER_CHECKPOINT))
    view = DeskView(CockpitContext(root=paths.root, desk="demo"), paths, Reader())
    view.build(wall_us())
    for seq in (2, 4, 6):
        writer = JournalWriter(paths.journal, wall_us=wall_us, segment_bytes=1)
        writer.open()
        writer.append([make_line(seq, JournalType.LEDGER_CHECKPOINT), seen(seq + 1, "stop" if seq == 6 else "pause")])
        writer.close()
    for gone in sorted(paths.journal.glob("*.jsonl"))[:3]:
        gone.unlink()
    for _ in range(2):  # the look that finds the gap, and the next
        found = [receipt.command for receipt in view.build(wall_us()).controls.receipts]
        assert found == ["STOP"]
