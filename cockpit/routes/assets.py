"""The files that pages load, served under an address that changes with their content."""

import gzip
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from cockpit.assets import MEDIA_TYPES, assets, assets_version

_FOREVER = "public, max-age=31536000, immutable"
_SMALL_BYTES = 200_000
"""Larger ones are sent as they are: inflating plotly's bundle costs a page more time than its bytes do on a LAN."""


async def asset(request: Request) -> Response:
    """One of our files, under an address that changes with its content."""
    name = request.path_params["name"]
    content = assets().get(name)
    if content is None or request.path_params["version"] != assets_version():
        return Response("not here\n", 404)
    # Naming an encoding keeps the compressing middleware away.
    headers = {"Cache-Control": _FOREVER, "Content-Encoding": "identity"}
    if len(content) < _SMALL_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        content = _compressed(name)
        headers = {"Cache-Control": _FOREVER, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(content, media_type=MEDIA_TYPES[Path(name).suffix], headers=headers)


@cache
def _compressed(name: str) -> bytes:
    return gzip.compress(assets()[name], 9, mtime=0)
