"""What stands in the way of resume, start and reset, made from one look at a desk."""

from typing import Any

import msgspec
import pytest

from cockpit.checklist import HOLDING, MEASURED_BY, NEEDS_A_MATCH, Checklist, checklist
from cockpit.reader import Reader
from state.control import assert_command
from state.look import look_at
from state.reasons import REASONS
from state.records import Check
from state.snapshot import write_snapshot
from tests.support.desk_player import DeskPlayer, wall_us


def found(player: DeskPlayer, command: Any, reader: Reader | None = None) -> Checklist:
    now = wall_us()
    return checklist(command, look_at(player.paths, now), desk="demo", now_us=now, reader=reader or Reader())


def failing(code: str, **more: Any) -> Check:
    severity: Any = "red" if REASONS[code].severity == "red" else "yellow"
    return Check(name=more.pop("name", code), ok=False, severity=severity, reason=code, **more)


def by_code(listed: Checklist) -> dict[str, str]:
    return {line.code: line.state for line in listed.lines if line.state != "ok"}


def test_a_quiet_desk_has_nothing_in_the_way_and_says_what_was_measured(player: DeskPlayer) -> None:
    player.write()
    listed = found(player, "resume")
    assert by_code(listed) == {}
    assert {line.code for line in listed.passing} == {"link", "journal", "loop_age_ms", "closed_delta", "posture"}
    loop = next(line for line in listed.passing if line.code == "loop_age_ms")
    assert (loop.measured, loop.limit) == ("4 ms", "3.0 s")


def test_what_the_command_ends_itself_is_not_in_its_way(player: DeskPlayer) -> None:
    assert_command(player.paths.control, "pause", by="anna", reason="", at="")
    player.write()
    assert by_code(found(player, "resume")) == {}
    assert by_code(found(player, "start")) == {"paused": "blocks"}


def test_red_blocks_and_yellow_only_where_no_hedge_leaves(player: DeskPlayer) -> None:
    player.mood = "red"
    player.extra_checks = (failing("foreign_unacknowledged"), failing("leg_outside_gates"))
    player.write()
    listed = found(player, "resume")
    assert by_code(listed) == {
        "stale": "blocks",
        "data_lag": "blocks",
        "foreign_unacknowledged": "blocks",
        "leg_outside_gates": "note",
    }
    stale = next(line for line in listed.lines if line.code == "stale")
    assert (stale.measured, stale.limit, stale.clears) == ("14 s", "5.0 s", "by itself")
    assert stale.href.startswith("/runbook?")
    assert [line.state for line in listed.lines] == sorted(
        (line.state for line in listed.lines), key=("blocks", "note", "ok").index
    )


@pytest.mark.parametrize(("used", "state"), [(5012.0, "blocks"), (4999.0, "ok")])
def test_a_reset_waits_until_the_cause_measures_clear(player: DeskPlayer, used: float, state: str) -> None:
    player.extra_checks = (failing("daily_loss", name="halt_daily_loss"),)
    snapshot = player.write()
    limits = tuple(
        msgspec.structs.replace(limit, used=used) if limit.name == "daily_loss_usd" else limit
        for limit in snapshot.limits
    )
    write_snapshot(player.paths.snapshot, msgspec.structs.replace(snapshot, limits=limits), sync=False)
    cause = next(line for line in found(player, "reset").lines if line.text.endswith("below its limit"))
    assert (cause.state, cause.limit) == (state, "5,000 USD")


@pytest.mark.parametrize("apart", [False, True])
def test_a_mismatch_is_reset_only_when_broker_and_book_agree(player: DeskPlayer, apart: bool) -> None:
    player.extra_checks = (failing("reconciliation_mismatch"),)
    if apart:
        player.extra_checks += (failing("position_unexplained"),)
    player.write()
    match = next(line for line in found(player, "reset").lines if line.code == "match")
    assert match.state == ("blocks" if apart else "ok")


def test_a_desk_that_does_not_run_tells_its_last_word_and_how_old_it_is(player: DeskPlayer) -> None:
    player.mood, player.stopped = "red", True
    player.write(age_s=300)
    listed = found(player, "start")
    assert listed.as_of == "5 min"
    assert {line.code: line.state for line in listed.lines if line.code in ("stale", "data_lag")} == {
        "stale": "note",
        "data_lag": "note",
    }


def test_the_tables_name_reasons_that_exist_at_the_severity_they_assume() -> None:
    assert {code for code in HOLDING if REASONS[code].severity != "yellow"} == set()
    assert all(REASONS[code].cleared_by == "reset" for code in (*MEASURED_BY, *NEEDS_A_MATCH))


def test_the_checklist_speaks_chinese(player: DeskPlayer) -> None:
    player.mood = "red"
    player.write()
    stale = next(line for line in found(player, "resume", Reader(language="zh")).lines if line.code == "stale")
    assert stale.clears == "自行解除"
