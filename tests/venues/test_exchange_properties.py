"""What must hold for the simulated exchange whatever is ordered: nothing is lost, nothing is made up."""

import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import Leg
from config.schema import SyntheticMarket as Settings
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import ExchangeEvent, OpeningPosition, OrderTicket, SimExecution
from daemon.venues.simulated.synthetic import SyntheticMarket

CASH_USD = 50_000.0
LEG = Leg(right="call", strike=100, expiry="2014-07-19")
CALL = "DEMO 20140719 C 100"

Action = Callable[[SimulatedExchange], list[ExchangeEvent]]


def _advance(exchange: SimulatedExchange) -> list[ExchangeEvent]:
    moved = exchange.advance()
    assert moved is not None
    return moved[1]


def _order(instrument: str, side: str, quantity: int, offset: int | None, client_id: int) -> Action:
    def act(exchange: SimulatedExchange) -> list[ExchangeEvent]:
        quote = exchange.quote(instrument)
        mid = 100.0 if quote is None or quote.ask is None else quote.ask
        return exchange.place(
            OrderTicket(
                client_id=client_id,
                order_id=exchange.next_order_id(client_id),
                instrument=instrument,
                side="BUY" if side == "BUY" else "SELL",
                quantity=quantity,
                order_type="MKT" if offset is None else "LMT",
                limit_price=None if offset is None else max(round(mid + offset / 100, 2), 0.01),
            )
        )

    return act


def _cancel(back: int) -> Action:
    def act(exchange: SimulatedExchange) -> list[ExchangeEvent]:
        return exchange.cancel(1, exchange.next_order_id(1) - back)

    return act


def _modify(offset: int, quantity: int) -> Action:
    """Another price and quantity for the oldest working limit order, if there is one."""

    def act(exchange: SimulatedExchange) -> list[ExchangeEvent]:
        working = [update.ticket for update in exchange.open_orders() if update.ticket.limit_price is not None]
        if not working:
            return []
        price = max(round((working[0].limit_price or 0.0) + offset / 100, 2), 0.01)
        return exchange.modify(msgspec.structs.replace(working[0], limit_price=price, quantity=quantity))

    return act


def _halt(halted: bool) -> Action:
    def act(exchange: SimulatedExchange) -> list[ExchangeEvent]:
        return exchange.halt(["DEMO"], halted=halted)

    return act


ACTIONS = st.lists(
    st.one_of(
        st.just(_advance),
        st.builds(
            _order,
            st.sampled_from(["DEMO", CALL]),
            st.sampled_from(["BUY", "SELL"]),
            st.integers(1, 900),
            st.none() | st.integers(-20, 20),
            st.sampled_from([0, 1]),
        ),
        st.builds(_cancel, st.integers(1, 3)),
        st.builds(_modify, st.integers(-20, 20), st.integers(1, 900)),
        st.builds(_halt, st.booleans()),
    ),
    max_size=40,
)


def exchange_of(seed: int, slice_shares: float | None) -> SimulatedExchange:
    market = SyntheticMarket(Settings(step_s=1800), symbol="DEMO", legs=(LEG,), seed=seed, start_date="2014-07-14")
    return SimulatedExchange(
        market,
        cash_usd=CASH_USD,
        positions=[OpeningPosition(instrument=CALL, quantity=10, average_price=2.0)],
        partial_fill_shares=slice_shares,
    )


def multiplier(exchange: SimulatedExchange, instrument: str) -> float:
    contract = exchange.contract(instrument)
    assert contract is not None
    return contract.multiplier


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), slice_shares=st.none() | st.integers(1, 300).map(float), actions=ACTIONS)
def test_cash_and_positions_are_the_sum_of_the_fills(
    seed: int, slice_shares: float | None, actions: list[Action]
) -> None:
    exchange = exchange_of(seed, slice_shares)
    fills: list[SimExecution] = []
    costs: dict[str, float] = {}
    for action in [_advance, *actions]:
        fills.extend(event for event in action(exchange) if isinstance(event, SimExecution))
        costs |= {cost.exec_id: cost.commission_usd for cost in exchange.commissions()}
    signed = [(fill, fill.quantity if fill.ticket.side == "BUY" else -fill.quantity) for fill in fills]
    assert len({fill.exec_id for fill in fills}) == len(fills) == len(costs)
    for instrument, opening in (("DEMO", 0), (CALL, 10)):
        bought = sum(quantity for fill, quantity in signed if fill.ticket.instrument == instrument)
        assert exchange.position(instrument).quantity == opening + bought
    spent = sum(q * fill.price * multiplier(exchange, fill.ticket.instrument) for fill, q in signed)
    values = exchange.account_values()
    assert values["TotalCashValue"] == pytest.approx(CASH_USD - spent - sum(costs.values()))
    held = sum(position.market_value_usd for position in exchange.positions())
    assert values["NetLiquidation"] == pytest.approx(CASH_USD - spent - sum(costs.values()) + held)
    filled: dict[tuple[int, int], float] = {}
    for fill in fills:
        key = (fill.ticket.client_id, fill.ticket.order_id)
        filled[key] = filled.get(key, 0.0) + fill.quantity
        assert filled[key] == fill.cumulative_quantity <= fill.ticket.quantity
        assert slice_shares is None or fill.quantity <= slice_shares
    for order in exchange.open_orders():
        assert order.filled < order.ticket.quantity


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), actions=ACTIONS)
def test_average_cost_explains_every_dollar(seed: int, actions: list[Action]) -> None:
    """Realised + unrealised - commissions = what the account gained since the opening, day by day included."""
    exchange = exchange_of(seed, None)
    _advance(exchange)
    start = exchange.account_values()["NetLiquidation"]
    date = None
    for action in actions:
        action(exchange)
        opened = [session.date for session in exchange.market.sessions if session.open_us <= exchange.now_us]
        if date is not None and opened[-1] != date:
            return  # the day rolled over: its figures start at zero
        date = opened[-1]
        now = exchange.account_values()["NetLiquidation"]
        assert isinstance(now, float)
        assert isinstance(start, float)
        day = exchange.daily_pnl()
        assert day.daily_usd == pytest.approx(now - start, abs=1e-6)
        cost = sum(commission.commission_usd for commission in exchange.commissions())
        opening_gain = 10 * 100 * (_opening_mid(seed) - 2.0)
        assert day.realised_usd + day.unrealised_usd - cost == pytest.approx(now - start + opening_gain, abs=1e-6)


def _opening_mid(seed: int) -> float:
    fresh = exchange_of(seed, None)
    fresh.advance()
    return fresh.position(CALL).market_price


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), before=ACTIONS, after=ACTIONS)
def test_a_book_restored_midway_has_the_same_future(seed: int, before: list[Action], after: list[Action]) -> None:
    first = exchange_of(seed, 100.0)
    for action in before:
        action(first)
    second = exchange_of(seed, 100.0)
    second.restore(json.loads(json.dumps(first.save())))
    for action in after:
        assert action(second) == action(first)
    assert second.save() == first.save()
