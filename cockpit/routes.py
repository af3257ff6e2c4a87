"""The routes beside Streamlit's: the light, its event stream, the equity figure, commands, health, and our files.

Commands here do not depend on any page's script: a jammed page can still stop the desk.
"""

import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cockpit import commands
from cockpit.clock import wall_us
from cockpit.context import UnknownDeskError, desk_paths
from cockpit.desk_view import DeskView
from cockpit.equity import equity_figure
from cockpit.hub import Hub
from cockpit.origin import is_same_origin
from state.layout import DeskPaths

ASSETS = Path(__file__).parent / "components" / "assets"
_FOREVER = "public, max-age=31536000, immutable"
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}


@cache
def assets() -> dict[str, bytes]:
    """Name -> bytes of every file that pages load: ours, and plotly's own bundle from its package."""
    found = {path.name: path.read_bytes() for path in sorted(ASSETS.iterdir()) if path.suffix in _MEDIA_TYPES}
    found["plotly.min.js"] = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return found


@cache
def assets_version() -> str:
    """A hash over all of them, part of their address: a browser may keep them for ever."""
    digest = hashlib.sha256()
    for name, content in assets().items():
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16]


def _json(value: object, status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(value), status, media_type="application/json", headers={"Cache-Control": "no-store"}
    )


class _Routes:
    """The handlers, around one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def _paths(self, request: Request) -> DeskPaths:
        return desk_paths(self._hub.context, request.query_params.get("desk"))

    async def light(self, request: Request) -> Response:
        """The page's data as it is now, once: for scripts, and for a look without any JavaScript."""
        view = DeskView(self._hub.context, self._paths(request))
        return Response(
            await run_in_threadpool(view.encoded, wall_us()),
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def events(self, request: Request) -> Response:
        """The same as a stream of server-sent events, one at every change and at least one a second."""
        return StreamingResponse(
            self._hub.stream(self._paths(request)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def equity(self, request: Request) -> Response:
        """The equity and drawdown figure from the history."""
        return _json(await run_in_threadpool(equity_figure, self._paths(request)))

    async def control(self, request: Request) -> Response:
        """Stop or pause, by one POST of one of our own pages."""
        if not is_same_origin(request.headers):
            return _json({"ok": False, "error": "only a page of this cockpit may command; use ./bifrost"}, 403)
        name = request.path_params["name"]
        if name not in ("stop", "pause"):
            return _json({"ok": False, "error": f"no one-click command {name[:20]!r}"}, 404)
        paths = self._paths(request)
        if not paths.exists():
            return _json({"ok": False, "error": f"desk {paths.desk} was never started; ./bifrost up starts it"}, 409)
        address = None if request.client is None else request.client.host
        try:
            done = await run_in_threadpool(
                commands.carry_out, paths, name, now_us=wall_us(), reason="from the cockpit", address=address
            )
        except commands.CommandError as error:
            return _json({"ok": False, "error": str(error)}, 500)
        return _json({"ok": True, "command": name, "outcome": done.outcome, "warning": done.warning})

    async def health(self, _request: Request) -> Response:
        """This server is up; says nothing of any desk (that is what the light is for)."""
        return _json({"ok": True, "desk": self._hub.context.desk})

    async def asset(self, request: Request) -> Response:
        """One of our files, under an address that changes with its content."""
        name = request.path_params["name"]
        content = assets().get(name)
        if content is None or request.path_params["version"] != assets_version():
            return Response("not here\n", 404)
        # `identity` keeps the compressing middleware away: over loopback it costs a second and saves nothing.
        headers = {"Cache-Control": _FOREVER, "Content-Encoding": "identity"}
        return Response(content, media_type=_MEDIA_TYPES[Path(name).suffix], headers=headers)


_Handler = Callable[[Request], Awaitable[Response]]


def _guarded(handler: _Handler) -> _Handler:
    """Answer 404 with the sentence when the address names a desk that is not there."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except UnknownDeskError as error:
            return _json({"ok": False, "error": str(error)}, 404)

    return answer


def routes(hub: Hub) -> list[Route]:
    """Every route of ours."""
    on = _Routes(hub)
    return [
        Route("/api/light", _guarded(on.light)),
        Route("/api/events", _guarded(on.events)),
        Route("/api/equity", _guarded(on.equity)),
        Route("/api/control/{name}", _guarded(on.control), methods=["POST"]),
        Route("/api/health", on.health),
        Route("/assets/{version}/{name}", on.asset),
    ]
