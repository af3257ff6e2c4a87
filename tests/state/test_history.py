from pathlib import Path
from typing import Any

import pytest

from state.history import append_sample, read_history
from state.layout import DeskPaths
from state.records import HistorySample
from state.sink import write_present
from state.snapshot import read_snapshot
from state.times import iso_from_us
from tests.support.desk_files import GREEN, NOON_US

DAY_US = 86_400_000_000


def sample(ts_us: int, **fields: Any) -> HistorySample:
    return HistorySample(
        schema=1, kind="minute", desk="demo", run_id="run", ts=iso_from_us(ts_us), wall_ts=GREEN.wall_ts, **fields
    )


def test_samples_lie_in_the_file_of_their_day_and_come_back_within_the_times_asked(tmp_path: Path) -> None:
    samples = [sample(NOON_US + days * DAY_US, equity_usd=100.0 + days) for days in range(4)]
    for each in samples:
        append_sample(tmp_path / "history", each)
    names = sorted(path.name for path in (tmp_path / "history").iterdir())
    assert names == [f"202611{day}.jsonl" for day in (20, 21, 22, 23)]
    assert list(read_history(tmp_path / "history")) == samples
    middle = read_history(tmp_path / "history", since_us=NOON_US + DAY_US, until_us=NOON_US + 3 * DAY_US)
    assert list(middle) == samples[1:3]
    assert list(read_history(tmp_path / "none")) == []


def test_a_half_line_costs_one_sample_and_not_two(tmp_path: Path) -> None:
    append_sample(tmp_path, sample(NOON_US))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-30])
    append_sample(tmp_path, sample(NOON_US, own_shares=5))
    append_sample(tmp_path, sample(NOON_US, own_shares=6))
    assert [each.own_shares for each in read_history(tmp_path)] == [5, 6]


def test_a_sample_without_a_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Invalid isoformat"):
        append_sample(tmp_path, HistorySample(schema=1, kind="fill", desk="d", run_id="r", ts="?", wall_ts="?"))


def test_present_and_past_go_through_one_call(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "demo")
    paths.create()
    write_present(paths, GREEN, samples=[sample(NOON_US), sample(NOON_US + 1)], sync=False)
    write_present(paths, GREEN, sync=True)
    assert read_snapshot(paths.snapshot).snapshot == GREEN
    assert len(list(read_history(paths.history))) == 2
