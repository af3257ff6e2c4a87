"""The Health page's tables, as JSON: asked for every few seconds by each open Health page."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from cockpit.clock import wall_us
from cockpit.context import CockpitContext
from cockpit.health.jobs import jobs
from cockpit.health.vitals import VitalsOfDesks
from cockpit.routes.answers import json_answer, paths_of, reader_of


class VitalsRoute:
    """The handler, for the desks of one root."""

    def __init__(self, context: CockpitContext) -> None:
        self._context = context
        self._vitals = VitalsOfDesks(context, jobs)

    async def vitals(self, request: Request) -> Response:
        """Everything that the Health page shows of the desk that the address names."""
        paths = paths_of(self._context, request)
        return json_answer(await run_in_threadpool(self._vitals.of, paths, reader_of(request), wall_us()))
