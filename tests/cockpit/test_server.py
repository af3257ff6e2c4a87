"""The server as a process, asked by plain HTTP."""

import http.client
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from streamlit import config as streamlit_config
from websockets.sync.client import connect

from cockpit.assets import assets, assets_version
from cockpit.server import cli_words, serve, streamlit_options
from state.audit import read_audit
from state.control import read_control
from tests.support.cockpit_process import CockpitProcess
from tests.support.desk_player import DeskPlayer, wall_us


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskPlayer]:
    player = DeskPlayer(tmp_path_factory.mktemp("served") / "var")
    player.write()
    yield player
    player.close()


@pytest.fixture(scope="module")
def served(player: DeskPlayer) -> Iterator[CockpitProcess]:
    with CockpitProcess(player.paths.root) as process:
        yield process


def ask(
    served: CockpitProcess, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(served.address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


def own_page(served: CockpitProcess) -> dict[str, str]:
    return served.own_page()


def test_the_light_route_tells_the_present(served: CockpitProcess, player: DeskPlayer) -> None:
    player.write()
    status, headers, body = ask(served, "GET", "/api/light?desk=demo")
    page = json.loads(body)
    assert status == 200
    assert headers["cache-control"] == "no-store"
    assert page["light"]["state"] == "green"
    assert page["mode"] == {"kind": "simulated", "word": "SIMULATED", "account": "DU0000001"}
    assert [tile["name"] for tile in page["tiles"]] == ["equity", "drawdown", "net_delta", "hedges"]


def test_a_change_reaches_the_stream_at_once(served: CockpitProcess, player: DeskPlayer) -> None:
    parts = urlsplit(served.address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as link:
        link.sendall(f"GET /api/events?desk=demo HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        heard = b""
        while heard.count(b"event: page") < 1:
            heard += link.recv(65536)
        assert b"text/event-stream" in heard
        player.mood = "red"
        began = time.monotonic()
        player.write()
        while b'"state":"red"' not in heard:
            heard += link.recv(65536)
        player.mood = "green"
        assert time.monotonic() - began < 1.0


def test_the_stream_beats_without_a_change(served: CockpitProcess) -> None:
    parts = urlsplit(served.address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as link:
        link.sendall(f"GET /api/events?desk=demo HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        heard = b""
        began = time.monotonic()
        while heard.count(b"event: page") < 3:
            heard += link.recv(65536)
        assert time.monotonic() - began < 2.9, "a page calls three silent seconds not live"


def test_equity_comes_from_the_history(served: CockpitProcess) -> None:
    status, _, body = ask(served, "GET", "/api/equity?desk=demo")
    figure = json.loads(body)
    assert status == 200
    assert len(figure["data"][0]["x"]) == 200
    assert figure["layout"]["uirevision"] == "all", "the zoom belongs to the range that was chosen"
    status, _, body = ask(served, "GET", f"/api/equity?desk=demo&base={figure['base']}&since={figure['newest_us']}")
    assert len(json.loads(body)["patch"]["data"][0]["x"]) == 1, "only what is new since then"


def test_the_past_is_served_as_figures_and_as_csv(served: CockpitProcess) -> None:
    status, _, body = ask(served, "GET", "/api/figure/daily?desk=demo&range=1w&lang=zh")
    figure = json.loads(body)
    assert (status, figure["title"], figure["layout"]["uirevision"]) == (200, "每日盈亏", "1w")
    status, headers, body = ask(served, "GET", "/api/history/days.csv?desk=demo&range=1w")
    assert (status, headers["content-disposition"]) == (200, 'attachment; filename="demo-days-1w.csv"')
    assert body.decode().splitlines()[1].startswith("2014-06-05,")
    for path in ("/api/figure/nothing?desk=demo", "/api/history/nothing.csv?desk=demo", "/api/figure/daily?desk=none"):
        status, _, body = ask(served, "GET", path)
        assert status == 404
        assert json.loads(body)["error"]


@pytest.mark.parametrize("name", ["stop", "pause"])
def test_a_command_of_our_page_is_written_and_audited(served: CockpitProcess, player: DeskPlayer, name: str) -> None:
    status, _, body = ask(served, "POST", f"/api/control/{name}?desk=demo", own_page(served))
    assert status == 200, body
    assert json.loads(body)["outcome"] == "written"
    found = read_control(player.paths.control, wall_us()).files
    assert name in found
    last = read_audit(player.paths.audit)[-1]
    assert (last.action, last.source, last.outcome, last.address) == (name, "cockpit", "written", "127.0.0.1")
    assert found[name].id == last.command_id  # type: ignore[index]
    (player.paths.control / name).unlink()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "file://"},
    ],
)
def test_a_foreign_page_commands_nothing(served: CockpitProcess, player: DeskPlayer, headers: dict[str, str]) -> None:
    status, _, body = ask(served, "POST", "/api/control/stop?desk=demo", {**own_page(served), "Origin": "", **headers})
    assert status == 403
    assert b"bifrost" in body
    assert read_control(player.paths.control, wall_us()).files == {}


def test_flatten_and_a_mere_look_command_nothing(served: CockpitProcess, player: DeskPlayer) -> None:
    assert ask(served, "POST", "/api/control/flatten?desk=demo", own_page(served))[0] == 400, "no plan was agreed to"
    ask(served, "GET", "/api/control/stop?desk=demo", own_page(served))
    assert read_control(player.paths.control, wall_us()).files == {}


@pytest.mark.parametrize("path", ["/", "/api/light", "/api/health", "/_stcore/health"])
def test_a_foreign_name_for_this_machine_is_refused(served: CockpitProcess, path: str) -> None:
    assert ask(served, "GET", path, {"Host": "rebound.example:80"})[0] == 403
    assert ask(served, "GET", path)[0] == 200


def test_an_unknown_desk_is_named_with_those_that_are(served: CockpitProcess) -> None:
    for desk in ("nobody", "..%2F..", "_internal"):
        status = ask(served, "GET", f"/api/light?desk={desk}")[0]
        assert status == 404, desk
    assert ask(served, "POST", "/api/control/stop?desk=nobody", own_page(served))[0] == 404
    assert b"there is: demo" in ask(served, "GET", "/api/events?desk=nobody")[2]


def test_assets_are_ours_and_kept_for_ever(served: CockpitProcess) -> None:
    status, headers, body = ask(served, "GET", f"/assets/{assets_version()}/plotly.min.js", {"Accept-Encoding": "gzip"})
    assert (status, body) == (200, assets()["plotly.min.js"])
    assert "immutable" in headers["cache-control"]
    assert ask(served, "GET", "/assets/0000/live.js")[0] == 404
    assert ask(served, "GET", f"/assets/{assets_version()}/..%2F__init__.py")[0] in (400, 404)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_quickly_with_a_stream_and_a_page_open(player: DeskPlayer, how: signal.Signals) -> None:
    process = CockpitProcess(player.paths.root)
    process.start()
    parts = urlsplit(process.address)
    page = connect(
        f"ws://{parts.netloc}/_stcore/stream",
        origin=process.address,  # type: ignore[arg-type]
        additional_headers={"Cookie": process.own_page()["Cookie"]},
        subprotocols=["streamlit"],  # type: ignore[list-item]
        proxy=None,
    )
    with page, socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as link:
        link.sendall(f"GET /api/events?desk=demo HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        heard = b""
        while b"event: page" not in heard:
            heard += link.recv(65536)
        code, seconds, said = process.end(how)
    assert (code, said) == (0, "")
    assert seconds < 3


def test_a_signal_that_comes_while_it_starts_ends_it(tmp_path: Path) -> None:
    process = CockpitProcess(tmp_path / "var")
    process.start()  # it has told its address; uvicorn listens to signals only later
    code, _, said = process.end(signal.SIGTERM, timeout_s=60)
    assert (code, said) == (0, "")


def test_a_taken_port_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve(root=tmp_path, desk="demo", host="127.0.0.1", port=port) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"127.0.0.1:{port}" in said.err
    assert "--port" in said.err


def test_streamlit_knows_every_option_that_it_is_told() -> None:
    options = streamlit_options(host="127.0.0.1", port=8501)
    known = set(streamlit_config._config_options_template)
    assert set(options) <= known
    for shut in ("server.enableAgentApi", "server.enableStaticServing", "browser.gatherUsageStats"):
        assert options[shut] is False
    assert options["client.showErrorDetails"] == "none"


def test_the_shell_twin_names_the_root_only_where_it_must(tmp_path: Path) -> None:
    assert cli_words(tmp_path / "var", str(tmp_path / "bifrost")) == "./bifrost {}"
    assert cli_words(tmp_path / "my var", str(tmp_path / "bifrost")).endswith(f"--root '{tmp_path}/my var'")
    assert "--root" in cli_words(tmp_path / "var", None)


def test_the_cockpit_never_imports_the_daemon() -> None:
    from tests.cockpit.conftest import run_python

    found = run_python("import sys, cockpit.server; print([m for m in sys.modules if m.split('.')[0] == 'daemon'])")
    assert found.stdout.strip() == "[]", found.stderr
