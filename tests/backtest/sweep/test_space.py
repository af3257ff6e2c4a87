"""What may be searched, and what is refused with which words."""

import pytest

from config.search_space import SpaceError
from config.searchable import SearchKeyError, searchable, searchable_keys
from daemon.backtest.sweep.space import parse_search
from state.runs.axes import axis, cell_count
from tests.support.sweeping import BAND, COOLDOWN, COUNT, ORDER_TYPE


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (f"{COOLDOWN}=30:120:30", (30.0, 60.0, 90.0, 120.0)),
        (f"{COOLDOWN}=0.1:0.5:0.1", (0.1, 0.2, 0.3, 0.4, 0.5)),
        (f"{COOLDOWN}=10:25:10", (10.0, 20.0)),
        (f"{COOLDOWN}=1:16:2:log", (1.0, 2.0, 4.0, 8.0, 16.0)),
        (f"{COOLDOWN}=5:5:1", (5.0,)),
        (f"{COOLDOWN}=30,5,60", (30.0, 5.0, 60.0)),
        (f"{COUNT}=1:4", (1, 2, 3, 4)),
        (f"{COUNT}=1:9:4", (1, 5, 9)),
        (f"{COUNT}=1:8:2:log", (1, 2, 4, 8)),
        (f"{ORDER_TYPE}=market,limit", ("market", "limit")),
        ("gates.strategy.trading_hours_only=true,false", (True, False)),
        ("gates.guard.risk.max_net_delta_shares=null,100", (None, 100.0)),
        ("greeks.volatility=0.3,implied", (0.3, "implied")),
    ],
)
def test_values(text: str, values: tuple[object, ...]) -> None:
    [searched] = parse_search([text], needs_steps=True)
    assert axis(searched) == values
    assert list(map(type, axis(searched))) == list(map(type, values)), "integers stay integers"


def test_bounds_without_a_step_are_continuous_and_have_no_count() -> None:
    searched = parse_search([f"{COOLDOWN}=1:1e3:log", f"{ORDER_TYPE}=market,limit"], needs_steps=False)
    assert (searched[0].low, searched[0].high, searched[0].log) == (1.0, 1000.0, True)
    assert axis(searched[0]) == ()
    assert cell_count(searched) is None
    assert cell_count(parse_search([f"{COUNT}=1:3", f"{ORDER_TYPE}=market,limit"], needs_steps=True)) == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write KEY=LOW:HIGH:STEP"),
        (f"{COOLDOWN}=", "write KEY=LOW:HIGH:STEP"),
        ("gates.intent.hedge.cooldown_second=1:2:1", f"no such key; did you mean {COOLDOWN}?"),
        ("cooldown_seconds=1:2:1", f"no such key; did you mean {COOLDOWN}?"),
        ("simulator.synthetic.volatility=0.1:0.2:0.1", "it makes the market"),
        ("underlying.symbol=TWX,IBM", "it names the data"),
        ("live=true,false", "it decides nothing over history"),
        ("gates.intent=1:2:1", "is a section; name one of its keys: hedge"),
        ("greeks.fallback=implied", "is a list"),
        (f"{COOLDOWN}=-1:5:1", "must be a number ≥ 0 (seconds); found -1; keep LOW and HIGH inside that"),
        ("gates.state.liquidity.wide_spread_pct=0.1:101:1", "must be a number > 0 and ≤ 100 (percent); found 101"),
        (f"{COOLDOWN}=5:1:1", "LOW is above HIGH; write 1:5"),
        (f"{COOLDOWN}=1:5:0", "STEP must be > 0"),
        (f"{COOLDOWN}=1:5:1:log", "STEP is a factor: it must be > 1"),
        (f"{COOLDOWN}=0:5:2:log", "needs LOW > 0"),
        (f"{COOLDOWN}=1:5", f"a grid needs a step: {COOLDOWN}=1:5:STEP"),
        (f"{COUNT}=1:100000", f"a grid needs a step: {COUNT}=1:100000:STEP"),
        (f"{COOLDOWN}=0:1e9:0.001", "take a larger STEP"),
        (f"{COOLDOWN}=fast,slow", "must be a number ≥ 0 (seconds); found the text 'fast'"),
        (f"{COOLDOWN}=30,30", "listed twice"),
        (f"{COOLDOWN}=[", "neither LOW:HIGH[:STEP][:log] nor a list"),
        (f"{COUNT}=1:3.5:1", "bounds and step are whole numbers too"),
        (f"{COUNT}=1.5,2", "must be a whole number ≥ 0"),
        (f"{ORDER_TYPE}=1:2:1", "has no order, so no bounds; list its values (one of market, limit)"),
        (f"{ORDER_TYPE}=market,limt", "must be one of market, limit; found the text 'limt'"),
    ],
)
def test_refusals_name_key_bounds_and_remedy_on_one_line(text: str, words: str) -> None:
    with pytest.raises(SpaceError) as refused:
        parse_search([text], needs_steps=True)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_nothing_or_one_key_twice() -> None:
    with pytest.raises(SpaceError, match="nothing is searched"):
        parse_search([], needs_steps=True)
    with pytest.raises(SpaceError, match="given twice"):
        parse_search([f"{BAND}=1,2", f"{BAND}=3:4:1"], needs_steps=True)


def test_every_key_that_can_be_varied_says_what_it_may_be() -> None:
    keys = searchable_keys()
    assert COOLDOWN in keys
    assert not [key for key in keys if key.startswith(("simulator", "ib", "legs", "storage"))]
    assert all(searchable(key).bounds for key in keys)
    with pytest.raises(SearchKeyError, match="no such key"):
        searchable("name")
