"""Which request needs whom: one table over every route of the server. What stands in no row is refused.

Pure. A test walks the routes of the running application and fails for one that only the last row knows.
"""

import re
from typing import Final, Literal

import msgspec

Needs = Literal["nobody", "viewer", "operator", "refused"]
Kind = Literal["page", "data", "websocket"]
"""How a refusal is told: a page is sent to the login, data gets a line of JSON, a WebSocket a plain 403."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `path` is a pattern in which `*` is anything."""

    methods: frozenset[str]
    path: str
    needs: Needs
    kind: Kind = "data"
    token: bool = False
    """Whether `X-Bifrost-Token` must be the session's."""
    stream: bool = False
    """An event stream: it is counted, and ends with its session."""
    quiet: bool = False
    """A refusal that is no incident: browsers of our own pages ask so."""
    touches: bool = False
    """Whether it shows that somebody is at the page."""


_READ: Final = frozenset({"GET", "HEAD"})
_WRITE: Final = frozenset({"POST"})
_ANY: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
WEBSOCKET: Final = "WEBSOCKET"


def _row(methods: frozenset[str], path: str, needs: Needs, **more: object) -> Rule:
    return Rule(methods=methods, path=path, needs=needs, **more)  # type: ignore[arg-type]


RULES: Final[tuple[Rule, ...]] = (
    # Coming in and going out. A form of plain HTML can send no header, so SameSite and Origin guard these.
    _row(_READ, "/login", "nobody", kind="page"),
    _row(_WRITE, "/login", "nobody", kind="page"),
    _row(_READ | _WRITE, "/logout", "viewer", kind="page"),
    # Says only that a server runs.
    _row(_READ, "/api/health", "nobody"),
    # Ours: looking, and commanding.
    _row(_READ, "/api/events", "viewer", stream=True),
    _row(_READ, "/api/*/events", "viewer", stream=True),
    _row(_READ, "/api/*", "viewer"),
    _row(_WRITE, "/api/*", "operator", token=True, touches=True),
    # A backtest's report: a page of its own.
    _row(_READ, "/report/*", "viewer", kind="page", touches=True),
    _row(_READ, "/assets/*/standalone.css", "nobody"),
    _row(_READ, "/assets/*/login.css", "nobody"),
    _row(_READ, "/assets/*", "viewer"),
    # Streamlit's, as far as a page needs it.
    _row(frozenset({WEBSOCKET}), "/_stcore/stream", "viewer", kind="websocket"),
    _row(_READ, "/_stcore/health", "viewer"),
    _row(_READ, "/_stcore/host-config", "viewer"),
    _row(_READ, "/_stcore/bidi-components/*", "viewer"),
    _row(_READ, "/media/*", "viewer"),
    _row(_READ, "/static/*", "viewer"),
    _row(_READ, "/favicon.png", "viewer"),
    # Streamlit's pages look for their server below their own address first.
    _row(_READ, "/*/_stcore/health", "refused", quiet=True),
    _row(_READ, "/*/_stcore/host-config", "refused", quiet=True),
    # Metrics, the agent interface, uploads, OpenID logins, other components: nothing of ours uses them.
    _row(_ANY, "*/_stcore/*", "refused"),
    _row(_ANY, "/component/*", "refused"),
    _row(_ANY, "/auth/*", "refused"),
    _row(_ANY, "/oauth2callback", "refused"),
    _row(_ANY, "/media/*", "refused"),
    # Every other address is a page: Streamlit's index, which asks for the rest.
    _row(_READ, "/*", "viewer", kind="page", touches=True),
)
NOBODYS: Final = Rule(methods=_ANY, path="*", needs="refused")
"""What no row knows."""


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in path.split("*")), re.DOTALL)


_PATTERNS: Final = tuple((rule, _pattern(rule.path)) for rule in RULES)


def rule_for(method: str, path: str) -> Rule:
    """The first row that knows a method (`WEBSOCKET` for a handshake) and a path."""
    for rule, pattern in _PATTERNS:
        if method in rule.methods and pattern.fullmatch(path):
            return rule
    return NOBODYS


def local_path(wanted: str | None) -> str:
    """A `next` of the login that stays on this server; `/` for any other."""
    if not wanted or not wanted.startswith("/") or wanted.startswith(("//", "/\\", "/login", "/logout")):
        return "/"
    return wanted if all(" " < char < "\x7f" and char != "\\" for char in wanted) else "/"
