"""The light's truth table: every combination of the states that matter, against a table written down once more."""

import itertools
from typing import Any

import pytest

from state.control import AssertedCommand, ControlRead
from state.light import light
from state.reasons import REASONS
from state.records import Check, ControlMark, Limit, SelfCheck, SessionState
from tests.support.desk_files import GREEN, NOON_US, make_snapshot

OPENS = "2026-11-23T14:30:00.000000Z"


def _asserted(name: Any, *, age_s: float = 1.0, readable: bool = True) -> ControlRead:
    since_us = NOON_US - round(age_s * 1e6)
    return ControlRead(
        files={name: AssertedCommand(name=name, since_us=since_us, age_ms=age_s * 1000, readable=readable)}
    )


def _self_check(severity: Any = None) -> SelfCheck:
    if severity is None:
        return SelfCheck(status="ok", checks=(Check(name="fine", ok=True, severity="red"),))
    failed = Check(name="failed", ok=False, severity=severity, reason="stale" if severity == "red" else "spread_wide")
    status: Any = "blocked" if severity == "red" else "degraded"
    return SelfCheck(status=status, checks=(failed,), block_reasons=("stale",) if severity == "red" else ())


# Each column: name of a value -> (the value, the colour that it makes at least).
AGES = {"fresh": (0, "green"), "old": (3_001, "not_live"), "future": (-2_001, "not_live")}
STATES = {"running": ("running", "green"), "stopped": ("stopped", "not_live")}
CHECKS = {
    "ok": (_self_check(), "green"),
    "degraded": (_self_check("yellow"), "yellow"),
    "blocked": (_self_check("red"), "red"),
}
FOLDERS = {
    "empty": (ControlRead(), "green"),
    "pause": (_asserted("pause"), "yellow"),
    "stop": (_asserted("stop"), "yellow"),
    "stop not obeyed": (_asserted("stop", age_s=15.1), "red"),
    "flatten": (_asserted("flatten"), "yellow"),
    "flatten unreadable": (_asserted("flatten", readable=False), "red"),
    "no folder": (ControlRead(readable=False), "yellow"),
    "odd name": (ControlRead(unknown_names=("sotp",)), "yellow"),
}
OBEYED = {"nothing": ((), "green"), "pause": ((ControlMark(name="pause", since=GREEN.ts),), "yellow")}
LIMITS = {
    "far": ((Limit(name="x", used=84.9, limit=100),), "green"),
    "near": ((Limit(name="x", used=85, limit=100),), "yellow"),
    "near by the next order": ((Limit(name="x", used=10, limit=100, projected=85),), "yellow"),
}
LOOPS = {"turning": (3_000.0, "green"), "blocked": (3_000.1, "red")}
SESSIONS = {
    "open": (SessionState(is_open=True), "green"),
    "closed": (SessionState(is_open=False, until=OPENS), "green"),
}
RANK = ["green", "yellow", "red", "not_live"]
TABLE = list(itertools.product(AGES, STATES, CHECKS, FOLDERS, OBEYED, LIMITS, LOOPS, SESSIONS))


@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("state", STATES)
def test_every_combination_shows_its_worst_part(age: str, state: str) -> None:
    seen = set()
    for row in (each for each in TABLE if each[:2] == (age, state)):
        _, _, check, folder, obeyed, limits, loop, session = row
        snapshot = make_snapshot(
            daemon_state=STATES[state][0],
            self_check=CHECKS[check][0],
            control=OBEYED[obeyed][0],
            limits=LIMITS[limits][0],
            loop_age_ms=LOOPS[loop][0],
            session=SESSIONS[session][0],
        )
        columns = (AGES, STATES, CHECKS, FOLDERS, OBEYED, LIMITS, LOOPS, SESSIONS)
        parts = [str(column[name][1]) for column, name in zip(columns, row, strict=True)]  # type: ignore[index]
        expected = max(parts, key=RANK.index)
        verdict = light(snapshot, FOLDERS[folder][0], NOON_US + AGES[age][0] * 1000)
        assert verdict.state == expected, row
        assert (verdict.reasons == ()) == (expected == "green"), row
        assert all(RANK.index(each.severity) <= RANK.index(expected) for each in verdict.reasons), row
        if expected == "green":
            assert verdict.word == ("OK" if session == "open" else f"CLOSED until {OPENS}"), row
        seen.add(expected)
    assert seen == ({"green", "yellow", "red"} if (age, state) == ("fresh", "running") else {"not_live"})


@pytest.mark.parametrize("code", REASONS)
@pytest.mark.parametrize("claimed", ["yellow", "red"])
def test_every_code_alone_has_its_own_colour_whatever_the_check_claims(code: str, claimed: Any) -> None:
    check = Check(name="some_check", ok=False, severity=claimed, reason=code)
    status: Any = "blocked" if claimed == "red" else "degraded"
    verdict = light(make_snapshot(self_check=SelfCheck(status=status, checks=(check,))), ControlRead(), NOON_US)
    assert verdict.state == max(claimed, REASONS[code].severity, key=RANK.index)
    assert [each.code for each in verdict.reasons] == [code]
    assert verdict.word == REASONS[code].word
    assert verdict.reasons[0].runbook == f"docs/runbook.md#{code}"


def test_a_limit_says_what_the_next_order_would_make_of_it() -> None:
    limits = (
        Limit(name="hedges", used=42, limit=50, projected=43),
        Limit(name="shares", used=1800, limit=2000, projected=1500),  # lowering helps later; now it is near
        Limit(name="orders", used=0, limit=20, projected=1),
    )
    verdict = light(make_snapshot(limits=limits), ControlRead(), NOON_US)
    assert [each.code for each in verdict.reasons] == ["limit_near"]
    assert verdict.reasons[0].detail == (
        "hedges 42 of 50, 43 with the next order; shares 1800 of 2000, 1500 with the next order"
    )
