"""Whatever path answers, it is what reading every line gives: full cache, half a cache, none, a damaged one."""

import datetime as dt
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.query import (
    GROUPS,
    ROUTINE,
    Count,
    Filter,
    GroupBy,
    JournalIndex,
    RunningCount,
    engine,
    places,
    reading,
)
from state.query.filters import time_of
from state.query.manifest import read_manifest
from state.records import JournalType
from state.segments import list_segments
from state.times import iso_from_us
from tests.support.journal_segments import HOUR_US, REASONS, START_US, compress, plain_scan, write_segments

CACHES = ("none", "full", "half", "flipped", "truncated", "foreign", "no manifest")
STATES = st.sampled_from(CACHES)
at_lines = st.integers(min_value=-1, max_value=150).map(lambda seq: START_US + seq * 7 * HOUR_US)
times = st.none() | st.builds(int.__add__, at_lines, st.integers(min_value=-1, max_value=1))
filters = st.builds(
    Filter,
    since_us=times,
    until_us=times,
    types=st.none() | st.frozensets(st.sampled_from([*list(JournalType)[:12], JournalType.TRANSITION]), max_size=6),
    side=st.sampled_from([None, None, "BUY", "SELL"]),
    reason=st.sampled_from([None, None, None, *REASONS[1:], "never", "\ud800"]),
    intent_id=st.sampled_from([None, None, None, "run-1.3", "run-1.20", "run-1"]),
    order_ref=st.sampled_from([None, None, None, "demo.x.7", "demo.x.21"]),
    run_id=st.sampled_from([None, None, "run-1", "run-2"]),
    instrument=st.sampled_from([None, None, "TWX", "XÄ"]),
    text=st.sampled_from([None, None, None, "", "STRASSE", "cool", "d2 m", "filled", "\x1f", "\n", "\x00"]),
    after_seq=st.none() | st.integers(min_value=-1, max_value=150),
    before_seq=st.none() | st.integers(min_value=-1, max_value=150),
)
groups = st.lists(st.sampled_from(GROUPS), max_size=3, unique=True)


@pytest.fixture(scope="module")
def indexes() -> Any:
    """One journal, asked through caches in every state."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        journal = root / "journal"
        write_segments(journal, [40, 30, 1, 30, 25, 20])
        compress(list_segments(journal)[1])
        with list_segments(journal)[-1].path.open("ab") as file:
            file.write(b'{"seq":999')
        found = {}
        for state in CACHES:
            found[state] = JournalIndex(journal, root / f"cache [{state}]*")
            if state != "none":
                assert found[state].build().complete
                spoil(found[state].cache, state)
        yield found


def spoil(cache: Path, state: str) -> None:
    files = sorted(cache.glob("*.parquet"))
    assert len(files) == 5
    if state == "half":
        for file in files[::2]:
            file.unlink()
    elif state == "flipped":
        for place, file in enumerate(files, start=1):
            content = bytearray(file.read_bytes())
            content[len(content) * place // 7] ^= 4
            file.write_bytes(content)
    elif state == "truncated":
        for file in files[1:]:
            file.write_bytes(file.read_bytes()[:-7])
    elif state == "foreign":
        shutil.copyfile(files[0], files[3])
    elif state == "no manifest":
        (cache / "manifest.json").unlink()


@pytest.fixture(autouse=True)
def no_look_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the small journal would be answered from its end before any cache is asked."""
    monkeypatch.setattr(engine, "TAIL_LINES", 0)
    monkeypatch.setattr(places, "FIRST_LOOK", 2)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 700)


@settings(max_examples=150, deadline=None)
@given(state=STATES, wanted=filters, limit=st.integers(min_value=1, max_value=60), routine=st.booleans())
def test_newest(indexes: dict[str, JournalIndex], state: str, wanted: Filter, limit: int, routine: bool) -> None:
    index = indexes[state]
    expected = plain_scan(index.journal, wanted)[::-1]
    shown = [line for line in expected if routine or line.type not in ROUTINE][:limit]
    if len(shown) == limit:
        expected = expected[: expected.index(shown[-1]) + 1]
    found = index.newest(wanted, limit, routine=routine)
    assert list(found.lines) == shown
    assert found.left_out == len(expected) - len(shown)


@settings(max_examples=60, deadline=None)
@given(state=STATES, wanted=filters, limit=st.integers(min_value=1, max_value=60), routine=st.booleans())
def test_oldest(indexes: dict[str, JournalIndex], state: str, wanted: Filter, limit: int, routine: bool) -> None:
    index = indexes[state]
    expected = plain_scan(index.journal, wanted)
    shown = [line for line in expected if routine or line.type not in ROUTINE][:limit]
    if len(shown) == limit:
        expected = expected[: expected.index(shown[-1]) + 1]
    found = index.oldest(wanted, limit, routine=routine)
    assert list(found.lines) == shown
    assert found.left_out == len(expected) - len(shown)


@settings(max_examples=40, deadline=None)
@given(state=STATES, wanted=filters, routine=st.booleans(), newer_than=st.integers(min_value=-1, max_value=150))
def test_a_running_count(
    indexes: dict[str, JournalIndex], state: str, wanted: Filter, routine: bool, newer_than: int
) -> None:
    index = indexes[state]
    expected = [line for line in plain_scan(index.journal, wanted) if routine or line.type not in ROUTINE]
    running = RunningCount(index, wanted, routine=routine)
    for _ in range(2):
        total = running.count(newer_than=newer_than)
        assert total.total == len(expected)
        assert total.newer == sum(line.seq > newer_than for line in expected)


@settings(max_examples=150, deadline=None)
@given(state=STATES, wanted=filters, by=groups)
def test_counts(indexes: dict[str, JournalIndex], state: str, wanted: Filter, by: list[GroupBy]) -> None:
    index = indexes[state]
    lines = plain_scan(index.journal, wanted)
    counts = index.count_by(wanted, by).counts
    assert {count.key: count.count for count in counts} == Counter(
        tuple(_group(line, name) for name in by) for line in lines
    )
    for count in counts:
        of_group = [line.quantity for line in lines if tuple(_group(line, name) for name in by) == count.key]
        known = [quantity for quantity in of_group if quantity is not None]
        assert count.quantity == (sum(known) if known else None)
    keys = [count.key for count in counts]
    assert keys == sorted(keys, key=lambda key: [(name is None, name or "") for name in key])


def _group(line: Any, name: str) -> str | None:
    if name not in {"day", "week", "month"}:
        value = getattr(line, name)
        return None if value is None else str(value)
    ts_us = time_of(line)
    if ts_us is None:
        return None
    day = iso_from_us(ts_us)[:10]
    if name != "week":
        return day if name == "day" else day[:7]
    return dt.date.fromisoformat(day).strftime("%G-W%V")


def test_times_are_half_open_to_the_microsecond_at_the_ends_of_every_segment(indexes: dict[str, JournalIndex]) -> None:
    index = indexes["full"]
    entries = read_manifest(index.cache).entries
    assert len(entries) == 5
    for entry in entries.values():
        assert entry.from_us is not None
        assert entry.to_us is not None
        for edge_us in (entry.from_us, entry.from_us + 1, entry.to_us, entry.to_us + 1):
            for wanted in (Filter(since_us=edge_us), Filter(until_us=edge_us)):
                [found] = index.count_by(wanted).counts or [Count(key=(), count=0)]
                assert found.count == len(plain_scan(index.journal, wanted))


@settings(max_examples=60, deadline=None)
@given(state=STATES, order=st.integers(min_value=0, max_value=30))
def test_the_life_of_an_intent(indexes: dict[str, JournalIndex], state: str, order: int) -> None:
    index = indexes[state]
    order_refs: set[str | None] = set()
    expected = []
    for line in plain_scan(index.journal, Filter()):
        if line.intent_id == f"run-1.{order}" or (line.order_ref is not None and line.order_ref in order_refs):
            expected.append(line)
            order_refs.add(line.order_ref)
    assert list(index.life_of_intent(f"run-1.{order}").lines) == expected
