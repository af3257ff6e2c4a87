"""The small parts of replay parity: what counts as a difference, whose a line is, what must follow an effect."""

from typing import Any

import pytest

from daemon.backtest.parity_answers import Answers
from daemon.backtest.parity_lines import RUNTIME_LINES, by_the_runtime, differing
from daemon.core.effects import Exit, ModifyOrder, PlaceOrder, StartTimer
from daemon.core.events import Clock, ModifyBlocked, ModifySent, OrderBlocked, OrderSent, SinkFailed, TimerFired
from state.records import JournalLine, JournalType


@pytest.mark.parametrize(
    ("one", "other", "paths"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1}, {"a": 1.0}, ["a"]),
        ({"a": 0.0}, {"a": -0.0}, ["a"]),
        ({"a": True}, {"a": 1}, ["a"]),
        ({"a": {"b.c": [1, {"d": 2}]}}, {"a": {"b.c": [1, {"d": 3}]}}, ["a.b.c[1].d"]),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, ["a"]),
        ({"a": None}, {}, ["a"]),
        (1, "1", ["all of it"]),
    ],
)
def test_values_differ_where_their_json_does(one: Any, other: Any, paths: list[str]) -> None:
    assert [each.path for each in differing(one, other)] == paths


def line(kind: JournalType, status: str | None = None, reason: str | None = None, **more: Any) -> JournalLine:
    return JournalLine(seq=1, ts="", wall_ts="", desk="d", run_id="r", type=kind, status=status, reason=reason, **more)


def test_only_lines_without_an_event_are_the_runtimes() -> None:
    for row in RUNTIME_LINES:
        assert by_the_runtime(line(row.type, row.status, row.reason)) == row
        assert by_the_runtime(line(row.type, row.status, row.reason, tape_seq=3)) is None
    assert by_the_runtime(line(JournalType.INTENT)) is None
    assert by_the_runtime(line(JournalType.RUN_STOPPED, "stopped")) is None
    assert by_the_runtime(line(JournalType.HALT, "latched", "daily_loss")) is None


def place(ref: str) -> PlaceOrder:
    return PlaceOrder(order_ref=ref, intent_id="i", instrument="X", side="BUY", quantity=1.0)


SENT = OrderSent(ts_us=0, order_ref="a", latency_ms=0.0)


def test_an_order_is_answered_by_the_next_event() -> None:
    for answer in (SENT, OrderBlocked(ts_us=0, order_ref="a", reason="paused")):
        answers = Answers(from_start=True)
        answers.asked([place("a")])
        assert answers.heard(answer) is None
        assert "did not ask for" in str(answers.heard(answer))
    answers = Answers(from_start=True)
    answers.asked([place("a")])
    assert "order_sent or order_blocked of a must be the next one" in str(answers.heard(Clock(ts_us=0)))


def test_a_change_is_answered_by_its_own_kind() -> None:
    change = ModifyOrder(order_ref="a", quantity=1.0, limit_price=2.0)
    for answer, fits in (
        (ModifySent(ts_us=0, order_ref="a"), True),
        (ModifyBlocked(ts_us=0, order_ref="a", reason="paused"), True),
        (ModifySent(ts_us=0, order_ref="b"), False),
        (SENT, False),
    ):
        answers = Answers(from_start=True)
        answers.asked([change])
        assert (answers.heard(answer) is None) == fits


FAILED = SinkFailed(ts_us=0, what="journal", error="full")


def test_answers_come_depth_first() -> None:
    answers = Answers(from_start=True)
    answers.asked([place("a"), place("b")])
    assert answers.heard(SENT) is None
    answers.asked([place("c")])
    assert answers.heard(OrderSent(ts_us=0, order_ref="c", latency_ms=0.0)) is None
    assert answers.heard(OrderSent(ts_us=0, order_ref="b", latency_ms=0.0)) is None


def test_a_failed_journal_goes_before_an_answer_and_ends_the_tape() -> None:
    answers = Answers(from_start=True)
    answers.asked([place("a")])
    assert answers.heard(FAILED) is None
    assert "failed journal ends" in str(answers.heard(SENT))
    answers = Answers(from_start=True)
    assert answers.heard(SinkFailed(ts_us=0, what="history", error="full")) is None
    assert answers.heard(Clock(ts_us=0)) is None


def test_a_file_in_the_midst_of_a_run_may_begin_with_an_answer() -> None:
    answers = Answers(from_start=False)
    assert answers.heard(SENT) is None
    answers.asked([place("b")])
    assert answers.heard(OrderSent(ts_us=0, order_ref="b", latency_ms=0.0)) is None
    assert answers.heard(OrderSent(ts_us=0, order_ref="c", latency_ms=0.0)) is None
    assert answers.heard(Clock(ts_us=0)) is None
    assert "did not ask for" in str(answers.heard(SENT))


def test_a_timer_fires_no_more_often_than_it_was_started() -> None:
    fired = TimerFired(ts_us=0, key="ack:a")
    answers = Answers(from_start=True)
    answers.asked([StartTimer(key="ack:a", delay_ms=1.0)])
    assert answers.heard(fired) is None
    assert "timer ack:a fires" in str(answers.heard(fired))
    assert Answers(from_start=False).heard(fired) is None


def test_nothing_follows_the_end() -> None:
    answers = Answers(from_start=True)
    answers.asked([place("a"), Exit(code=0, reason="stop")])
    assert answers.has_left
    assert "asked to leave" in str(answers.heard(Clock(ts_us=0)))
