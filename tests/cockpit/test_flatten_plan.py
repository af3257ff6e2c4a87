"""The plan of a flatten, its id and the phrase that agrees to it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit import flatten_preview, wording
from cockpit.flatten_preview import Agreed, FlattenPlan, NotAgreedError, agree, matching, phrases, plain, plan_id
from cockpit.reader import Reader
from state.light import Light
from state.records import (
    SCHEMA_VERSION,
    Check,
    InstrumentQuote,
    SelfCheck,
    SessionState,
    Snapshot,
    WorkingOrder,
)
from tests.support.desk_player import DeskPlayer

GREEN = Light(state="green", word="OK", age_ms=100, oldest_ms=3000)
DEAD = Light(state="not_live", word="NOT LIVE", age_ms=90_000, oldest_ms=3000)
BARE = Snapshot(
    schema=SCHEMA_VERSION, desk="demo", run_id="r", pid=1, seq=1, ts="2014-06-05T14:00:00.000000Z",
    wall_ts="2026-11-21T14:00:00.000000Z", period_ms=1000, daemon_state="running", self_check=SelfCheck(status="ok"),
    account="DU1", account_kind="simulated", own_shares=0.0,
)  # fmt: skip
CLOSED = SessionState(is_open=False, until="2014-06-06T13:30:00.000000Z")
QUOTE = InstrumentQuote(symbol="TWX", kind="stock", bid=70.0, ask=70.02)


def order(ref: str | None, *, own: bool = True, quantity: float = 5.0, side: Any = "SELL") -> WorkingOrder:
    return WorkingOrder(
        order_ref=ref, instrument="TWX", side=side, quantity=quantity, filled=0, status="working", own=own
    )


def book(**more: Any) -> Snapshot:
    return msgspec.structs.replace(BARE, **{"instruments": (QUOTE,), "own_shares": 240.0, **more})


def plan_of(snapshot: Snapshot, light: Light = GREEN) -> FlattenPlan:
    return flatten_preview.preview(snapshot, light, Reader())


def test_the_plan_sells_own_shares_only_and_cancels_own_orders_only(player: DeskPlayer) -> None:
    player.working = (order("a"), order(None, own=False, quantity=7, side="BUY"))
    plan = plan_of(player.write())
    assert (plan.side, plan.quantity_shares) == ("SELL", 240.0)
    assert plan.cost_usd == pytest.approx(240 * 0.01)
    assert plan.residual_delta_shares == pytest.approx(3.2 - 240)
    assert [each.order_ref for each in plan.orders_to_cancel] == ["a"]
    assert dict(flatten_preview.rows(plan, Reader()))["Own orders to cancel"] == "SELL 5 TWX (working)"
    assert plan.phrase == "FLATTEN DEMO SELL 240"


@pytest.mark.parametrize(
    ("own", "target", "side", "quantity", "phrase"),
    [
        (240.0, None, "SELL", 240.0, "FLATTEN DEMO SELL 240"),
        (-12.0, None, "BUY", 12.0, "FLATTEN DEMO BUY 12"),
        (0.0, None, None, 0.0, "FLATTEN DEMO"),
        (None, None, None, 0.0, "FLATTEN DEMO"),
        (240.0, 236.0, "SELL", 4.0, "FLATTEN DEMO SELL 4"),
        (-1_234_567.0, None, "BUY", 1_234_567.0, "FLATTEN DEMO BUY 1234567"),
        (12.5, None, "SELL", 12.5, "FLATTEN DEMO SELL 12.5"),
    ],
)
def test_the_phrase_says_desk_side_and_size(
    own: float | None, target: float | None, side: str | None, quantity: float, phrase: str
) -> None:
    plan = plan_of(book(own_shares=own, flatten_target_shares=target))
    assert (plan.side, plan.quantity_shares, plan.phrase) == (side, quantity, phrase)


def test_a_desk_that_asks_for_a_number_has_a_phrase_for_each_and_for_no_other() -> None:
    plan = plan_of(book(flatten_choices_shares=(-100.0, -1300.0)))
    assert [each.text for each in plan.phrases] == ["FLATTEN DEMO CONFIRM -100", "FLATTEN DEMO CONFIRM -1300"]
    assert plan.phrase is None
    typed = agree(plan, Agreed(plan=plan.plan, phrase=f"FLATTEN DEMO CONFIRM {wording.MINUS}1300"))
    assert (typed.shares, typed.side, typed.quantity_shares) == (-1300.0, "BUY", 1300.0)
    for wrong in ("FLATTEN DEMO CONFIRM 100", "FLATTEN DEMO CONFIRM -99", "FLATTEN DEMO", "FLATTEN DEMO SELL 240"):
        assert matching(plan, wrong) is None
    assert "if own shares are" in dict(flatten_preview.rows(plan, Reader()))["Order"]


def test_spaces_do_not_matter_and_letters_do() -> None:
    plan = plan_of(book())
    assert matching(plan, "  FLATTEN  DEMO SELL 240 ") is not None
    for wrong in ("", "FLATTEN", "flatten demo sell 240", "FLATTEN DEMO BUY 240", "FLATTEN DEMO SELL 2400"):
        assert matching(plan, wrong) is None


def test_what_is_not_agreed_is_told_apart() -> None:
    plan = plan_of(book())
    with pytest.raises(NotAgreedError, match="plan_changed"):
        agree(plan, Agreed(plan="another", phrase=str(plan.phrase)))
    with pytest.raises(NotAgreedError, match="wrong_phrase"):
        agree(plan, Agreed(plan=plan.plan, phrase="FLATTEN"))


SHARES = st.integers(-10_000, 10_000).map(float)
FACTS = st.fixed_dictionaries(
    {
        "desk": st.sampled_from(["demo", "second"]),
        "account": st.sampled_from([None, "DU1", "U2"]),
        "own_shares": st.one_of(st.none(), SHARES),
        "flatten_target_shares": st.one_of(st.none(), SHARES),
        "flatten_choices_shares": st.lists(SHARES, max_size=2).map(tuple),
        "working_orders": st.lists(st.builds(order, st.sampled_from("abc"), quantity=SHARES), max_size=3).map(tuple),
    }
)


def agreed_to(snapshot: Snapshot) -> tuple[Any, ...]:
    """What an operator agrees to, said another way than the hash says it."""
    own, target = snapshot.own_shares, snapshot.flatten_target_shares or 0.0
    return (
        snapshot.desk,
        snapshot.account,
        own,
        0.0 if own is None else target - own,
        sorted((each.order_ref, each.quantity) for each in snapshot.working_orders if each.own),
        snapshot.flatten_choices_shares,
    )


@given(FACTS, FACTS)
def test_two_plans_have_one_id_exactly_when_they_agree_to_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = book(**one), book(**other)
    assert (plan_id(first) == plan_id(second)) == (agreed_to(first) == agreed_to(second))


@given(FACTS, st.floats(1, 1000), st.floats(-1000, 1000), st.booleans())
def test_what_only_moves_does_not_change_the_plan(
    facts: dict[str, Any], price: float, foreign: float, is_open: bool
) -> None:
    before = book(**facts)
    quote = msgspec.structs.replace(QUOTE, bid=price, ask=price + 0.01)
    session = msgspec.structs.replace(CLOSED, is_open=is_open)
    after = msgspec.structs.replace(
        before, instruments=(quote,), foreign_shares=foreign, session=session, seq=9, equity_usd=price
    )
    assert plan_id(after) == plan_id(before)


@given(FACTS, FACTS)
def test_a_phrase_of_one_plan_fits_another_only_with_the_same_desk_side_and_size(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = plan_of(book(**one)), plan_of(book(**other))
    for phrase in first.phrases:
        found = matching(second, phrase.text)
        if found is not None and phrase.shares is None:
            assert (found.side, found.quantity_shares) == (phrase.side, phrase.quantity_shares)
        if found is not None:
            assert (second.desk, found.shares) == (first.desk, phrase.shares)


@given(FACTS)
def test_every_phrase_can_be_typed_as_it_is_shown(facts: dict[str, Any]) -> None:
    plan = plan_of(book(**facts))
    for phrase in plan.phrases:
        assert phrase.text.isascii()
        found = matching(plan, phrase.text)
        assert found is not None
        assert found.text == phrase.text


@given(st.floats(-1e9, 1e9))
def test_a_plain_number_reads_back(number: float) -> None:
    assert float(plain(number)) == pytest.approx(number, abs=1e-6)
    assert plain(-0.0) == "0"


def test_the_plan_of_an_unknown_book_says_unknown() -> None:
    rows = dict(flatten_preview.rows(plan_of(msgspec.structs.replace(BARE, own_shares=None)), Reader()))
    assert rows["Order"].startswith("unknown")
    quoteless = book(instruments=(InstrumentQuote(symbol="TWX", kind="stock"),))
    assert dict(flatten_preview.rows(plan_of(quoteless), Reader()))["Estimated"] == wording.DASH


def test_a_damaged_journal_refuses_a_flatten_before_it_is_asked() -> None:
    assert flatten_preview.refusal(BARE, Reader()) is None
    damaged = Check(name="journal", ok=False, severity="red", reason="journal_damaged")
    told = msgspec.structs.replace(BARE, self_check=SelfCheck(status="blocked", checks=(damaged,)))
    assert "salvage" in str(flatten_preview.refusal(told, Reader()))


def test_a_closed_market_counts_only_where_the_desk_lives_to_say_so() -> None:
    closed = book(session=CLOSED)
    assert flatten_preview.is_closed(plan_of(closed))
    assert plan_of(closed, DEAD).market_open is None
    assert not flatten_preview.is_closed(plan_of(closed, DEAD)), "its last word is no word about now"
    assert not flatten_preview.is_closed(plan_of(book(session=CLOSED, own_shares=0.0))), "cancelling needs no market"
    assert phrases(closed) == phrases(book())
