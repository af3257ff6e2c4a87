"""What a page hears of the present: the light once or as a stream, and this server's health."""

from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from cockpit.clock import wall_us
from cockpit.desk_view import DeskView
from cockpit.hub import Hub
from cockpit.routes.answers import json_answer, paths_of, reader_of


class LiveRoutes:
    """The handlers, around one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def light(self, request: Request) -> Response:
        """The page's data as it is now, once: for scripts, and for a look without any JavaScript."""
        view = DeskView(self._hub.context, paths_of(self._hub.context, request), reader_of(request))
        return Response(
            await run_in_threadpool(view.encoded, wall_us()),
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def events(self, request: Request) -> Response:
        """The same as a stream of server-sent events, one at every change and at least one a second."""
        return _stream(self._hub.stream(paths_of(self._hub.context, request), reader_of(request)))

    async def fleet(self, request: Request) -> Response:
        """The same of every desk under the root."""
        return _stream(self._hub.fleet(reader_of(request)))

    async def health(self, _request: Request) -> Response:
        """This server is up; says nothing of any desk (that is what the light is for)."""
        return json_answer({"ok": True})


def _stream(messages: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(
        messages,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
