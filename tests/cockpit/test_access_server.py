"""The served cockpit with users, over real sockets: handshakes, routes, streams that end, and a browser."""

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from cockpit.access.policy import NOBODYS, WEBSOCKET, rule_for
from cockpit.access.settings import Settings
from cockpit.access.users import read_users
from cockpit.server import self_audit, serve
from state.audit import read_audit
from state.control import read_control
from state.layout import CockpitPaths
from tests.cockpit.conftest import run_python
from tests.support.cockpit_process import PASSWORD, CockpitProcess, set_users
from tests.support.desk_player import DeskPlayer, wall_us

NAME = "trader.lan"
OPENSSL = shutil.which("openssl")


_TELL = """
import json
from pathlib import Path
from streamlit import config
from streamlit.web import bootstrap
from cockpit import context, server
from cockpit.hub import Hub
context.configure(context.CockpitContext(root=Path("/nowhere"), desk="demo"))
options = server.streamlit_options(host="127.0.0.1", port=1, allowed_hosts=("trader.lan",))
bootstrap.load_config_options(options)
app = server.make_app(Hub(context.current()))._build_starlette_app()
names = [
    "server.enableAgentApi", "server.enableStaticServing", "server.scriptHealthCheckEnabled", "server.enableCORS",
    "server.enableXsrfProtection", "server.allowedHosts", "browser.gatherUsageStats", "client.showErrorDetails",
    "global.developmentMode",
]
routes = [(type(r).__name__, getattr(r, "path", ""), sorted(getattr(r, "methods", None) or [])) for r in app.routes]
print(json.dumps({"routes": routes, "options": {name: config.get_option(name) for name in names}}))
"""


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskPlayer]:
    player = DeskPlayer(tmp_path_factory.mktemp("guarded") / "var")
    player.write()
    yield player
    player.close()


@pytest.fixture(scope="module")
def served(player: DeskPlayer) -> Iterator[CockpitProcess]:
    """On every address of this machine, as on a home network."""
    set_users(player.paths.root, {"anna": "operator", "bob": "viewer"})
    options = {"host": "0.0.0.0", "allowed_hosts": [NAME], "behind_proxy": "127.0.0.1"}  # noqa: S104 - guarded
    with CockpitProcess(player.paths.root, **options) as process:
        yield process


def audited(served: CockpitProcess, outcome: str) -> list[Any]:
    """The lines with an outcome; the server writes them from a thread of its own, so it is waited for."""
    deadline = time.monotonic() + 20
    while True:
        found = [line for line in read_audit(CockpitPaths(served.root).audit) if line.outcome == outcome]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def until_closed(page: ClientConnection) -> None:
    while True:
        page.recv(timeout=20)


def handshake(served: CockpitProcess, *, origin: str | None, host: str = "", cookie: str = "") -> connect:
    port = urlsplit(served.address).port
    link = socket.create_connection(("127.0.0.1", port or 0), timeout=20)
    return connect(
        f"ws://{host or NAME}:{port}/_stcore/stream",
        sock=link,
        origin=origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": cookie} if cookie else {},
        subprotocols=["streamlit"],  # type: ignore[list-item]
        proxy=None,
        open_timeout=20,
    )


def test_it_names_itself_as_it_is_reached(served: CockpitProcess) -> None:
    assert served.address.startswith(f"http://{NAME}:")


@pytest.mark.parametrize(
    ("origin", "host", "with_cookie", "outcome"),
    [
        ("own", "", False, "not logged in"),
        (None, "", True, "foreign origin"),
        ("null", "", True, "foreign origin"),
        ("http://evil.example", "", True, "foreign origin"),
        ("http://localhost:9999", "", True, "foreign origin"),
        ("http://evil.example", "evil.example", True, "foreign host name"),
    ],
)
def test_the_page_socket_opens_for_our_own_pages_only(
    served: CockpitProcess, origin: str | None, host: str, with_cookie: bool, outcome: str
) -> None:
    cookie = served.log_in("bob")["Cookie"] if with_cookie else ""
    given = served.address if origin == "own" else origin
    with pytest.raises(InvalidStatus) as refused, handshake(served, origin=given, host=host, cookie=cookie):
        pass
    assert refused.value.response.status_code == 403
    assert audited(served, outcome)[0].address == "127.0.0.1"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_stcore/metrics"),
        ("GET", "/_stcore/script-health-check"),
        ("GET", "/_stcore/agent/openapi.json"),
        ("POST", "/_stcore/agent/interact"),
        ("POST", "/_stcore/agent/mcp"),
        ("POST", "/now/_stcore/agent/mcp"),
        ("PUT", "/_stcore/upload_file/a/b"),
        ("GET", "/auth/login"),
        ("GET", "/oauth2callback"),
        ("GET", "/component/streamlit_app.x/index.html"),
    ],
)
def test_what_no_page_needs_is_shut_for_operators_too(served: CockpitProcess, method: str, path: str) -> None:
    own = served.log_in("anna")
    assert served.ask(method, path, own).status == 404


def test_health_is_open_and_says_nothing(served: CockpitProcess) -> None:
    assert served.ask("GET", "/api/health").json == {"ok": True}
    assert served.ask("GET", "/_stcore/health").status == 401
    for path in ("/api/light", "/api/equity", "/light", "/now", "/static/js/index.js"):
        assert served.ask("GET", path).status in (303, 401), path


def test_a_viewer_commands_nothing_and_an_operator_does(served: CockpitProcess, player: DeskPlayer) -> None:
    viewer, operator = served.log_in("bob"), served.log_in("anna")
    for name in ("stop", "pause"):
        assert served.ask("POST", f"/api/control/{name}?desk=demo", viewer).status == 403
    assert read_control(player.paths.control, wall_us()).files == {}
    assert served.ask("POST", "/api/control/pause?desk=demo", operator).status == 200
    last = read_audit(player.paths.audit)[-1]
    assert (last.action, last.by, last.address) == ("pause", "anna", "127.0.0.1")
    (player.paths.control / "pause").unlink()
    assert {line.by for line in audited(served, "not an operator")} == {"bob"}


def test_a_named_proxy_says_who_asks_and_by_which_scheme(served: CockpitProcess) -> None:
    through = {"Host": NAME, "X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https"}
    plain = served.try_login("anna", **{**through, "Origin": f"http://{NAME}"})
    assert plain.status == 403, "the browser used TLS"
    answer = served.try_login("anna", **{**through, "Origin": f"https://{NAME}"})
    assert answer.status == 303
    assert answer.cookie.startswith("__Host-bifrost_session_")
    assert "Secure" in answer.headers["set-cookie"]
    assert served.ask("GET", "/api/light", {**through, "Cookie": answer.cookie}).status == 200
    assert served.ask("GET", "/api/light", {**through, "Host": "localhost", "Cookie": answer.cookie}).status == 403
    deadline = time.monotonic() + 20
    while "10.1.2.3" not in {line.address for line in audited(served, "ok")}:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_stream_and_a_page_end_with_their_session(served: CockpitProcess) -> None:
    own = served.log_in("anna")
    parts = urlsplit(served.address)
    request = f"GET /api/events?desk=demo HTTP/1.1\r\nHost: {parts.netloc}\r\nCookie: {own['Cookie']}\r\n\r\n"
    with (
        handshake(served, origin=served.address, cookie=own["Cookie"]) as page,
        socket.create_connection(("127.0.0.1", parts.port or 0), timeout=20) as link,
    ):
        link.sendall(request.encode())
        heard = b""
        while b"event: page" not in heard:
            heard += link.recv(65536)
        assert served.ask("POST", "/logout", own).status == 303
        while b"event: ended" not in heard:
            more = link.recv(65536)
            assert more, "closed without a word"
            heard += more
        assert b'{"reason":"logged_out"}' in heard
        with pytest.raises(ConnectionClosed):
            until_closed(page)
        assert (page.close_code, page.close_reason) == (4401, "logged_out")
    assert served.ask("GET", "/api/light", own).status == 401


def test_streamlit_is_told_and_every_route_has_its_row() -> None:
    """In a process of its own: Streamlit keeps one application and one configuration in each."""
    found = run_python(_TELL, timeout_s=60)
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout.splitlines()[-1])
    assert told["options"] == {
        "server.enableAgentApi": False,
        "server.enableStaticServing": False,
        "server.scriptHealthCheckEnabled": False,
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "server.allowedHosts": ["localhost", "127.0.0.1", "::1", NAME],
        "global.developmentMode": False,
    }
    asked = []
    for kind, path, methods in told["routes"]:
        plain = path.replace("{", "").replace("}", "").replace(":path", "") or "/"
        asked += [(WEBSOCKET if kind == "WebSocketRoute" else method, plain) for method in methods or [WEBSOCKET]]
        if kind == "Mount":
            asked[-1] = ("GET", plain)
    assert len(asked) > 25
    without_row = [pair for pair in asked if rule_for(*pair) is NOBODYS]
    assert without_row == []
    for method, path in asked:
        rule = rule_for(method, path)
        if method not in ("GET", "HEAD", WEBSOCKET) and path not in ("/login", "/logout"):
            assert rule.needs in ("operator", "refused"), (method, path)
            assert rule.token or rule.needs == "refused", (method, path)
        if rule.needs == "nobody":
            assert path in ("/login", "/api/health"), "open to everybody"


@pytest.mark.parametrize("problem", ["nobody", "no name", "mode", "torn", "link"])
def test_it_does_not_start_unsafe_and_says_how(
    tmp_path: Path, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths, options = CockpitPaths(tmp_path), {"allowed_hosts": [NAME]}
    expected = {"nobody": "passwd", "no name": "--allowed-host", "mode": "chmod 600", "torn": "passwd", "link": "link"}
    if problem != "nobody":
        set_users(tmp_path, {"anna": "operator"})
    if problem == "no name":
        options = {}
    if problem == "mode":
        paths.users.chmod(0o640)
    if problem == "torn":
        paths.users.write_bytes(paths.users.read_bytes()[:-20])
    if problem == "link":
        paths.users.rename(tmp_path / "users.json")
        paths.users.symlink_to(tmp_path / "users.json")
    assert serve(root=tmp_path, desk="demo", host="0.0.0.0", port=0, options=options) == 2  # noqa: S104 - refused
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert expected[problem] in said.err


def test_at_the_start_it_says_who_may_come_in(tmp_path: Path) -> None:
    set_users(tmp_path, {"anna": "operator", "bob": "viewer"})
    users = read_users(CockpitPaths(tmp_path))
    said = self_audit(
        host="0.0.0.0",  # noqa: S104 - only named
        port=8501,
        desk="demo",
        settings=Settings(allowed_hosts=(NAME, "192.168.1.7")),
        users=users,
        cli="./bifrost {}",
    )
    assert said[0] == f"http://{NAME}:8501/?desk=demo"
    assert "WITHOUT TLS" in said[1]
    assert f"{NAME}, 192.168.1.7" in said[1]
    assert said[2] == "may come in: anna (operator), bob (viewer)"
    tls = Settings(tls_cert="cert.pem", tls_key="key.pem", allowed_hosts=("fd00::1",))
    said = self_audit(host="fd00::1", port=1, desk="demo", settings=tls, users=users, cli="")
    assert said[0] == "https://[fd00::1]:1/?desk=demo"
    assert "with TLS" in said[1]
    said = self_audit(host="127.0.0.1", port=1, desk="demo", settings=Settings(), users={}, cli="./bifrost {}")
    assert "this machine only" in said[1]
    assert "./bifrost passwd NAME" in said[2]


@pytest.mark.nightly
@pytest.mark.skipif(OPENSSL is None, reason="no openssl on this machine")
def test_over_tls_the_cookie_is_bound_to_it(player: DeskPlayer, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(
        [str(OPENSSL), "req", *kind, "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    set_users(player.paths.root, {"anna": "operator"}, at="2026-03-03")
    with CockpitProcess(player.paths.root, tls_cert=str(certificate), tls_key=str(key)) as process:
        assert process.address.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=certificate)
        trusting.check_hostname = False
        link = http.client.HTTPSConnection("127.0.0.1", urlsplit(process.address).port or 0, context=trusting)
        form = urlencode({"name": "anna", "password": PASSWORD})
        link.request("POST", "/login", form, {"Origin": process.address, "Host": urlsplit(process.address).netloc})
        answer = link.getresponse()
        cookie = answer.getheader("set-cookie") or ""
        assert (answer.status, cookie.startswith("__Host-bifrost_session_"), "Secure" in cookie) == (303, True, True)
        link.close()


@pytest.mark.browser
def test_a_browser_logs_in_and_a_change_of_its_user_shows_at_once(
    browser: Browser, player: DeskPlayer, tmp_path: Path
) -> None:
    root = player.paths.root
    with CockpitProcess(root) as local:  # a name that the browser can resolve; the users are there
        context = browser.new_context(viewport={"width": 390, "height": 844})
        context.set_default_timeout(30_000)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        player.write()
        page.goto(f"{local.address}/?desk=demo")
        assert "/login?next=" in page.url
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.fill("#name", "anna")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{local.address}/?desk=demo")
        page.wait_for_selector(".light[data-state]")
        page.wait_for_selector("text=anna")
        assert [cookie["httpOnly"] for cookie in context.cookies() if "bifrost" in cookie["name"]] == [True]  # type: ignore[typeddict-item]
        assert complaints == []
        set_users(root, {"anna": "operator", "bob": "viewer"}, at="2026-02-02")
        page.wait_for_selector(".light[data-state=not_live]")
        page.wait_for_selector('a[href^="/login"]')
        context.close()
