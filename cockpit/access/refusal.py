"""How a refusal is told: a page is led to the login, data gets one line of JSON, a handshake a plain answer."""

from html import escape
from urllib.parse import quote

import msgspec
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Scope, Send

from cockpit.access.asked import Asked
from cockpit.access.headers import with_security
from cockpit.access.policy import local_path
from cockpit.language import chosen
from cockpit.reader import Reader


class Refusal(Exception):  # noqa: N818 - an answer, not an error
    """A request that goes no further. `kind` is for the audit, `key` and `values` are its text in the catalogue."""

    def __init__(self, status: int, kind: str, key: str, *, bounce: bool = False, **values: object) -> None:
        self.status, self.kind, self.key, self.values, self.bounce = status, kind, key, values, bounce
        super().__init__(kind)


async def answer(refused: Refusal, asked: Asked, scope: Scope, send: Send) -> None:
    """Send it."""
    response = _response(refused, asked)
    response.raw_headers[:] = with_security(response.raw_headers, trusted=asked.trusted)
    if scope["type"] == "websocket":
        # Before it was accepted, a handshake can be answered like any request.
        status = 403 if refused.status == 401 else refused.status
        await send({"type": "websocket.http.response.start", "status": status, "headers": response.raw_headers})
        await send({"type": "websocket.http.response.body", "body": bytes(response.body)})
        return
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": b"" if asked.method == "HEAD" else bytes(response.body)})


def _response(refused: Refusal, asked: Asked) -> Response:
    text = Reader(language=chosen(asked.language)).say(refused.key, **refused.values)
    no_store = {"Cache-Control": "no-store"}
    here = asked.path + (f"?{asked.query}" if asked.query else "")
    if refused.bounce:
        again = quote(local_path(here), safe="/?&=%")
        return HTMLResponse(
            f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(again)}">', headers=no_store
        )
    if asked.rule.kind == "page" and refused.status == 401:
        reason = "" if refused.kind == "not logged in" else f"&why={refused.key.rpartition('.')[2]}"
        language = f"&lang={chosen(asked.language)}" if asked.language else ""
        return RedirectResponse(f"/login?next={quote(here, safe='')}{reason}{language}", 303, headers=no_store)
    if asked.rule.kind == "data":
        told: dict[str, object] = {"ok": False, "error": text}
        if refused.status == 401:
            told["login"] = "/login"
        return Response(msgspec.json.encode(told), refused.status, media_type="application/json", headers=no_store)
    return PlainTextResponse(f"bifrost: {text}\n", refused.status, headers=no_store)
