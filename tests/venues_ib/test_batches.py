"""Which quotes are told, when and in what order: batches, stamps, standing quotes, missing sides."""

import asyncio
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.events import AnyEvent, OptionQuote, Quote
from daemon.core.instruments import InstrumentSpec
from daemon.venues.ib.account import AccountValues
from daemon.venues.ib.subscriptions import Lines
from tests.venues_ib.conftest import StampClock

STOCK = InstrumentSpec(instrument="ABC", kind="stock", symbol="ABC", currency="USD", venue_id=11)
CALL = InstrumentSpec(instrument="ABC C", kind="option", symbol="ABC", currency="USD", venue_id=12)
PUT = InstrumentSpec(instrument="ABC P", kind="option", symbol="ABC", currency="USD", venue_id=13)
S = 1_000_000


class Timers:
    """Timers that fire when the test says so."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.waiting: list[tuple[asyncio.TimerHandle, Callable[[], None]]] = []

    def __call__(self, _delay_s: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(0.0, action, (), self.loop)
        self.waiting.append((handle, action))
        return handle

    def fire(self) -> None:
        for handle, action in self.waiting:
            if not handle.cancelled():
                action()
        self.waiting.clear()


class Bench:
    def __init__(self, *, stepped: bool) -> None:
        self.clock, self.timers = StampClock(0), Timers()
        self.told: list[AnyEvent] = []
        self.now_s = 100.0
        self.lines = Lines(self.clock, self.told.append, self.timers, stepped=stepped, now_s=lambda: self.now_s)
        ids = iter((1, 2, 3))
        self.lines.subscribe((STOCK, CALL, PUT), lambda _spec: next(ids))

    def price(self, request_id: int, bid: float, ask: float, size: float = 100) -> None:
        self.lines.price(request_id, 1, bid, size)
        self.lines.price(request_id, 2, ask, size)

    @property
    def names(self) -> list[str]:
        return [event.instrument for event in self.told if isinstance(event, Quote | OptionQuote)]


@pytest.fixture(params=[True, False])
def bench(request: pytest.FixtureRequest) -> Bench:
    made = Bench(stepped=request.param)
    made.timers.loop.close()
    return made


def test_options_come_before_the_underlying_whatever_came_first(bench: Bench) -> None:
    bench.lines.stamp(1, 10 * S)
    for request_id in (1, 2, 3):
        bench.price(request_id, 5.0, 5.1)
    assert bench.told == []
    assert bench.lines.read_end()
    assert bench.names == ["ABC C", "ABC P", "ABC"]
    assert {event.ts_us for event in bench.told} == {10 * S}


def test_a_new_stamp_closes_the_step_before_it(bench: Bench) -> None:
    for second in (10, 11, 12):
        for request_id in (1, 2, 3):
            bench.lines.stamp(1, second * S)  # each line carries the stamp
            bench.price(request_id, second, second + 0.1)
    bench.lines.read_end()
    assert [(event.ts_us // S, event.bid) for event in bench.told if isinstance(event, Quote)] == [
        (10, 10),
        (11, 11),
        (12, 12),
    ]
    assert bench.clock.stamps == [10 * S, 11 * S, 12 * S]


def test_a_standing_quote_that_is_repeated_is_told_again(bench: Bench) -> None:
    for second in (10, 11):
        bench.lines.stamp(1, second * S)
        for request_id in (1, 2, 3):
            bench.price(request_id, 5.0, 5.1)
        bench.lines.read_end()
    assert bench.names == ["ABC C", "ABC P", "ABC"] * 2


def test_a_step_cut_by_a_read_waits_for_its_rest() -> None:
    bench = Bench(stepped=True)
    bench.lines.stamp(1, 10 * S)
    bench.price(1, 5.0, 5.1)
    assert not bench.lines.read_end()
    assert bench.told == []
    assert bench.clock.stamps == [], "nobody may think the step has been told"
    bench.price(2, 1.0, 1.1)
    bench.price(3, 1.0, 1.1)
    assert bench.lines.read_end()
    assert bench.names == ["ABC C", "ABC P", "ABC"]
    bench.timers.fire()
    assert len(bench.told) == 3
    bench.timers.loop.close()


def test_a_step_that_never_completes_is_told_after_its_grace() -> None:
    bench = Bench(stepped=True)
    bench.lines.stamp(1, 10 * S)
    bench.price(1, 5.0, 5.1)
    bench.lines.read_end()
    bench.timers.fire()
    assert bench.names == ["ABC"]
    assert bench.clock.stamps == [10 * S]
    bench.timers.loop.close()


def test_a_repeated_stamp_after_order_traffic_is_told_at_once() -> None:
    bench = Bench(stepped=True)
    for _ in range(2):
        bench.lines.stamp(1, 10 * S)
        for request_id in (1, 2, 3):
            bench.price(request_id, 5.0, 5.1)
        bench.lines.read_end()
    bench.lines.stamp(1, 10 * S)
    assert bench.lines.read_end()
    assert bench.clock.stamps == [10 * S] * 3
    bench.timers.loop.close()


def test_a_real_feed_is_never_held_back() -> None:
    bench = Bench(stepped=False)
    bench.lines.stamp(1, 10 * S)
    bench.price(1, 5.0, 5.1)
    assert bench.lines.read_end()
    assert bench.names == ["ABC"]
    bench.timers.loop.close()


def newest(bench: Bench) -> Quote:
    bench.lines.read_end()
    event = bench.told[-1]
    assert isinstance(event, Quote)
    return event


def test_a_side_without_price_or_size_is_no_quote(bench: Bench) -> None:
    bench.price(1, 5.0, 5.1)
    assert (newest(bench).bid, newest(bench).ask) == (5.0, 5.1)
    bench.lines.price(1, 1, -1.0, 0)
    assert (newest(bench).bid, newest(bench).ask, newest(bench).bid_size) == (None, 5.1, None)
    bench.price(1, 5.0, 5.1)
    bench.lines.size(1, 3, 0)
    assert (newest(bench).bid, newest(bench).ask) == (5.0, None)
    bench.price(1, 199_999.99, 5.1)
    assert newest(bench).bid is None
    bench.price(1, 5.2, 5.1)
    assert (newest(bench).bid, newest(bench).ask) == (None, None)


def test_frozen_and_refused_data_are_no_quotes_and_prices_of_another_kind_are_not_carried_over(bench: Bench) -> None:
    bench.price(1, 5.0, 5.1)
    bench.lines.price(1, 66, 4.0, 100)
    assert newest(bench).bid == 5.0, "a delayed tick on a live line"
    bench.lines.data_type(1, 2)
    assert (newest(bench).bid, newest(bench).ask, newest(bench).last) == (None, None, None)
    bench.lines.data_type(1, 1)
    assert newest(bench).bid is None, "what was known before is old by now"
    bench.price(1, 5.2, 5.3)
    assert newest(bench).bid == 5.2
    bench.lines.refused(1)
    bench.price(1, 5.4, 5.5)
    assert newest(bench).bid is None


@pytest.mark.parametrize("data_type", [3, 4])
def test_delayed_data_are_told_as_delayed(bench: Bench, data_type: int) -> None:
    bench.price(1, 5.0, 5.1)
    bench.lines.data_type(1, data_type)
    assert (newest(bench).bid, newest(bench).delayed) == (None, True)
    bench.lines.price(1, 66, 4.0, 100)
    bench.lines.price(1, 67, 4.1, 100)
    bench.lines.price(1, 68, 4.05, 100)
    bench.price(1, 5.0, 5.1)  # a live tick on a delayed line
    assert (newest(bench).bid, newest(bench).ask, newest(bench).last, newest(bench).delayed) == (4.0, 4.1, 4.05, True)
    bench.lines.size(1, 70, 0)
    assert (newest(bench).bid, newest(bench).ask) == (4.0, None)
    bench.lines.data_type(1, 1)
    assert (newest(bench).bid, newest(bench).delayed) == (None, False)


@pytest.mark.parametrize(("value", "halted"), [(1, True), (2, True), (0, False), (-1, None)])
def test_a_trading_halt_is_told_with_the_quote(bench: Bench, value: float, halted: bool | None) -> None:
    bench.price(1, 5.0, 5.1)
    bench.lines.halted(1, 49, 1 if halted is None else -1)
    newest(bench)
    bench.lines.halted(1, 49, value)
    bench.lines.halted(1, 46, 1)
    assert (newest(bench).halted, newest(bench).bid) == (halted, 5.0)
    told = len(bench.told)
    bench.lines.halted(1, 49, value)
    bench.lines.read_end()
    assert len(bench.told) == told, "nothing new"


def test_the_close_of_the_last_session_is_told_and_bounds_nothing(bench: Bench) -> None:
    bench.price(1, 5.0, 5.1)
    newest(bench)
    bench.lines.price(1, 9, 50.0, 0)
    assert (newest(bench).previous_close, newest(bench).bid) == (50.0, 5.0)
    bench.lines.price(1, 9, -1.0, 0)
    assert newest(bench).previous_close is None


def test_each_refused_value_is_told_once_with_its_kind(bench: Bench) -> None:
    bench.price(1, 5.0, 5.1)
    assert newest(bench).refused == ()
    bench.lines.price(1, 1, -1.0, 0)
    bench.lines.price(1, 2, 199_999.99, 100)
    bench.lines.price(1, 4, math.nan, 1)
    assert sorted(newest(bench).refused) == ["not_a_number", "sentinel", "sentinel"]
    bench.price(1, 5.3, 5.2)
    assert newest(bench).refused == ("crossed",)
    bench.price(1, 51.0, 5.2)
    assert (newest(bench).bid, newest(bench).ask) == (None, 5.2)
    assert newest(bench).refused == ("absurd",)
    bench.price(1, 5.0, 5.1)
    assert newest(bench).refused == ()


def test_a_level_that_stays_is_believed_after_two_minutes(bench: Bench) -> None:
    bench.price(1, 5.0, 5.1)
    assert newest(bench).bid == 5.0
    for second, believed in ((1, None), (119, None), (121, 9.0)):
        bench.clock.us = second * S
        bench.price(1, 9.0, 9.1)
        assert newest(bench).bid == believed


def test_a_very_wide_quote_passes_but_bounds_nothing(bench: Bench) -> None:
    bench.price(1, 1.0, 9.0)
    assert (newest(bench).bid, newest(bench).ask) == (1.0, 9.0)
    bench.price(1, 8.5, 8.6)
    assert newest(bench).bid == 8.5


def test_an_option_is_never_worth_more_than_its_contract_can_pay(bench: Bench) -> None:
    bench.price(1, 5.0, 5.1)
    newest(bench)
    bench.price(2, 7.0, 8.0)
    bench.lines.read_end()
    assert (bench.told[-1].bid, bench.told[-1].ask) == (7.0, None), "a call is worth a share at most"  # type: ignore[union-attr]


def test_a_renewed_line_is_silent_until_it_hears_something_new(bench: Bench) -> None:
    bench.price(1, 5.0, 5.1)
    newest(bench)
    bench.lines.renew(1, bench.now_s, lambda _spec: 9)
    told = len(bench.told)
    bench.price(9, 5.0, 5.1)  # the venue's memory of the old prices
    bench.lines.read_end()
    assert len(bench.told) == told
    bench.price(9, 5.0, 5.2)
    assert newest(bench).ask == 5.2
    bench.lines.renew(9, bench.now_s, lambda _spec: 10)
    told = len(bench.told)
    bench.now_s += 2.0
    bench.price(10, 5.0, 5.2)
    bench.lines.read_end()
    assert len(bench.told) == told + 1, "a standing quote that is repeated later is a living one"


def test_renewing_gets_rarer_while_it_does_not_help(bench: Bench) -> None:
    request_id, waits = 1, []
    for number in range(6):
        new = 10 + number
        bench.lines.renew(request_id, bench.now_s, lambda _spec, new=new: new)  # type: ignore[misc]
        request_id = new
        line = bench.lines.line(new)
        assert line is not None
        waits.append(line.patience_s)
    assert waits == [30, 60, 120, 240, 300, 300]
    bench.price(request_id, 5.0, 5.1)
    bench.lines.renew(request_id, bench.now_s, lambda _spec: 99)
    assert bench.lines.by_id[99].patience_s == 30


def test_model_values_lose_their_sentinels(bench: Bench) -> None:
    bench.lines.greeks(2, 13, 0.35, -2.0)
    bench.lines.greeks(2, 10, 0.99, 0.99)
    bench.lines.read_end()
    event = bench.told[-1]
    assert isinstance(event, OptionQuote)
    assert (event.model_volatility, event.model_delta) == (0.35, None)


def test_ticks_of_unknown_lines_are_ignored(bench: Bench) -> None:
    bench.price(77, 5.0, 5.1)
    bench.lines.size(77, 0, 1)
    bench.lines.greeks(77, 13, 0.3, 0.5)
    bench.lines.data_type(77, 3)
    bench.lines.read_end()
    assert bench.told == []


values = st.sampled_from([-1.0, -2.0, 0.0, 5.0, 5.1, 5.2, math.nan, 199_999.99, 1.7976931348623157e308])
ticks = st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 4, 6, 9, 66]), values, values)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(ticks, st.just("end"), st.integers(1, 50)), max_size=30), st.booleans())
def test_whatever_comes_quotes_are_clean_and_time_never_goes_back(
    script: list[tuple[int, int, float, float] | str | int],
    stepped: bool,
) -> None:
    bench = Bench(stepped=stepped)
    for line in script:
        if isinstance(line, int):
            bench.lines.stamp(1, line * S)
        elif isinstance(line, str):
            bench.lines.read_end()
        else:
            bench.lines.price(*line)
    bench.lines.flush()
    for event in bench.told:
        assert isinstance(event, Quote | OptionQuote)
        for side in (event.bid, event.ask, event.last):
            assert side in (None, 5.0, 5.1, 5.2)
        assert event.bid is None or event.ask is None or event.bid <= event.ask
    times = [event.ts_us for event in bench.told]
    assert times == sorted(times)
    bench.timers.loop.close()


def test_account_values_are_told_once_a_second_in_usd_of_our_account() -> None:
    values = AccountValues("DU1")
    for account, tag, value, currency in (
        ("DU1", "AccountType", "BIFROST-SIMULATOR", ""),
        ("DU1", "NetLiquidation", "100000.00", "USD"),
        ("DU1", "NetLiquidation", "90000.00", "EUR"),
        ("DU2", "NetLiquidation", "5.00", "USD"),
        ("DU1", "Cushion", "1.0", ""),
        ("DU1", "BuyingPower", "1.7976931348623157E308", "USD"),
    ):
        values.on_value(account, tag, value, currency)
    assert values.kind() == "simulated"
    assert values.due(0) is None, "the first report is told when everything is there"
    assert values.report(10 * S).values_usd == {"NetLiquidation": 100_000.0}
    values.on_value("DU1", "NetLiquidation", "100000.00", "USD")
    assert values.due(20 * S) is None, "nothing changed"
    values.on_value("DU1", "NetLiquidation", "100001.00", "USD")
    assert values.due(10 * S + 999_999) is None
    report = values.due(11 * S)
    assert report is not None
    assert report.values_usd == {"NetLiquidation": 100_001.0}
    assert values.due(12 * S) is None
