from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.book import ControlState
from daemon.core.events import Clock, ControlFile
from daemon.core.guard import RULES
from daemon.core.ledger import Halt
from daemon.core.order_life import OrderState
from daemon.core.strategy import Strategy
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.records import GammaScalperState, JournalType
from tests.support.scalper import CLOSE, NOON, OPEN, STOCK, Desk, S, profile, ready

PAUSE = ControlState(pause=ControlFile(name="pause", since_us=NOON, age_ms=0))


def needing(deviation: float = 60.0, **overrides: Any) -> Desk:
    """A quiet desk whose net delta has just moved this far."""
    desk = ready(**overrides)
    desk.own_to(deviation)
    return desk


def test_it_is_a_strategy() -> None:
    strategy: Strategy = GammaScalper(profile())
    assert strategy.name == "gamma_scalper"


def test_a_needed_hedge_becomes_one_wish_that_brings_delta_back() -> None:
    desk = needing(60.4)
    decision = desk.decide()
    assert decision.wish is not None
    assert (decision.wish.side, decision.wish.quantity) == ("SELL", 60)
    assert decision.wish.state_code == "O1 D2 M1 L0 E0 S0"
    assert decision.wish.data["rules"]["max_position"]["limit"] == 2000
    assert [r.type for r in decision.records] == [JournalType.TRANSITION]
    assert decision.records[0].data == {
        "machine": "TradingFSM",
        "from": "ARMED",
        "to": "NEED_HEDGE",
        "trigger": "hedge_needed",
    }
    assert desk.state.hedge == "PLAN"


@pytest.mark.parametrize(("deviation", "wished"), [(24.99, False), (25.0, True), (-25.0, True), (10.5, False)])
def test_the_hedge_starts_at_exactly_the_threshold(deviation: float, wished: bool) -> None:  # defect 12
    decision = needing(deviation).decide()
    assert (decision.wish is not None) is wished


def test_target_shares_move_the_middle() -> None:
    desk = needing(60.0, execution__target_shares=60.0)
    assert desk.decide().wish is None


def test_an_order_is_followed_from_intent_to_fill_and_no_second_one_is_wished() -> None:
    desk = needing(60.0)
    desk.decide()
    seen = [(desk.state.trading.value, desk.state.hedge.value)]
    for state, filled in [
        (OrderState.INTENDED, 0),
        (OrderState.SENT, 0),
        (OrderState.WORKING, 0),
        (OrderState.PARTIAL, 20),
        (OrderState.FILLED, 60),
    ]:
        desk.order(state, quantity=60, filled=filled)
        if state is OrderState.FILLED:
            desk.own_to(0.0)
        decision = desk.decide()
        assert decision.wish is None
        seen.append((desk.state.trading.value, desk.state.hedge.value))
    desk.decide()
    seen.append((desk.state.trading.value, desk.state.hedge.value))
    assert seen == [
        ("NEED_HEDGE", "PLAN"),
        ("HEDGING", "SEND"),
        ("HEDGING", "WAIT_ACK"),
        ("HEDGING", "WORKING"),
        ("HEDGING", "PARTIAL"),
        ("ARMED", "FILLED"),
        ("ARMED", "EXEC_IDLE"),
    ]
    assert not desk.book.ledger.remainder


@pytest.mark.parametrize("end", [OrderState.BLOCKED, OrderState.REJECTED, OrderState.CANCELLED])
def test_a_hedge_that_failed_is_shown_and_may_be_wished_again(end: OrderState) -> None:
    desk = needing(60.0)
    desk.decide()
    desk.order(end, quantity=60)
    desk.put(control=PAUSE)
    desk.decide()
    assert desk.state.hedge == "FAIL"
    desk.put(control=ControlState())
    assert desk.decide().wish is not None
    assert desk.state.hedge == "PLAN"


def test_a_wish_that_the_core_dropped_leaves_nothing_behind() -> None:
    desk = needing(60.0)
    desk.decide()
    desk.own_to(0.0)
    desk.decide()
    assert (desk.state.trading, desk.state.hedge) == ("ARMED", "EXEC_IDLE")


def test_an_order_found_after_a_restart_is_watched() -> None:
    desk = Desk()
    desk.quote(70.0)
    desk.order(OrderState.WORKING)
    assert desk.decide().wish is None
    assert (desk.state.trading, desk.state.hedge) == ("HEDGING", "WORKING")


def test_a_closing_order_of_a_flatten_is_no_hedge() -> None:
    desk = ready()
    desk.order(OrderState.WORKING, number=9, closing=True)
    desk.decide()
    assert (desk.state.trading, desk.state.hedge) == ("ARMED", "EXEC_IDLE")
    assert desk.state.codes.e == 0


def test_an_unknown_outcome_is_a_broker_error_and_goes_to_safe() -> None:
    desk = needing(60.0)
    desk.decide()
    order = desk.order(OrderState.UNKNOWN, quantity=60)
    desk.put(unknown_orders=(order.order_ref,))
    assert desk.decide().wish is None
    assert (desk.state.trading, desk.state.hedge, desk.state.codes.e) == ("SAFE", "RECOVER", 4)
    assert {"safe", "broker_error"} <= desk.check_reasons()


def test_need_hedge_is_gone_as_soon_as_delta_is_back_in_band() -> None:  # defect 16
    desk = needing(60.0)
    desk.put(control=PAUSE)
    desk.decide()
    desk.put(control=ControlState())
    desk.own_to(5.0)
    desk.decide()
    assert desk.state.trading == "ARMED"
    assert desk.state.refused is None


def test_a_refusal_is_journaled_once_with_every_number() -> None:  # defect 9
    desk = needing(60.0)
    desk.put_ledger(last_hedge_sent_us=desk.book.ts_us - S)
    first = desk.decide()
    assert first.refused_rule == "cooldown"
    refused = [r for r in first.records if r.type is JournalType.REFUSED]
    assert len(refused) == 1
    data = refused[0].data
    assert data is not None
    assert data["rules"]["cooldown"] == {"ok": False, "measured": 1.0, "limit": 60.0, "unit": "s", "waived": False}
    assert list(data["rules"]) == [rule.__name__ for rule in RULES]
    assert (refused[0].side, refused[0].quantity, refused[0].reason) == ("SELL", 60, "cooldown")
    for _ in range(5):
        again = desk.tick(70.0)
        assert (again.refused_rule, again.records) == (None, ())
    assert desk.state.trading == "PAUSE_COST"
    assert not desk.check_reasons()  # waiting is normal life
    assert "cooldown" in desk.strategy.present(desk.state, desk.book)["words"]


def test_the_cooldown_ends_at_exactly_its_length_and_the_cost_gate_takes_over() -> None:
    desk = needing(60.0, gates__state__market__stale_ts_threshold_ms=600_000)
    desk.put_ledger(last_hedge_sent_us=desk.book.ts_us, last_hedge_price=70.0)
    desk.decide()
    desk.clock(59.999)
    assert desk.decide().refused_rule is None
    desk.clock(0.001)
    assert desk.decide().refused_rule == "min_price_move"
    desk.put_ledger(last_hedge_price=70.0 / 1.002)
    assert desk.decide().wish is not None


def test_a_forced_hedge_waits_for_neither_cooldown_nor_cost() -> None:  # defect 14
    desk = needing(500.0)
    desk.put_ledger(last_hedge_sent_us=desk.book.ts_us, last_hedge_price=70.0)
    decision = desk.decide()
    assert decision.wish is not None
    assert (decision.wish.quantity, decision.wish.reason) == (500, "force_hedge")
    assert decision.wish.data["rules"]["cooldown"]["waived"]


def test_the_remainder_of_a_capped_hedge_waits_for_nothing_until_in_band() -> None:
    desk = needing(90.0, gates__intent__hedge__max_hedge_shares_per_order=50.0)
    decision = desk.decide()
    assert decision.wish is not None
    assert decision.wish.data["capped"]
    desk.order(OrderState.INTENDED, quantity=50)
    desk.decide()
    desk.put_ledger(last_hedge_sent_us=desk.book.ts_us, last_hedge_price=70.0, next_order=2)
    desk.order(OrderState.FILLED, quantity=50, filled=50, capped=True)
    desk.own_to(40.0)
    following = desk.decide()
    assert following.wish is not None
    assert following.wish.quantity == 40
    desk.order(OrderState.FILLED, number=2, quantity=40, filled=40)
    desk.own_to(0.0)
    desk.decide()
    assert not desk.book.ledger.remainder
    desk.own_to(40.0)
    assert desk.decide().refused_rule == "cooldown"


def test_the_remainder_of_a_partly_filled_hedge_waits_for_nothing() -> None:
    desk = needing(90.0)
    desk.decide()
    desk.order(OrderState.PARTIAL, quantity=90, filled=30)
    desk.decide()
    desk.put_ledger(last_hedge_sent_us=desk.book.ts_us, last_hedge_price=70.0)
    desk.order(OrderState.CANCELLED, quantity=90, filled=30)
    desk.own_to(60.0)
    decision = desk.decide()
    assert decision.wish is not None
    assert decision.wish.quantity == 60


def test_a_hedge_that_was_cancelled_unfilled_still_waits() -> None:
    desk = needing(90.0)
    desk.decide()
    desk.order(OrderState.WORKING, quantity=90)
    desk.decide()
    desk.put_ledger(last_hedge_sent_us=desk.book.ts_us)
    desk.order(OrderState.CANCELLED, quantity=90)
    assert desk.decide().refused_rule == "cooldown"


FORBIDDING: dict[str, dict[str, Any]] = {
    "journal_failed": {"journal_failed": "disk full"},
    "not_reconciled": {"reconciled": False},
    "position_unexplained": {"unexplained": ("TWX",)},
    "paused": {"control": PAUSE},
    "control_unreadable": {"control": ControlState(readable=False)},
    "stop_asserted": {"stop_signal": "SIGTERM"},
    "stale": {"feed_probe_failed": True},
    "instrument_constraints_missing": {"specs": {"TWX": msgspec.structs.replace(STOCK, size_step=None)}},
}


@pytest.mark.parametrize("code", FORBIDDING)
@pytest.mark.parametrize("deviation", [60.0, 700.0])
def test_nothing_is_wished_while_something_forbids_it_and_a_forced_one_is_red(code: str, deviation: float) -> None:
    desk = needing(deviation)
    desk.put(**FORBIDDING[code])
    decision = desk.decide()
    assert decision.wish is None
    assert desk.state.refused == code
    assert ("force_hedge_refused" in desk.check_reasons()) is (deviation == 700.0)


def test_a_frozen_feed_is_measured_in_words_where_the_market_stands_still_with_it() -> None:
    desk = needing(60.0)
    desk.put(feed_probe_failed=True)
    desk.decide()
    check = next(check for check in desk.strategy.checks(desk.state, desk.book) if check.reason == "stale")
    assert (check.ok, check.measured) == (False, "no tick between two looks")


@pytest.mark.parametrize(
    ("ledger", "rule"),
    [
        ({"hedges_today": 50}, "max_daily_hedge_count"),
        ({"halts": (Halt(code="overfill", since_us=0, detail=""),)}, "halted"),
        ({"foreign_acknowledged": None}, "foreign_unacknowledged"),
    ],
)
def test_the_ledger_may_forbid(ledger: dict[str, Any], rule: str) -> None:
    desk = needing(700.0)
    desk.put_ledger(**ledger)
    assert desk.decide().refused_rule == rule
    assert "force_hedge_refused" in desk.check_reasons()


def test_a_position_limit_refuses_and_lowering_passes() -> None:
    desk = needing(-700.0, gates__guard__risk__max_position_shares=300.0)
    assert desk.decide().wish is not None  # own shares are -700 too: buying lowers them
    desk = needing(0.0, gates__guard__risk__max_position_shares=30.0)
    decision = desk.tick(71.0)
    assert decision.refused_rule == "max_position"


@pytest.mark.parametrize(("offset_s", "wished"), [(59.0, False), (60.0, True)])
def test_no_hedge_in_the_first_minute_of_a_session(offset_s: float, wished: bool) -> None:
    desk = Desk(ts_us=OPEN + round(offset_s * S))
    desk.quote(70.0)
    desk.own_to(60.0)
    assert (desk.decide().wish is not None) is wished


def test_a_closed_market_is_no_trade_and_green_but_for_an_open_delta() -> None:  # defects 1 and 10
    desk = ready()
    desk.own_to(0.0)
    desk.on(Clock(ts_us=CLOSE))
    desk.own_to(0.0)
    desk.decide()
    desk.on(Clock(ts_us=CLOSE + 3600 * S))
    desk.own_to(0.0)
    desk.decide()
    assert desk.state.trading == "NO_TRADE"
    assert not desk.check_reasons()
    desk.own_to(25.0)
    assert desk.decide().refused_rule == "outside_rth"
    assert desk.check_reasons() == {"unhedged_until_open"}
    assert desk.severities() == {"yellow"}
    desk.own_to(600.0)
    desk.put(control=PAUSE)
    desk.decide()
    assert desk.check_reasons() == {"unhedged_until_open"}


def test_boot_and_sync_come_first() -> None:
    desk = Desk()
    desk.put_link(state="DOWN")
    desk.decide()
    assert desk.state.trading == "BOOT"
    desk.put_link(state="UP_UNSYNCED")
    desk.decide()
    assert desk.state.trading == "SYNC"
    desk.put_link(state="SYNCED")
    desk.quote(70.0)
    desk.own_to(0.0)
    desk.decide()
    assert desk.state.trading == "ARMED"
    desk.put_link(state="UPSTREAM_LOST")
    desk.decide()
    assert (desk.state.trading, desk.state.codes.e) == ("SAFE", 3)
    desk.put_link(state="SYNCED")
    desk.decide()
    assert desk.state.trading == "ARMED"


STEPS = st.lists(
    st.tuples(
        st.floats(-0.03, 0.03),  # log return
        st.floats(0, 90),  # seconds
        st.sampled_from([0.01, 0.01, 0.01, 0.08, 0.6]),  # spread
        st.sampled_from(["", "", "", "pause", "unsync", "probe", "lag", "halt", "fill", "fill", "fill"]),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from([10.0, -10.0]))
def test_a_wish_lowers_net_delta_within_every_cap_and_only_when_all_codes_allow(
    steps: list[tuple[float, float, float, str]], quantity: float
) -> None:
    desk = ready(quantity=quantity, gates__intent__hedge__max_hedge_shares_per_order=120.0)
    mid = 70.0
    for number, (log_return, seconds, spread, trouble) in enumerate(steps, start=1):
        mid *= 1 + log_return
        desk.put(control=PAUSE if trouble == "pause" else ControlState())
        desk.put_link(state="UP_UNSYNCED" if trouble == "unsync" else "SYNCED", probe_failed=trouble == "probe")
        desk.put_ledger(halts=(Halt(code="x", since_us=0, detail=""),) if trouble == "halt" else ())
        desk.put_ledger(next_order=number)
        decision = desk.tick(mid, after_s=seconds, spread=spread, delay_ms=5000.0 if trouble == "lag" else 0.0)
        wish, codes = decision.wish, desk.state.codes
        if wish is None:
            assert desk.state.trading != "NEED_HEDGE"
            continue
        assert trouble in ("", "fill")
        assert codes.o in (1, 2)
        assert codes.d in (2, 3)
        assert codes.l in (0, 1)
        assert (codes.e, codes.s) == (0, 0)
        assert codes.m != 5
        signed = wish.quantity if wish.side == "BUY" else -wish.quantity
        before = desk.net_delta()
        assert abs(before + signed) < abs(before)
        assert 10 <= wish.quantity <= 120
        assert abs(desk.book.ledger.own_shares + signed) <= max(2000, abs(desk.book.ledger.own_shares))
        desk.order(OrderState.INTENDED, number=number, side=wish.side, quantity=wish.quantity)
        assert desk.decide().wish is None
        own = desk.book.ledger.own_shares + signed
        desk.order(OrderState.FILLED, number=number, side=wish.side, quantity=wish.quantity, filled=wish.quantity)
        desk.put_ledger(own_shares=own, last_hedge_sent_us=desk.book.ts_us, last_hedge_price=mid)


def test_the_same_events_give_the_same_decisions() -> None:  # defect 13
    def run() -> list[bytes]:
        desk = ready()
        mids = [70 + 0.07 * ((i * 37) % 11) for i in range(60)]
        return [msgspec.json.encode((desk.tick(mid).wish, desk.state)) for mid in mids]

    assert run() == run()


def test_the_state_survives_the_tape() -> None:
    desk = needing(60.0)
    desk.decide()
    packed = msgspec.json.encode(desk.state)
    assert msgspec.json.decode(packed, type=type(desk.state)) == desk.state


def test_the_snapshots_section_holds_what_the_contract_says() -> None:
    desk = ready()
    desk.option_quote("TWX 20140719 C 70", 3.4, 3.6)
    desk.put_ledger(opening_marks={"TWX 20140719 C 70": 3.0})
    shown = msgspec.convert(desk.strategy.present(desk.state, desk.book), GammaScalperState)
    assert (shown.trading_state, shown.hedge_state, shown.state_code) == ("ARMED", "EXEC_IDLE", "O1 D0 M1 L0 E0 S0")
    call = shown.legs[0]
    assert (call.right, call.strike, call.expiry, call.quantity) == ("C", 70, "2014-07-19", 10)
    assert (call.price, call.value_usd, call.pnl_usd) == (pytest.approx(3.5), 3500, 500)
    assert shown.greeks.net_delta_shares == pytest.approx(0.0)
    assert shown.greeks.gamma == pytest.approx(sum(leg.gamma or 0 for leg in shown.legs), abs=1e-3)
    assert {limit.name for limit in desk.strategy.limits(desk.state, desk.book)} == {
        "max_daily_hedge_count",
        "max_position_shares",
        "max_orders_per_minute",
        "max_order_value_usd",
        "max_delta_limit",
    }
