"""The cockpit's process: one uvicorn server around Streamlit's `st.App` and our own routes.

Streamlit keeps its configuration in the process, so everything it needs is passed here and no `.streamlit`
folder exists. Whatever a user's own configuration file says, the values below win.
"""

import os
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import streamlit as st
import uvicorn
from starlette.middleware import Middleware
from streamlit.web import bootstrap

from cockpit import context
from cockpit.cache_keepers import keepers
from cockpit.hub import Hub
from cockpit.origin import LoopbackHostOnly, is_loopback
from cockpit.routes import routes

ENTRY = Path(__file__).parent / "entry" / "main.py"
EXIT_OK = 0
EXIT_REFUSED = 2

_THEME: dict[str, Any] = {
    "theme.baseFontSize": 15,
    "theme.baseRadius": "6px",
    "theme.showWidgetBorder": True,
    "theme.paddingTop": "0.6rem",
    "theme.light.primaryColor": "#37506b",
    "theme.light.backgroundColor": "#f3f4f6",
    "theme.light.secondaryBackgroundColor": "#ffffff",
    "theme.light.textColor": "#1b1f23",
    "theme.light.codeTextColor": "#1b1f23",
    "theme.light.borderColor": "#c9ced4",
    "theme.dark.primaryColor": "#8fb3d9",
    "theme.dark.backgroundColor": "#16191d",
    "theme.dark.secondaryBackgroundColor": "#1f2429",
    "theme.dark.textColor": "#e7eaed",
    "theme.dark.codeTextColor": "#e7eaed",
    "theme.dark.borderColor": "#3a424a",
}


def streamlit_options(*, host: str, port: int) -> dict[str, Any]:
    """What Streamlit is told. No telemetry, no agent interface, no static folder, no tracebacks, no file watcher."""
    return {
        "server.headless": True,
        "server.address": host,
        "server.port": port,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.enableStaticServing": False,
        "server.enableAgentApi": False,
        "server.websocketPingInterval": 10,
        "server.disconnectedSessionTTL": 60,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "runner.magicEnabled": False,
        "logger.level": "warning",
        **_THEME,
    }


class _Server(uvicorn.Server):
    """uvicorn, told to end the open event streams first: they never end by themselves."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On SIGINT or SIGTERM."""
        self._hub.close()
        super().handle_exit(sig, frame)


def cli_words(root: Path, launcher: str | None) -> str:
    """How a shell command of this root begins and ends: `{}` takes the command's words.

    The root is named only where the launcher would not find it by itself.
    """
    if launcher is not None and Path(launcher).parent / "var" == root:
        return "./bifrost {}"
    return f"./bifrost {{}} --root {shlex.quote(str(root))}"


def make_app(hub: Hub) -> st.App:
    """Streamlit's application with our routes beside it and the host check before everything."""

    @asynccontextmanager
    async def lifespan(_app: st.App) -> AsyncIterator[None]:
        yield
        hub.close()

    return st.App(ENTRY, routes=routes(hub), middleware=[Middleware(LoopbackHostOnly)], lifespan=lifespan)


def serve(*, root: Path, desk: str, host: str, port: int) -> int:
    """Serve the cockpit until SIGINT or SIGTERM; port 0 takes a free one. Returns the exit code.

    0 after a signal; 2 when the address is not a loopback one or the port is taken, with one line on stderr.
    """
    if not is_loopback(host):
        _say(
            f"cockpit: will not listen on {host}: for now it answers on this machine only (--host 127.0.0.1). "
            "Access from the home network comes with the password feature."
        )
        return EXIT_REFUSED
    try:
        listener = _listen(host, port)
    except OSError as error:
        _say(
            f"cockpit: cannot listen on {host}:{port}: {error.strerror}. Choose another with --port, or end its owner."
        )
        return EXIT_REFUSED
    bound_port = listener.getsockname()[1]
    root = root.resolve()
    context.configure(
        context.CockpitContext(root=root, desk=desk, cli=cli_words(root, os.environ.get("BIFROST_LAUNCHER")))
    )
    bootstrap.load_config_options(streamlit_options(host=host, port=bound_port))
    hub = Hub(context.current())
    config = uvicorn.Config(
        make_app(hub),
        ws="websockets-sansio",
        ws_ping_interval=10,
        ws_ping_timeout=10,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    # uvicorn raises the signal again once it has shut down; these keep that from ending us with a traceback.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda _number, _frame: None)
    shown_host = f"[{host}]" if ":" in host else host
    sys.stdout.write(f"cockpit: http://{shown_host}:{bound_port}/?desk={desk}\n")
    sys.stdout.flush()
    try:
        _Server(config, hub).run(sockets=[listener])
    finally:
        keepers.close()
    return EXIT_OK


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
