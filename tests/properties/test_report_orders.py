"""However the frames of one order come (repeated, in any order, some not at all), the book ends the same.

The facts: what was executed, at what price and cost, and how the order ended. The frames that tell them are shuffled
and repeated by Hypothesis; the truth they are compared with is the same facts told once, in the broker's usual order.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.book import Book
from daemon.core.events import AnyEvent, Commission, PositionChanged, PositionItem
from daemon.core.recovery import recover
from state.records import JournalType
from tests.support.core_driver import Driver

FACTS = frozenset(
    {
        JournalType.PARTIAL_FILL,
        JournalType.FILL,
        JournalType.COMMISSION,
        JournalType.CANCELLED,
        JournalType.ORDER_ACKED,
        JournalType.ORDER_SENT,
    }
)


def frames(driver: Driver, ref: str, ending: str) -> list[AnyEvent]:
    """What a broker tells of an order of 100 in its usual order: two slices, then a third one or a cancel."""
    slices = [(30.0, 69.75), (50.0, 69.5), (20.0, 69.25)][: 3 if ending == "filled" else 2]
    told: list[AnyEvent] = [driver.order_report(ref, "SELL", 100, status) for status in ("submitted", "working")]
    for quantity, price in slices:
        fill = driver.execution(ref, "SELL", quantity, price)
        held = PositionItem(instrument="XYZ", quantity=driver.positions["XYZ"], average_cost_usd=0.0, kind="stock")
        told += [
            fill,
            driver.order_report(ref, "SELL", 100, "working", filled=-driver.positions["XYZ"]),
            PositionChanged(ts_us=driver.now_us, position=held),
            Commission(ts_us=driver.now_us, exec_key=fill.exec_key, commission_usd=0.5, currency="USD"),
        ]
    told.append(driver.order_report(ref, "SELL", 100, ending, filled=sum(each[0] for each in slices)))
    return told


def order_sent() -> tuple[Driver, str]:
    driver = Driver().connect()
    return driver, driver.order("SELL", 100)


def at_rest(driver: Driver) -> Book:
    """The book after the last look at everything, without what belongs to the way there."""
    driver.report("periodic")
    book = driver.book
    ledger = msgspec.structs.replace(book.ledger, fills=dict(sorted(book.ledger.fills.items())))
    return msgspec.structs.replace(book, ledger=ledger, strategy=None, parked_commissions={})


def facts(driver: Driver) -> list[tuple[Any, ...]]:
    """What was journaled of the order, without what only says in which order it was heard."""
    return sorted(
        (line.type.value.removeprefix("partial_"), str((line.data or {}).get("exec_key", "")), line.price)
        for line in driver.lines
        if line.type in FACTS and line.type != JournalType.ORDER_ACKED
    )


@pytest.mark.parametrize("ending", ["filled", "cancelled"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_order_and_any_repetition_of_the_frames_makes_the_same_book(ending: str, data: st.DataObject) -> None:
    usual, ref = order_sent()
    told = frames(usual, ref, ending)
    for event in told:
        usual.feed(event)

    other, _ref = order_sent()
    mixed = frames(other, ref, ending)
    positions = [event for event in mixed if isinstance(event, PositionChanged)]
    # The venue drops no position frame and keeps their order among themselves: the last one is the truth.
    repeats = data.draw(st.lists(st.sampled_from([each for each in mixed if each not in positions]), max_size=6))
    shuffled = data.draw(st.permutations([*mixed, *repeats]))
    in_order = iter(positions)
    for event in shuffled:
        other.feed(next(in_order) if isinstance(event, PositionChanged) else event)

    expected, found = at_rest(usual), at_rest(other)
    assert found.ledger.average_cost == pytest.approx(expected.ledger.average_cost)
    assert found.ledger.last_hedge_price == pytest.approx(expected.ledger.last_hedge_price)
    same = {"average_cost": 0.0, "last_hedge_price": 0.0, "realised_usd": 0.0, "traded_usd": 0.0, "slippage_usd": 0.0}
    assert msgspec.structs.replace(found.ledger, **same) == msgspec.structs.replace(expected.ledger, **same)
    assert found.orders == expected.orders
    assert (found.unexplained, found.unknown_orders, found.ack_overdue, found.overdue) == ((), (), (), ())
    assert not found.ledger.halts
    assert found.ledger.own_shares == (-100 if ending == "filled" else -80)
    assert found.ledger.commission_usd == expected.ledger.commission_usd
    assert facts(other) == facts(usual), "one journal line per fact"
    recovered = recover(other.lines).ledger
    assert recovered is not None
    assert recovered.own_shares == found.ledger.own_shares


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_frames_that_never_come_are_made_up_for_by_the_next_report(data: st.DataObject) -> None:
    usual, ref = order_sent()
    for event in frames(usual, ref, "filled"):
        usual.feed(event)
    other, _ref = order_sent()
    told = frames(other, ref, "filled")
    heard = data.draw(st.lists(st.sampled_from(told), unique_by=id))
    for event in heard:
        other.feed(event)
    expected, found = at_rest(usual), at_rest(other)
    assert found.ledger.own_shares == expected.ledger.own_shares == -100
    assert {ref: order.state for ref, order in found.orders.items()} == {
        ref: order.state for ref, order in expected.orders.items()
    }
    assert found.unexplained == ()
