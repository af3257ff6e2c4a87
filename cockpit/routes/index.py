"""The document around Streamlit: its own index page, with the light in front of it.

Streamlit shows nothing for seconds; the light must not wait for it. So the index page that we serve loads one small
script of ours, which draws the light from the event stream and stays for as long as the document does.
"""

import re
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from streamlit import file_util

from cockpit import frame_data
from cockpit.access.request import actor_of, token_of
from cockpit.assets import asset_address
from cockpit.context import CockpitContext, UnknownDeskError, desk_paths
from cockpit.language import HTML_LANGUAGE, Language
from cockpit.routes.answers import reader_of
from state.layout import desks

PAGE_PATHS = ("now", "operations", "positions", "history", "backtests", "sweeps", "profiles", "health", "fleet")
"""The addresses of Streamlit's pages; `/` is the first."""
_EARLY_SCRIPTS = ("light.js", "bar.js", "live.js", "dom.js", "lamps.js")
_EARLY_SHEETS = ("base.css", "light.css", "controls.css")
_SCRIPT = re.compile(r"<script>.*?</script>", re.DOTALL)
_HTML_TAG = re.compile(r"<html[^>]*>")
_ICON = re.compile(r'<link rel="shortcut icon"[^>]*>')
_TITLE = re.compile(r"<title>.*?</title>", re.DOTALL)
_STREAMLITS_FILES = re.compile(
    r"""\s*(?:<script type="module" crossorigin[^>]*></script>|<link rel="(?:modulepreload|stylesheet)" cross[^>]*>)"""
)
_AGENT = re.compile(r"<!--.*?-->|<link rel=\"service-desc\"[^>]*>|<noscript>.*?</noscript>", re.DOTALL)


class IndexRoute:
    """Serves the document for every page."""

    def __init__(self, context: CockpitContext) -> None:
        self._context = context

    async def index(self, request: Request) -> Response:
        """The document; whom it is for stands in the attributes of `<html>`, which the early script reads."""
        reader = reader_of(request)
        told = {"lang": HTML_LANGUAGE[reader.language]}
        try:
            paths = desk_paths(self._context, request.query_params.get("desk"))
        except UnknownDeskError:
            pass  # the page says so; there is no light of a desk that is not there
        else:
            chosen_zone = request.query_params.get("tz")
            told |= {
                "data-desk": paths.desk,
                "data-lang": reader.language,
                "data-tz": "local" if chosen_zone == "local" else reader.zone,
            }
            told |= self._stop_data(request, paths.desk)
        language = reader.language if "data-desk" in told else None
        return HTMLResponse(_document(told, language), headers={"Cache-Control": "no-store"})

    def _stop_data(self, request: Request, desk: str) -> dict[str, str]:
        """What STOP needs to work before Streamlit does."""
        return {
            "data-may-act": "true" if actor_of(request).may_act else "false",
            "data-several": "true" if len(desks(self._context.root)) > 1 else "false",
            "data-token": token_of(request),
            "data-shell": msgspec.json.encode(frame_data.stop_shell(self._context, desk)).decode(),
        }


def _document(told: Mapping[str, str], language: Language | None) -> str:
    attributes = " ".join(f'{name}="{escape(value)}"' for name, value in told.items())
    return _template(language).replace("<html>", f"<html {attributes}>", 1)


@cache
def _template(language: Language | None) -> str:
    """Streamlit's index page without its title, icon and inline script, with our style and script first.

    `language` is that of the light; None where there is no desk to show one of.
    """
    text = Path(file_util.get_static_dir(), "index.html").read_text(encoding="utf-8")
    for pattern in (_AGENT, _SCRIPT, _ICON, _TITLE):
        text = pattern.sub("", text)
    ours = '<title>Bifrost</title><link rel="icon" href="data:,">'
    if language is not None:
        scripts = (*_EARLY_SCRIPTS, f"words-{language}.js")
        preloads = "".join(f'<link rel="modulepreload" href="{asset_address(name)}">' for name in scripts)
        preloads += "".join(f'<link rel="preload" as="style" href="{asset_address(name)}">' for name in _EARLY_SHEETS)
        ours += (
            f'<link rel="stylesheet" href="{asset_address("theme.css")}">'
            f'<link rel="stylesheet" href="{asset_address("page.css")}">'
            f'<script type="module" src="{asset_address("early.js")}"></script>{preloads}'
        )
        # Streamlit's dozens of files wait until the light is on (start.js).
        streamlits = "".join(_STREAMLITS_FILES.findall(text))
        text = _STREAMLITS_FILES.sub("", text)
        text = text.replace("</head>", f'<template id="streamlit">{streamlits}</template></head>', 1)
        ours += f'<script src="{asset_address("start.js")}" defer></script>'
        text = text.replace('<div id="root">', '<div id="bifrost-frame"></div>\n    <div id="root">', 1)
    text = _HTML_TAG.sub("<html>", text.strip(), count=1)
    return text.replace('<meta charset="UTF-8" />', f'<meta charset="UTF-8" />{ours}', 1)
