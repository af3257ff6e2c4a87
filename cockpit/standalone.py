"""Pages that need no script and no Streamlit: the server writes them whole, in the cockpit's look.

They must be readable when everything else jams, so they load one stylesheet and nothing more.
"""

from collections.abc import Sequence
from html import escape

from cockpit.assets import assets_version
from cockpit.language import HTML_LANGUAGE
from cockpit.reader import Reader


def document(
    *, reader: Reader, title: str, body: str, styles: Sequence[str] = (), scripts: Sequence[str] = (), head: str = ""
) -> str:
    """The whole page. `title` is text; `body` and `head` are markup of ours in which all else was escaped.

    `styles` and `scripts` are names of our own files (`assets`), loaded after the common stylesheet.
    """
    base = f"/assets/{assets_version()}/"
    links = "".join(f'<link rel="stylesheet" href="{base}{escape(name)}">' for name in ("standalone.css", *styles))
    loads = "".join(f'<script type="module" src="{base}{escape(name)}"></script>' for name in scripts)
    return (
        f'<!doctype html><html lang="{HTML_LANGUAGE[reader.language]}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(title)} · Bifrost</title>{links}{loads}{head}</head><body>{body}</body></html>"
    )
