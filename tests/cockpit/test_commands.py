"""Commands as every page and route gives them: who may, what is agreed to, and never twice."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cockpit import commands, given
from cockpit.access.actor import Actor, NotAllowed, WrongPassword
from cockpit.flatten_preview import Agreed
from cockpit.given import CommandError, Outcome
from cockpit.reader import Reader
from state.audit import read_audit
from state.control import BY_SUPERVISOR, assert_command, read_control
from state.layout import DeskPaths
from state.records import Check
from tests.support.desk_player import DeskPlayer, wall_us

ANNA = Actor(name="anna", role="operator", address="10.0.0.7", session_id="s1")
VIEWER = Actor(name="vera", role="viewer", address="10.0.0.8")
EVERY = ("stop", "pause", "flatten", "resume", "start", "withdraw", "reset", "adopt", "release", "acknowledge")


def files(player: DeskPlayer) -> dict[Any, Any]:
    return dict(read_control(player.paths.control, wall_us()).files)


def requests(player: DeskPlayer) -> list[dict[str, Any]]:
    found = sorted(player.paths.requests.glob("*.json"))
    return [json.loads(path.read_text()) for path in found]


def audited(player: DeskPlayer) -> list[tuple[str, str]]:
    return [(line.action, line.outcome) for line in read_audit(player.paths.audit)]


def give(player: DeskPlayer, action: Any, *, actor: Actor = ANNA, **more: Any) -> Outcome:
    reason = more.pop("reason", "why not")
    if action in ("adopt", "release", "acknowledge", "reset"):
        return commands.request(player.paths, action, actor=actor, now_us=wall_us(), reason=reason, **more)
    return commands.carry_out(player.paths, action, actor=actor, now_us=wall_us(), reason=reason, **more)


def plan(player: DeskPlayer) -> Agreed:
    found = commands.plan_of(player.paths, wall_us(), Reader())
    return Agreed(plan=found.plan, phrase=found.phrases[0].text)


@pytest.mark.parametrize("action", EVERY)
def test_a_viewer_is_refused_everywhere_and_it_is_audited(player: DeskPlayer, action: str) -> None:
    with pytest.raises(NotAllowed):
        give(player, action, actor=VIEWER, **({} if action != "flatten" else {"agreed": plan(player)}))
    assert files(player) == {}
    assert requests(player) == []
    (line,) = read_audit(player.paths.audit)
    assert (line.action, line.by, line.address, line.outcome) == (action, "vera", "10.0.0.8", "refused: viewer_may_not")


@pytest.mark.parametrize("action", [name for name in EVERY if name not in ("stop", "pause")])
def test_a_wrong_password_changes_nothing(player: DeskPlayer, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_actor: Actor, _password: str, _now_us: int) -> Actor:
        raise WrongPassword("access.wrong_confirm", wait="1 s")

    monkeypatch.setattr(given, "confirm_password", wrong)
    give(player, "stop")
    give(player, "pause")
    player.write()
    more: dict[str, Any] = {"agreed": plan(player)} if action == "flatten" else {}
    if action in ("adopt", "release", "acknowledge", "reset"):
        more = {"by": "Anna", "shares": 5.0}
    with pytest.raises(WrongPassword):
        give(player, action, actor=Actor(name="anna", role="operator", must_confirm=True), **more)
    assert set(files(player)) == {"stop", "pause"}
    assert requests(player) == []
    assert audited(player)[-1] == (action, "refused: wrong_confirm")


def test_stop_and_pause_ask_for_no_password_and_rest_or_not(
    player: DeskPlayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "confirm_password", lambda *_: pytest.fail("a stop was asked for a password"))
    tired = Actor(name="anna", role="operator", must_confirm=True, resting=True)
    assert give(player, "stop", actor=tired).outcome == "written"
    assert give(player, "pause", actor=tired).outcome == "written"
    found = files(player)["stop"]
    assert (found.by, found.reason) == ("anna", "why not")
    line = read_audit(player.paths.audit)[0]
    assert (line.by, line.command_id, line.reason) == ("anna", found.id, "why not")


def test_a_second_stop_stands_already_and_keeps_the_first_note(player: DeskPlayer) -> None:
    give(player, "stop")
    again = give(player, "stop", actor=Actor(name="bert", role="operator"))
    assert again.outcome == "stood already"
    assert files(player)["stop"].by == "anna"


@pytest.mark.parametrize("action", ["stop", "pause"])
def test_the_same_request_is_carried_out_once(player: DeskPlayer, action: Any) -> None:
    first = give(player, action, request_id="press-1")
    (player.paths.control / action).unlink()
    assert give(player, action, request_id="press-1") == first
    assert files(player) == {}, "a repetition that comes late must not stop a desk that was started meanwhile"
    assert give(player, action, request_id="press-2").outcome == "written"


def test_a_repeated_resume_does_not_undo_a_later_pause_even_in_a_new_process(
    player: DeskPlayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(player, "pause")
    assert give(player, "resume", request_id="r1").outcome == "written"
    give(player, "pause")
    assert give(player, "resume", request_id="r1").outcome == "written"
    assert set(files(player)) == {"pause"}
    monkeypatch.setattr(given, "_replays", type(given._replays)())
    give(player, "resume", request_id="r1")
    assert set(files(player)) == {"pause"}, "what the audit knows outlives the process"


def test_a_flatten_is_written_for_the_plan_that_was_read(player: DeskPlayer) -> None:
    player.write()
    assert give(player, "flatten", agreed=plan(player)).outcome == "written"
    line = read_audit(player.paths.audit)[-1]
    assert line.data == {"plan": plan(player).plan, "phrase": "FLATTEN DEMO SELL 240", "session": "s1"}


@pytest.mark.parametrize(
    "change",
    [
        lambda player: setattr(player, "own_shares", 250.0),
        lambda player: setattr(player, "own_shares", -240.0),
        lambda player: setattr(player, "account_kind", "live"),
        lambda player: setattr(player, "flatten_choices", (240.0, 210.0)),
    ],
)
def test_a_changed_plan_is_refused_with_the_new_one(player: DeskPlayer, change: Callable[[DeskPlayer], None]) -> None:
    player.write()
    read = plan(player)
    change(player)
    player.write()
    with pytest.raises(CommandError) as refused:
        give(player, "flatten", agreed=read)
    assert refused.value.code == "plan_changed"
    assert refused.value.plan is not None
    assert refused.value.plan.plan == plan(player).plan
    assert files(player) == {}


def test_the_phrase_must_be_the_plans(player: DeskPlayer) -> None:
    player.write()
    for phrase in ("", "FLATTEN", "FLATTEN DEMO SELL 24"):
        with pytest.raises(CommandError) as refused:
            give(player, "flatten", agreed=Agreed(plan=plan(player).plan, phrase=phrase))
        assert refused.value.code == "wrong_phrase"
    with pytest.raises(CommandError) as missing:
        give(player, "flatten")
    assert missing.value.code == "plan_missing"
    assert files(player) == {}


def test_the_number_of_a_salvaged_book_is_left_in_the_note(player: DeskPlayer) -> None:
    player.flatten_choices = (240.0, 210.0)
    player.write()
    agreed = Agreed(plan=plan(player).plan, phrase="FLATTEN DEMO CONFIRM 210")
    give(player, "flatten", agreed=agreed)
    assert files(player)["flatten"].shares == 210


def test_of_two_racing_flattens_one_is_written(player: DeskPlayer) -> None:
    player.write()
    agreed, together = plan(player), threading.Barrier(2)
    outcomes: list[str] = []

    def race() -> None:
        together.wait(10)
        outcomes.append(give(player, "flatten", agreed=agreed).outcome)

    racers = [threading.Thread(target=race) for _ in range(2)]
    for each in racers:
        each.start()
    for each in racers:
        each.join(20)
    assert sorted(outcomes) == ["stood already", "written"]


def test_a_refused_flatten_may_be_asked_for_again(player: DeskPlayer) -> None:
    player.write()
    give(player, "flatten", agreed=plan(player))
    before = files(player)["flatten"].id
    player.extra_checks = (Check(name="flatten", ok=False, severity="red", reason="stale_flatten"),)
    player.write()
    assert give(player, "flatten", agreed=plan(player)).outcome == "written"
    assert files(player)["flatten"].id != before


def test_a_closed_market_and_a_damaged_journal_refuse_at_once(player: DeskPlayer) -> None:
    player.market_open = False
    player.write()
    with pytest.raises(CommandError, match="CLOSED until"):
        give(player, "flatten", agreed=plan(player))
    player.extra_checks = (Check(name="journal", ok=False, severity="red", reason="journal_damaged"),)
    player.write()
    with pytest.raises(CommandError, match="salvage"):
        plan(player)


@pytest.mark.parametrize(("by", "paused"), [("anna", False), (BY_SUPERVISOR, True)])
def test_a_start_after_a_stop_that_a_machine_made_comes_up_paused(player: DeskPlayer, by: str, paused: bool) -> None:
    assert_command(player.paths.control, "stop", by=by, reason="crash_loop", at="")
    assert give(player, "start").paused is paused
    assert set(files(player)) == ({"pause"} if paused else set())


def test_a_flatten_that_is_taken_back_leaves_the_desk_paused(player: DeskPlayer) -> None:
    player.write()
    give(player, "flatten", agreed=plan(player))
    assert give(player, "withdraw").paused is True
    assert set(files(player)) == {"pause"}
    assert give(player, "withdraw").outcome == "was not asserted"


def test_a_start_can_be_asked_to_come_up_paused(player: DeskPlayer) -> None:
    give(player, "stop")
    give(player, "start", paused=True)
    assert set(files(player)) == {"pause"}


def test_a_reset_names_who_decides_and_never_sets_trading_going(player: DeskPlayer) -> None:
    player.write()
    give(player, "reset", by="Anna Example", reason="loss reviewed", request_id="r-7")
    (wanted,) = requests(player)
    assert (wanted["id"], wanted["command"], wanted["by"], wanted["reason"]) == (
        "r-7",
        "reset",
        "Anna Example",
        "loss reviewed",
    )
    assert set(files(player)) == {"pause"}
    assert give(player, "reset", by="Anna Example", request_id="r-7").outcome == "written"
    assert len(requests(player)) == 1


@pytest.mark.parametrize(
    ("action", "more", "code"),
    [
        ("reset", {"by": " ", "reason": "x"}, "name_missing"),
        ("reset", {"by": "Anna", "reason": " "}, "reason_missing"),
        ("adopt", {"shares": None}, "shares_missing"),
        ("adopt", {"shares": float("nan")}, "shares_missing"),
        ("acknowledge", {"shares": 1.0, "ratio": 0.0}, "bad_ratio"),
        ("adopt", {"shares": 1.0, "ratio": 2.0}, "bad_ratio"),
        ("adopt", {"shares": 1.0, "request_id": "../../etc"}, "bad_id"),
    ],
)
def test_odd_values_never_reach_the_desk(player: DeskPlayer, action: str, more: dict[str, Any], code: str) -> None:
    player.write()
    with pytest.raises(CommandError) as refused:
        give(player, action, **more)
    assert refused.value.code == code
    assert requests(player) == []
    assert files(player) == {}


def test_a_request_to_a_desk_that_does_not_run_is_not_left_behind(player: DeskPlayer) -> None:
    player.write(age_s=60)
    with pytest.raises(CommandError) as refused:
        give(player, "acknowledge", shares=100.0)
    assert refused.value.code == "nobody_answers"
    assert requests(player) == []


def test_book_requests_carry_number_and_ratio(player: DeskPlayer) -> None:
    player.write()
    give(player, "acknowledge", shares=200.0, ratio=2.0, reason="split")
    give(player, "release", shares=-4.0, reason="kept")
    found = {each["command"]: each for each in requests(player)}
    assert (found["acknowledge"]["shares"], found["acknowledge"]["ratio"]) == (200.0, 2.0)
    assert (found["release"]["shares"], found["release"]["by"]) == (-4.0, "anna")


def test_what_lets_a_desk_trade_again_is_not_done_without_its_audit(player: DeskPlayer) -> None:
    give(player, "pause")
    for path in player.paths.audit.glob("*.jsonl"):
        path.unlink()
        path.mkdir()
    with pytest.raises(CommandError) as refused:
        give(player, "resume")
    assert refused.value.code == "not_audited"
    assert set(files(player)) == {"pause"}
    stop = give(player, "stop")
    assert stop.outcome == "written", "a full disk keeps nobody from stopping"
    assert stop.warning is not None


def test_a_desk_that_was_never_started_takes_no_command(player: DeskPlayer) -> None:
    nowhere = DeskPaths(player.paths.root, "nowhere")
    with pytest.raises(CommandError) as refused:
        commands.carry_out(nowhere, "stop", actor=ANNA, now_us=wall_us(), reason="")
    assert refused.value.code == "no_desk"
    assert not nowhere.folder.exists()
