"""The files that pages load: ours and plotly's, and the version that stands in their address."""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from cockpit import theme
from cockpit.language import LANGUAGES, words_of

FOLDER: Final = Path(__file__).parent / "components" / "assets"
MEDIA_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}

SPOKEN_AREAS: Final = ("browser", "controls")
"""The areas of the catalogue that scripts need before Streamlit has said anything."""


@cache
def assets() -> dict[str, bytes]:
    """Name -> bytes of every file that pages load: ours, plotly's own bundle, the theme, and a script's words."""
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in MEDIA_TYPES}
    found |= {name: _without_comments(content) for name, content in found.items() if name.endswith(".js")}
    found["theme.css"] = theme.style_sheet().encode()
    for language in LANGUAGES:
        words = {area: words_of(language).area(area) for area in SPOKEN_AREAS}
        found[f"words-{language}.js"] = b"export default " + msgspec.json.encode(words) + b";\n"
    found["plotly.min.js"] = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return found


def _without_comments(script: bytes) -> bytes:
    """A script of ours without its lines of comment and indentation: a quarter of what a phone would load."""
    lines = (line.strip() for line in script.splitlines())
    return b"\n".join(line for line in lines if line and not line.startswith(b"//"))


@cache
def assets_version() -> str:
    """A hash over all of them, part of their address: a browser may keep them for ever."""
    digest = hashlib.sha256()
    for name, content in assets().items():
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16]


def asset_address(name: str) -> str:
    """Where a page finds one of them."""
    return f"/assets/{assets_version()}/{name}"
