import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit import wording
from cockpit.reader import Reader
from state.records import SessionState


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "text"),
    [
        (None, 2, False, wording.DASH),
        (1234.5, 2, False, "1,234.50"),
        (-1234.5, 2, False, f"{wording.MINUS}1,234.50"),
        (3.2, 1, True, "+3.2"),
        (0.0, 1, True, "0.0"),
        (-0.001, 2, True, "0.00"),
    ],
)
def test_numbers_read_well(value: float | None, decimals: int, signed: bool, text: str) -> None:
    assert wording.number(value, decimals=decimals, signed=signed) == text


@settings(max_examples=100)
@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(0, 4))
def test_a_number_reads_back(value: float, decimals: int) -> None:
    text = wording.number(value, decimals=decimals).replace(",", "").replace(wording.MINUS, "-")
    assert math.isclose(float(text), value, abs_tol=0.51 * 10**-decimals, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [
        (None, wording.DASH),
        (-5, "0 ms"),
        (240, "240 ms"),
        (3210, "3.2 s"),
        (42_000, "42 s"),
        (300_000, "5 min"),
        (3 * 3_600_000, "3 h"),
        (72 * 3_600_000, "3 d"),
    ],
)
def test_ages_read_well(age_ms: float | None, text: str) -> None:
    assert wording.age(age_ms) == text


def test_a_session_says_open_or_closed_and_until_when() -> None:
    now = "2014-06-05T14:00:00.000000Z"
    opened = SessionState(is_open=True, until="2014-06-05T20:00:00.000000Z")
    closed = SessionState(is_open=False, until="2014-06-06T13:30:00.000000Z")
    assert wording.session(opened, now_iso=now, reader=Reader()) == "OPEN until 20:00Z"
    assert wording.session(closed, now_iso=now, reader=Reader()) == "CLOSED until 2014-06-06 13:30Z"
    assert wording.session(None, now_iso=now, reader=Reader()) == wording.DASH


def test_an_odd_time_is_a_dash() -> None:
    assert Reader().time_of_day("yesterday, about noon, I think") == wording.DASH
    assert Reader().time_of_day("2014-06-05T14:31:07.123456Z", milliseconds=True) == "14:31:07.123Z"


def test_an_unknown_account_kind_is_not_taken_for_harmless() -> None:
    assert wording.account_kind("demo?") == "unknown"
    assert wording.account_kind(None) == "unknown"
    assert wording.account_kind("live") == "live"


def test_checks_are_read_in_their_units() -> None:
    assert wording.with_unit("quote_age", 14_210.0, Reader()) == "14 s"
    assert wording.with_unit("loop_age_ms", 4.0, Reader()) == "4 ms"
    assert wording.with_unit("spread_pct", 0.31, Reader()) == "0.31 %"
    assert wording.with_unit("daily_loss_usd", 5000.0, Reader()) == "5,000 USD"
    assert wording.with_unit("link", "DOWN", Reader()) == "DOWN"
    assert wording.check_name("loop_age_ms", Reader()) == "loop age"


def test_long_times_in_sentences_become_short() -> None:
    said = "by anna since 2026-11-21T10:00:00.000000Z: lunch"
    assert Reader().short_times(said, now_iso="2026-11-21T10:05:00.000000Z") == "by anna since 10:00:00Z: lunch"
    assert "2026-11-21 10:00:00Z" in Reader().short_times(said, now_iso="2026-11-22T10:05:00.000000Z")


def test_names_and_units_are_the_readers() -> None:
    chinese = Reader(language="zh")
    assert wording.with_unit("closed_delta", 5.0, chinese) == "5 股"
    assert wording.with_unit("link", "DOWN", chinese) == "DOWN"
    assert wording.with_unit("data_type", "delayed", chinese) == "延迟"
    assert wording.check_name("quote_age", chinese) == "行情时效"
    assert wording.check_name("halt_drawdown", chinese) == "回撤限额"
    assert wording.check_name("halt_drawdown", Reader()) == "halt drawdown"
    assert wording.limit_name("max_position_shares", chinese) == "最大持仓"
    assert wording.limit_name("max_position_shares", Reader()) == "max position"
    assert wording.rule("paused", chinese) == "已暂停"
    assert wording.rule("of_another_bot", chinese) == "of_another_bot"
    assert wording.operation("order_sent", chinese) == "订单已发送"
    assert wording.operation("order_sent", Reader()) == "order sent"
    assert wording.state("daemon", "running", chinese) == "运行中"
    assert wording.state("daemon", None, chinese) == wording.DASH
    assert wording.quantity(1, "contract", Reader()) == "1 contract"
    assert wording.quantity(-5, "share", Reader()) == f"{wording.MINUS}5 shares"
    assert wording.quantity(2, "barrel", chinese) == "2 barrels"
    assert wording.quantity(None, "share", Reader()) == wording.DASH
