import time
from typing import Literal

import msgspec
import pytest

from daemon.core.book import QuoteState
from daemon.core.events import Clock, Quote
from daemon.core.ledger import Halt
from state.reasons import REASONS
from tests.support.scalper import CLOSE, EXPIRY, OPEN, Desk, S, ready


def test_a_calm_desk_fails_nothing_and_measures_everything() -> None:
    desk = ready()
    checks = desk.strategy.checks(desk.state, desk.book)
    assert all(check.ok and check.reason is None for check in checks)
    assert len({check.name for check in checks}) == len(checks)
    by_name = {check.name: check for check in checks}
    assert by_name["quote_age"].limit == 5000
    assert by_name["data_lag"].measured == 5.0
    assert by_name["spread"].measured == pytest.approx(0.0143, abs=1e-4)


def stale(desk: Desk) -> None:
    desk.clock(5.0)


def slightly_old(desk: Desk) -> None:
    desk.clock(3.75)


def lagging(desk: Desk) -> None:
    desk.quote(70.0, delay_ms=996.0)


def probe_failed(desk: Desk) -> None:
    desk.put_link(probe_failed=True)


def no_quote(desk: Desk) -> None:
    desk.on(Quote(ts_us=desk.book.ts_us, instrument="TWX", bid=70.0, ask=None))


def crossed(desk: Desk) -> None:
    desk.on(Quote(ts_us=desk.book.ts_us, instrument="TWX", bid=70.1, ask=70.0))


def extreme(desk: Desk) -> None:
    desk.quote(70.0, spread=0.36)


def wide(desk: Desk) -> None:
    desk.quote(70.0, spread=0.07)


def halted(desk: Desk) -> None:
    desk.put_ledger(halts=(Halt(code="daily_loss", since_us=0, detail=""),))


@pytest.mark.parametrize(
    ("trouble", "reason", "severity"),
    [
        (stale, "stale", "red"),
        (slightly_old, "data_slightly_old", "yellow"),
        (lagging, "data_lag", "red"),
        (probe_failed, "data_lag", "red"),
        (no_quote, "no_quote", "red"),
        (crossed, "no_quote", "red"),
        (extreme, "spread_extreme", "red"),
        (wide, "spread_wide", "yellow"),
        (halted, "risk_halt", "red"),
    ],
)
def test_every_trouble_has_its_reason_and_colour(trouble: object, reason: str, severity: str) -> None:  # defects 1, 2
    desk = ready()
    assert callable(trouble)
    trouble(desk)
    desk.decide()
    failed = {c.reason: c.severity for c in desk.strategy.checks(desk.state, desk.book) if not c.ok}
    assert failed[reason] == severity
    assert REASONS[reason].severity == severity
    assert ("safe" in failed) is (desk.state.trading == "SAFE")


@pytest.mark.parametrize("state", ["DOWN", "UPSTREAM_LOST"])
def test_a_line_that_is_waited_for_is_no_red_before_its_deadline(state: Literal["DOWN", "UPSTREAM_LOST"]) -> None:
    desk = ready()
    link = msgspec.structs.replace(desk.book.link, state=state)
    desk.put(link=link)
    desk.decide()
    assert desk.state.trading == "SAFE"
    assert desk.severities() <= {"yellow"}
    desk.put(link=msgspec.structs.replace(link, deadline_passed=True))
    assert "safe" in desk.check_reasons()


def test_every_reason_that_a_check_may_raise_is_registered_with_its_severity() -> None:
    desk = ready()
    for trouble in (stale, slightly_old, lagging, no_quote, extreme, wide, halted):
        trouble(desk)
        desk.own_to(700.0)
        desk.decide()
        for check in desk.strategy.checks(desk.state, desk.book):
            if check.reason is not None:
                assert REASONS[check.reason].severity == check.severity


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(stale, "stale"), (lagging, "data_lag"), (no_quote, "no_quote"), (extreme, "spread_extreme")],
)
def test_a_data_reason_clears_after_two_clean_seconds(trouble: object, reason: str) -> None:
    desk = ready()
    assert callable(trouble)
    trouble(desk)
    desk.decide()
    desk.quote(70.0)
    desk.decide()
    assert desk.state.trading == "ARMED"  # hedging follows the codes at once, the light waits
    assert reason in desk.check_reasons()
    desk.tick(70.0, after_s=1.999)
    assert reason in desk.check_reasons()
    desk.tick(70.0, after_s=0.001)
    assert desk.check_reasons() == set()


def test_flapping_data_stays_red() -> None:
    desk = ready()
    for _ in range(5):
        lagging(desk)
        desk.decide()
        desk.tick(70.0, after_s=1.5)
        assert "data_lag" in desk.check_reasons()


def test_the_first_quote_of_a_session_has_as_long_to_come_as_any() -> None:
    desk = Desk(ts_us=OPEN - 60 * S)
    desk.quote(70.0)
    desk.on(Clock(ts_us=OPEN + S))
    desk.decide()
    assert desk.state.codes.l == 3
    assert not desk.check_reasons()
    desk.on(Clock(ts_us=OPEN + 5 * S))
    desk.decide()
    assert {"no_quote", "stale"} <= desk.check_reasons()


def test_a_closed_session_suppresses_age_spread_and_hours_but_not_the_rest() -> None:
    desk = ready()
    extreme(desk)
    desk.on(Clock(ts_us=CLOSE + 600 * S))
    desk.own_to(0.0)
    desk.decide()
    assert desk.check_reasons() == set()
    probe_failed(desk)
    desk.decide()
    assert "data_lag" in desk.check_reasons()


def test_an_expired_leg_pauses_until_it_is_settled() -> None:
    desk = ready()
    held = [msgspec.structs.replace(leg, expiry_us=desk.book.ts_us) for leg in desk.state.legs]
    desk.state = msgspec.structs.replace(desk.state, legs=tuple(held))
    desk.own_to(60.0)
    assert desk.decide().refused_rule == "leg_settlement"
    assert "leg_settlement" in desk.check_reasons()
    assert desk.book.ts_us < EXPIRY
    desk.put_ledger(leg_quantities={})
    desk.decide()
    assert "leg_settlement" not in desk.check_reasons()


def test_speed_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    desk = ready()
    count = 5_000
    quotes = [
        Quote(ts_us=desk.book.ts_us + i * 1000, instrument="TWX", bid=70.0 + 0.01 * (i % 7), ask=70.01 + 0.01 * (i % 7))
        for i in range(count)
    ]
    books = [
        msgspec.structs.replace(
            desk.book, ts_us=q.ts_us, quotes={"TWX": QuoteState(bid=q.bid, ask=q.ask, ts_us=q.ts_us)}
        )
        for q in quotes
    ]
    strategy, state = desk.strategy, desk.state
    started = time.process_time()
    for quote, book in zip(quotes, books, strict=True):
        state = strategy.decide(strategy.observe(state, book, quote), book).state
    spent = time.process_time() - started
    with capsys.disabled():
        print(f"\nobserve + decide: {count / spent:,.0f} ticks/s of CPU time, two legs")  # noqa: T201 -- a speed to look at, not to assert
    assert state.trading == "ARMED"
