"""Two runs side by side: what is told to have changed is all that changed, and nothing else."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.overrides import load_overridden
from daemon.backtest.feeds.opening import open_feed
from daemon.backtest.outcomes import HEDGED, differing, is_refusal, outcomes, paired
from daemon.backtest.run import Result, run_backtest
from daemon.backtest.whatif import WhatIf, compare, varied
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.runs.records import VenueModel
from state.statistics.run_tables import refusal_stretches

MINUTES = {"simulator.synthetic.step_s": 60, "gates.state.market.stale_ts_threshold_ms": 180_000}
COOLDOWN = "gates.intent.hedge.cooldown_seconds"


def run(over: dict[str, Any], data: str = "synthetic:5:2") -> Result:
    loaded = load_overridden("demo", {**MINUTES, **over})
    feed = open_feed(data, loaded.profile, base=Path())
    return run_backtest(loaded, GammaScalper, feed, model=VenueModel(), out=None, overrides=over)


@pytest.fixture(scope="module")
def base() -> Result:
    return run({})


@pytest.fixture(scope="module")
def slow() -> Result:
    return run({COOLDOWN: 1200})


@pytest.fixture(scope="module")
def found(base: Result, slow: Result) -> WhatIf:
    return compare(base, slow)


def rows(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = result.decisions.to_pylist()
    return found


def test_a_run_against_itself_changes_nothing(base: Result) -> None:
    found = compare(base, run({}))
    assert found.first is None
    assert found.alike == found.moments > 700
    assert found.pnl_difference_usd == 0
    assert set((found.attribution_difference_usd or {}).values()) == {0.0}
    assert (found.hedges_appeared, found.hedges_vanished, found.hedges_changed) == ((), (), ())
    assert (found.refusals_appeared, found.refusals_vanished) == ((), ())
    assert found.hedges_same == base.summary.hedged > 5
    assert found.same_data


def test_a_longer_cooldown_refuses_more_and_each_hedge_is_told_once(found: WhatIf, base: Result, slow: Result) -> None:
    old = {(row["ts_us"], row["side"], row["quantity_shares"], row["price"]) for row in rows(base) if row["hedged"]}
    new = {(row["ts_us"], row["side"], row["quantity_shares"], row["price"]) for row in rows(slow) if row["hedged"]}
    gone = {(each.ts_us, each.side, each.quantity_shares, each.price) for each in found.hedges_vanished}
    come = {(each.ts_us, each.side, each.quantity_shares, each.price) for each in found.hedges_appeared}
    was = {
        (each.base.ts_us, each.base.side, each.base.quantity_shares, each.base.price) for each in found.hedges_changed
    }
    assert gone | was == old - new
    assert len(come) + len(was) == len(new - old)
    assert found.hedges_same == len(old & new)
    assert len(gone) > len(come)


def test_refusals_are_counted_as_somebody_with_two_dictionaries_counts_them(
    found: WhatIf, base: Result, slow: Result
) -> None:
    cooled = [
        {row["ts_us"] for row in rows(result) if row["refused"] == "cooldown" and row["needed"]}
        for result in (base, slow)
    ]
    rule = next(each for each in found.rules if each.rule == "cooldown")
    assert (rule.base_moments, rule.changed_moments) == (len(cooled[0]), len(cooled[1]))
    assert rule.vanished_moments == len(cooled[0] - cooled[1])
    assert rule.appeared_moments == len(cooled[1] - cooled[0]) > 20
    told = [each for each in found.refusals_appeared if each.changed == "cooldown"]
    assert sum(each.moments for each in told) == rule.appeared_moments
    assert len(told) < rule.appeared_moments
    for each in told:
        assert each.base != "cooldown"
        assert each.first_us <= each.last_us
    hedged_before = sum(each.moments for each in found.refusals_appeared if each.base == HEDGED)
    refused_now = {row["ts_us"] for row in rows(slow) if row["needed"] and row["refused"] and not row["hedged"]}
    hedged = {row["ts_us"] for row in rows(base) if row["hedged"]}
    assert hedged_before == len(hedged & refused_now) > 0


def test_stretches_cover_exactly_the_moments_that_differ(base: Result, slow: Result) -> None:
    pair = paired(outcomes(base.decisions), outcomes(slow.decisions))
    told = differing(pair)
    assert sum(each.moments for each in told) == int(np.count_nonzero(pair.base != pair.changed))
    assert all(earlier.last_us < later.first_us for earlier, later in itertools.pairwise(told))
    assert all(each.base != each.changed for each in told)
    days = {each.session for each in told}
    assert days <= {"2026-01-05", "2026-01-06"}


def test_the_first_difference_is_the_first_row_that_differs(found: WhatIf, base: Result, slow: Result) -> None:
    keys = ("ts_us", "needed", "hedged", "side", "quantity_shares", "price", "refused")
    pairs = zip(rows(base), rows(slow), strict=False)
    unlike = ((place, *pair) for place, pair in enumerate(pairs) if any(pair[0][key] != pair[1][key] for key in keys))
    place, old, _ = next(unlike)
    assert found.first is not None
    assert found.first.ts_us == old["ts_us"]
    assert found.first.alike_before == place
    assert found.first.base is not None
    assert found.first.changed is not None
    assert found.first.base["hedged"]
    assert found.first.changed["refused"] == "cooldown"
    assert found.first.changed["limit"] == 1200


def test_money_adds_up_over_days_and_over_its_parts(found: WhatIf, base: Result, slow: Result) -> None:
    assert base.summary.figures is not None
    assert slow.summary.figures is not None
    difference = slow.summary.figures.pnl_usd - base.summary.figures.pnl_usd
    assert found.pnl_difference_usd == pytest.approx(difference)
    assert math.fsum(day.difference_usd or 0.0 for day in found.days) == pytest.approx(difference, abs=1e-4)
    assert [day.day for day in found.days] == ["2026-01-05", "2026-01-06"]
    parts = found.attribution_difference_usd
    assert parts is not None
    costs = parts["slippage_usd"] + parts["commission_usd"]
    earned = math.fsum(value for name, value in parts.items() if name not in ("slippage_usd", "commission_usd"))
    assert earned - costs == pytest.approx(difference, abs=1e-4)
    assert parts["commission_usd"] < 0
    for day in found.days:
        assert day.base_hedges == sum(row["hedged"] and row["session"] == day.day for row in rows(base))


def test_exchanging_the_two_runs_turns_everything_round(found: WhatIf, base: Result, slow: Result) -> None:
    back = compare(slow, base)
    assert back.pnl_difference_usd == pytest.approx(-(found.pnl_difference_usd or 0.0))
    assert back.hedges_vanished == found.hedges_appeared
    assert [(each.first_us, each.changed) for each in back.refusals_appeared] == [
        (each.first_us, each.base) for each in found.refusals_vanished
    ]
    assert back.alike == found.alike


def test_a_changed_market_is_said_to_be_other_data(base: Result) -> None:
    found = compare(base, run({"simulator.synthetic.volatility": 0.3}))
    assert not found.same_data


def test_a_row_for_each_value_counts_as_the_summary_does(slow: Result) -> None:
    row = varied(1200, slow)
    assert row.figures == slow.summary.figures
    assert row.refused_moments == slow.summary.refused
    counts: dict[str, int] = {}
    for first, after, rule in refusal_stretches(slow.decisions):
        counts[rule] = counts.get(rule, 0) + 1
        assert set(slow.decisions.column("refused").slice(first, after - first).to_pylist()) == {rule}
    assert row.refused == counts
    assert row.refused["cooldown"] == slow.summary.new_refusals["cooldown"]


def test_of_two_runs_without_a_moment_nothing_is_said(base: Result) -> None:
    empty = base.decisions.slice(0, 0)
    pair = paired(outcomes(empty), outcomes(empty))
    assert differing(pair) == ()
    one_sided = differing(paired(outcomes(empty), outcomes(base.decisions)))
    assert {each.base for each in one_sided} == {"no decision then"}
    assert sum(each.moments for each in one_sided) == outcomes(base.decisions).ts_us.size
    assert not is_refusal("no decision then")
