"""The link in the core: its table, its deadlines, the humans it calls, and the restart windows around it."""

from typing import Any

import pytest

from config.schema import Daemon
from daemon.core.book import embargoes
from daemon.core.effects import Alarm, CancelOrder, StartTimer
from daemon.core.events import Clock, Farm, Link, MarketDataRefused, Pacing, Quote, RestartWindows, TimerFired, Window
from daemon.core.link_fsm import LINK, LinkState, LinkTrigger
from daemon.core.self_check import self_check
from state.reasons import REASONS
from tests.support.core_driver import SECOND, Driver, profile


def tell(driver: Driver, trigger: LinkTrigger, reason: str = "test", **fields: Any) -> None:
    state = LINK.next(LinkState(driver.book.link.state), trigger)
    driver.feed(Link(ts_us=driver.now_us, state=state, trigger=trigger, reason=reason, **fields))


def connected() -> Driver:
    """A desk that trades over a link that moved along the table."""
    driver = Driver()
    tell(driver, LinkTrigger.LOST, "connecting")
    tell(driver, LinkTrigger.LOGGED_ON, account="DU1", account_kind="simulated")
    driver.connect()
    assert driver.book.link.state == "SYNCED"
    return driver


def failing(driver: Driver) -> dict[str, str]:
    """Reason -> severity of every check that does not hold."""
    checks = self_check(driver.core.profile, driver.strategy, driver.book).checks
    return {str(check.reason): check.severity for check in checks if not check.ok}


def fire(driver: Driver, key: str) -> None:
    driver.feed(TimerFired(ts_us=driver.now_us, key=key))


def last_delay_s(driver: Driver, key: str) -> float:
    delays_ms: list[float] = [timer.delay_ms for timer in driver.of(StartTimer) if timer.key == key]
    return delays_ms[-1] / 1000


def window(driver: Driver, begin_s: float, end_s: float) -> Window:
    found = Window(start_us=driver.now_us + round(begin_s * SECOND), end_us=driver.now_us + round(end_s * SECOND))
    driver.feed(RestartWindows(ts_us=driver.now_us, windows=(found,)))
    return found


def test_every_pair_of_the_table_has_its_answer() -> None:
    never = {(state, trigger) for (state, trigger), to in LINK.pairs.items() if to is None}
    assert never == {
        (LinkState.DOWN, LinkTrigger.RECONCILED),
        (LinkState.UP_UNSYNCED, LinkTrigger.LOGGED_ON),
        (LinkState.SYNCED, LinkTrigger.LOGGED_ON),
        (LinkState.SYNCED, LinkTrigger.RECONCILED),
        (LinkState.UPSTREAM_LOST, LinkTrigger.LOGGED_ON),
        (LinkState.UPSTREAM_LOST, LinkTrigger.RECONCILED),
    }
    assert {LINK.next(state, LinkTrigger.LOST) for state in LinkState} == {LinkState.DOWN}
    assert [state for state, trigger, to in LINK.edges() if to is LinkState.SYNCED] == [LinkState.UP_UNSYNCED]


@pytest.mark.parametrize(
    ("trigger", "state"),
    [(LinkTrigger.RECONCILED, "SYNCED"), (LinkTrigger.LOGGED_ON, "SYNCED"), (LinkTrigger.LOST, "UP_UNSYNCED")],
)
def test_a_venue_that_leaves_the_table_halts_the_desk(trigger: LinkTrigger, state: Any) -> None:
    driver = Driver()
    driver.feed(Link(ts_us=driver.now_us, state=state, trigger=trigger, reason="test"))
    assert [halt.code for halt in driver.book.ledger.halts] == ["illegal_transition"]
    assert driver.book.link.state == "DOWN"


def test_upstream_lost_sends_nothing_and_comes_back_through_a_reconciliation() -> None:
    driver = connected()
    tell(driver, LinkTrigger.UPSTREAM_LOST, "1100: lost")
    assert "link_not_synced" in embargoes(driver.book)
    assert failing(driver)["waiting_ib"] == "yellow"
    assert driver.book.quotes != {}, "prices still come while only TWS's own line is gone"
    tell(driver, LinkTrigger.UPSTREAM_BACK, "1102: back")
    assert "link_not_synced" in embargoes(driver.book)
    tell(driver, LinkTrigger.RECONCILED)
    assert embargoes(driver.book) == ()


def test_being_disconnected_is_a_failed_beat_from_the_first_word_on() -> None:
    driver = Driver()
    tell(driver, LinkTrigger.LOST, "connecting to 127.0.0.1:7497")
    assert last_delay_s(driver, "waiting_ib") == 60
    tell(driver, LinkTrigger.LOST, "connection refused")
    tell(driver, LinkTrigger.LOGGED_ON)
    assert len([timer for timer in driver.of(StartTimer) if timer.key == "waiting_ib"]) == 1, "no progress, no new time"
    fire(driver, "waiting_ib")
    assert failing(driver)["waiting_ib_overdue"] == "red"
    (alarm,) = driver.of(Alarm)
    assert alarm.text == "no synchronised link to IB within 60 s: UP_UNSYNCED, test"


def test_a_taken_client_id_calls_a_human_once_at_the_third_refusal() -> None:
    driver = connected()
    taken = "client id 3 is in use at the venue (ib.client_id); waiting for it"
    for refusals in (1, 2, 3, 4):
        tell(driver, LinkTrigger.LOST, taken, cause="client_id_taken")
        assert ("client_id_taken" in failing(driver)) == (refusals >= 3)
        assert len(driver.of(Alarm)) == (1 if refusals >= 3 else 0)
    assert driver.of(Alarm)[0].text.startswith(taken)
    assert failing(driver)["client_id_taken"] == REASONS["client_id_taken"].severity == "red"
    tell(driver, LinkTrigger.LOST, "connection refused")
    assert "client_id_taken" not in failing(driver), "no longer in a row"


def test_an_upstream_loss_past_its_deadline_is_red_and_said_at_once() -> None:
    driver = connected()
    tell(driver, LinkTrigger.UPSTREAM_LOST, "1100: lost")
    reason = "1100: lost (for 300 s): connecting anew"
    tell(driver, LinkTrigger.LOST, reason, cause="upstream_overdue")
    assert failing(driver)["waiting_ib_overdue"] == "red"
    assert [alarm.text for alarm in driver.of(Alarm)] == [f"{reason}. Look at TWS and at IB's system status"]


def test_a_window_keeps_waiting_yellow_until_its_end_plus_the_deadline() -> None:
    driver = connected()
    found = window(driver, -10, 900)
    tell(driver, LinkTrigger.LOST, "the socket was closed")
    assert last_delay_s(driver, "waiting_ib") == 900 + 60
    driver.tick(960)
    assert driver.now_us > found.end_us
    fire(driver, "waiting_ib")
    assert failing(driver)["waiting_ib_overdue"] == "red"


def test_a_window_that_begins_while_waiting_extends_it_but_never_takes_red_back() -> None:
    driver = connected()
    tell(driver, LinkTrigger.LOST, "the socket was closed")
    driver.tick(60)
    window(driver, -1, 300)
    fire(driver, "waiting_ib")
    assert failing(driver)["waiting_ib"] == "yellow"
    assert last_delay_s(driver, "waiting_ib") == 300 + 60
    driver.tick(360)
    fire(driver, "waiting_ib")
    assert failing(driver)["waiting_ib_overdue"] == "red"
    window(driver, -1, 300)
    driver.feed(Clock(ts_us=driver.now_us))
    assert "waiting_ib_overdue" in failing(driver)


def test_no_hedge_leaves_from_a_minute_before_a_window_to_its_end() -> None:
    driver = connected()
    window(driver, 120, 180)
    for at_s, shut in ((59, False), (60, True), (120, True), (179.9, True), (180, False)):
        later = driver.now_us + round(at_s * SECOND)
        book, _ = driver.core.step(driver.book, Quote(ts_us=later, instrument="XYZ", bid=69.99, ask=70.01))
        assert ("restart_window" in embargoes(book)) == shut
    driver.tick(61)
    driver.quote()
    assert failing(driver)["restart_window"] == "yellow"


def test_working_hedges_are_cancelled_before_a_window_and_missed_if_not_confirmed() -> None:
    driver = connected()
    order_ref = driver.order("BUY", 40)
    driver.status(order_ref, "working")
    window(driver, 60, 120)
    driver.tick(1)
    driver.quote()
    driver.quote()
    assert [cancel.order_ref for cancel in driver.of(CancelOrder)] == [order_ref]
    assert driver.of(Alarm) == []
    driver.tick(60)
    driver.quote()
    driver.quote()
    (alarm,) = driver.of(Alarm)
    assert f"not confirmed cancelled: {order_ref}; look in TWS" in alarm.text


def test_a_hedge_that_is_confirmed_cancelled_in_time_is_not_missed() -> None:
    driver = connected()
    order_ref = driver.order("BUY", 40)
    driver.status(order_ref, "working")
    window(driver, 60, 120)
    driver.tick(1)
    driver.quote()
    driver.status(order_ref, "cancelled")
    driver.tick(60)
    driver.quote()
    assert driver.of(Alarm) == []


def test_a_broken_farm_is_shown_with_its_name_and_since_when() -> None:
    driver = connected()
    for _ in range(2):
        driver.feed(Farm(ts_us=driver.now_us, name="usfarm", state="broken", note="2103: broken"))
        driver.tick(5)
    checks = {check.name: check for check in self_check(driver.core.profile, driver.strategy, driver.book).checks}
    assert checks["data_farms"].reason == "data_farm_broken"
    assert str(checks["data_farms"].measured).startswith("usfarm broken since 2014-06-05T13:40:00")
    driver.feed(Farm(ts_us=driver.now_us, name="usfarm", state="ok", note="2104: ok"))
    assert "data_farm_broken" not in failing(driver)


def test_refused_data_are_shown_in_the_venues_words_until_they_come_or_the_line_ends() -> None:
    driver = connected()
    driver.feed(MarketDataRefused(ts_us=driver.now_us, instrument="XYZ", note="10197: competing session"))
    checks = {check.name: check for check in self_check(driver.core.profile, driver.strategy, driver.book).checks}
    assert checks["market_data"].measured == "XYZ: 10197: competing session"
    driver.feed(MarketDataRefused(ts_us=driver.now_us, instrument="XYZ", note=None))
    assert "market_data_refused" not in failing(driver)
    driver.feed(MarketDataRefused(ts_us=driver.now_us, instrument="XYZ", note="354"))
    driver.feed(Farm(ts_us=driver.now_us, name="usfarm", state="broken", note="2103"))
    tell(driver, LinkTrigger.LOST, "the socket was closed")
    assert (driver.book.link.refused_lines, driver.book.link.farms) == ({}, {})


def test_a_full_request_queue_keeps_hedges_back_and_a_complaint_is_shown_for_a_minute() -> None:
    driver = connected()
    driver.feed(Pacing(ts_us=driver.now_us, queued=True, violations=0))
    assert embargoes(driver.book) == ("pacing",)
    assert failing(driver)["pacing"] == "yellow"
    driver.feed(Pacing(ts_us=driver.now_us, queued=False, violations=1))
    assert embargoes(driver.book) == ()
    assert "pacing" in failing(driver)
    driver.tick(60)
    driver.quote()
    assert "pacing" not in failing(driver)
    driver.feed(Pacing(ts_us=driver.now_us, queued=True, violations=1))
    tell(driver, LinkTrigger.LOST, "the socket was closed")
    assert driver.book.pacing.queued_since_us is None


def test_refused_prices_are_counted_by_instrument_and_kind() -> None:
    driver = connected()
    driver.feed(Quote(ts_us=driver.now_us, instrument="XYZ", refused=("crossed", "sentinel", "sentinel")))
    driver.feed(Quote(ts_us=driver.now_us, instrument="XYZ", bid=69.99, ask=70.01, refused=("crossed",)))
    assert driver.book.quotes_refused == {"XYZ": {"crossed": 2, "sentinel": 2}}


def test_the_default_probes_find_a_dead_line_within_ten_seconds() -> None:
    daemon = profile().daemon
    assert daemon == Daemon()
    assert daemon.probe_every_s + 2 * daemon.probe_timeout_s <= 10
