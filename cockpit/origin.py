"""Who may talk to this server: only pages that this server itself delivered, under a loopback name.

A browser sends `Origin` with every POST and WebSocket, and `Host` names what the user typed. A page of a foreign site
fails on the first; a foreign name that resolves to 127.0.0.1 (DNS rebinding) fails on the second.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def is_loopback(host: str) -> bool:
    """Whether a bare host name or address reaches this machine only."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_is_loopback(host_header: str | None) -> bool:
    """The same for a `Host` header, with or without a port. A missing or odd header is not."""
    if not host_header:
        return False
    try:
        name = urlsplit(f"//{host_header}").hostname
    except ValueError:
        return False
    return name is not None and is_loopback(name)


def is_same_origin(headers: Headers) -> bool:
    """Whether a request comes from one of our own pages. A request without `Origin` does not."""
    origin, host = headers.get("origin"), headers.get("host")
    if not origin or not host:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc == host and not parts.path


class LoopbackHostOnly:
    """ASGI middleware: refuses every request and WebSocket whose `Host` is not a loopback name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a good request on; answer 403 to an odd one (a refused WebSocket handshake also reads as 403)."""
        if scope["type"] in ("http", "websocket") and not host_is_loopback(Headers(scope=scope).get("host")):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await PlainTextResponse("this cockpit answers to loopback names only\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)
