from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.receipts import Receipts
from state.journal import JournalWriter
from state.layout import DeskPaths
from state.records import JournalType
from tests.support.desk_files import NOON_US, make_line


def test_lines_lost_while_waiting_are_said(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "demo")
    writer = JournalWriter(paths.journal, wall_us=lambda: NOON_US, segment_bytes=1)
    writer.open()
    writer.append([make_line(1, JournalType.LEDGER_CHECKPOINT)])
    receipts = Receipts(paths)
    for seq in (2, 3):
        writer.append([make_line(seq, JournalType.LEDGER_CHECKPOINT)])
    writer.close()
    sorted(paths.journal.glob("*.jsonl"))[1].unlink()
    with pytest.raises(CommandError, match=r"lost seq 2 to 2 while waiting; run \./bifrost verify"):
        receipts.wait(lambda line: line.seq == 3, 0.5)
