"""Runs over history by HTTP, to be looked at: figures, files, the report, what is under way."""

from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from cockpit.clock import wall_us
from cockpit.context import CockpitContext
from cockpit.figures import Figure
from cockpit.reader import Reader
from cockpit.routes.answers import json_answer, reader_of
from cockpit.runs import backtest_figures, comparison, live, sweep_figures, sweep_heat
from cockpit.runs.backtest_figures import Drawn
from cockpit.runs.backtest_list import MOST_COMPARED
from cockpit.runs.children import children
from cockpit.runs.curves import curve_of
from cockpit.runs.store import Kind, store
from cockpit.runs.sweep_reading import seen
from state.runs.files import UnreadableError, is_regular
from state.runs.folder import RunNameError, backtest_paths, sweep_paths
from state.runs.reading import RunLook

FILES: Final = {
    "summary.json": "application/json",
    "decisions.parquet": "application/vnd.apache.parquet",
    "equity.parquet": "application/vnd.apache.parquet",
    "fills.parquet": "application/vnd.apache.parquet",
}
REPORT_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""A report is a file, and files are not ours: in a sandbox it has no origin, so no cookie, no route and no network."""
_BACKTEST_FIGURES: Final = ("equity", "overlay", "attribution", "refusals")
_SWEEP_FIGURES: Final = ("heat", "scatter", "folds")


class RunRoutes:
    """The handlers, for one root."""

    def __init__(self, context: CockpitContext) -> None:
        self._context = context

    async def live(self, request: Request) -> Response:
        """`/api/runs/live?kind=backtest|sweep`: what is under way."""
        kind: Kind = "sweep" if request.query_params.get("kind") == "sweep" else "backtest"
        reader = reader_of(request)
        found = await run_in_threadpool(live.live, self._context.root, kind, children.all(), reader, wall_us())
        return json_answer({"ok": True, **found})

    async def backtest_figure(self, request: Request) -> Response:
        """`/api/runs/figure/{name}?run=ID`, of several with `run` said again."""
        name, reader = request.path_params["name"], reader_of(request)
        if name not in _BACKTEST_FIGURES:
            return _not_there(f"no figure {name[:20]!r}")
        wanted = request.query_params.getlist("run")[:MOST_COMPARED]
        return await run_in_threadpool(self._backtest_figure, name, wanted, reader)

    def _backtest_figure(self, name: str, wanted: list[str], reader: Reader) -> Response:
        runs = [run for each in wanted if (run := store.one(self._context.root, "backtest", each)) is not None]
        if not runs:
            return _not_there(reader.say("backtests.gone"))
        try:
            return json_answer(msgspec.to_builtins(self._figure_of(name, runs, reader)))
        except UnreadableError as error:
            return json_answer({"ok": False, "error": str(error)}, 409)

    def _figure_of(self, name: str, runs: list[RunLook], reader: Reader) -> Figure:
        if name == "attribution":
            return backtest_figures.attribution(runs, reader)
        if name == "refusals":
            return backtest_figures.refusals(runs, reader)
        wanted = runs[:1] if name == "equity" else comparison.comparable(runs)
        drawn = [Drawn(run, curve_of(backtest_paths(self._context.root, run.run_id))) for run in wanted]
        return (
            backtest_figures.equity(drawn[0], reader) if name == "equity" else backtest_figures.overlay(drawn, reader)
        )

    async def sweep_figure(self, request: Request) -> Response:
        """`/api/sweeps/figure/{name}?sweep=ID&x=KEY&y=KEY`; `fix=KEY=VALUE` holds another key at a value."""
        name, reader = request.path_params["name"], reader_of(request)
        if name not in _SWEEP_FIGURES:
            return _not_there(f"no figure {name[:20]!r}")
        return await run_in_threadpool(self._sweep_figure, name, request, reader)

    def _sweep_figure(self, name: str, request: Request, reader: Reader) -> Response:
        query = request.query_params
        run = store.one(self._context.root, "sweep", query.get("sweep", ""))
        if run is None or run.plan is None:
            return _not_there(reader.say("sweeps.gone"))
        sweep = seen(sweep_paths(self._context.root, run.run_id), run.plan)
        keys = [each.key for each in run.plan.searched]
        x_key, y_key = query.get("x", ""), query.get("y", "")
        if name == "folds":
            return json_answer(msgspec.to_builtins(sweep_figures.folds(sweep, reader)))
        if x_key not in keys or (name == "heat" and (y_key not in keys or x_key == y_key)):
            return _not_there(reader.say("sweeps.no_key"))
        if name == "scatter":
            return json_answer(msgspec.to_builtins(sweep_figures.scatter(sweep, x_key, reader)))
        pairs = (each.partition("=") for each in query.getlist("fix"))
        fixed: dict[str, Any] = {key: value for key, _, value in pairs if key in keys}
        return json_answer(msgspec.to_builtins(sweep_heat.heat(sweep, x_key, y_key, reader, fixed=fixed)))

    async def file(self, request: Request) -> Response:
        """`/api/runs/file/{run_id}/{name}`: one of a backtest's files, to be kept."""
        run_id, name = request.path_params["run_id"], request.path_params["name"]
        path = self._path(run_id, name) if name in FILES else None
        if path is None:
            return _not_there(reader_of(request).say("backtests.gone"))
        return FileResponse(
            path, media_type=FILES[name], filename=f"{run_id}-{name}", headers={"Cache-Control": "no-store"}
        )

    async def report(self, request: Request) -> Response:
        """`/report/{run_id}`: the run's own page, as a file that may do nothing but show itself."""
        path = self._path(request.path_params["run_id"], "report.html")
        if path is None:
            return PlainTextResponse(f"bifrost: {reader_of(request).say('backtests.no_report')}\n", 404)
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": REPORT_POLICY}
        return FileResponse(path, media_type="text/html; charset=utf-8", headers=headers)

    def _path(self, run_id: str, name: str) -> Path | None:
        try:
            path = backtest_paths(self._context.root, run_id).folder / name
        except RunNameError:
            return None
        return path if is_regular(path) and not path.parent.is_symlink() else None


def _not_there(error: str) -> Response:
    return json_answer({"ok": False, "error": error}, 404)
