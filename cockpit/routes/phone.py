"""`/light`: the light, four figures, STOP and Pause on one small page without Streamlit, for a phone at night."""

from html import escape
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from cockpit import frame_data
from cockpit.access import door
from cockpit.access.request import actor_of, token_of
from cockpit.assets import asset_address
from cockpit.context import CockpitContext
from cockpit.language import HTML_LANGUAGE
from cockpit.reader import DASH, Reader
from cockpit.routes.answers import paths_of, reader_of

_SCRIPTS = ("phone.js", "live.js", "dom.js", "lamps.js", "command.js")
_FIGURES = ("equity", "drawdown", "net_delta", "held")
_TEXTS = ("not_written", "answered", "unaudited", "no_answer", "sending", "in_a_shell")


class PhoneRoute:
    """Serves the page; its script listens to the same stream as every other page."""

    def __init__(self, context: CockpitContext) -> None:
        self._context = context

    async def page(self, request: Request) -> Response:
        """The page of the desk that the address names. A viewer sees no buttons."""
        paths, reader = paths_of(self._context, request), reader_of(request)
        chosen_zone = request.query_params.get("tz")
        attributes = {
            "lang": HTML_LANGUAGE[reader.language],
            "data-desk": paths.desk,
            "data-lang": reader.language,
            "data-tz": "local" if chosen_zone == "local" else reader.zone,
            "data-token": token_of(request),
        }
        told = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
        body = _body(reader, paths.desk, dict(request.query_params), may_act=actor_of(request).may_act)
        listening = door.current().listening
        if listening.beyond_this_machine and not listening.tls:
            body = f'<p role="note" id="banner">▲ {escape(reader.say("frame.banners.plain_lan"))}</p>' + body
        body += self._words(reader, paths.desk)
        return HTMLResponse(
            f"<!doctype html><html {told}>{_head(paths.desk)}<body>{body}</body></html>",
            headers={"Cache-Control": "no-store"},
        )

    def _words(self, reader: Reader, desk: str) -> str:
        """What the script says by itself. A data block, not a script: nothing in it is executed."""
        controls = reader.words.area("controls")
        told = {
            "browser": reader.words.area("browser"),
            "texts": {name: controls[name] for name in _TEXTS},
            "labels": {name: reader.say(f"phone.{name}") for name in ("stop", "pause")},
            "shell": frame_data.stop_shell(self._context, desk),
        }
        text = msgspec.json.encode(told).decode().replace("<", "\\u003c")
        return f'<script type="application/json" id="told">{text}</script>'


def _head(desk: str) -> str:
    sheets = "".join(f'<link rel="stylesheet" href="{asset_address(name)}">' for name in ("theme.css", "phone.css"))
    preloads = "".join(f'<link rel="modulepreload" href="{asset_address(name)}">' for name in _SCRIPTS[1:])
    return (
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(desk)} · Bifrost</title>'
        f'{sheets}<script type="module" src="{asset_address(_SCRIPTS[0])}"></script>{preloads}</head>'
    )


def _body(reader: Reader, desk: str, query: dict[str, str], *, may_act: bool) -> str:
    figures = "".join(
        f'<div><dt>{escape(reader.say(f"phone.{name}"))}</dt><dd id="{name}">{DASH}</dd></div>' for name in _FIGURES
    )
    buttons = "".join(
        f'<button type="button" id="{name}" disabled>{escape(reader.say(f"phone.{name}"))}</button>'
        for name in ("stop", "pause")
    )
    address = escape(f"/?{urlencode({**query, 'desk': desk})}")
    say_no_script = escape(reader.say("phone.no_script", desk=desk))
    return (
        f'<section id="light" data-state="not_live" aria-label="{escape(reader.say("browser.light_label"))}">'
        f'<strong id="word" role="status">{escape(reader.say("browser.connecting"))}</strong>'
        '<span id="headline"></span><ul id="standing"></ul><ul id="reasons"></ul>'
        '<span id="facts"></span><span id="mode"></span></section>'
        f"<main><noscript>{say_no_script}</noscript>{buttons if may_act else ''}"
        f'<p id="problem" role="alert"></p><p id="receipt"></p><dl id="figures">{figures}</dl>'
        f'<p><a href="{address}">{escape(reader.say("phone.cockpit", desk=desk))}</a></p></main>'
    )
