"""Where the day's P&L came from: the expansion's own terms, on options whose value is known in closed form."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.attribution import Attribution, Sensitivity, advanced, new_day, parts, point_of
from daemon.core.black_scholes import US_PER_YEAR, greeks
from daemon.core.events import (
    BrokerReport,
    Commission,
    Control,
    Execution,
    Instruments,
    Link,
    OptionQuote,
    PositionItem,
    Quote,
    Sessions,
)
from daemon.core.link_fsm import LinkState
from daemon.core.pnl_parts import pnl_parts
from daemon.core.recovery import Recovered, recover
from daemon.core.step import Core
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.records import JournalLine, PnlParts
from state.times import iso_from_us
from tests.support.scalper import CALL, EXPIRY, NEXT, NOON, PUT, SESSION, STOCK, S, option_spec, profile

LEG = "XYZ 20140719 C 70"
SHARES = {LEG: 1000.0}


def sensitivity(**changes: float) -> Sensitivity:
    plain: dict[str, Any] = {"volatility": 0.3, "delta": 0.5, "gamma": 0.04, "theta_usd_year": -8.0, "vega": 9.0}
    return Sensitivity(instrument=LEG, **{**plain, **changes})


def walk(*steps: tuple[float, float, float]) -> Attribution:
    """Through (years, spot, volatility)."""
    attribution = Attribution()
    for years, spot, volatility in steps:
        point = point_of(round(years * US_PER_YEAR), spot, (sensitivity(volatility=volatility),), SHARES)
        assert point is not None
        attribution = advanced(attribution, point)
    return attribution


def test_each_term_is_its_formula() -> None:
    found = walk((0.0, 70.0, 0.30), (0.01, 71.5, 0.33))
    assert found.delta_usd == pytest.approx(1000 * 0.5 * 1.5)
    assert found.gamma_usd == pytest.approx(0.5 * 1000 * 0.04 * 1.5**2)
    assert found.theta_usd == pytest.approx(1000 * -8.0 * 0.01, rel=1e-6)
    assert found.vega_usd == pytest.approx(1000 * 9.0 * 0.03)


def test_a_quiet_interval_earns_nothing() -> None:
    found = walk((0.0, 70.0, 0.3), (0.0, 70.0, 0.3))
    assert (found.delta_usd, found.gamma_usd, found.theta_usd, found.vega_usd) == (0.0, 0.0, 0.0, 0.0)


def test_there_and_back_pays_gamma_twice_and_delta_not_at_all() -> None:
    found = walk((0.0, 70.0, 0.3), (0.0, 71.0, 0.3), (0.0, 70.0, 0.3))
    assert found.delta_usd == pytest.approx(0.0)
    assert found.gamma_usd == pytest.approx(2 * 0.5 * 1000 * 0.04)


def test_a_leg_without_greeks_makes_no_point_and_the_next_interval_bridges_it() -> None:
    assert point_of(0, 70.0, (), SHARES) is None
    flat = point_of(0, 70.0, (), {})
    assert flat is not None
    assert flat.delta_shares == 0.0


def test_a_leg_that_is_bought_or_sold_counts_from_the_next_mark() -> None:
    empty = point_of(0, 70.0, (sensitivity(),), {})
    held = point_of(0, 71.0, (sensitivity(volatility=0.5),), SHARES)
    assert empty is not None
    assert held is not None
    bought = advanced(advanced(Attribution(), empty), held)
    assert (bought.delta_usd, bought.gamma_usd, bought.vega_usd) == (0.0, 0.0, 0.0)
    sold = advanced(bought, msgspec.structs.replace(empty, spot=72.0))
    assert sold.delta_usd == pytest.approx(500.0)
    assert sold.vega_usd == 0.0


def test_a_new_day_starts_from_the_closing_mark() -> None:
    closed = walk((0.0, 70.0, 0.3), (0.001, 71.0, 0.3))
    opened = new_day(closed)
    assert (opened.delta_usd, opened.theta_usd) == (0.0, 0.0)
    assert opened.point == closed.point


MOVE = st.floats(-200, 200)


@given(
    st.builds(Attribution, delta_usd=MOVE, gamma_usd=MOVE, theta_usd=MOVE, vega_usd=MOVE),
    st.tuples(MOVE, MOVE, MOVE, MOVE, MOVE),
)
def test_the_parts_add_up(attribution: Attribution, moves: tuple[float, ...]) -> None:
    stock, legs, slippage, commission, restated = moves
    split = parts(
        attribution,
        stock_usd=stock,
        legs_usd=legs,
        slippage_usd=slippage,
        commission_usd=commission,
        restated_usd=restated,
    )
    assert split.total_usd == pytest.approx(stock + legs - commission, abs=1e-9)


class Market:
    """The real core and the real scalper on options quoted without a spread at Black-Scholes prices."""

    def __init__(self, volatility: Any = "implied") -> None:
        own = profile(greeks__volatility=volatility)
        self.core = Core(own, GammaScalper(own))
        self.now_us = NOON
        self.lines: list[JournalLine] = []
        self.spot, self.volatility = 70.0, 0.3
        self.legs = {CALL: 10.0, PUT: 10.0}
        self.own = 0.0
        self.start(Recovered())

    def start(self, recovered: Recovered) -> None:
        self.book = self.core.open(desk="d", run_id="r", recovered=recovered, new_ledger_id="ab", ts_us=self.now_us)
        self.feed(Control(ts_us=self.now_us, files=()))
        self.feed(Instruments(ts_us=self.now_us, specs=(STOCK, option_spec(CALL), option_spec(PUT))))
        self.feed(Sessions(ts_us=self.now_us, sessions=(SESSION, NEXT)))
        held = (*self.legs.items(), ("TWX", self.own))
        positions = tuple(
            PositionItem(instrument=name, quantity=quantity, average_cost_usd=0.0) for name, quantity in held
        )
        report = BrokerReport(
            ts_us=self.now_us,
            reason="connect",
            connection=1,
            positions=positions,
            open_orders=(),
            executions=(),
            commissions=(),
        )
        self.feed(report)
        self.feed(Link(ts_us=self.now_us, state=LinkState.SYNCED, reason="t", account="DU1", account_kind="simulated"))

    def feed(self, event: Any) -> None:
        self.book, effects = self.core.step(self.book, event)
        for effect in effects:
            if type(effect).__name__ == "Record":
                fields = {name: getattr(effect, name) for name in effect.__struct_fields__}
                ts = iso_from_us(self.book.ts_us)
                line = JournalLine(seq=len(self.lines) + 1, ts=ts, wall_ts=ts, desk="d", run_id="r", **fields)
                self.lines.append(msgspec.json.decode(msgspec.json.encode(line), type=JournalLine))

    def move(self, spot: float, *, seconds: float = 60.0, volatility: float | None = None) -> None:
        """Prices of everything at a later moment; options first, as a batch of the venue has them."""
        self.now_us += round(seconds * S)
        self.spot = spot
        self.volatility = self.volatility if volatility is None else volatility
        for leg, right in ((CALL, "C"), (PUT, "P")):
            price = greeks(right, spot, 70.0, (EXPIRY - self.now_us) / US_PER_YEAR, 0.0, self.volatility).price  # type: ignore[arg-type]
            self.feed(OptionQuote(ts_us=self.now_us, instrument=leg, bid=price, ask=price))
        self.feed(Quote(ts_us=self.now_us, instrument="TWX", bid=spot - 0.005, ask=spot + 0.005))

    def shown(self) -> PnlParts:
        found = pnl_parts(self.book)
        assert found is not None
        return found


def test_a_smooth_day_is_explained_to_a_few_cents_per_thousand() -> None:
    market = Market()
    market.move(70.0)
    for minute in range(120):
        market.move(70.0 + 0.6 * math.sin(minute / 9), volatility=0.3 + 0.01 * math.sin(minute / 30))
    shown = market.shown()
    assert shown.gamma_usd is not None
    assert shown.theta_usd is not None
    assert shown.vega_usd is not None
    assert shown.other_usd is not None
    assert shown.gamma_usd > 10
    assert shown.theta_usd < -5
    assert abs(shown.vega_usd) > 100
    explained = abs(shown.gamma_usd) + abs(shown.theta_usd) + abs(shown.vega_usd)
    assert abs(shown.other_usd) < 0.01 * explained
    assert shown.wear_per_10k is None


def test_a_fixed_volatility_leaves_the_markets_repricing_to_other() -> None:
    market = Market(volatility=0.3)
    market.move(70.0)
    market.move(70.0, volatility=0.32)
    shown = market.shown()
    assert shown.vega_usd == 0.0
    assert shown.other_usd == pytest.approx(shown.total_usd, abs=0.5)
    assert shown.total_usd > 100


def test_slippage_stands_apart_from_the_delta_that_the_shares_earned() -> None:
    market = Market()
    market.move(70.0)
    order = next(iter(market.book.orders.values()))
    assert order.side == "SELL"
    assert order.decision_mid == pytest.approx(70.0)
    half = order.quantity // 2
    for number, quantity in enumerate((half, order.quantity - half)):
        fill = Execution(
            ts_us=market.now_us,
            exec_key=f"e{number}",
            revision=1,
            order_ref=order.order_ref,
            venue_order_id=1,
            perm_id=1,
            instrument="TWX",
            side="SELL",
            quantity=quantity,
            price=69.97,
            executed_us=market.now_us,
        )
        market.feed(fill)
        market.feed(Commission(ts_us=market.now_us, exec_key=f"e{number}", commission_usd=1.0, currency="USD"))
    before = market.shown()
    assert before.slippage_usd == pytest.approx(0.03 * order.quantity)
    assert before.commission_usd == 2.0
    fills = [line for line in market.lines if line.type in ("fill", "partial_fill")]
    assert [line.type for line in fills] == ["partial_fill", "fill"]
    assert [line.data["slippage_usd"] for line in fills if line.data is not None] == [
        pytest.approx(0.03 * half),
        pytest.approx(0.03 * (order.quantity - half)),
    ]
    # From here on the hedged book moves with what is left of its delta, which is next to nothing.
    market.move(70.05, seconds=1)
    after = market.shown()
    assert after.delta_usd is not None
    assert before.delta_usd is not None
    assert abs(after.delta_usd - before.delta_usd) < 1.0
    notional = order.quantity * 69.97
    assert after.wear_per_10k == pytest.approx(-after.total_usd / notional * 10_000, rel=3e-3)  # the total is rounded


def test_a_restart_goes_on_from_the_last_checkpoint_and_still_adds_up() -> None:
    market = Market()
    market.move(70.0)
    for minute in range(12):
        market.move(70.0 + 0.05 * minute)
    kept = market.book.day.attribution
    recovered = recover(market.lines)
    assert recovered.ledger is not None
    saved = recovered.ledger.attribution
    assert saved.point is not None
    assert saved.gamma_usd > 0
    assert saved.point.ts_us <= (kept.point.ts_us if kept.point is not None else 0)
    market.start(recovered)
    assert market.book.day.attribution.gamma_usd == saved.gamma_usd
    market.move(70.6)
    shown = market.shown()
    assert shown.other_usd is not None
    assert abs(shown.other_usd) < 1.0
    assert shown.gamma_usd is not None
    assert shown.gamma_usd > kept.gamma_usd


def test_what_is_quoted_at_night_is_no_closing_mark() -> None:
    market = Market()
    market.move(70.0)
    market.move(70.3, seconds=(SESSION.close_us - market.now_us) / S - 30)
    evening, marks = market.shown(), market.book.day.marks
    market.now_us = SESSION.close_us + 600 * S
    for leg in (CALL, PUT):
        market.feed(OptionQuote(ts_us=market.now_us, instrument=leg, bid=0.05, ask=40.0))
    market.feed(Quote(ts_us=market.now_us, instrument="TWX", bid=60.0, ask=70.0, last=61.0))
    assert market.book.day.marks == marks
    assert market.shown() == evening
    # A restart at night has only the last checkpoint's marks, and stands by them too.
    market.start(recover([*market.lines]))
    market.feed(Quote(ts_us=market.now_us + S, instrument="TWX", bid=60.0, ask=70.0, last=61.0))
    recovered = market.book.ledger.last_marks
    assert recovered
    assert market.book.day.marks == recovered
    market.move(70.3, seconds=(NEXT.open_us - market.now_us) / S + 90)
    assert market.book.ledger.opening_marks == {leg: recovered[leg] for leg in (CALL, PUT, "TWX")}


def test_the_night_is_one_interval_of_the_new_day() -> None:
    market = Market()
    market.move(70.0)
    market.move(70.0, seconds=(SESSION.close_us - market.now_us) / S - 30)
    evening = market.shown()
    market.move(70.0, seconds=7_200)
    assert market.shown().theta_usd == evening.theta_usd
    market.move(70.4, seconds=(NEXT.open_us - market.now_us) / S + 90)
    morning = market.shown()
    assert morning.theta_usd is not None
    assert morning.gamma_usd is not None
    assert evening.theta_usd is not None
    assert morning.theta_usd < 3 * evening.theta_usd < 0
    assert morning.gamma_usd == pytest.approx(0.5 * 0.4**2 * 94, rel=0.25)
    assert morning.other_usd is not None
    assert abs(morning.other_usd) < 10.0
