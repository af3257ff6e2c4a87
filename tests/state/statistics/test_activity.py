"""Hedges with their corrections, slippage by hand, and operations counted to the desk's own day."""

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.records import HistorySample, JournalType
from state.statistics.digest import Curve, DayPart, Digest, Fill, fill_of, newest_fills
from state.statistics.executions import by_hour, hedges, sizes
from state.statistics.hours import by_hour_of_day
from state.statistics.operations import MAX_RULES, OperationFacts, day_of_each, operations_by_day
from state.times import iso_from_us, us_from_iso
from tests.support.desk_files import make_line

NOON_US = us_from_iso("2026-11-16T17:00:00Z")


def fill(number: int, **fields: Any) -> Fill:
    base = {
        "ts_us": NOON_US + number, "order_ref": "o1", "exec_key": f"x{number}", "revision": 1, "side": "BUY",
        "quantity": 10.0, "price": 100.0, "equity_usd": 1.0, "decision_mid": 99.9, "slippage_usd": 1.0,
    }  # fmt: skip
    return Fill(**{**base, **fields})


def test_executions_of_one_order_are_one_hedge_and_a_correction_replaces_its_own() -> None:
    found = hedges(
        [
            fill(1),
            fill(2, quantity=5.0, slippage_usd=0.25),
            fill(3, order_ref="o2", side="SELL", slippage_usd=-0.5),
            fill(1, revision=2, quantity=4.0, slippage_usd=0.4),
        ]
    )
    assert [(each.order_ref, each.quantity, each.executions) for each in found] == [("o1", 9.0, 2), ("o2", 10.0, 1)]
    assert found[0].slippage_usd == pytest.approx(0.65)
    assert found[0].slippage_bps == pytest.approx(0.65 / (99.9 * 9) * 10_000)
    assert sizes(found).slippage_usd == pytest.approx(0.15)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=20))
def test_the_newest_word_about_each_execution_counts_once(written: list[tuple[int, int]]) -> None:
    fills = [fill(at, exec_key=f"x{key}", revision=revision) for at, (key, revision) in enumerate(written)]
    kept = newest_fills(fills)
    assert {each.exec_key for each in kept} == {f"x{key}" for key, _ in written}
    assert len(kept) == len({key for key, _ in written})
    for each in kept:
        same = [one for one in fills if one.exec_key == each.exec_key]
        highest = max(one.revision for one in same)
        assert each == [one for one in same if one.revision == highest][-1]


def test_a_hedge_whose_mid_nobody_knows_has_no_slippage_rather_than_none_paid() -> None:
    found = hedges([fill(1, decision_mid=None, slippage_usd=None), fill(2, order_ref=None), fill(3, order_ref=None)])
    assert found[0].slippage_usd is None
    assert len(found) == 3, "without a reference each stands alone"
    measured = sizes(found)
    assert (measured.n, measured.known, measured.slippage_usd) == (3, 2, 2.0)
    assert sizes(()).slippage_usd is None


def test_a_fill_sample_without_numbers_is_no_fill() -> None:
    def told(**data: Any) -> Fill | None:
        ts = iso_from_us(NOON_US)
        sample = HistorySample(schema=1, kind="fill", desk="d", run_id="r", ts=ts, wall_ts=ts, data=data)
        return fill_of(sample, NOON_US)

    assert told(price="a", quantity=3) is None
    assert told(price=True, quantity=3) is None
    assert told(price=3.5, quantity=-1) is None
    shown = told(price=3.5, quantity=2, slippage_usd=9.0)
    assert shown is not None
    assert shown.slippage_usd is None, "slippage against an unknown mid is not believed"


def test_hours_are_the_exchanges_in_summer_and_winter() -> None:
    winter, summer = us_from_iso("2026-12-01T15:00:00Z"), us_from_iso("2026-07-01T14:00:00Z")
    found = by_hour(hedges([fill(1, ts_us=winter), fill(2, ts_us=summer, order_ref="o2")]), "America/New_York")
    assert [(hour, len(each)) for hour, each in found] == [(10, 2)]


def part(day: str, first: str, last: str) -> DayPart:
    return DayPart(day=day, is_session=True, first_us=us_from_iso(first), last_us=us_from_iso(last))


DAYS = {
    "2026-11-16": part("2026-11-16", "2026-11-16T14:30:00Z", "2026-11-17T14:29:00Z"),
    "2026-11-17": part("2026-11-17", "2026-11-17T14:30:00Z", "2026-11-17T21:00:00Z"),
}


def test_an_operation_belongs_to_the_day_within_whose_samples_it_lies() -> None:
    moments = ["2026-11-16T15:00:00Z", "2026-11-17T03:00:00Z", "2026-11-17T15:00:00Z", "2026-11-19T01:00:00Z"]
    found = day_of_each(np.array([us_from_iso(each) for each in moments]), DAYS)
    shown = [str(each) for each in found.astype("datetime64[D]")]
    assert shown == ["2026-11-16", "2026-11-16", "2026-11-17", "2026-11-19"]


def test_refusals_and_latency_by_day_know_what_the_journal_does_not_reach() -> None:
    facts = OperationFacts()
    rules = ["cooldown", "cooldown", "min_price_move", None]
    lines = [
        make_line(number, JournalType.REFUSED, ts=f"2026-11-17T15:00:0{number}.000000Z", reason=rule)
        for number, rule in enumerate(rules)
    ]
    sent = make_line(9, JournalType.ORDER_SENT, ts="2026-11-17T15:01:00.000000Z", latency_ms=4.0)
    unsaid = make_line(10, JournalType.ORDER_SENT, ts="2026-11-17T15:01:00.000000Z")
    assert facts.extend([*lines, sent, unsaid])
    assert not facts.extend([make_line(11)])
    found = operations_by_day(facts, DAYS)
    assert found["2026-11-17"].refused == {"cooldown": 2, "?": 1, "min_price_move": 1}
    assert found["2026-11-17"].latency_ms.p99 == 4.0
    assert facts.sent_without_latency == 1
    assert not found["2026-11-16"].is_covered, "no refusal before the journal begins is not known to be none"
    assert operations_by_day(OperationFacts(), {}) == {}


def test_facts_stay_within_their_bounds() -> None:
    facts = OperationFacts()
    facts.extend(
        make_line(number, JournalType.REFUSED, ts=iso_from_us(NOON_US + number), reason=f"sentence {number}")
        for number in range(MAX_RULES + 50)
    )
    assert len(facts.rules) <= MAX_RULES
    copy = facts.copied()
    facts.forget_before(NOON_US + 200)
    assert len(facts.refused_us) == len(facts.refused_rule) == MAX_RULES + 50 - 200
    assert facts.since_us == NOON_US + 200
    assert len(copy.refused_us) == MAX_RULES + 50, "what another thread reads does not change beneath it"


def test_a_digest_keeps_fills_on_the_curve() -> None:
    made = Digest()
    ts = iso_from_us(NOON_US)
    data = {"price": 3.5, "quantity": 2.0, "side": "BUY"}
    made.extend(
        [HistorySample(schema=1, kind="fill", desk="d", run_id="r", ts=ts, wall_ts=ts, equity_usd=5.0, data=data)]
    )
    assert len(made.fills) == 1
    assert made.ts_us.tolist() == [NOON_US], "its mark lies on the curve"


@pytest.mark.parametrize(("first", "night_usd", "hour_usd"), [(100.0, 7.0, 3.0), (104.0, 4.0, 6.0)])
def test_a_night_is_told_by_the_first_price_of_the_day_not_by_a_sample_before_it(
    first: float, night_usd: float, hour_usd: float
) -> None:
    """A minute sampled at the open, before any quote, repeats the evening: the gap is not the first hour's."""
    evening, morning = us_from_iso("2026-01-05T16:00:00-05:00"), us_from_iso("2026-01-06T09:30:00-05:00")
    times = np.array([evening, morning, morning + 60_000_000, morning + 120_000_000], dtype=np.int64)
    samples = Curve(times, np.array([100.0, first, 107.0, 110.0]), np.zeros(4, np.float32))
    rows = by_hour_of_day(
        samples,
        [],
        np.empty(0, np.int64),
        day_starts_us=np.array([evening, morning], dtype=np.int64),
        closes={},
        zone=ZoneInfo("America/New_York"),
    )
    assert {row.hour: row.pnl_usd for row in rows} == {9: hour_usd, None: night_usd}
