"""The files that pages load, served under an address that changes with their content."""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

ASSETS = Path(__file__).parents[1] / "components" / "assets"
_FOREVER = "public, max-age=31536000, immutable"
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}


@cache
def assets() -> dict[str, bytes]:
    """Name -> bytes of every file that pages load: ours, and plotly's own bundle from its package."""
    found = {path.name: path.read_bytes() for path in sorted(ASSETS.iterdir()) if path.suffix in _MEDIA_TYPES}
    found["plotly.min.js"] = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return found


@cache
def assets_version() -> str:
    """A hash over all of them, part of their address: a browser may keep them for ever."""
    digest = hashlib.sha256()
    for name, content in assets().items():
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16]


async def asset(request: Request) -> Response:
    """One of our files, under an address that changes with its content."""
    name = request.path_params["name"]
    content = assets().get(name)
    if content is None or request.path_params["version"] != assets_version():
        return Response("not here\n", 404)
    # `identity` keeps the compressing middleware away: over loopback it costs a second and saves nothing.
    headers = {"Cache-Control": _FOREVER, "Content-Encoding": "identity"}
    return Response(content, media_type=_MEDIA_TYPES[Path(name).suffix], headers=headers)
