"""Figures and tables of a desk's past: each figure as plotly's JSON, the equity's growth as a patch, tables as CSV."""

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from cockpit.context import CockpitContext
from cockpit.equity import Range, equity_figure, equity_patch, range_of
from cockpit.history_csv import CSV, as_csv
from cockpit.history_figures import FIGURES
from cockpit.history_store import stores
from cockpit.history_summary import summary_of
from cockpit.reader import Reader
from cockpit.routes.answers import json_answer, paths_of, reader_of
from cockpit.tiles_view import DRAWDOWN_LIMIT
from state.layout import DeskPaths
from state.snapshot import read_snapshot

READING_S = 2.0
"""So long a figure waits for the first read; then it says how far that is and is asked for again."""

_TIME_DIGITS = 17
"""Microseconds since the epoch, up to the year 5138."""


class HistoryRoutes:
    """The handlers, for the desks of one root."""

    def __init__(self, context: CockpitContext) -> None:
        self._context = context

    async def figure(self, request: Request) -> Response:
        """`/api/figure/{name}?range=…`; for `equity` also `since=` and `base=` of what the page has already."""
        name = request.path_params["name"]
        if name != "equity" and name not in FIGURES:
            return json_answer({"ok": False, "error": f"no figure {name[:20]!r}"}, 404)
        paths = paths_of(self._context, request)
        return json_answer(await run_in_threadpool(self._figure, name, paths, reader_of(request), request))

    async def equity(self, request: Request) -> Response:
        """The equity figure under its own address."""
        paths = paths_of(self._context, request)
        return json_answer(await run_in_threadpool(self._figure, "equity", paths, reader_of(request), request))

    async def table(self, request: Request) -> Response:
        """`/api/history/{name}.csv?range=…`."""
        name = request.path_params["name"]
        if name not in CSV:
            return json_answer({"ok": False, "error": f"no table {name[:20]!r}; there is {', '.join(CSV)}"}, 404)
        paths = paths_of(self._context, request)
        span = range_of(request.query_params.get("range"))
        content = await run_in_threadpool(_csv, name, paths, span)
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{paths.desk}-{name}-{span}.csv"',
        }
        return Response(content, media_type="text/csv; charset=utf-8", headers=headers)

    def _figure(self, name: str, paths: DeskPaths, reader: Reader, request: Request) -> dict[str, Any]:
        store = stores.of(paths)
        view = store.look(wait_s=READING_S)
        if not store.is_read():
            return {"reading": {"done": store.reading.done, "todo": store.reading.todo}}
        query = request.query_params
        span = range_of(query.get("range"))
        limits = limits_of(paths)
        if name == "equity":
            return self._equity(paths, reader, span=span, limit_pct=limits.get(DRAWDOWN_LIMIT), query=query)
        figure = FIGURES[name](summary_of(store, span), reader, limits)
        return {**msgspec.to_builtins(figure), "version": view.version}

    def _equity(
        self, paths: DeskPaths, reader: Reader, *, span: Range, limit_pct: float | None, query: QueryParams
    ) -> dict[str, Any]:
        view, known = stores.of(paths).view, query.get("since", "")
        if known.isdigit() and len(known) <= _TIME_DIGITS:
            base = query.get("base", "")
            patch = equity_patch(view, reader, span=span, base=base, known_us=int(known), drawdown_limit_pct=limit_pct)
            if patch is not None:
                return patch
        # A desk that runs needs no start, and `up` would put ours into the folder of a bot that is none of ours.
        verb = "doctor" if paths.snapshot.exists() else "up"
        start = self._context.shell(f"{verb} --desk {paths.desk}")
        figure = equity_figure(view, reader, span=span, drawdown_limit_pct=limit_pct, start=start)
        found: dict[str, Any] = msgspec.to_builtins(figure)
        return found


def limits_of(paths: DeskPaths) -> dict[str, float]:
    """The limits that the present snapshot states; none where there is no snapshot."""
    snapshot = read_snapshot(paths.snapshot).snapshot
    return {} if snapshot is None else {limit.name: limit.limit for limit in snapshot.limits}


def _csv(name: str, paths: DeskPaths, span: Range) -> str:
    store = stores.of(paths)
    store.look(wait_s=60)
    return as_csv(name, summary_of(store, span))
