"""The gate before an application that lets everything through, with a clock that the test moves."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from cockpit import context
from cockpit.access import door as doors
from cockpit.access import links
from cockpit.access.actor import TooManyTries, WrongPassword
from cockpit.access.confirm import confirm_password
from cockpit.access.door import Door, Listening
from cockpit.access.gate import MAX_BODY_BYTES, Gate
from cockpit.access.request import actor_of
from cockpit.access.settings import Settings
from cockpit.routes import session as session_routes
from state.audit import read_audit
from state.layout import CockpitPaths
from tests.support.cockpit_process import PASSWORD, set_users

pytestmark = pytest.mark.usefixtures("quick_passwords")
HOST = "trader.lan:8501"
ORIGIN = f"http://{HOST}"
LAN = "192.168.1.9"
MINUTE = 60
START_US = 1_800_000_000_000_000


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def wall_us(self) -> int:
        return START_US + round(self.seconds * 1e6)

    def monotonic(self) -> float:
        return 5_000.0 + self.seconds


async def whole(request: Request) -> Response:
    actor = actor_of(request)
    return JSONResponse({"name": actor.name, "role": actor.role, "body": (await request.body()).decode()})


async def ticking(_request: Request) -> Response:
    async def beats() -> Any:
        while True:
            yield b"event: page\ndata: 1\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(beats(), media_type="text/event-stream")


async def page_socket(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.receive_bytes()
    except WebSocketDisconnect:
        pass


def application() -> ASGIApp:
    return Starlette(
        routes=[
            Route("/login", session_routes.show_login),
            Route("/login", session_routes.log_in, methods=["POST"]),
            Route("/logout", session_routes.show_logout),
            Route("/logout", session_routes.log_out, methods=["POST"]),
            Route("/api/session", session_routes.tell_session),
            Route("/api/events", ticking),
            WebSocketRoute("/_stcore/stream", page_socket),
            Route("/{path:path}", whole, methods=["GET", "HEAD", "POST", "PUT", "DELETE"]),
        ]
    )


class Answer:
    def __init__(self, sent: list[Message]) -> None:
        start = next(message for message in sent if message["type"].endswith("response.start"))
        self.status: int = start["status"]
        self.headers = [(name.decode().lower(), value.decode()) for name, value in start["headers"]]
        self.body = b"".join(message.get("body", b"") for message in sent if message["type"].endswith("response.body"))

    def header(self, wanted: str) -> str | None:
        return next((value for name, value in self.headers if name == wanted), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        """What a browser sends back."""
        found: SimpleCookie = SimpleCookie(self.header("set-cookie") or "")
        return "; ".join(f"{name}={morsel.value}" for name, morsel in found.items())


class House:
    """A gate, its door and its clock."""

    def __init__(self, root: Path, settings: Settings, listening: Listening) -> None:
        self.clock, self.paths = Clock(), CockpitPaths(root)
        context.configure(context.CockpitContext(root=root, desk="demo"))
        self.door = Door(self.paths, settings, listening, wall=self.clock.wall_us, monotonic=self.clock.monotonic)
        doors.configure(self.door)
        self.gate = Gate(application(), self.door)

    def scope(self, kind: str, path: str, headers: Mapping[str, str | None], **more: Any) -> dict[str, Any]:
        plain, _, query = path.partition("?")
        told = {"host": HOST, "origin": ORIGIN, **headers}
        return {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "http" if kind == "http" else "ws",
            "path": plain,
            "raw_path": plain.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in told.items() if value is not None],
            "client": (LAN, 5555),
            "server": ("192.168.1.7", 8501),
            **more,
        }

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str | None] | None = None,
        body: bytes = b"",
        **more: Any,
    ) -> Answer:
        sent: list[Message] = []
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return parts.pop(0) if parts else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.gate(self.scope("http", path, headers or {}, method=method, **more), receive, send)
        return Answer(sent)

    async def log_in(self, name: str = "anna", password: str = PASSWORD, **more: Any) -> Answer:
        form = f"name={name}&password={password.replace(' ', '+')}&next=/now%3Fdesk%3Ddemo".encode()
        return await self.ask("POST", "/login", {}, form, **more)

    async def own_page(self, name: str = "anna") -> dict[str, str]:
        cookie = (await self.log_in(name)).cookie
        assert cookie
        return {
            "cookie": cookie,
            "x-bifrost-token": (await self.ask("GET", "/api/session", {"cookie": cookie})).json["token"],
        }

    def audited(self, outcome: str) -> list[Any]:
        """The lines with an outcome, after everything that is due was written."""
        self.door.record.flush(self.clock.wall_us() + 61_000_000)
        self.door.record.wait()
        return [line for line in read_audit(self.paths.audit) if line.outcome == outcome]


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[House]:
    """A cockpit on the network with an operator and a viewer."""
    set_users(tmp_path, {"anna": "operator", "bob": "viewer"})
    listening = Listening(port=8501, beyond_this_machine=True)
    house = House(tmp_path, Settings(allowed_hosts=("trader.lan",)), listening)
    yield house
    house.door.close()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[House]:
    """A cockpit of this machine without users."""
    house = House(tmp_path, Settings(), Listening(port=8501))
    yield house
    house.door.close()


HERE: Mapping[str, Any] = {"client": ("127.0.0.1", 5555)}
LOCAL: Mapping[str, str | None] = {"host": "127.0.0.1:8501", "origin": "http://127.0.0.1:8501"}


# --- refused, and audited ---


@pytest.mark.parametrize(
    ("method", "headers", "status", "outcome"),
    [
        ("GET", {"host": "evil.example"}, 403, "foreign host name"),
        ("GET", {"host": "localhost:8501"}, 403, "foreign host name"),
        ("GET", {"host": None}, 403, "foreign host name"),
        ("POST", {"host": "evil.example", "origin": "http://evil.example"}, 403, "foreign host name"),
        ("POST", {"origin": "http://evil.example"}, 403, "foreign origin"),
        ("POST", {"origin": "null"}, 403, "foreign origin"),
        ("POST", {"origin": None}, 403, "foreign origin"),
        ("POST", {"origin": "https://trader.lan:8501"}, 403, "foreign origin"),
        ("POST", {"origin": "http://trader.lan:8502"}, 403, "foreign origin"),
        ("POST", {"x-bifrost-token": None}, 403, "no token of its page"),
        ("POST", {"x-bifrost-token": "guess"}, 403, "no token of its page"),
        ("POST", {"cookie": None}, 401, "not logged in"),
        ("POST", {"cookie": "bifrost_session_8501=" + "A" * 43}, 401, "forged or old session"),
        ("POST", {"cookie": "bifrost_session_8502=" + "A" * 43}, 401, "not logged in"),
        ("GET", {"cookie": "bifrost_session_8501=tampered"}, 401, "forged or old session"),
        ("GET", {"x-forwarded-for": "127.0.0.1"}, 403, "through an unknown proxy"),
        ("PUT", {}, 404, "nothing for anybody"),
    ],
)
async def test_each_of_these_is_refused_and_audited(
    lan: House, method: str, headers: dict[str, str | None], status: int, outcome: str
) -> None:
    own = await lan.own_page()
    answer = await lan.ask(method, "/api/control/stop", {**own, **headers})
    assert answer.status == status, answer.body
    assert answer.json["error"] if status != 403 or b"{" in answer.body else True
    found = lan.audited(outcome)
    assert len(found) == 1
    assert (found[0].action, found[0].address, found[0].source) == ("refused", LAN, "cockpit")
    assert found[0].data["paths"] == [f"{method} /api/control/stop"]
    assert (await lan.ask("POST", "/api/control/stop", own)).status == 200


async def test_a_viewer_looks_and_commands_nothing(lan: House) -> None:
    own = await lan.own_page("bob")
    assert (await lan.ask("GET", "/api/light", own)).json["role"] == "viewer"
    for path in ("/api/control/stop", "/api/control/pause", "/api/book/adopt"):
        answer = await lan.ask("POST", path, own)
        assert answer.status == 403
        assert "bob is a viewer" in answer.json["error"]
    assert [(line.by, line.data["count"]) for line in lan.audited("not an operator")] == [("bob", 1), ("bob", 2)]


async def test_pages_lead_to_the_login_and_back(lan: House) -> None:
    answer = await lan.ask("GET", "/now?desk=demo&lang=zh")
    assert answer.status == 303
    assert answer.header("location") == "/login?next=%2Fnow%3Fdesk%3Ddemo%26lang%3Dzh&lang=zh"
    assert lan.audited("not logged in") == [], "the way in is no incident"
    form = await lan.ask("GET", "/login?next=/now&lang=zh")
    assert "登录".encode() in form.body
    assert b"<script" not in form.body
    assert (await lan.log_in()).header("location") == "/now?desk=demo"


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/%0d%0aX: y", "now", "/login", ""]
)
async def test_the_login_leads_nowhere_else(lan: House, wanted: str) -> None:
    form = f"name=anna&password={PASSWORD.replace(' ', '+')}&next={wanted}".encode()
    answer = await lan.ask("POST", "/login", {}, form)
    assert (answer.status, answer.header("location")) == (303, "/")


async def test_markup_in_a_name_stays_text(lan: House) -> None:
    name = "%3Cscript%3Ealert(1)%3C/script%3E"
    answer = await lan.log_in(name)
    assert answer.status == 401
    assert b"<script" not in answer.body
    assert b"&lt;script&gt;" in answer.body
    assert [line.by for line in lan.audited("login failed")] == ["<script>alert(1)</script>"]
    location = (await lan.ask("GET", "/<script>?a=<b>")).header("location")
    assert location is not None
    assert "<" not in location


async def test_the_cookie_is_out_of_reach_and_bound_to_tls(lan: House) -> None:
    plain = (await lan.log_in()).header("set-cookie")
    assert plain is not None
    for part in ("bifrost_session_8501=", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in plain
    assert "Secure" not in plain
    tls = (
        await lan.ask(
            "POST",
            "/login",
            {"origin": f"https://{HOST}"},
            f"name=bob&password={PASSWORD.replace(' ', '+')}".encode(),
            scheme="https",
        )
    ).header("set-cookie")
    assert tls is not None
    assert tls.startswith("__Host-bifrost_session_8501=")
    assert "Secure" in tls
    value = tls.partition("=")[2].partition(";")[0]
    for name, status in (("__Host-bifrost_session_8501", 200), ("bifrost_session_8501", 401)):
        # Under the plain name any page of the domain could have put a session of its own into the browser.
        answer = await lan.ask("GET", "/api/light", {"cookie": f"{name}={value}"}, scheme="https")
        assert answer.status == status


async def test_every_answer_says_where_things_may_come_from(lan: House) -> None:
    own = await lan.own_page()
    for answer in (
        await lan.ask("GET", "/now", own),
        await lan.ask("GET", "/now"),
        await lan.ask("GET", "/login"),
        await lan.ask("GET", "/now", {"host": "evil.example"}),
        await lan.ask("POST", "/api/x", {"origin": None}),
    ):
        policy = answer.header("content-security-policy") or ""
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy, "no foreign origin"
        assert "unsafe-eval" not in policy
        assert "script-src 'self' blob:;" in policy
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("referrer-policy") == "same-origin"
        assert answer.header("cross-origin-opener-policy") is None, "plain, and not this machine: browsers complain"
        assert answer.header("permissions-policy")
    assert (await lan.ask("GET", "/login", scheme="https")).header("cross-origin-opener-policy") == "same-origin"
    assert (await lan.ask("GET", "/login", LOCAL, **HERE)).header("cross-origin-opener-policy") == "same-origin"


async def test_bodies_are_bounded(lan: House) -> None:
    own = await lan.own_page()
    assert (await lan.ask("POST", "/api/x", own, b"a" * MAX_BODY_BYTES)).status == 200
    assert (await lan.ask("POST", "/api/x", own, b"a" * (MAX_BODY_BYTES + 1))).status == 413
    assert (await lan.ask("POST", "/api/x", {**own, "content-length": "99999999"})).status == 413
    assert (await lan.ask("POST", "/login", {"content-length": "-1"})).status == 413


# --- sessions ---


async def test_a_long_idle_operator_may_stop_and_nothing_else_until_the_password(lan: House) -> None:
    own = await lan.own_page()
    for _ in range(31):
        lan.clock.seconds += MINUTE
        assert (await lan.ask("GET", "/api/light", own)).status == 200, "an open page that ticks"
    told = (await lan.ask("GET", "/api/session", own)).json
    assert (told["ok"], told["resting"]) == (True, True)
    session = lan.door.sessions.find(own["cookie"].partition("=")[2], lan.clock.wall_us())
    assert session is not None
    actor = session.actor()
    with pytest.raises(WrongPassword):
        await asyncio.to_thread(confirm_password, actor, "wrong wrong wrong", lan.clock.wall_us())
    with pytest.raises(TooManyTries):
        await asyncio.to_thread(confirm_password, actor, PASSWORD, lan.clock.wall_us())
    lan.clock.seconds += 1.1
    awake = await asyncio.to_thread(confirm_password, actor, PASSWORD, lan.clock.wall_us())
    awake.require("flatten")
    assert [line.by for line in lan.audited("confirm failed")] == ["anna"]


async def test_after_the_absolute_limit_everything_is_refused(lan: House) -> None:
    own = await lan.own_page()
    lan.clock.seconds += 12 * 60 * MINUTE - 1
    assert (await lan.ask("GET", "/api/light", own)).status == 200
    lan.clock.seconds += 2
    answer = await lan.ask("POST", "/api/control/stop", own)
    assert answer.status == 401
    assert answer.json["login"] == "/login"
    assert (await lan.ask("GET", "/now", own)).header(
        "location",
    ) == "/login?next=%2Fnow&why=session_over"
    assert len(lan.audited("session ended: expired")) >= 1
    assert [(line.action, line.by) for line in lan.audited("expired")] == [("session ended", "anna")]


async def test_another_server_knows_no_session_of_the_one_before(lan: House) -> None:
    own = await lan.own_page()
    lan.door.close()
    after = House(lan.paths.root, lan.door.settings, lan.door.listening)
    assert (await after.ask("POST", "/api/control/stop", own)).status == 401
    assert (await after.ask("GET", "/now", own)).header("location") == "/login?next=%2Fnow&why=session_unknown"
    assert sum(line.data["count"] for line in after.audited("forged or old session")) == 2
    after.door.close()


async def test_logging_out_ends_the_session_and_takes_the_cookie_back(lan: House) -> None:
    own = await lan.own_page()
    assert b"anna" in (await lan.ask("GET", "/logout", own)).body
    answer = await lan.ask("POST", "/logout", own)
    assert "Max-Age=0" in (answer.header("set-cookie") or "")
    assert (await lan.ask("GET", "/api/light", own)).status == 401
    assert [(line.action, line.by) for line in lan.audited("ok")] == [("login", "anna"), ("logout", "anna")]


async def test_logging_out_needs_our_own_page(lan: House) -> None:
    own = await lan.own_page()
    assert (await lan.ask("POST", "/logout", {**own, "origin": "http://evil.example"})).status == 403
    assert (await lan.ask("GET", "/api/light", own)).status == 200


async def test_a_login_ends_the_session_that_the_browser_had(lan: House) -> None:
    own = await lan.own_page("bob")
    form = f"name=anna&password={PASSWORD.replace(' ', '+')}".encode()
    answer = await lan.ask("POST", "/login", {"cookie": own["cookie"]}, form)
    assert answer.status == 303
    assert answer.cookie != own["cookie"]
    assert (await lan.ask("GET", "/api/light", own)).status == 401


@pytest.mark.parametrize("change", ["removed", "another role", "another password"])
async def test_a_changed_user_is_out_at_once(lan: House, change: str) -> None:
    own = await lan.own_page()
    roles: dict[str, dict[str, Any]] = {
        "removed": {"bob": "viewer"},
        "another role": {"anna": "viewer", "bob": "viewer"},
        "another password": {"anna": "operator"},
    }
    set_users(lan.paths.root, roles[change])
    assert (await lan.ask("POST", "/api/control/stop", own)).status == 401
    assert [line.by for line in lan.audited("changed")] == ["anna"]


async def test_a_file_that_is_not_believed_lets_nobody_in_and_throws_nobody_out(lan: House) -> None:
    own = await lan.own_page()
    lan.paths.users.chmod(0o644)
    answer = await lan.log_in()
    assert answer.status == 401
    assert b"passwd --list" in answer.body
    assert str(lan.paths.root).encode() not in answer.body, "no path for strangers"
    near = await lan.log_in(**{**HERE, "scheme": "http"})
    assert b"chmod 600" in near.body
    assert (await lan.ask("POST", "/api/control/stop", own)).status == 200
    assert any("chmod 600" in line.outcome for line in read_after(lan))


def read_after(house: House) -> list[Any]:
    house.audited("")
    return list(read_audit(house.paths.audit))


async def test_when_all_users_go_the_door_stays_shut(lan: House) -> None:
    own = await lan.own_page()
    lan.paths.users.unlink()
    assert (await lan.ask("GET", "/api/light", own)).status == 401
    assert (await lan.ask("GET", "/api/light", LOCAL, **HERE)).status == 401
    assert b"Nobody can log in yet" in (await lan.ask("GET", "/login")).body


# --- this machine without users ---


async def test_a_local_page_gets_a_session_by_itself_and_commands_with_its_token(local: House) -> None:
    page = await local.ask("GET", "/now", LOCAL, **HERE)
    assert page.status == 200
    own = {**LOCAL, "cookie": page.cookie}
    token = (await local.ask("GET", "/api/session", own, **HERE)).json["token"]
    assert (await local.ask("POST", "/api/control/stop", own, **HERE)).status == 403
    assert (await local.ask("POST", "/api/control/stop", {**own, "x-bifrost-token": token}, **HERE)).status == 200
    assert (await local.ask("GET", "/api/light", LOCAL, **HERE)).header("set-cookie") is None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("what", ["image", "iframe", "script", "empty"])
async def test_a_foreign_page_embeds_nothing_of_a_local_cockpit(local: House, site: str, what: str) -> None:
    embedded = {**LOCAL, "sec-fetch-site": site, "sec-fetch-dest": what}
    for path in ("/now", "/_stcore/health", "/api/session", "/api/light"):
        answer = await local.ask("GET", path, embedded, **HERE)
        assert (answer.status, answer.header("set-cookie")) == (403, None)
    followed = {**LOCAL, "sec-fetch-site": site, "sec-fetch-dest": "document"}
    assert (await local.ask("GET", "/now", followed, **HERE)).header("set-cookie")
    assert local.audited("foreign origin")


async def test_nobody_else_reaches_a_local_cockpit(local: House) -> None:
    assert (await local.ask("GET", "/now")).status == 403
    assert (await local.ask("GET", "/now", LOCAL)).status == 403, "a loopback name from the network"
    assert (await local.ask("GET", "/api/light", {**LOCAL, "x-forwarded-for": LAN}, **HERE)).status == 403


async def test_the_first_user_ends_the_local_sessions(local: House) -> None:
    page = await local.ask("GET", "/now", LOCAL, **HERE)
    own = {**LOCAL, "cookie": page.cookie}
    set_users(local.paths.root, {"anna": "operator"})
    assert (await local.ask("GET", "/api/light", own, **HERE)).status == 401
    local.paths.users.unlink()
    assert (await local.ask("GET", "/api/light", own, **HERE)).status == 401, "until the server starts anew"


async def test_a_link_on_another_site_finds_its_cookie_by_a_step_of_our_own(lan: House) -> None:
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}
    answer = await lan.ask("GET", "/now?desk=demo&x=%22%3E", followed)
    assert answer.status == 200
    assert b'content="0;url=/now?desk=demo&amp;x=%22%3E"' in answer.body
    for path in ("//evil.example/now", "/\\evil.example"):
        assert b'content="0;url=/"' in (await lan.ask("GET", path, followed)).body, "to nobody else"
    assert (await lan.ask("GET", "/now")).status == 303


# --- guessing ---


async def test_guesses_wait_longer_and_the_owner_still_comes_in(lan: House) -> None:
    statuses = []
    for _ in range(6):
        statuses.append((await lan.log_in(password="wrong wrong wrong")).status)  # noqa: S106
        lan.clock.seconds += 1.05
    assert statuses == [401, 401, 429, 401, 429, 429]
    too_soon = await lan.log_in()
    assert too_soon.status == 429
    assert 1 <= int(too_soon.header("retry-after") or 0) <= 60
    near = await lan.ask("POST", "/login", LOCAL, f"name=anna&password={PASSWORD.replace(' ', '+')}".encode(), **HERE)
    assert near.status == 303, "the owner at the machine is not slowed by others"
    lan.clock.seconds += 60
    assert (await lan.log_in()).status == 303, "and nobody is locked out for good"
    failed = lan.audited("login failed")
    assert sum(line.data["count"] for line in failed) == 3
    assert lan.audited("password not tried: too soon")


async def test_a_stranger_elsewhere_does_not_slow_the_address_of_the_owner(lan: House) -> None:
    assert (await lan.log_in()).status == 303
    for number in range(5):
        await lan.log_in(password="wrong wrong wrong", client=(f"10.0.0.{number}", 1))  # noqa: S106
        lan.clock.seconds += 40
    await lan.log_in(password="wrong wrong wrong", client=("10.0.0.99", 1))  # noqa: S106
    assert (await lan.log_in(client=("10.0.0.100", 1))).status == 429, "the name has to wait elsewhere"
    assert (await lan.log_in()).status == 303


async def test_unknown_names_cost_and_wait_the_same(lan: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from cockpit.access import passwords

    tried: list[bool] = []
    real = passwords.matches
    monkeypatch.setattr(
        passwords, "matches", lambda known, password: tried.append(known is None) or real(known, password)
    )
    unknown = await lan.log_in("carol")
    lan.clock.seconds += 2
    known = await lan.log_in("bob", "wrong wrong wrong")
    assert tried == [True, False], "both were hashed"
    assert (unknown.status, known.status) == (401, 401)
    assert unknown.body.replace(b"carol", b"bob").replace(b"in 1 s", b"in 2 s") == known.body


async def test_a_flood_has_one_lane_and_is_turned_away(lan: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from cockpit.access import passwords

    at_once, most, may_end = 0, 0, threading.Event()

    def slow(_known: str | None, _password: str) -> bool:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        may_end.wait(60)
        at_once -= 1
        return False

    monkeypatch.setattr(passwords, "matches", slow)
    tries = [asyncio.create_task(lan.log_in(f"user{number}", client=(f"10.0.{number}.1", 1))) for number in range(30)]
    turned_away = [await tried for tried in tries[5:]]
    assert {answer.status for answer in turned_away} == {429}
    may_end.set()
    assert {(await tried).status for tried in tries[:5]} == {401}
    assert most == 1


# --- what stays open ---


class Socket:
    """A browser's WebSocket before the gate."""

    def __init__(self, house: House, headers: Mapping[str, str | None], **more: Any) -> None:
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self.received: asyncio.Queue[Message] = asyncio.Queue()
        self.received.put_nowait({"type": "websocket.connect"})
        scope = house.scope("websocket", "/_stcore/stream", headers, subprotocols=[], **more)
        self.task = asyncio.create_task(self._run(house.gate, scope))

    async def _run(self, gate: Gate, scope: dict[str, Any]) -> None:
        await gate(scope, self.received.get, self.sent.put)

    async def next(self) -> Message:
        return await asyncio.wait_for(self.sent.get(), 10)


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({"cookie": None}, "not logged in"),
        ({"cookie": "bifrost_session_8501=forged"}, "forged or old session"),
        ({"origin": None}, "foreign origin"),
        ({"origin": "null"}, "foreign origin"),
        ({"origin": "http://localhost:9999"}, "foreign origin"),
        ({"host": "evil.example", "origin": "http://evil.example"}, "foreign host name"),
    ],
)
async def test_a_websocket_is_refused_before_it_opens(lan: House, headers: dict[str, str | None], outcome: str) -> None:
    own = await lan.own_page()
    socket = Socket(lan, {**own, **headers})
    first = await socket.next()
    assert (first["type"], first["status"]) == ("websocket.http.response.start", 403)
    await socket.task
    assert [line.data["paths"] for line in lan.audited(outcome)] == [["WEBSOCKET /_stcore/stream"]]


async def test_only_what_somebody_does_on_a_page_keeps_rights_awake(lan: House) -> None:
    own = await lan.own_page()
    token = own["cookie"].partition("=")[2]
    lan.clock.seconds += 20 * MINUTE
    socket = Socket(lan, own)
    assert (await socket.next())["type"] == "websocket.accept"
    message = {"type": "websocket.receive", "bytes": b"x"}
    socket.received.put_nowait(message)  # what a browser says by itself when it connects
    lan.clock.seconds += 5 * MINUTE
    session = lan.door.sessions.find(token, lan.clock.wall_us())
    assert session is not None
    while not socket.received.empty():  # noqa: ASYNC110 - the gate tells nobody what it has heard
        await asyncio.sleep(0.01)
    assert session.touched_us == START_US
    socket.received.put_nowait(message)
    while session.touched_us == START_US:  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0.01)
    assert session.touched_us == lan.clock.wall_us()
    lan.clock.seconds += 20 * MINUTE
    found = lan.door.sessions.find(token, lan.clock.wall_us())
    assert found is not None
    assert not found.rests
    socket.received.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(socket.task, 10)
    assert lan.door.sessions.counts() == (1, 0, 0)


async def test_the_end_of_a_session_closes_its_page_and_its_stream(lan: House) -> None:
    own = await lan.own_page()
    socket = Socket(lan, own)
    assert (await socket.next())["type"] == "websocket.accept"
    sent: list[Message] = []
    begun = asyncio.Event()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)
        begun.set()

    stream = asyncio.create_task(lan.gate(lan.scope("http", "/api/events", own, method="GET"), receive, send))
    await asyncio.wait_for(begun.wait(), 10)
    assert lan.door.sessions.counts() == (1, 1, 1)
    assert (await lan.ask("POST", "/logout", own)).status == 303
    await asyncio.wait_for(asyncio.gather(stream, socket.task), 10)
    assert await socket.next() == {"type": "websocket.close", "code": links.SESSION_OVER, "reason": "logged_out"}
    assert sent[-1]["more_body"] is False
    assert sent[-1]["body"] == b'event: ended\ndata: {"reason":"logged_out"}\n\n'
    assert lan.door.sessions.counts() == (0, 0, 0)


async def test_too_many_streams_are_refused_by_name_of_the_limit(lan: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "MOST_OF_SESSION", 2)
    own = await lan.own_page()
    sockets = [Socket(lan, own) for _ in range(2)]
    for socket in sockets:
        assert (await socket.next())["type"] == "websocket.accept"
    third = Socket(lan, own)
    assert (await third.next())["status"] == 503
    told = (await third.next())["body"].decode()
    assert "2 are open already, the oldest since" in told
    assert len(lan.audited("too many pages")) == 1
    for socket in sockets:
        socket.received.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(socket.task, 10)
