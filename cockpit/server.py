"""The cockpit's process: one uvicorn server around Streamlit's `st.App` and our own routes.

Streamlit keeps its configuration in the process, so everything it needs is passed here and no `.streamlit`
folder exists. Whatever a user's own configuration file says, the values below win.
"""

import asyncio
import gc
import logging
import os
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import anyio.to_thread
import streamlit as st
import uvicorn
from streamlit.web import bootstrap

from cockpit import context, theme
from cockpit.access import door as doors
from cockpit.access.addresses import LOOPBACK_NAMES, is_everywhere, is_loopback
from cockpit.access.connections import BoundedHttp, allow_descriptors
from cockpit.access.door import Door, Listening
from cockpit.access.gate import Gate
from cockpit.access.passwords import prepare
from cockpit.access.settings import Settings, SettingsError, check_start
from cockpit.access.users import Users, UsersError
from cockpit.cache_keepers import keepers
from cockpit.health.jobs import jobs
from cockpit.hub import Hub
from cockpit.routes import routes
from cockpit.runs.children import children
from state.layout import CockpitPaths

ENTRY = Path(__file__).parent / "entry" / "main.py"
EXIT_OK = 0
EXIT_REFUSED = 2
_SWEEP_EVERY_S = 1.0
_READING_THREADS = 8
"""At once, for answers that read files. More would only take turns, and keep the event loop from its own."""
_WEBSOCKET_BYTES = 4 * 1024 * 1024
"""The longest message of a browser; a page's own are a few kilobytes."""


def streamlit_options(*, host: str, port: int, allowed_hosts: tuple[str, ...] = ()) -> dict[str, Any]:
    """What Streamlit is told. No telemetry, no agent interface, no static folder, no tracebacks, no file watcher.

    The gate has judged names and origins before Streamlit does the same with `allowedHosts`.
    """
    return {
        "server.headless": True,
        "server.address": host,
        "server.port": port,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.enableStaticServing": False,
        "server.enableAgentApi": False,
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "server.allowedHosts": [*LOOPBACK_NAMES, *allowed_hosts],
        "server.scriptHealthCheckEnabled": False,
        "server.websocketPingInterval": 10,
        "server.disconnectedSessionTTL": 60,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "runner.magicEnabled": False,
        "logger.level": "warning",
        **theme.streamlit_options(),
    }


class _Server(uvicorn.Server):
    """uvicorn, told to end first what takes its time: open event streams, which never end by themselves, and jobs."""

    def __init__(self, config: uvicorn.Config, hub: Hub, early: Sequence[int]) -> None:
        """`early` grows by the signals that come before uvicorn listens to any."""
        super().__init__(config)
        self._hub = hub
        self._early = early

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On SIGINT or SIGTERM."""
        self._hub.close()
        children.ask_to_end()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; true where it is to end."""
        if self._early and not self.should_exit:
            self.handle_exit(self._early[0], None)
        return await super().on_tick(counter)


def cli_words(root: Path, launcher: str | None) -> str:
    """How a shell command of this root begins and ends: `{}` takes the command's words.

    The root is named only where the launcher would not find it by itself.
    """
    if launcher is not None and Path(launcher).parent / "var" == root:
        return "./bifrost {}"
    return f"./bifrost {{}} --root {shlex.quote(str(root)).replace('{', '{{').replace('}', '}}')}"


def make_app(hub: Hub, door: Door | None = None) -> st.App:
    """Streamlit's application with our routes beside it. The gate stands before it, see `serve`."""

    @asynccontextmanager
    async def lifespan(_app: st.App) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _READING_THREADS
        sweeping = None if door is None else asyncio.create_task(_sweep(door), name="sweep sessions")
        yield
        hub.close()
        if sweeping is not None:
            sweeping.cancel()

    return st.App(ENTRY, routes=routes(hub), lifespan=lifespan)


async def _sweep(door: Door) -> None:
    """End sessions on time, also those that nobody asks anything of. Its death would keep them: it is told."""
    while True:
        await asyncio.sleep(_SWEEP_EVERY_S)
        try:
            await asyncio.to_thread(door.refresh)
            await asyncio.to_thread(door.sweep)
        except Exception as error:  # noqa: BLE001 - the next second tries again
            _say(f"cockpit: sessions could not be looked through: {type(error).__name__}: {error}")


def serve(*, root: Path, desk: str, host: str, port: int, options: Mapping[str, Any] | None = None) -> int:
    """Serve the cockpit until SIGINT or SIGTERM; port 0 takes a free one. Returns the exit code.

    `options` are settings of `access.settings.Settings` that win over the file's. 0 after a signal; 2 when the
    cockpit may not listen like this, or the port is taken, with one line on stderr.
    """
    root = root.resolve()
    paths = CockpitPaths(root)
    shell = cli_words(root, os.environ.get("BIFROST_LAUNCHER"))
    try:
        settings, users = check_start(paths, host, options or {}, cli=shell)
    except (SettingsError, UsersError) as error:
        _say(f"cockpit: {error}")
        return EXIT_REFUSED
    try:
        listener = _listen(host, port)
    except OSError as error:
        _say(
            f"cockpit: cannot listen on {host}:{port}: {error.strerror}. Choose another with --port, or end its owner."
        )
        return EXIT_REFUSED
    bound_port = listener.getsockname()[1]
    context.configure(context.CockpitContext(root=root, desk=desk, cli=shell))
    listening = Listening(
        port=bound_port,
        beyond_this_machine=not is_loopback(host),
        tls=settings.has_tls,
        behind_proxy=settings.behind_proxy,
    )
    door = Door(paths, settings, listening)
    doors.configure(door)
    if door.needs_login:
        prepare()
    bootstrap.load_config_options(streamlit_options(host=host, port=bound_port, allowed_hosts=settings.allowed_hosts))
    hub = Hub(context.current())
    # uvicorn raises the signal again once it has shut down, and that must not end us with a traceback.
    early: list[int] = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, _frame: early.append(number))
    for line in self_audit(host=host, port=bound_port, desk=desk, settings=settings, users=users, cli=shell):
        sys.stdout.write(f"cockpit: {line}\n")
    sys.stdout.flush()
    try:
        _Server(_uvicorn_config(hub, door), hub, early).run(sockets=[listener])
    finally:
        door.close()
        keepers.close()
        jobs.close()
        children.close()
        # The interpreter would search all there is for garbage once more before it ends: half a second of processor.
        gc.freeze()
    return EXIT_OK


def _uvicorn_config(hub: Hub, door: Door) -> uvicorn.Config:
    settings = door.settings
    allow_descriptors()
    config = uvicorn.Config(
        Gate(make_app(hub, door), door),
        http=BoundedHttp,
        ws="websockets-sansio",
        ws_ping_interval=10,
        ws_ping_timeout=10,
        ws_max_size=_WEBSOCKET_BYTES,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        # uvicorn would believe any process of this machine; here only a proxy that the operator named.
        proxy_headers=settings.behind_proxy is not None,
        forwarded_allow_ips=settings.behind_proxy or "",
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    # uvicorn calls each refused handshake an error of the application; strangers could fill the terminal with it.
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: "without completing handshake" not in record.getMessage()
    )
    return config


def self_audit(*, host: str, port: int, desk: str, settings: Settings, users: Users, cli: str) -> list[str]:
    """What is said at the start: the address, what is listened on, and who may come in."""
    shown = settings.allowed_hosts[0] if is_everywhere(host) and settings.allowed_hosts else host
    scheme = "https" if settings.has_tls else "http"
    lines = [f"{scheme}://{_bracketed(shown)}:{port}/?desk={desk}"]
    reach = "this machine only" if is_loopback(host) else "reached from the network"
    if settings.has_tls:
        reach += ", with TLS"
    elif not is_loopback(host):
        reach += ", WITHOUT TLS: passwords and pages can be read there (--tls-cert FILE --tls-key FILE)"
    if settings.behind_proxy is not None:
        reach += f", behind the proxy at {settings.behind_proxy}"
    names = f"; answers to {', '.join(settings.allowed_hosts)} and localhost" if settings.allowed_hosts else ""
    lines.append(f"listens on {_bracketed(host)}:{port}: {reach}{names}")
    if users:
        lines.append("may come in: " + ", ".join(f"{name} ({users[name].role})" for name in sorted(users)))
    else:
        lines.append(f"nobody needs to log in on this machine; to ask for a password: {cli.format('passwd NAME')}")
    return lines


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
