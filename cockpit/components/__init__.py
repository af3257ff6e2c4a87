"""The cockpit's own elements: Streamlit Components v2 whose scripts and styles are files in `assets/`.

Streamlit gets a small script per element that fetches the real one from `/assets/<version>/`, so that all elements
of a page share one module, and with it one event stream.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from cockpit.assets import assets, assets_version


def _element(
    name: str, *, isolated: bool = True, drawn: bool = True, styles: tuple[str, ...] = ()
) -> Callable[..., Any]:
    """Register one element. `isolated` false where a library needs the page's own tree (plotly's style sheet).

    `drawn` false for one that shows nothing in its own place; `styles` names further style sheets that it needs.

    The shared styles are for shadow roots only: in the page's own tree they would reach Streamlit's elements.
    """
    text = {file: content.decode() for file, content in assets().items() if not file.startswith("plotly")}
    boot = text["boot.js"].replace("__VERSION__", assets_version()).replace("__NAME__", name)
    sheets = (*(("base",) if isolated else ()), *styles, name)
    registered: Callable[..., Any] = st.components.v2.component(
        f"bifrost_{name}",
        html='<div class="bf"></div>\n',
        css="".join(text[f"{sheet}.css"] for sheet in sheets) if drawn else "",
        js=boot,
        isolate_styles=isolated,
    )
    return registered


light = _element("light", drawn=False)
controls = _element("controls")
tiles = _element("tiles")
fleet = _element("fleet")
table = _element("tables")
chart = _element("chart", isolated=False)
switches = _element("switches")
chips = _element("chips")
journal = _element("journal", styles=("tables",))
life = _element("life", styles=("tables",))
why = _element("why", styles=("tables", "life"))
vitals = _element("vitals", styles=("tables",))
jobs = _element("jobs")
