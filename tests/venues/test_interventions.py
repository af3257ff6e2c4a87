"""The account changed without an order: what moves, what it costs, and that no execution tells of it."""

import pytest

from daemon.venues.simulated import interventions
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import OpeningPosition
from tests.support.scripted_market import CALL, ScriptedMarket


def opened(calls: float = 3, shares: float = 7) -> SimulatedExchange:
    exchange = SimulatedExchange(
        ScriptedMarket([(52.0, 52.02), (52.0, 52.02)]),
        cash_usd=100_000.0,
        positions=[
            OpeningPosition(instrument=CALL.instrument, quantity=calls, average_price=2.0),
            OpeningPosition(instrument="ABC", quantity=shares, average_price=49.0),
        ],
    )
    assert exchange.advance() is not None
    return exchange


def cash(exchange: SimulatedExchange) -> float:
    return float(exchange.account_values()["TotalCashValue"])


def held(exchange: SimulatedExchange) -> tuple[float, float]:
    return exchange.position("ABC").quantity, exchange.position(CALL.instrument).quantity


def test_a_transfer_moves_no_cash_and_makes_no_profit() -> None:
    exchange = opened()
    before = exchange.daily_pnl().daily_usd
    (moved,) = interventions.transfer(exchange, "ABC", 50)
    assert moved.quantity == 57
    assert cash(exchange) == 100_000
    assert exchange.daily_pnl().daily_usd == pytest.approx(before)
    assert exchange.executions() == ()


@pytest.mark.parametrize(
    ("calls", "contracts", "expected", "paid"),
    [(3, None, (307, 0), 15_000), (3, 1, (107, 2), 5_000), (-2, None, (-193, 0), -10_000), (3, 9, (307, 0), 15_000)],
)
def test_calls_are_exercised_or_assigned_at_their_strike(
    calls: float, contracts: float | None, expected: tuple[float, float], paid: float
) -> None:
    exchange = opened(calls=calls)
    moved = interventions.exercise(exchange, CALL.instrument, contracts)
    assert held(exchange) == expected
    assert cash(exchange) == pytest.approx(100_000 - paid)
    assert {position.instrument for position in moved} == {"ABC", CALL.instrument}
    assert exchange.executions() == ()


def test_options_expire_worthless() -> None:
    exchange = opened()
    interventions.expire(exchange, CALL.instrument)
    assert held(exchange) == (7, 0)
    assert cash(exchange) == 100_000


def test_a_split_multiplies_the_shares_and_drops_fractions() -> None:
    exchange = opened()
    (moved,) = interventions.split(exchange, "ABC", numerator=3, denominator=2)
    assert moved.quantity == 10
    assert cash(exchange) == 100_000


def test_a_dividend_is_paid_to_the_long_and_owed_by_the_short() -> None:
    long, short = opened(), opened(shares=-10)
    interventions.dividend(long, "ABC", 0.5)
    interventions.dividend(short, "ABC", 0.5)
    assert (cash(long), cash(short)) == (100_003.5, 99_995.0)


def test_what_is_not_there_is_refused() -> None:
    exchange = opened(calls=0)
    for call in (
        lambda: interventions.transfer(exchange, "XYZ", 1),
        lambda: interventions.exercise(exchange, CALL.instrument),
        lambda: interventions.expire(exchange, "ABC"),
    ):
        with pytest.raises(ValueError, match="no "):
            call()
