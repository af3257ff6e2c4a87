"""Replay parity on random synthetic days: real runtime, real files, whatever happened in between."""

from pathlib import Path

import pytest

from state.segments import list_segments
from tests.backtest.synthetic_day import SyntheticDay, small_files
from tests.support.parity import parity_of, told


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[] if seed < 1 else [pytest.mark.nightly]) for seed in range(24)]
)
def test_a_random_day_is_decided_again_exactly_as_it_was(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_files(monkeypatch):
        day = SyntheticDay(tmp_path, seed).play()
    found = parity_of(day.paths, day.profile)
    assert found.is_identical, f"{told(found)}; {found.notes}; {day.done}"
    assert len(found.runs) > 1, "the day should have several runs"
    assert len(list_segments(day.paths.journal)) > 1, "the journal should rotate"
    assert len(list(day.paths.tape.iterdir())) > len(found.runs), "the tape should rotate"
