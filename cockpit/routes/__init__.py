"""The routes beside Streamlit's: what pages hear and command, the runbook, this server's health, and our files."""

from starlette.routing import Route

from cockpit.hub import Hub
from cockpit.routes import session
from cockpit.routes.answers import guarded
from cockpit.routes.assets import asset
from cockpit.routes.control import ControlRoutes
from cockpit.routes.history import HistoryRoutes
from cockpit.routes.index import PAGE_PATHS, IndexRoute
from cockpit.routes.journal import JournalRoutes
from cockpit.routes.live import LiveRoutes
from cockpit.routes.phone import PhoneRoute
from cockpit.routes.run_starts import RunStarts
from cockpit.routes.runbook import RunbookRoute
from cockpit.routes.runs import RunRoutes
from cockpit.routes.vitals import VitalsRoute


def routes(hub: Hub) -> list[Route]:
    """Every route of ours."""
    live, control, index = LiveRoutes(hub), ControlRoutes(hub.context), IndexRoute(hub.context)
    past = HistoryRoutes(hub.context)
    journal = JournalRoutes(hub.context)
    runs, starts = RunRoutes(hub.context), RunStarts(hub.context)
    return [
        *(Route(f"/{path}", index.index) for path in ("", *PAGE_PATHS)),
        Route("/light", guarded(PhoneRoute(hub.context).page)),
        Route("/api/light", guarded(live.light)),
        Route("/api/events", guarded(live.events)),
        Route("/api/fleet/events", guarded(live.fleet)),
        Route("/api/equity", guarded(past.equity)),
        Route("/api/figure/{name}", guarded(past.figure)),
        Route("/api/history/{name}.csv", guarded(past.table)),
        Route("/api/control/checklist", guarded(control.checklist)),
        Route("/api/control/{name}", guarded(control.control), methods=["POST"]),
        Route("/api/book/{name}", guarded(control.book), methods=["POST"]),
        Route("/api/flatten/preview", guarded(control.preview)),
        Route("/api/operations/count", guarded(journal.count)),
        Route("/api/export/operations.{form}", guarded(journal.export)),
        Route("/api/why", guarded(journal.why)),
        Route("/api/runs/live", guarded(runs.live)),
        Route("/api/runs/figure/{name}", guarded(runs.backtest_figure)),
        Route("/api/sweeps/figure/{name}", guarded(runs.sweep_figure)),
        Route("/api/runs/file/{run_id}/{name}", guarded(runs.file)),
        Route("/api/runs/backtest", guarded(starts.start), methods=["POST"]),
        Route("/api/runs/sweep/check", guarded(starts.check_sweep)),
        Route("/api/runs/sweep", guarded(starts.start_sweep), methods=["POST"]),
        Route("/api/runs/profile", guarded(starts.make_profile), methods=["POST"]),
        Route("/api/runs/cancel", guarded(starts.cancel), methods=["POST"]),
        Route("/report/{run_id}", guarded(runs.report)),
        Route("/api/health", live.health),
        Route("/api/vitals", guarded(VitalsRoute(hub.context).vitals)),
        Route("/api/session", session.tell_session),
        Route("/login", session.show_login),
        Route("/login", session.log_in, methods=["POST"]),
        Route("/logout", session.show_logout),
        Route("/logout", session.log_out, methods=["POST"]),
        Route("/runbook", guarded(RunbookRoute(hub.context).runbook)),
        Route("/assets/{version}/{name}", asset),
    ]
