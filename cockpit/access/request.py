"""Who asks, for a route. The gate has put it there; a request that did not pass the gate has nobody."""

from typing import Any, Final

from starlette.requests import HTTPConnection

from cockpit.access.actor import Actor
from cockpit.access.sessions import Session

ACTOR: Final = "bifrost.actor"
SESSION: Final = "bifrost.session"


def actor_of(request: HTTPConnection) -> Actor:
    """The one who asks. Raises RuntimeError on a route that the gate lets anybody reach."""
    actor: Any = request.scope.get(ACTOR)
    if not isinstance(actor, Actor):
        raise RuntimeError("the gate let a request through that nobody made")  # noqa: TRY004 - not the caller's type
    return actor


def session_of(request: HTTPConnection) -> Session | None:
    """The session of the one who asks; None where nobody needs to log in and no page was opened yet."""
    session: Any = request.scope.get(SESSION)
    return session if isinstance(session, Session) else None


def token_of(request: HTTPConnection) -> str:
    """What this session's pages must send as `X-Bifrost-Token`; empty without a session."""
    session = session_of(request)
    return "" if session is None else session.token
