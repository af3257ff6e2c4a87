import fcntl
import gzip
import itertools
import threading
from pathlib import Path
from typing import Any

import pytest

from state.history import append_sample, compress_day, history_days, history_files, read_history, remove_day
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


def shares(folder: Path) -> list[float | None]:
    return [each.own_shares for each in read_history(folder)]


def test_a_day_that_was_put_away_is_read_like_any_other(tmp_path: Path) -> None:
    for day, number in itertools.product(range(2), range(3)):
        append_sample(tmp_path, sample(NOON_US + day * DAY_US, own_shares=10 * day + number))
    sizes = compress_day(tmp_path, "20261120")
    assert sizes is not None
    assert [path.name for path in history_files(tmp_path, "20261120")] == ["20261120.jsonl.gz"]
    assert history_days(tmp_path) == ("20261120", "20261121")
    assert shares(tmp_path) == [0, 1, 2, 10, 11, 12]
    assert [each.own_shares for each in read_history(tmp_path, since_us=NOON_US + DAY_US)] == [10, 11, 12]
    assert compress_day(tmp_path, "20261120") is None
    remove_day(tmp_path, "20261120")
    assert history_days(tmp_path) == ("20261121",)


def test_a_late_sample_is_read_after_the_others_and_joined_by_the_next_pass(tmp_path: Path) -> None:
    append_sample(tmp_path, sample(NOON_US, own_shares=1))
    compress_day(tmp_path, "20261120")
    for late in (2, 3):
        append_sample(tmp_path, sample(NOON_US, own_shares=late))
        assert shares(tmp_path) == list(range(1, late + 1))
        if late == 3:
            path = tmp_path / "20261120.jsonl"
            path.write_bytes(path.read_bytes()[:-1])  # a dead writer's last line
        compress_day(tmp_path, "20261120")
        assert [path.name for path in history_files(tmp_path, "20261120")] == ["20261120.jsonl.gz"]
        assert shares(tmp_path) == list(range(1, late + 1))


def test_a_pass_that_was_killed_after_joining_doubles_nothing(tmp_path: Path) -> None:
    append_sample(tmp_path, sample(NOON_US, own_shares=1))
    compress_day(tmp_path, "20261120")
    append_sample(tmp_path, sample(NOON_US, own_shares=2))
    plain = tmp_path / "20261120.jsonl"
    late = plain.read_bytes()
    compress_day(tmp_path, "20261120")
    plain.write_bytes(late)  # as if the plain file had not been removed any more
    assert shares(tmp_path) == [1, 2]
    append_sample(tmp_path, sample(NOON_US, own_shares=3))
    assert shares(tmp_path) == [1, 2, 3]
    compress_day(tmp_path, "20261120")
    assert not plain.exists()
    assert shares(tmp_path) == [1, 2, 3]


def test_samples_that_come_while_their_day_is_put_away_are_all_there_once(tmp_path: Path) -> None:
    count, done = 300, threading.Event()

    def write() -> None:
        for number in range(count):
            append_sample(tmp_path, sample(NOON_US, own_shares=number))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    passes = 0
    while not done.is_set():
        passes += compress_day(tmp_path, "20261120") is not None
        seen = shares(tmp_path)
        assert seen == list(range(len(seen)))
    writer.join()
    compress_day(tmp_path, "20261120")
    assert passes > 0
    assert shares(tmp_path) == list(range(count))


def test_a_damaged_archive_is_named_and_a_pass_leaves_it_alone(tmp_path: Path) -> None:
    archive = tmp_path / "20261120.jsonl.gz"
    archive.write_bytes(gzip.compress(b"{}\n")[:-6])
    append_sample(tmp_path, sample(NOON_US))
    there = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OSError, match=r"20261120.jsonl.gz: the compressed file cannot be unpacked"):
        list(read_history(tmp_path))
    with pytest.raises(Exception, match="cannot be unpacked"):
        compress_day(tmp_path, "20261120")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == there


def test_present_and_past_go_through_one_call(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "demo")
    paths.create()
    write_present(paths, GREEN, samples=[sample(NOON_US), sample(NOON_US + 1)], sync=False)
    write_present(paths, GREEN, sync=True)
    assert read_snapshot(paths.snapshot).snapshot == GREEN
    assert len(list(read_history(paths.history))) == 2


def test_whoever_locks_a_day_for_good_costs_a_sample_and_never_the_present(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("state.history._LOCK_TRIES", 3)
    paths = DeskPaths(tmp_path, "demo")
    paths.create()
    append_sample(paths.history, sample(NOON_US, own_shares=1))
    (path,) = paths.history.iterdir()
    with path.open("rb") as file:  # a reader can lock too
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(OSError, match="lock"):
            write_present(paths, GREEN, samples=[sample(NOON_US, own_shares=2)], sync=False)
    write_present(paths, GREEN, samples=[sample(NOON_US, own_shares=3)], sync=False)
    assert shares(paths.history) == [1, 3]
