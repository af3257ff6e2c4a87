"""Commands by one POST each. They do not depend on any page's script: a jammed page can still stop the desk."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from cockpit import commands
from cockpit.clock import wall_us
from cockpit.context import CockpitContext
from cockpit.origin import is_same_origin
from cockpit.routes.answers import json_answer, paths_of


class ControlRoutes:
    """The handlers, for the desks of one root."""

    def __init__(self, context: CockpitContext) -> None:
        self._context = context

    async def control(self, request: Request) -> Response:
        """Stop or pause, by one POST of one of our own pages."""
        if not is_same_origin(request.headers):
            return json_answer({"ok": False, "error": "only a page of this cockpit may command; use ./bifrost"}, 403)
        name = request.path_params["name"]
        if name not in ("stop", "pause"):
            return json_answer({"ok": False, "error": f"no one-click command {name[:20]!r}"}, 404)
        paths = paths_of(self._context, request)
        if not paths.exists():
            return json_answer(
                {"ok": False, "error": f"desk {paths.desk} was never started; ./bifrost up starts it"}, 409
            )
        address = None if request.client is None else request.client.host
        try:
            done = await run_in_threadpool(
                commands.carry_out, paths, name, now_us=wall_us(), reason="from the cockpit", address=address
            )
        except commands.CommandError as error:
            return json_answer({"ok": False, "error": str(error)}, 500)
        return json_answer({"ok": True, "command": name, "outcome": done.outcome, "warning": done.warning})
