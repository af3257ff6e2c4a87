"""The store follows the files: whatever happens to them, it says what reading them anew would say."""

import gzip
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cockpit import history_store
from cockpit.history_store import HistoryStore, HistoryStores, HistoryView, thin
from state.history import append_sample, compress_day, remove_day
from state.layout import DeskPaths
from state.records import HistorySample, JournalType
from state.statistics.digest import Digest
from state.times import iso_from_us, us_from_iso
from tests.support.desk_files import make_journal, make_line

NOON_US = us_from_iso("2026-11-16T17:00:00Z")
DAY_US = 86_400_000_000


@pytest.fixture(autouse=True)
def look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_store, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def paths(tmp_path: Path) -> DeskPaths:
    made = DeskPaths(tmp_path, "demo")
    made.create()
    return made


def add(paths: DeskPaths, number: int, *, day: int = 0, kind: Any = "minute") -> None:
    ts = iso_from_us(NOON_US + day * DAY_US + number * 60_000_000)
    data = {"price": 10.0, "quantity": 1.0, "exec_key": f"{day}.{number}"} if kind == "fill" else None
    sample = HistorySample(
        schema=1, kind=kind, desk="demo", run_id="r", ts=ts, wall_ts=ts, equity_usd=100.0 + number, data=data
    )
    append_sample(paths.history, sample)


def told(view: HistoryView) -> Any:
    days = {day: msgspec.structs.astuple(part) for day, part in view.days.items()}
    return view.curve.ts_us.tolist(), view.curve.equity_usd.tolist(), view.fills, days


def same_as_anew(store: HistoryStore, paths: DeskPaths) -> HistoryView:
    view = store.look()
    assert told(view) == told(HistoryStore(paths).look(wait_s=30))
    assert view.problem is None
    return view


def test_it_follows_growth_rotation_compression_and_removal(paths: DeskPaths) -> None:
    store = HistoryStore(paths)
    assert store.look(wait_s=30).version == 0, "nothing yet, and no folder is made by looking"
    add(paths, 0)
    assert len(same_as_anew(store, paths).curve.ts_us) == 1
    add(paths, 1)
    add(paths, 2, kind="fill")
    assert len(same_as_anew(store, paths).fills) == 1
    (plain,) = paths.history.glob("*.jsonl")
    with plain.open("ab") as file:
        file.write(b'{"schema":1,"kind":"min')  # half a line that a killed writer left
    before = store.look().version
    assert store.look().version == before, "half a line is not there yet"
    add(paths, 3)
    add(paths, 0, day=1)
    assert same_as_anew(store, paths).unreadable == 1
    compress_day(paths.history, "20261116")
    assert len(same_as_anew(store, paths).curve.ts_us) == 5
    add(paths, 9)  # a late sample of a day that was put away
    assert len(same_as_anew(store, paths).curve.ts_us) == 6
    remove_day(paths.history, "20261116")
    assert list(same_as_anew(store, paths).days) == ["2026-11-17"]


def test_a_file_that_was_replaced_is_read_anew(paths: DeskPaths) -> None:
    for number in range(3):
        add(paths, number)
    store = HistoryStore(paths)
    store.look(wait_s=30)
    (plain,) = paths.history.glob("*.jsonl")
    lines = plain.read_bytes().splitlines(keepends=True)
    other = plain.with_suffix(".new")
    other.write_bytes(b"".join(reversed(lines)) + lines[0].replace(b"100.0", b"777.0").replace(b"17:00", b"18:00"))
    other.replace(plain)
    assert 777.0 in same_as_anew(store, paths).curve.equity_usd
    plain.write_bytes(lines[0])  # the same inode, shorter
    assert len(same_as_anew(store, paths).curve.ts_us) == 1


def test_it_keeps_what_it_has_and_says_so_when_a_file_cannot_be_unpacked(paths: DeskPaths) -> None:
    add(paths, 0)
    store = HistoryStore(paths)
    store.look(wait_s=30)
    (paths.history / "20261115.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 50)[:20])
    add(paths, 0, day=1)
    view = store.look()
    assert view.problem is not None
    assert "20261115" in view.problem
    assert len(view.curve.ts_us) == 2, "the days beside it are shown"
    (paths.history / "20261115.jsonl.gz").unlink()
    assert store.look().problem is None


def test_facts_of_the_journal_are_followed_and_a_view_does_not_change_beneath_its_reader(paths: DeskPaths) -> None:
    writer = make_journal(paths.journal, 3)
    store = HistoryStore(paths)
    first = store.look(wait_s=30)
    writer.append([make_line(4, JournalType.REFUSED, reason="cooldown")])
    second = store.look()
    assert (len(first.facts.refused_us), len(second.facts.refused_us)) == (0, 1)
    assert second.facts_version == first.facts_version + 1
    writer.append([make_line(5)])
    assert store.look() is second, "a line that no statistic needs changes nothing"
    writer.close()


def test_a_journal_that_was_begun_anew_counts_from_its_own_beginning(paths: DeskPaths) -> None:
    writer = make_journal(paths.journal, 1)
    writer.append([make_line(number, JournalType.REFUSED, reason="cooldown") for number in (2, 3)])
    writer.close()
    store = HistoryStore(paths)
    assert len(store.look(wait_s=30).facts.refused_us) == 2
    paths.journal.rename(paths.folder / "journal.away")
    writer = make_journal(paths.journal, 1)
    writer.append([make_line(2, JournalType.REFUSED, reason="spread_too_wide")])
    writer.close()
    view = store.look()
    assert (view.facts.rules, len(view.facts.refused_us)) == (["spread_too_wide"], 1)


def test_many_threads_may_look_while_it_grows(paths: DeskPaths) -> None:
    add(paths, 0)
    store = HistoryStore(paths)
    problems: list[BaseException] = []
    ended = threading.Event()

    def reader() -> None:
        try:
            while not ended.is_set():
                view = store.look(wait_s=5)
                assert len(view.curve.ts_us) == len(view.curve.equity_usd)
        except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
            problems.append(error)

    threads = [threading.Thread(target=reader) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 60):
        add(paths, number)
    ended.set()
    for thread in threads:
        thread.join()
    assert not problems
    assert len(same_as_anew(store, paths).curve.ts_us) == 60


def test_old_days_are_thinned_to_each_hours_extremes(paths: DeskPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_store, "FULL_DAYS", 1)
    for day in range(2):
        for number in range(60):
            add(paths, (number * 7) % 60, day=day)
    view = HistoryStore(paths).look(wait_s=30)
    kept = view.curve.ts_us
    assert len(kept[kept < NOON_US + DAY_US // 2]) <= 4
    assert len(kept[kept >= NOON_US + DAY_US // 2]) == 60
    assert view.days["2026-11-16"].minutes == 60, "statistics of a day are not thinned"
    thin(Digest())


def test_a_value_is_made_once_for_a_key(paths: DeskPaths) -> None:
    store = HistoryStore(paths)
    made = [store.memo("a", 1, object), store.memo("a", 1, object), store.memo("a", 2, object)]
    assert made[0] is made[1]
    assert made[1] is not made[2]


def test_only_so_many_desks_are_kept(tmp_path: Path) -> None:
    stores = HistoryStores(most=2)
    first = stores.of(DeskPaths(tmp_path, "a"))
    stores.of(DeskPaths(tmp_path, "b"))
    assert stores.of(DeskPaths(tmp_path, "a")) is first
    stores.of(DeskPaths(tmp_path, "c"))
    assert stores.of(DeskPaths(tmp_path, "a")) is first
    assert len(stores._stores) == 2
