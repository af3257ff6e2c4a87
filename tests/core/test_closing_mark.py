"""The quote of the very close marks the day; what is quoted after it does not."""

import pytest

from daemon.core.events import Clock, OptionQuote
from tests.support.core_driver import CLOSE_US, LEG, SECOND
from tests.support.scalper_driver import ScalperDriver


def at_close() -> ScalperDriver:
    """The last quote within the session is 69.99 to 70.01, a minute before its end; nothing is at the venue."""
    desk = ScalperDriver()
    desk.now_us = CLOSE_US - 200 * SECOND
    desk.connect()
    desk.settle()
    desk.now_us = CLOSE_US - 60 * SECOND
    option_quote(desk, 3.4)
    desk.quote()
    desk.now_us = CLOSE_US
    return desk


def option_quote(desk: ScalperDriver, mid: float) -> None:
    desk.feed(OptionQuote(ts_us=desk.now_us, instrument=LEG, bid=mid - 0.05, ask=mid + 0.05))


def total(desk: ScalperDriver) -> float:
    assert desk.book.day.pnl is not None
    return desk.book.day.pnl.total_usd


def test_stock_and_legs_are_marked_by_the_quotes_of_the_close() -> None:
    desk = at_close()
    before, sent = total(desk), len(desk.orders())
    option_quote(desk, 3.6)
    desk.quote(70.29, 70.31)
    assert desk.book.day.marks == {"XYZ": pytest.approx(70.3), LEG: pytest.approx(3.6)}
    legs = desk.book.ledger.leg_quantities[LEG] * 100 * 0.2
    assert total(desk) - before == pytest.approx(legs + desk.book.ledger.own_shares * 0.3)
    assert len(desk.orders()) == sent


def test_a_leg_without_a_quote_is_modelled_at_the_close() -> None:
    desk = at_close()
    desk.feed(OptionQuote(ts_us=desk.now_us, instrument=LEG, bid=None, ask=None))
    desk.quote(70.29, 70.31)
    assert desk.book.day.modelled == (LEG,)
    assert desk.book.day.marks["XYZ"] == pytest.approx(70.3)
    assert 3.4 < desk.book.day.marks[LEG] < 3.4 + 0.3


def test_an_outlier_of_the_close_is_no_closing_mark() -> None:
    desk = at_close()
    before = total(desk)
    desk.quote(20.0, 20.02)
    assert desk.book.day.marks["XYZ"] == pytest.approx(70.0)
    assert total(desk) == pytest.approx(before)


def test_what_is_quoted_after_the_close_marks_nothing() -> None:
    desk = at_close()
    desk.quote(70.29, 70.31)
    closed = total(desk)
    desk.tick()
    option_quote(desk, 9.0)
    desk.quote(75.0, 75.02)
    desk.wait(60)
    desk.feed(Clock(ts_us=desk.now_us))
    assert desk.book.day.marks["XYZ"] == pytest.approx(70.3)
    assert total(desk) == pytest.approx(closed)
