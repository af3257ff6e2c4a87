"""The runbook, one plain page: what the light's reasons link to."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from cockpit import runbook, runbook_page
from cockpit.context import CockpitContext
from cockpit.routes.answers import paths_of, reader_of


class RunbookRoute:
    """The handler, for the desks of one root."""

    def __init__(self, context: CockpitContext) -> None:
        self._context = context

    async def runbook(self, request: Request) -> Response:
        """The whole runbook in the reader's language; a fragment of the address names the reason."""
        reader, desk = reader_of(request), paths_of(self._context, request).desk
        query = {"desk": desk, **{name: request.query_params[name] for name in ("tz",) if name in request.query_params}}
        found = await run_in_threadpool(runbook.read, reader.language)
        return HTMLResponse(
            runbook_page.page(found, desk=desk, command=self._context.beginning(desk), query=query, reader=reader),
            headers={"Cache-Control": "no-cache"},
        )
