"""The routes beside Streamlit's: what pages hear and command, the runbook, this server's health, and our files."""

from starlette.routing import Route

from cockpit.hub import Hub
from cockpit.routes.answers import guarded
from cockpit.routes.assets import asset
from cockpit.routes.control import ControlRoutes
from cockpit.routes.live import LiveRoutes
from cockpit.routes.runbook import RunbookRoute


def routes(hub: Hub) -> list[Route]:
    """Every route of ours."""
    live, control = LiveRoutes(hub), ControlRoutes(hub.context)
    return [
        Route("/api/light", guarded(live.light)),
        Route("/api/events", guarded(live.events)),
        Route("/api/equity", guarded(live.equity)),
        Route("/api/control/{name}", guarded(control.control), methods=["POST"]),
        Route("/api/health", live.health),
        Route("/runbook", guarded(RunbookRoute(hub.context).runbook)),
        Route("/assets/{version}/{name}", asset),
    ]
