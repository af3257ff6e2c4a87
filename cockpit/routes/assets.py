"""The files that pages load, served under an address that changes with their content."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from cockpit.assets import MEDIA_TYPES, assets, assets_version

_FOREVER = "public, max-age=31536000, immutable"


async def asset(request: Request) -> Response:
    """One of our files, under an address that changes with its content."""
    name = request.path_params["name"]
    content = assets().get(name)
    if content is None or request.path_params["version"] != assets_version():
        return Response("not here\n", 404)
    # `identity` keeps the compressing middleware away: over loopback it costs a second and saves nothing.
    headers = {"Cache-Control": _FOREVER, "Content-Encoding": "identity"}
    return Response(content, media_type=MEDIA_TYPES[Path(name).suffix], headers=headers)
