"""The files that pages load: ours and plotly's, and the version that stands in their address."""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "components" / "assets"
MEDIA_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}


@cache
def assets() -> dict[str, bytes]:
    """Name -> bytes of every file that pages load: ours, and plotly's own bundle from its package."""
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in MEDIA_TYPES}
    found["plotly.min.js"] = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return found


@cache
def assets_version() -> str:
    """A hash over all of them, part of their address: a browser may keep them for ever."""
    digest = hashlib.sha256()
    for name, content in assets().items():
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16]
