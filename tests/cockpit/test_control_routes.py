"""The commands' routes over a real server with users: who may, what is agreed to, and never twice."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import anyio.to_thread
import pytest
from starlette.requests import Request

from cockpit.access.actor import Actor
from cockpit.access.request import ACTOR
from cockpit.context import CockpitContext
from cockpit.routes.control import ControlRoutes
from state.audit import read_audit
from state.control import read_control
from tests.support.cockpit_process import PASSWORD, Answer, CockpitProcess, set_users
from tests.support.desk_player import DeskPlayer, wall_us

COMMANDS = [f"/api/control/{name}" for name in ("stop", "pause", "resume", "start", "flatten", "withdraw", "reset")]
COMMANDS += [f"/api/book/{name}" for name in ("adopt", "release", "acknowledge")]
Pages = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskPlayer]:
    player = DeskPlayer(tmp_path_factory.mktemp("commanded") / "var")
    player.write()
    yield player
    player.close()


@pytest.fixture(scope="module")
def served(player: DeskPlayer) -> Iterator[CockpitProcess]:
    set_users(player.paths.root, {"anna": "operator", "vera": "viewer"})
    with CockpitProcess(player.paths.root) as process:
        yield process


@pytest.fixture(scope="module")
def pages(served: CockpitProcess) -> Pages:
    """The headers of a page of each user."""
    return {name: served.log_in(name) for name in ("anna", "vera")}


@pytest.fixture(autouse=True)
def fresh(player: DeskPlayer) -> Iterator[None]:
    player.own_shares = 240.0
    player.write()
    yield
    for path in (*player.paths.control.glob("*"), *player.paths.requests.glob("*")):
        if path.is_file():
            path.unlink()


def post(served: CockpitProcess, headers: dict[str, str], path: str, **body: Any) -> Answer:
    return served.ask("POST", f"{path}?desk=demo", headers, json.dumps(body) if body else "")


def asserted(player: DeskPlayer) -> set[str]:
    return set(read_control(player.paths.control, wall_us()).files)


def preview(served: CockpitProcess, pages: Pages) -> Any:
    return served.ask("GET", "/api/flatten/preview?desk=demo", pages["vera"]).json


def agreed(served: CockpitProcess, pages: Pages, **more: Any) -> dict[str, Any]:
    plan = preview(served, pages)
    return {"plan": plan["plan"], "phrase": plan["phrase"], "password": PASSWORD, **more}


@pytest.mark.parametrize("path", COMMANDS)
def test_a_viewer_a_page_without_token_and_a_foreign_page_command_nothing(
    served: CockpitProcess, player: DeskPlayer, pages: Pages, path: str
) -> None:
    body = {"password": PASSWORD, "by": "Vera", "reason": "x", "shares": 1.0, **agreed(served, pages)}
    if "/book/" in path:
        body = {"password": PASSWORD, "reason": "x", "shares": 1.0}
    anna = pages["anna"]
    for headers in (
        pages["vera"],
        {**anna, "X-Bifrost-Token": "0" * 43},
        {name: value for name, value in anna.items() if name != "X-Bifrost-Token"},
        {**anna, "Origin": "http://evil.example"},
        {"Origin": anna["Origin"]},
    ):
        answer = post(served, headers, path, **body)
        assert answer.status in (401, 403), answer.body
        assert answer.json["ok"] is False
    assert asserted(player) == set()
    assert list(player.paths.requests.glob("*")) == []


@pytest.mark.parametrize("name", ["stop", "pause"])
def test_stop_and_pause_take_an_empty_body_and_no_password(
    served: CockpitProcess, player: DeskPlayer, pages: Pages, name: str
) -> None:
    answer = post(served, pages["anna"], f"/api/control/{name}")
    assert (answer.status, answer.json["outcome"]) == (200, "written")
    assert asserted(player) == {name}
    line = read_audit(player.paths.audit)[-1]
    assert (line.action, line.by, line.outcome, line.address) == (name, "anna", "written", "127.0.0.1")


def test_a_repeated_press_is_one_command(served: CockpitProcess, player: DeskPlayer, pages: Pages) -> None:
    before = len(read_audit(player.paths.audit))
    answers = [post(served, pages["anna"], "/api/control/stop", id="press-7") for _ in range(3)]
    assert {each.body for each in answers} == {answers[0].body}
    assert len(read_audit(player.paths.audit)) == before + 1


def test_the_preview_tells_what_would_happen_and_its_phrase(served: CockpitProcess, pages: Pages) -> None:
    plan = preview(served, pages)
    assert (plan["ok"], plan["side"], plan["quantity_shares"], plan["phrase"]) == (
        True,
        "SELL",
        240.0,
        "FLATTEN DEMO SELL 240",
    )
    for name in ("orders_to_cancel", "reference_price_usd", "cost_usd", "residual_delta_shares", "market_open"):
        assert plan[name] is not None, name


def test_a_flatten_needs_password_phrase_and_the_plan_of_now(
    served: CockpitProcess, player: DeskPlayer, pages: Pages
) -> None:
    anna, read = pages["anna"], agreed(served, pages)
    for change, status, code in (
        ({"phrase": "FLATTEN"}, 409, "wrong_phrase"),
        ({"plan": "0" * 16}, 409, "plan_changed"),
        ({"plan": None}, 400, "plan_missing"),
        ({"surprise": 1}, 400, "bad_body"),
    ):
        answer = post(served, anna, "/api/control/flatten", **{**read, **change})
        assert (answer.status, answer.json["code"]) == (status, code)
    player.own_shares = 250.0
    player.write()
    changed = post(served, anna, "/api/control/flatten", **read)
    assert (changed.status, changed.json["plan"]["phrase"]) == (409, "FLATTEN DEMO SELL 250")
    assert asserted(player) == set()
    again = {**read, "plan": changed.json["plan"]["plan"], "phrase": changed.json["plan"]["phrase"]}
    assert post(served, anna, "/api/control/flatten", **again).json["outcome"] == "written"
    assert asserted(player) == {"flatten"}


def test_two_racing_flattens_are_one(served: CockpitProcess, player: DeskPlayer, pages: Pages) -> None:
    read, outcomes = agreed(served, pages), []
    racers = [
        threading.Thread(target=lambda: outcomes.append(post(served, pages["anna"], "/api/control/flatten", **read)))
        for _ in range(2)
    ]
    for each in racers:
        each.start()
    for each in racers:
        each.join(30)
    assert sorted(each.json["outcome"] for each in outcomes) == ["stood already", "written"]


def test_the_checklist_says_what_blocks_and_what_passes(
    served: CockpitProcess, player: DeskPlayer, pages: Pages
) -> None:
    player.mood = "red"
    player.write()
    found = served.ask("GET", "/api/control/checklist?desk=demo&command=resume", pages["vera"]).json
    player.mood = "green"
    blocking = {line["code"]: line for line in found["lines"] if line["state"] == "blocks"}
    assert set(blocking) == {"stale", "data_lag"}
    assert (blocking["stale"]["measured"], blocking["stale"]["limit"]) == ("14 s", "5.0 s")
    assert any(line["state"] == "ok" for line in found["lines"])
    assert served.ask("GET", "/api/control/checklist?desk=demo&command=dance", pages["vera"]).status == 404


def test_a_book_request_and_a_reset_reach_the_desk_with_who_and_why(
    served: CockpitProcess, player: DeskPlayer, pages: Pages
) -> None:
    anna = pages["anna"]
    done = post(served, anna, "/api/book/acknowledge", shares=100.0, reason="mine", password=PASSWORD, id="book-1")
    assert (done.status, done.json["id"]) == (200, "book-1")
    left = json.loads((player.paths.requests / "book-1.json").read_text())
    assert (left["command"], left["shares"], left["by"], left["reason"]) == ("acknowledge", 100.0, "anna", "mine")
    reset = post(served, anna, "/api/control/reset", by="Anna E", reason="reviewed", password=PASSWORD)
    assert reset.status == 200, reset.body
    assert post(served, anna, "/api/control/reset", reason="nobody named", password=PASSWORD).status == 400
    assert post(served, anna, "/api/book/steal", shares=1.0, reason="x").status == 404


def test_a_body_that_is_no_command_is_refused(served: CockpitProcess, player: DeskPlayer, pages: Pages) -> None:
    for body in ("[]", "{", '{"id": 7}', "\x00", "x" * 20_000):
        answer = served.ask("POST", "/api/control/stop?desk=demo", pages["anna"], body)
        assert answer.status in (400, 413), body[:10]
    assert asserted(player) == set()


def test_a_wrong_password_is_refused_and_audited_and_then_waited_for(
    served: CockpitProcess, player: DeskPlayer, pages: Pages
) -> None:
    """The last test: afterwards this session's next try has to wait."""
    post(served, pages["anna"], "/api/control/pause")
    wrong = post(served, pages["anna"], "/api/control/resume", password="not it")  # noqa: S106 -- it is not
    assert (wrong.status, wrong.json["code"]) == (403, "wrong_confirm")
    soon = post(served, pages["anna"], "/api/control/resume", password=PASSWORD)
    assert soon.status == 429
    assert asserted(player) == {"pause"}
    assert [line.outcome for line in read_audit(player.paths.audit)[-2:]] == [
        "refused: wrong_confirm",
        "refused: too_soon",
    ]
    assert post(served, pages["anna"], "/api/control/stop").status == 200, "stop waits for no password"


async def test_stop_waits_for_no_reader(player: DeskPlayer) -> None:
    """Every thread for reading is taken, as by a page that asks in a loop: the file is written all the same."""
    body = b'{"id": "stop-among-readers"}'

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "headers": [],
        "query_string": b"",
        "path_params": {"name": "stop"},
    }
    scope[ACTOR] = Actor(name="anna", role="operator")
    routes = ControlRoutes(CockpitContext(root=player.paths.root, desk="demo"))
    limiter = anyio.to_thread.current_default_thread_limiter()
    readers = [object() for _ in range(int(limiter.total_tokens))]
    for reader in readers:
        limiter.acquire_on_behalf_of_nowait(reader)
    try:
        answer = await asyncio.wait_for(routes.control(Request(scope, receive)), timeout=20)
    finally:
        for reader in readers:
            limiter.release_on_behalf_of(reader)
    assert answer.status_code == 200
    assert asserted(player) == {"stop"}
