"""What the gate looks at of a request."""

import msgspec
from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.types import Scope

from cockpit.access.addresses import host_name, is_loopback
from cockpit.access.policy import WEBSOCKET, Rule, rule_for


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request before anything of it is believed."""

    method: str
    """`WEBSOCKET` for a handshake."""
    path: str
    query: str
    headers: Headers
    address: str | None
    secure: bool
    rule: Rule

    @classmethod
    def of(cls, scope: Scope) -> "Asked":
        """Read an HTTP or WebSocket scope."""
        method = WEBSOCKET if scope["type"] == "websocket" else scope["method"]
        client = scope.get("client")
        return cls(
            method=method,
            path=scope["path"],
            query=scope.get("query_string", b"").decode("latin-1"),
            headers=Headers(scope=scope),
            address=client[0] if client else None,
            secure=scope.get("scheme") in ("https", "wss"),
            rule=rule_for(method, scope["path"]),
        )

    @property
    def language(self) -> str | None:
        """The language that the address asks for."""
        return QueryParams(self.query).get("lang")

    @property
    def trusted(self) -> bool:
        """Whether the browser trusts the origin: TLS, or this machine."""
        name = host_name(self.headers.get("host"))
        return self.secure or (name is not None and is_loopback(name))

    @property
    def cookies(self) -> dict[str, str]:
        """The browser's cookies, read as Streamlit reads them."""
        return cookie_parser(self.headers.get("cookie", ""))

    @property
    def is_from_elsewhere(self) -> bool:
        """Whether the browser says that a page of another site, or of another port, made it ask."""
        return self.headers.get("sec-fetch-site") in ("cross-site", "same-site")

    @property
    def is_embedded(self) -> bool:
        """Whether such a page made it ask without leading anybody here: by an image, a frame, a script."""
        return self.is_from_elsewhere and self.headers.get("sec-fetch-dest") not in (None, "document")
