"""The routes beside Streamlit's: the light, its event stream, the equity figure, commands, health, and our files."""

from starlette.routing import Route

from cockpit.hub import Hub
from cockpit.routes.answers import guarded
from cockpit.routes.assets import asset, assets, assets_version
from cockpit.routes.control import ControlRoutes
from cockpit.routes.live import LiveRoutes

__all__ = ["assets", "assets_version", "routes"]


def routes(hub: Hub) -> list[Route]:
    """Every route of ours."""
    live, control = LiveRoutes(hub), ControlRoutes(hub.context)
    return [
        Route("/api/light", guarded(live.light)),
        Route("/api/events", guarded(live.events)),
        Route("/api/equity", guarded(live.equity)),
        Route("/api/control/{name}", guarded(control.control), methods=["POST"]),
        Route("/api/health", live.health),
        Route("/assets/{version}/{name}", asset),
    ]
