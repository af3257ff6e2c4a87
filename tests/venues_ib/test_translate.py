"""Every number of the wire is looked at: sentinels never become prices, ids and words are mapped or refused."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ib_async import Contract, Execution
from ib_async.util import UNSET_DOUBLE, UNSET_INTEGER

from daemon.venues.ib.errors import HARMLESS, REJECTS, OrderMeaning, order_meaning
from daemon.venues.ib.translate import (
    Contracts,
    account_kind,
    clean_id,
    delta_or_none,
    execution,
    finite_or_none,
    order_status,
    position_item,
    price_or_none,
    side_of,
    size_or_none,
    split_exec_id,
    two_sided,
    volatility_or_none,
)

SENTINELS = [
    -1.0,
    -2.0,
    0.0,
    -0.0,
    math.nan,
    math.inf,
    -math.inf,
    199_999.99,
    UNSET_DOUBLE,
    "",
    "nan",
    "Infinite",
    None,
]
STOCK = Contract(conId=11, symbol="ABC", secType="STK")
NAMES = Contracts({11: "ABC", 12: "ABC 20140621 C 50"})
anything = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(SENTINELS), st.text(max_size=8))


@pytest.mark.parametrize("sentinel", SENTINELS)
def test_no_sentinel_is_a_price_a_size_or_a_volatility(sentinel: object) -> None:
    assert price_or_none(sentinel) is None
    assert volatility_or_none(sentinel) is None
    if sentinel != 199_999.99:
        assert size_or_none(sentinel) is None
    if not isinstance(sentinel, float) or sentinel != 0:
        assert delta_or_none(sentinel) is None or sentinel == -1.0


@given(anything)
def test_what_passes_is_usable(value: object) -> None:
    price, size = price_or_none(value), size_or_none(value)
    delta, volatility = delta_or_none(value), volatility_or_none(value)
    assert price is None or (math.isfinite(price) and 0 < price <= 1e9)
    assert size is None or (math.isfinite(size) and size > 0)
    assert delta is None or -1 <= delta <= 1
    assert volatility is None or 0 < volatility <= 10


@given(st.floats(min_value=0.0001, max_value=150_000))
def test_ordinary_prices_pass_unchanged(price: float) -> None:
    assert price_or_none(price) == price
    assert price_or_none(str(price)) == price


@given(st.one_of(st.none(), st.floats(0.01, 1000)), st.one_of(st.none(), st.floats(0.01, 1000)))
def test_a_quote_is_never_crossed(bid: float | None, ask: float | None) -> None:
    bought, sold = two_sided(bid, ask)
    assert bought is None or sold is None or bought <= sold
    if bid is None or ask is None or bid <= ask:
        assert (bought, sold) == (bid, ask)


def test_numbers_in_text() -> None:
    assert finite_or_none("100000.50") == 100_000.5
    assert finite_or_none("BIFROST-SIMULATOR") is None
    assert finite_or_none("Infinite") is None


@pytest.mark.parametrize(
    ("exec_id", "key", "revision"),
    [
        ("0000e1a7.6b00db08.01.01", "0000e1a7.6b00db08.01", 1),
        ("0000e1a7.6b00db08.01.02", "0000e1a7.6b00db08.01", 2),
        ("0000e1a7.6b00db08.01.10", "0000e1a7.6b00db08.01", 10),
        ("oneword", "oneword", 1),
        ("a.b", "a.b", 1),
    ],
)
def test_an_execution_id_is_a_key_and_a_revision(exec_id: str, key: str, revision: int) -> None:
    assert split_exec_id(exec_id) == (key, revision)


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("PendingSubmit", "submitted"),
        ("PreSubmitted", "submitted"),
        ("Submitted", "working"),
        ("PendingCancel", "working"),
        ("Cancelled", "cancelled"),
        ("ApiCancelled", "cancelled"),
        ("Filled", "filled"),
        ("Inactive", "inactive"),
        ("ValidationError", None),
        ("", None),
    ],
)
def test_statuses(word: str, ours: str | None) -> None:
    assert order_status(word) == ours


def test_sides_and_ids() -> None:
    assert [side_of(word) for word in ("BUY", "BOT", "SELL", "SLD", "SSHORT")] == ["BUY", "BUY", "SELL", "SELL", "SELL"]
    with pytest.raises(ValueError, match="unknown order side"):
        side_of("HOLD")
    assert [clean_id(value) for value in (7, 0, -1, UNSET_INTEGER)] == [7, 0, 0, 0]


def test_instruments_are_named_declared_first_and_never_confused() -> None:
    assert NAMES.instrument(STOCK) == "ABC"
    assert NAMES.instrument(Contract(conId=99, symbol="ABC", secType="STK")) == "ABC #99"
    option = Contract(
        conId=50, symbol="XYZ", secType="OPT", lastTradeDateOrContractMonth="20140719", strike=72.5, right="P"
    )
    assert NAMES.instrument(option) == "XYZ 20140719 P 72.5"
    assert NAMES.instrument(Contract(conId=60, symbol="ES", secType="FUT", localSymbol="ESU4")) == "ESU4"
    assert NAMES.instrument(Contract(conId=61, symbol="EUR", secType="CASH")) == "CASH EUR 61"


def test_positions() -> None:
    item = position_item(STOCK, -200.0, UNSET_DOUBLE, NAMES)
    assert (item.instrument, item.quantity, item.average_cost_usd, item.kind) == ("ABC", -200.0, 0.0, "stock")
    with pytest.raises(ValueError, match="a position without quantity"):
        position_item(STOCK, math.nan, 1.0, NAMES)


@pytest.mark.parametrize("changes", [{"price": 0.0}, {"price": math.nan}, {"shares": 0.0}, {"side": "?"}])
def test_an_execution_with_unusable_numbers_is_refused_loudly(changes: dict[str, object]) -> None:
    good: dict[str, object] = {
        "execId": "a.b.01.01",
        "time": datetime(2014, 6, 6, 13, 31, tzinfo=UTC),
        "side": "SLD",
        "shares": 40.0,
        "price": 50.02,
        "orderId": UNSET_INTEGER,
        "permId": 900,
        "clientId": 0,
    }
    event = execution(Execution(**good), STOCK, order_ref=None, contracts=NAMES, ts_us=5)  # type: ignore[arg-type]
    assert (event.side, event.quantity, event.price, event.venue_order_id) == ("SELL", 40.0, 50.02, 0)
    assert event.executed_us == 1_402_061_460_000_000
    with pytest.raises(ValueError, match=r"execution a\.b\.01\.01|unknown order side"):
        execution(Execution(**(good | changes)), STOCK, order_ref="d.1.1", contracts=NAMES, ts_us=5)  # type: ignore[arg-type]


def test_a_correction_that_leaves_no_shares_is_a_busted_trade_and_no_end_of_the_daemon() -> None:
    raw = Execution(
        execId="a.b.01.02", time=datetime(2014, 6, 6, 13, 31, tzinfo=UTC), side="BOT", shares=0.0, price=50.0
    )
    event = execution(raw, STOCK, order_ref="d.1.1", contracts=NAMES, ts_us=5)
    assert (event.exec_key, event.revision, event.quantity) == ("a.b.01", 2, 0.0)


@pytest.mark.parametrize("price", [0.0, -1.25])
def test_others_executions_may_have_any_finite_price(price: float) -> None:
    """An option that expires is executed at 0, a combination below it: neither may end the daemon."""
    raw = Execution(
        execId="a.b.01.01",
        time=datetime(2014, 6, 6, 13, 31, tzinfo=UTC),
        side="BOT",
        shares=1.0,
        price=price,
    )
    event = execution(raw, STOCK, order_ref=None, contracts=NAMES, ts_us=5)
    assert (event.price, event.quantity) == (price, 1.0)


def test_account_kinds() -> None:
    assert account_kind("DU0000001", "BIFROST-SIMULATOR") == "simulated"
    assert account_kind("DU0000001", "INDIVIDUAL") == "paper"
    assert account_kind("DU0000001", None) == "paper"
    assert account_kind("U1234567", "INDIVIDUAL") == "live"


@pytest.mark.parametrize("code", [399, 404, 10349, 2109, 2100, 2199])
def test_notices_leave_an_order_alone(code: int) -> None:
    assert order_meaning(code) is OrderMeaning.HARMLESS


def test_codes_have_one_meaning_each() -> None:
    assert not HARMLESS & REJECTS
    assert order_meaning(202) is OrderMeaning.CANCELLED
    assert {order_meaning(code) for code in (201, 103, 110, 434, 460)} == {OrderMeaning.REJECTED}
    assert {order_meaning(code) for code in (135, 161, 10147, 10148, 99_999)} == {OrderMeaning.UNCERTAIN}
