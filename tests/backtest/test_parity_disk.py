"""Replay of a day whose disk failed: what no tape or journal holds is told, and nothing is called a difference."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from daemon.runtime import recovery, tape_sink
from state.journal import JournalError, JournalWriter
from state.records import JournalLine, JournalType
from state.tape import TapeError, TapeWriter
from tests.backtest.synthetic_day import SyntheticDay
from tests.support.parity import parity_of, told

FAILS_AT = 120
"""The event, or 20 for the append, at which the disk has enough."""


class FullTape(TapeWriter):
    """Takes so many events."""

    def append(self, event: Any) -> int:
        if self.tape_seq >= FAILS_AT:
            self.close()
            raise TapeError("No space left on device")
        return super().append(event)


class FailingJournal(JournalWriter):
    """Fails once for good in the first run, as a disk whose sync fails does."""

    appends = 0

    def append(self, lines: Sequence[JournalLine]) -> None:
        FailingJournal.appends += 1
        if FailingJournal.appends == 20:
            self._broken = "Input/output error"
            raise JournalError("Input/output error")
        super().append(lines)


def test_what_a_failed_tape_does_not_hold_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(tape_sink, "TapeWriter", FullTape)
    day = SyntheticDay(tmp_path, 2).play(steps=60)
    found = parity_of(day.paths, day.profile)
    assert found.different == 0, told(found)
    assert found.runs[0].events == FAILS_AT
    assert found.all_uncovered
    assert "the tape ended before" in found.all_uncovered[0].why
    assert not found.is_identical


def test_a_failed_journal_ends_the_comparison_and_the_next_run_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(recovery, "JournalWriter", FailingJournal)
    FailingJournal.appends = 0
    day = SyntheticDay(tmp_path, 2).play(steps=60)
    found = parity_of(day.paths, day.profile)
    assert found.different == 0, told(found)
    assert any("the journal had failed" in note for note in found.runs[0].notes)
    assert len(found.runs) > 1
    halts = [line for line in day.lines() if line.type is JournalType.HALT and line.reason == "journal_failed"]
    assert [line.run_id for line in halts] == ["run-2"], "the second run writes down what the first could not"
