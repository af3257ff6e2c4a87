"""The ledger's arithmetic: average cost, corrections, and recovery from the journal, on random trading."""

import math

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.ledger import Fill, Ledger, OwnPosition, book_commission, book_fill, is_news, trade
from daemon.core.recovery import recover
from tests.support.core_driver import Driver

TRADES = st.lists(
    st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 500), st.integers(6_500, 7_500)), min_size=1, max_size=12
)


@given(TRADES, st.integers(6_000, 8_000))
def test_realised_plus_unrealised_is_cash_plus_shares(trades: list[tuple[str, int, int]], mark_cents: int) -> None:
    position, cash = OwnPosition(shares=0.0, average_cost=0.0, realised_usd=0.0), 0.0
    for side, quantity, cents in trades:
        signed = quantity if side == "BUY" else -quantity
        position = trade(position, signed, cents / 100)
        cash -= signed * cents / 100
    mark = mark_cents / 100
    unrealised = position.shares * (mark - position.average_cost)
    assert math.isclose(position.realised_usd + unrealised, cash + position.shares * mark, abs_tol=1e-6)


def fill(key: str, quantity: float, price: float, revision: int = 1) -> Fill:
    return Fill(
        exec_key=key, revision=revision, order_ref="d.l.1", side="BUY", quantity=quantity, price=price, executed_us=0
    )


def test_a_correction_folds_the_day_anew() -> None:
    ledger = Ledger(ledger_id="l", opening_shares=10, opening_cost=50, own_shares=10, average_cost=50)
    for each in (fill("a", 10, 60), fill("b", 20, 70), fill("a", 10, 40, revision=2)):
        ledger = book_fill(ledger, each)
    assert ledger.own_shares == 40
    assert math.isclose(ledger.average_cost, (10 * 50 + 10 * 40 + 20 * 70) / 40)
    assert not is_news(ledger, "a", 2)
    assert is_news(ledger, "a", 3)


def test_a_commission_joins_its_own_execution_only() -> None:
    ledger = book_fill(Ledger(ledger_id="l"), fill("a", 10, 60))
    assert book_commission(ledger, "somebody else's", 5.0) is None
    charged = book_commission(ledger, "a", 1.25)
    assert charged is not None
    assert charged.commission_usd == 1.25
    assert book_commission(charged, "a", 1.25) is None


@settings(max_examples=25, deadline=None)
@given(TRADES, st.integers(0, 11))
def test_the_journal_alone_rebuilds_the_ledger(trades: list[tuple[str, int, int]], cut_in: int) -> None:
    driver = Driver().connect()
    for number, (side, quantity, cents) in enumerate(trades):
        ref = driver.order(side, quantity)
        if number == cut_in % len(trades):
            driver.status(ref, "working")
            driver.fill(ref, side, quantity / 2, cents / 100)
        driver.fill(ref, side, driver.book.orders[ref].remaining, cents / 100)
    rebuilt = recover(driver.lines).ledger
    assert rebuilt is not None
    # What only marks know is journaled every few minutes, the rest with every line.
    ours = msgspec.to_builtins(driver.book.ledger)
    theirs = msgspec.to_builtins(rebuilt)
    for name in ("peak_equity_usd", "last_marks"):
        ours.pop(name), theirs.pop(name)
    assert theirs == ours
