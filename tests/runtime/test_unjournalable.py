"""A number that is not finite cannot be journaled: that ends journaling loudly, and never the process."""

import math
from pathlib import Path

import pytest

from daemon.core.effects import Record
from daemon.runtime.clocks import wall_us
from daemon.runtime.journal_sink import JournalSink
from state.journal import JournalWriter
from state.records import JournalType


def test_a_record_that_is_not_finite_fails_the_journal_and_nothing_else(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, wall_us=wall_us)
    writer.open()
    sink = JournalSink(writer, desk="desk", run_id="run")
    first = Record(type=JournalType.RUN_STARTED, status="started")
    assert sink.write([first], ts_us=1, tape_seq=None) is None
    error = sink.write([Record(type=JournalType.INTENT, price=math.nan)], ts_us=2, tape_seq=None)
    assert error is not None
    assert sink.failed == error
    assert sink.head[0] == 1
    sink.close()


def test_a_record_that_is_no_text_is_said_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = JournalWriter(tmp_path, wall_us=wall_us)
    writer.open()
    sink = JournalSink(writer, desk="desk", run_id="run")
    odd = Record(type=JournalType.HALT, reason="r", data={"detail": "/mnt/\udcff"})
    assert sink.write([odd], ts_us=1, tape_seq=None) is not None
    assert "\\udcff" in capsys.readouterr().err
    assert sink.write([Record(type=JournalType.HALT, reason="r")], ts_us=2, tape_seq=None) is None
    assert sink.head[0] == 1
    sink.close()
