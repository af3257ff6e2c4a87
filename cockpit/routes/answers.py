"""What the routes share: JSON that nobody keeps, the desk that an address names, and who asks in which words."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cockpit.context import CockpitContext, UnknownDeskError, desk_paths
from cockpit.hub import TooManyStreamsError
from cockpit.language import chosen
from cockpit.reader import Reader, zone_of
from state.layout import DeskPaths

Handler = Callable[[Request], Awaitable[Response]]


def json_answer(value: object, status: int = 200) -> Response:
    """`value` as JSON that is not cached."""
    return Response(
        msgspec.json.encode(value), status, media_type="application/json", headers={"Cache-Control": "no-store"}
    )


def paths_of(context: CockpitContext, request: Request) -> DeskPaths:
    """The desk that the address names. Raises UnknownDeskError."""
    return desk_paths(context, request.query_params.get("desk"))


def reader_of(request: Request) -> Reader:
    """The language (`lang`) and the time zone (`tz`: utc, exchange, or a zone's name) that the address asks for."""
    query = request.query_params
    return Reader(language=chosen(query.get("lang")), zone=zone_of(query.get("tz"), None))


def guarded(handler: Handler) -> Handler:
    """Answer 404 with the sentence when the address names a desk that is not there, 503 for a page too many."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except UnknownDeskError as error:
            return json_answer({"ok": False, "error": str(error)}, 404)
        except TooManyStreamsError as error:
            return json_answer({"ok": False, "error": str(error)}, 503)

    return answer
