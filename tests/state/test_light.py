import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.control import AssertedCommand, ControlRead
from state.layout import DeskPaths
from state.light import LONGEST_PERIOD_MS, Light, light
from state.look import look_at
from state.reasons import REASONS
from state.records import Check, ControlMark, Limit, SelfCheck, SessionState
from state.snapshot import write_snapshot
from state.times import iso_from_us
from tests.support.desk_files import GREEN, NOON_US, make_snapshot

NOTHING = ControlRead()
MS = 1000


def commanded(*names: Any, age_ms: float = 100.0, **fields: Any) -> ControlRead:
    since_us = NOON_US - int(age_ms * MS)
    return ControlRead(
        files={name: AssertedCommand(name=name, since_us=since_us, age_ms=age_ms, **fields) for name in names}
    )


def failing(reason: str | None, severity: str = "red", **fields: Any) -> SelfCheck:
    check = Check(name="some_check", ok=False, severity=severity, reason=reason, **fields)  # type: ignore[arg-type]
    return SelfCheck(status="blocked" if severity == "red" else "degraded", checks=(check,))


def codes(verdict: Light) -> list[str]:
    return [each.code for each in verdict.reasons]


def test_a_healthy_desk_is_green_and_says_ok() -> None:
    verdict = light(GREEN, NOTHING, NOON_US + 500 * MS)
    assert (verdict.state, verdict.word, verdict.reasons, verdict.line) == ("green", "OK", (), "OK")
    assert (verdict.age_ms, verdict.oldest_ms) == (500.0, 3000.0)


def test_a_closed_market_is_green_and_says_until_when() -> None:
    closed = make_snapshot(session=SessionState(is_open=False, until="2026-11-23T14:30:00.000000Z"))
    verdict = light(closed, NOTHING, NOON_US)
    assert (verdict.state, verdict.word) == ("green", "CLOSED until 2026-11-23T14:30:00.000000Z")
    assert light(make_snapshot(session=SessionState(is_open=False)), NOTHING, NOON_US).word == "CLOSED"
    assert light(make_snapshot(session=SessionState(is_open=True)), NOTHING, NOON_US).word == "OK"


@pytest.mark.parametrize(
    ("age_ms", "state", "code"),
    [
        (0, "green", None),
        (3000, "green", None),
        (3000.001, "not_live", "snapshot_old"),
        (10**9, "not_live", "snapshot_old"),
        (-2000, "green", None),
        (-2000.001, "not_live", "snapshot_future"),
    ],
)
def test_age_is_judged_against_three_periods_and_two_seconds(age_ms: float, state: str, code: str | None) -> None:
    verdict = light(GREEN, NOTHING, NOON_US + round(age_ms * MS))
    assert verdict.state == state
    assert codes(verdict) == ([] if code is None else [code])


def test_a_desk_cannot_stay_green_by_a_long_period() -> None:
    lazy = make_snapshot(period_ms=10**12)
    assert light(lazy, NOTHING, NOON_US + 3 * LONGEST_PERIOD_MS * MS).state == "green"
    assert light(lazy, NOTHING, NOON_US + 3 * LONGEST_PERIOD_MS * MS + 1).state == "not_live"


def test_no_snapshot_is_not_live_and_says_why() -> None:
    verdict = light(None, NOTHING, NOON_US)
    assert (verdict.state, verdict.word, codes(verdict)) == ("not_live", "NOT LIVE", ["snapshot_missing"])
    verdict = light(None, commanded("stop"), NOON_US, absent="snapshot_damaged", problem="broken")
    assert codes(verdict) == ["snapshot_damaged", "stop_asserted"]
    assert verdict.reasons[0].detail == "broken"


def test_a_wall_ts_that_is_no_time_is_not_live() -> None:
    assert codes(light(make_snapshot(wall_ts="soon"), NOTHING, NOON_US)) == ["snapshot_damaged"]


def test_a_failed_check_brings_its_numbers() -> None:
    check = failing("spread_wide", "yellow", measured=0.31, limit=0.1)
    verdict = light(make_snapshot(self_check=check), NOTHING, NOON_US)
    assert (verdict.state, verdict.word) == ("yellow", "WIDE SPREAD")
    assert verdict.line == "WIDE SPREAD: spread_wide (some_check 0.31, limit 0.1)"
    assert verdict.reasons[0].runbook == "docs/runbook.md#spread_wide"


def test_the_worse_of_check_and_registry_counts() -> None:
    assert light(make_snapshot(self_check=failing("spread_wide", "red")), NOTHING, NOON_US).state == "red"
    assert light(make_snapshot(self_check=failing("halted", "yellow")), NOTHING, NOON_US).state == "red"


@pytest.mark.parametrize("severity", ["yellow", "red"])
def test_a_code_of_another_bot_counts_with_the_checks_severity(severity: str) -> None:
    for reason in ("inventory_skewed", None):
        verdict = light(make_snapshot(self_check=failing(reason, severity)), NOTHING, NOON_US)
        assert verdict.state == severity
        assert codes(verdict) == [reason or "some_check"]
        assert verdict.reasons[0].runbook is None


def test_a_status_without_a_reason_still_counts() -> None:
    for status, state in (("degraded", "yellow"), ("blocked", "red")):
        verdict = light(make_snapshot(self_check=SelfCheck(status=status)), NOTHING, NOON_US)  # type: ignore[arg-type]
        assert (verdict.state, codes(verdict)) == (state, [f"self_check_{status}"])
    blocked = SelfCheck(status="ok", block_reasons=("greeks_bad", "unheard_of"))
    verdict = light(make_snapshot(self_check=blocked), NOTHING, NOON_US)
    assert (verdict.state, codes(verdict)) == ("red", ["greeks_bad", "unheard_of"])


def test_a_pause_is_yellow_with_who_and_when() -> None:
    verdict = light(GREEN, commanded("pause", by="anna", reason="lunch"), NOON_US)
    assert (verdict.state, verdict.word) == ("yellow", "PAUSED")
    assert verdict.reasons[0].detail == f"by anna since {iso_from_us(NOON_US - 100 * MS)}: lunch"


def test_what_the_daemon_still_obeys_counts_though_the_file_is_gone() -> None:
    mark = ControlMark(name="pause", since=GREEN.ts, by="anna")
    assert codes(light(make_snapshot(control=(mark,)), NOTHING, NOON_US)) == ["paused"]


def test_an_unreadable_control_folder_is_a_pause_and_an_unknown_name_is_shown() -> None:
    verdict = light(GREEN, ControlRead(readable=False, problem="no folder"), NOON_US)
    assert (verdict.state, verdict.word, codes(verdict)) == ("yellow", "PAUSED", ["control_unreadable"])
    verdict = light(GREEN, ControlRead(unknown_names=("sotp",)), NOON_US)
    assert (verdict.state, verdict.reasons[0].detail) == ("yellow", "sotp")


def test_a_flatten_nobody_can_read_is_refused_and_pauses() -> None:
    assert codes(light(GREEN, commanded("flatten"), NOON_US)) == ["flatten_asserted"]
    assert codes(light(GREEN, commanded("flatten", readable=False), NOON_US)) == ["flatten_refused", "paused"]


def test_a_stop_that_a_living_daemon_does_not_obey_turns_red() -> None:
    assert codes(light(GREEN, commanded("stop", age_ms=15_000), NOON_US)) == ["stop_asserted"]
    assert codes(light(GREEN, commanded("stop", age_ms=15_001), NOON_US)) == ["stop_not_obeyed", "stop_asserted"]
    assert codes(light(GREEN, commanded("stop", "flatten", age_ms=60_000), NOON_US)) == [
        "stop_asserted",
        "flatten_asserted",
    ]
    dead = light(GREEN, commanded("stop", age_ms=60_000), NOON_US + 60_000 * MS)
    assert (dead.word, codes(dead)) == ("NOT LIVE", ["snapshot_old", "stop_asserted"])


@pytest.mark.parametrize("age_ms", [0, 10_000, 10**9])
def test_a_deliberate_stop_says_by_whom_and_when(age_ms: int) -> None:
    now_us = NOON_US + age_ms * MS
    mark = ControlMark(name="stop", since=GREEN.ts, by="bert")
    stopped = make_snapshot(daemon_state="stopped", self_check=failing("waiting_ib_overdue"))
    by_file = light(stopped, commanded("stop", by="anna", reason="night"), now_us)
    by_mark = light(msgspec.structs.replace(stopped, control=(mark,)), NOTHING, now_us)
    by_signal = light(stopped, NOTHING, now_us)
    for verdict, who in ((by_file, "by anna since"), (by_mark, "by bert since"), (by_signal, "by a signal at")):
        assert (verdict.state, verdict.word, codes(verdict)) == ("not_live", "STOPPED", ["stopped"])
        assert str(verdict.reasons[0].detail).startswith(who)


def test_a_stop_with_unconfirmed_orders_does_not_look_peaceful() -> None:
    stopped = make_snapshot(daemon_state="stopped", self_check=failing("stop_unconfirmed"))
    verdict = light(stopped, commanded("stop"), NOON_US)
    assert (verdict.state, verdict.word) == ("not_live", "STOP UNCONFIRMED")
    assert codes(verdict) == ["stop_unconfirmed", "stopped"]


@pytest.mark.parametrize(
    "code", ["stale_flatten", "flatten_refused", "flatten_conflict", "flatten_unconfirmed", "flatten_stuck"]
)
def test_a_flatten_that_was_not_done_is_said_of_a_stopped_desk_while_its_file_stands(code: str) -> None:
    stopped = make_snapshot(daemon_state="stopped", self_check=failing(code))
    assert set(codes(light(stopped, commanded("flatten"), NOON_US))) == {code, "stopped"}
    assert codes(light(stopped, NOTHING, NOON_US)) == ["stopped"]


@pytest.mark.parametrize(
    ("used", "limit", "near"),
    [(84.9, 100, False), (85, 100, True), (-85, 100, True), (200, 100, True), (0, 0, True), (0.85 * 0.3, 0.3, True)],
)
def test_a_limit_is_near_from_85_percent_on(used: float, limit: float, near: bool) -> None:
    limits = (Limit(name="fine", used=0, limit=1), Limit(name="position", used=used, limit=limit))
    verdict = light(make_snapshot(limits=limits), NOTHING, NOON_US)
    assert codes(verdict) == (["limit_near"] if near else [])
    if near:
        assert str(verdict.reasons[0].detail).startswith("position ")


def test_a_blocked_loop_is_red_though_its_last_self_check_was_fine() -> None:
    assert light(make_snapshot(loop_age_ms=3000.0), NOTHING, NOON_US).state == "green"
    assert codes(light(make_snapshot(loop_age_ms=3000.1), NOTHING, NOON_US)) == ["loop_slow"]


CAUSES: dict[str, tuple[dict[str, Any], ControlRead, float]] = {
    **{
        f"check {code}": ({"self_check": failing(code, "yellow")}, NOTHING, 0)
        for code, reason in REASONS.items()
        if reason.severity != "not_live"
    },
    "unknown check": ({"self_check": failing("never_heard_of", "yellow")}, NOTHING, 0),
    "near limit": ({"limits": (Limit(name="x", used=9, limit=10),)}, NOTHING, 0),
    "blocked loop": ({"loop_age_ms": 5000.0}, NOTHING, 0),
    "stop": ({}, commanded("stop"), 0),
    "pause": ({}, commanded("pause"), 0),
    "flatten": ({}, commanded("flatten"), 0),
    "no control folder": ({}, ControlRead(readable=False), 0),
    "unknown name": ({}, ControlRead(unknown_names=("x",)), 0),
    "old": ({}, NOTHING, 3001),
    "future": ({}, NOTHING, -2001),
    "stopped": ({"daemon_state": "stopped"}, NOTHING, 0),
    "bad time": ({"wall_ts": ""}, NOTHING, 0),
}
RANK = {"green": 0, "yellow": 1, "red": 2, "not_live": 3}


def combined(names: tuple[str, ...], session: SessionState | None) -> Light:
    changes: dict[str, Any] = {"session": session}
    files: dict[Any, AssertedCommand] = {}
    unknown: tuple[str, ...] = ()
    readable = True
    age_ms = 0.0
    checks: tuple[Check, ...] = ()
    for name in names:
        more, control, age = CAUSES[name]
        checks += more["self_check"].checks if "self_check" in more else ()
        changes.update(more)
        files.update(control.files)
        unknown += control.unknown_names
        readable = readable and control.readable
        age_ms = age or age_ms
    if checks:
        changes["self_check"] = SelfCheck(status="ok", checks=checks)
    control = ControlRead(files=files, unknown_names=unknown, readable=readable)
    return light(make_snapshot(**changes), control, NOON_US + int(age_ms * MS))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(CAUSES)), min_size=1, max_size=6, unique=True),
    st.sampled_from([None, SessionState(is_open=True), SessionState(is_open=False, until="later")]),
)
def test_green_is_impossible_while_any_reason_holds(names: list[str], session: SessionState | None) -> None:
    alone = [combined((name,), session) for name in names]
    assert all(each.state != "green" and each.reasons for each in alone)
    together = combined(tuple(names), session)
    assert together.state != "green"
    assert together.reasons
    if "bad time" not in names or "stopped" in names:
        assert RANK[together.state] == max(RANK[each.state] for each in alone)


def test_every_pair_of_causes_is_as_bad_as_its_worse_half() -> None:
    alone = {name: combined((name,), None) for name in CAUSES}
    for pair in itertools.combinations(CAUSES, 2):
        together = combined(pair, None)
        assert RANK[together.state] >= max(RANK[alone[name].state] for name in pair) or set(pair) == {"old", "future"}


ANY_TEXT = st.text(max_size=8)
ANY_CODE = st.one_of(st.sampled_from(sorted(REASONS)), ANY_TEXT)
ANY_NUMBER = st.floats(allow_nan=False)
ANY_CHECK = st.builds(
    Check,
    name=ANY_TEXT,
    ok=st.booleans(),
    severity=st.sampled_from(["yellow", "red"]),
    measured=st.one_of(st.none(), ANY_TEXT, ANY_NUMBER),
    limit=st.one_of(st.none(), ANY_TEXT, ANY_NUMBER),
    reason=st.one_of(st.none(), ANY_CODE),
)
ANY_COMMAND = st.builds(
    AssertedCommand,
    name=st.just("flatten"),
    since_us=st.integers(-(2**80), 2**80),
    age_ms=ANY_NUMBER,
    readable=st.booleans(),
    by=st.one_of(st.none(), ANY_TEXT),
)


@settings(max_examples=120, deadline=None)
@given(
    now_us=st.integers(-(2**63), 2**63),
    wall_ts=st.one_of(st.just(GREEN.wall_ts), ANY_TEXT),
    period_ms=st.integers(-(2**63), 2**63),
    daemon_state=st.one_of(st.just("stopped"), ANY_TEXT),
    status=st.sampled_from(["ok", "degraded", "blocked"]),
    checks=st.lists(ANY_CHECK, max_size=3),
    block_reasons=st.lists(ANY_CODE, max_size=2),
    limits=st.lists(st.builds(Limit, name=ANY_TEXT, used=ANY_NUMBER, limit=ANY_NUMBER), max_size=2),
    command=st.one_of(st.none(), ANY_COMMAND),
)
def test_it_judges_whatever_may_be_written_and_green_means_no_reason(
    *, now_us: int, status: Any, checks: Any, block_reasons: Any, limits: Any, command: Any, **plain: Any
) -> None:
    self_check = SelfCheck(status=status, checks=tuple(checks), block_reasons=tuple(block_reasons))
    control = ControlRead(files={} if command is None else {"flatten": command})
    verdict = light(make_snapshot(self_check=self_check, limits=tuple(limits), **plain), control, now_us)
    assert (verdict.state == "green") == (not verdict.reasons)
    failed = status != "ok" or block_reasons or command is not None or any(not each.ok for each in checks)
    assert not (failed and verdict.state == "green")
    assert verdict.line


def test_a_look_at_a_desk_reads_files_and_says_why_there_are_none(tmp_path: Any) -> None:
    paths = DeskPaths(tmp_path, "demo")
    nothing = look_at(paths, NOON_US)
    assert codes(nothing.light) == ["snapshot_missing", "control_unreadable"]
    assert nothing.problem is not None
    paths.create()
    write_snapshot(paths.snapshot, GREEN, sync=False)
    assert look_at(paths, NOON_US).light.state == "green"
    (paths.control / "pause").touch()
    assert look_at(paths, NOON_US).light.word == "PAUSED"
    paths.snapshot.write_text("{")
    damaged = look_at(paths, NOON_US)
    assert damaged.light.reasons[0].code == "snapshot_damaged"
    assert damaged.light.reasons[0].detail == damaged.problem
