"""Where a leg's P&L of the day begins: a model's guess gives way to the first quoted mark of that day."""

import pytest

from daemon.core.events import Clock, OptionQuote
from daemon.core.recovery import recover
from tests.support.core_driver import LEG, SECOND, SESSIONS
from tests.support.scalper_driver import ScalperDriver


def option_quote(desk: ScalperDriver, mid: float) -> None:
    desk.feed(OptionQuote(ts_us=desk.now_us, instrument=LEG, bid=mid - 0.05, ask=mid + 0.05))


def opening(desk: ScalperDriver) -> float:
    return desk.book.ledger.opening_marks[LEG]


def started() -> ScalperDriver:
    """The stock is quoted first, so the leg's first mark is the model's."""
    desk = ScalperDriver()
    desk.connect()
    desk.settle()
    assert desk.book.day.modelled == (LEG,)
    assert opening(desk) == pytest.approx(3.43, abs=0.01)
    return desk


def test_the_first_quoted_mark_takes_the_place_of_a_guess_and_is_durable() -> None:
    desk = started()
    option_quote(desk, 2.0)
    desk.tick()
    desk.quote()
    assert opening(desk) == pytest.approx(2.0)
    assert desk.book.day.pnl is not None
    assert desk.book.day.pnl.legs_usd == pytest.approx(0.0, abs=1e-6)
    again = recover(desk.lines).ledger
    assert again is not None
    assert again.opening_marks[LEG] == pytest.approx(2.0)
    option_quote(desk, 2.5)
    desk.tick()
    desk.quote()
    assert opening(desk) == pytest.approx(2.0)  # once only
    assert desk.book.day.pnl.legs_usd == pytest.approx(500.0)


def test_a_leg_that_was_quoted_from_the_start_keeps_its_opening_when_its_quote_goes() -> None:
    desk = started()
    option_quote(desk, 2.0)
    desk.quote()
    desk.feed(OptionQuote(ts_us=desk.now_us, instrument=LEG, bid=None, ask=None))
    desk.tick()
    desk.quote()
    option_quote(desk, 3.0)
    desk.quote()
    assert opening(desk) == pytest.approx(2.0)


def test_a_new_day_begins_at_yesterdays_close_modelled_or_not() -> None:
    desk = started()
    desk.now_us = SESSIONS[1].open_us + SECOND
    desk.feed(Clock(ts_us=desk.now_us))
    begun = opening(desk)
    option_quote(desk, 2.0)
    desk.quote()
    assert opening(desk) == begun


def test_yesterdays_result_counts_once_before_anything_is_priced_in_the_new_day() -> None:
    """The day may roll on an event without a price; its first minute is sampled then."""
    desk = started()
    option_quote(desk, 2.0)
    desk.quote()
    option_quote(desk, 2.5)
    desk.tick()
    desk.quote()
    evening = desk.book.day
    assert evening.pnl is not None
    assert abs(evening.pnl.total_usd) > 1
    desk.now_us = SESSIONS[1].open_us + SECOND
    desk.feed(Clock(ts_us=desk.now_us))
    day, ledger = desk.book.day, desk.book.ledger
    assert ledger.day == SESSIONS[1].date
    assert day.pnl is not None
    assert day.pnl.total_usd == pytest.approx(0.0, abs=1e-9)
    assert day.equity_usd == evening.equity_usd
    assert ledger.earlier_pnl_usd == pytest.approx(evening.pnl.total_usd)
