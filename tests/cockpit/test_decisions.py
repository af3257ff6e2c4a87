"""The life of an intent, and why a moment was decided as it was: lines and answers in, a story out."""

from typing import Any

import msgspec
import pytest

from cockpit import decision_trace, intent_life, wording
from cockpit.decision_rules import rules_table
from cockpit.language import LANGUAGES
from cockpit.reader import Reader
from state.query import JournalIndex
from state.records import JournalLine, JournalType
from state.times import iso_from_us, us_from_iso
from tests.support.desk_player import RUN_ID, DeskPlayer

T = JournalType
ENGLISH = Reader()
START_US = us_from_iso("2014-06-05T14:31:00Z")
RULES = {
    "cooldown": {"ok": True, "measured": 95.0, "limit": 30.0, "unit": "s", "waived": False},
    "min_price_move": {"ok": False, "measured": 0.1, "limit": 0.2, "unit": "pct", "waived": True},
    "earnings_blackout": {"ok": True, "measured": None, "limit": None, "unit": "days", "waived": False},
}


def lines(*steps: tuple[JournalType, float, float, dict[str, Any]]) -> list[JournalLine]:
    """(type, ms of the desk's time, ms of the machine's, more fields)."""
    return [
        JournalLine(
            seq=number, ts=iso_from_us(START_US + round(ts_ms * 1000)), type=kind, desk="d", run_id="r",
            wall_ts=iso_from_us(START_US + round(wall_ms * 1000)), **fields,
        )
        for number, (kind, ts_ms, wall_ms, fields) in enumerate(steps, start=1)
    ]  # fmt: skip


ORDER: dict[str, Any] = {"intent_id": "r-1", "order_ref": "d.x.1", "side": "BUY", "unit": "share"}
STORY = lines(
    (T.INTENT, 0, 0, {**ORDER, "quantity": 30.0, "reason": "hedge_needed", "data": {"rules": RULES}}),
    (T.ORDER_SENT, 0, 9, {**ORDER, "quantity": 30.0, "status": "sent", "latency_ms": 9.0}),
    (T.ORDER_ACKED, 2000, 2010, {**ORDER, "status": "working"}),
    (T.PARTIAL_FILL, 5000, 2510, {**ORDER, "quantity": 10.0, "price": 70.0}),
    (T.FILL, 65_000, 62_510, {**ORDER, "quantity": 20.0, "price": 70.3, "data": {"slippage_usd": 0.4}}),
    (T.COMMISSION, 65_000, 62_520, {"order_ref": "d.x.1", "price": 1.25, "ccy": "USD", "status": "charged"}),
    (T.COMMISSION, 65_000, 62_530, {"order_ref": "d.x.1", "price": 0.25, "ccy": "USD", "status": "charged"}),
)


def figures(life: intent_life.Life) -> list[str]:
    return [figure.value for figure in life.figures]


def test_the_life_of_an_intent_adds_up_its_fills_and_charges() -> None:
    life = intent_life.life("r-1", STORY, ENGLISH)
    wanted, filled, price, commission, to_wire, to_answer, to_fill = figures(life)
    assert (wanted, filled, price) == ("BUY 30 shares", "30 (n = 2)", "70.2000 USD")
    assert (commission, to_wire, to_answer, to_fill) == ("1.50 USD", "9.0 ms", "2.0 s", "63 s")
    assert [step.title for step in life.steps][3:5] == ["partial fill", "fill"]
    assert [step.is_decision for step in life.steps] == [True, *[False] * 6]


def test_each_step_says_how_long_after_the_one_before_it_came_and_by_whose_clock() -> None:
    steps = intent_life.life("r-1", STORY, ENGLISH).steps
    assert [step.after for step in steps] == [
        "",
        "9 ms later by the machine's clock",
        "2.0 s later",
        "3.0 s later (by the machine's clock 500 ms)",
        "60 s later",
        "10 ms later by the machine's clock",
        "10 ms later by the machine's clock",
    ]
    assert "slippage +0.40 USD" in steps[4].detail
    assert steps[5].detail == "1.25 USD · charged"


def test_the_rules_at_the_decision_are_told_with_what_they_measured() -> None:
    rules = intent_life.life("r-1", STORY, ENGLISH).rules
    assert rules is not None
    assert [row.cells[1:] for row in rules.rows] == [
        ("95 s", "30 s", "ok"),
        ("0.1 %", "0.2 %", "waived"),
        (wording.DASH, wording.DASH, "ok"),
    ]
    assert rules.aside == "n = 3 rules, 0 said no"
    refused = rules_table({"cooldown": {**RULES["cooldown"], "ok": False}}, ENGLISH, title="")
    assert (refused.rows[0].cells[3], refused.rows[0].tone) == ("NO", "warn")


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_an_unfinished_or_unknown_life_leaves_dashes(language: Any) -> None:
    reader = Reader(language=language)
    begun = intent_life.life("r-1", STORY[:2], reader)
    assert figures(begun)[1:4] == [wording.DASH] * 3
    assert figures(begun)[5:] == [wording.DASH] * 2
    nobody = intent_life.life("r-9", [], reader)
    assert (nobody.steps, nobody.figures, nobody.rules) == ((), (), None)
    assert nobody.empty
    odd = [msgspec.structs.replace(line, ts="no time") for line in STORY]
    assert [step.after for step in intent_life.life("r-1", odd, reader).steps] == [""] * 7


def test_what_went_wrong_in_a_life_is_marked() -> None:
    rejected = lines((T.INTENT, 0, 0, ORDER), (T.REJECTED, 10, 10, {**ORDER, "reason": "201: <b>no</b>"}))
    assert [step.tone for step in intent_life.life("r-1", rejected, ENGLISH).steps] == [None, "bad"]


# --- why ---


def test_the_journals_own_answer_is_of_that_moment_or_says_that_it_is_not(player: DeskPlayer) -> None:
    player.tell_a_day()
    index = JournalIndex.of(player.paths)
    (first,) = [line for line in index.life_of_intent(f"{RUN_ID}-1").lines if line.type is T.INTENT]
    at_us = us_from_iso(first.ts)
    assert decision_trace.decided_near(index, at_us) == (first,)
    assert decision_trace.decided_near(index, at_us - 1) == ()
    assert decision_trace.decided_near(index, at_us + 1) == (first,)
    then = decision_trace.verdict((first,), first.ts, ENGLISH)
    assert then.answers[0].sentence.startswith("The journal's answer at that moment: intent · TWX")
    later = decision_trace.verdict((first,), iso_from_us(at_us + 1), ENGLISH)
    assert later.answers[0].sentence.startswith("The journal has no wish for an order at that moment.")
    assert "knows of no wish" in decision_trace.verdict((), first.ts, ENGLISH).answers[0].sentence


ANSWER: dict[str, Any] = {
    "sentence": "no hedge was needed", "source": "tape", "notes": [], "run_id": "run", "profile": "demo",
    "decided_at": "2014-06-05T14:31:00.000000Z", "tape_seq": 900, "event": "quote", "embargoes": ["paused"],
    "codes": [{"letter": "O", "value": 1, "word": "long gamma", "measured": "gamma 19 shares per USD"}],
    "numbers": {"net_delta_shares": 0.65, "capped": False, "size_refusal": None},
    "quote": {"instrument": "TWX", "bid": 99.75, "ask": 99.77, "age_ms": 120.0},
    "rules_at": "2014-06-05T14:31:00.000000Z", "rules": RULES,
}  # fmt: skip


def test_the_full_trace_shows_rules_codes_and_numbers_with_their_units() -> None:
    view = decision_trace.trace_view(ANSWER, ENGLISH)
    rules, codes, numbers = view.tables
    assert "Replayed from the recorded tape" in view.source
    assert rules.title == "Rules as measured at 2014-06-05 14:31:00.000Z"
    assert codes.rows[0].cells == ("O1", "long gamma", "gamma 19 shares per USD")
    assert [row.cells[1] for row in numbers.rows] == ["0.65 shares", "false", wording.DASH]
    assert any("99.75 / 99.77, 120 ms old" in fact for fact in view.facts)
    assert any("paused" in fact for fact in view.facts)


def test_a_moment_that_the_tape_does_not_tell_of_says_so_honestly() -> None:
    alone = {"source": "journal", "sentence": "by the journal alone", "notes": ["no tape covers this moment"]}
    view = decision_trace.trace_view(alone, ENGLISH)
    assert "does not tell of this moment any more" in view.source
    assert view.notes == ("no tape covers this moment",)
    assert (view.tables, view.facts) == ((), ())


@pytest.mark.parametrize("broken", [{}, {"rules": [], "codes": {}, "numbers": None, "quote": 3, "notes": None}])
def test_another_versions_answer_shows_less_and_does_not_fail(broken: dict[str, Any]) -> None:
    assert decision_trace.trace_view(broken, Reader(language="zh")).tables == ()
