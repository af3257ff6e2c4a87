from typing import Literal

import pytest

from daemon.runtime.supervision import Supervision, Timing, Verdict


def judge(
    rules: Supervision,
    code: int,
    *,
    ran_s: float = 1.0,
    now_s: float = 0.0,
    stop: Literal["stands", "was_seen", "absent"] = "absent",
) -> Verdict:
    return rules.judge(code, ran_s=ran_s, now_s=now_s, stop=stop)


@pytest.mark.parametrize("code", [2, 4, 5])
def test_what_only_a_human_can_change_is_final(code: int) -> None:
    assert judge(Supervision(Timing()), code) == Verdict(final=code)


@pytest.mark.parametrize("stop", ["stands", "was_seen"])
def test_a_stop_that_was_asked_for_waits(stop: Literal["stands", "was_seen"]) -> None:
    rules = Supervision(Timing())
    assert judge(rules, 0, stop=stop) == Verdict(wait=True)
    assert judge(rules, 3, stop=stop) == Verdict(wait=True)


def test_an_exit_nobody_asked_for_asserts_stop() -> None:
    assert judge(Supervision(Timing()), 0) == Verdict(wait=True, assert_stop="unexpected_exit")


@pytest.mark.parametrize("code", [1, -9, -11])
def test_crashes_are_restarted_with_growing_patience_that_a_healthy_run_resets(code: int) -> None:
    rules = Supervision(Timing(crashes=100))
    waits = [judge(rules, code, now_s=float(at)).restart_after_s for at in range(8)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert judge(rules, code, ran_s=61.0, now_s=100.0).restart_after_s == 0.5


def test_the_fifth_crash_within_ten_minutes_asserts_stop_and_not_before() -> None:
    rules = Supervision(Timing())
    words = [judge(rules, 1, now_s=at).assert_stop for at in (0.0, 100.0, 200.0, 300.0, 599.0)]
    assert words == [None, None, None, None, "crash_loop"]


def test_five_crashes_over_more_than_ten_minutes_are_no_loop() -> None:
    rules = Supervision(Timing())
    assert [judge(rules, 1, now_s=at).assert_stop for at in (0.0, 100.0, 200.0, 300.0, 600.0)] == [None] * 5


def test_a_cancel_pass_that_crashes_is_tried_again_without_a_second_stop() -> None:
    rules = Supervision(Timing(crashes=1))
    verdict = judge(rules, 1, stop="stands")
    assert (verdict.assert_stop, verdict.wait, verdict.final) == (None, False, None)
    assert verdict.restart_after_s > 0


def test_an_unconfirmed_stop_retries_the_cancel_pass_and_makes_sure_that_stop_stands() -> None:
    rules = Supervision(Timing())
    assert judge(rules, 6, stop="stands") == Verdict(restart_after_s=0.5)
    assert judge(rules, 6, stop="was_seen") == Verdict(assert_stop="stop_unconfirmed", restart_after_s=1.0)


def test_a_killed_blind_daemon_is_followed_soon_by_the_cancel_pass_and_is_no_crash() -> None:
    rules = Supervision(Timing(crashes=1))
    assert rules.killed() == Verdict(restart_after_s=0.5)
