"""The gate: pure ASGI middleware before everything, HTTP and WebSocket.

In this order it asks: does the `Host` name us; does the table let anybody do this here at all; does the request come
from a page of ours; who is it; may he; does a command carry its session's token. Only then the request goes on, with
the one who asks in its scope (`access.request`). A refusal is one clear line, and is counted in the gate's audit.
"""

import asyncio
from secrets import compare_digest
from typing import Final

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cockpit.access import refusal
from cockpit.access.actor import Actor, NotLoggedIn
from cockpit.access.addresses import host_name, is_allowed, is_same_origin
from cockpit.access.asked import Asked
from cockpit.access.door import Door
from cockpit.access.headers import with_security
from cockpit.access.links import run_linked
from cockpit.access.policy import WEBSOCKET
from cockpit.access.refusal import Refusal
from cockpit.access.request import ACTOR, SESSION
from cockpit.access.sessions import Session

MAX_BODY_BYTES: Final = 64 * 1024
_BODY_WITHIN_S: Final = 10.0
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
_FORWARDED: Final = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded")


class Gate:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through or refuse."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asked = Asked.of(scope)
        cookie: str | None = None
        try:
            session = self._judge(asked)
            if session is None and self._wants_local_session(asked):
                begun = self._door.local_session(asked.address, secure=asked.secure)
                if begun is not None:
                    cookie, session = begun
            actor = self._who(asked, session)
            if asked.method not in _SAFE_METHODS and asked.method != WEBSOCKET:
                receive = await _with_whole_body(asked, receive)
        except Refusal as refused:
            self._count(asked, refused)
            await refusal.answer(refused, asked, scope, send)
            return
        if session is not None and asked.rule.touches:
            self._door.sessions.touch(session, self._door.wall())
        scope[ACTOR], scope[SESSION] = actor, session
        send = self._signed(asked, send, cookie)
        try:
            if session is not None and (asked.rule.stream or asked.rule.kind == "websocket"):
                await run_linked(self._app, (scope, receive, send), self._door, session, asked.rule)
            else:
                await self._app(scope, receive, send)
        except Refusal as refused:  # no room for another page or stream: nothing was answered yet
            self._count(asked, refused)
            await refusal.answer(refused, asked, scope, send)

    def _judge(self, asked: Asked) -> Session | None:
        """The session of a request that may go on; None where none is needed or there is none yet. Raises Refusal."""
        door = self._door
        door.refresh()
        if not is_allowed(host_name(asked.headers.get("host")), door.settings.allowed_hosts, peer=asked.address):
            raise Refusal(403, "foreign host name", "access.foreign_host")
        if door.listening.behind_proxy is None and any(name in asked.headers for name in _FORWARDED):
            raise Refusal(403, "through an unknown proxy", "access.unknown_proxy")
        if asked.rule.needs == "refused":
            raise Refusal(404, "nothing for anybody", "access.nothing_there")
        if not self._is_from_here(asked):
            raise Refusal(403, "foreign origin", "access.foreign_origin")
        session = door.session_of(asked.cookies)
        if session is not None and asked.method == WEBSOCKET:
            session.address = asked.address
        return session

    def _is_from_here(self, asked: Asked) -> bool:
        """Whether a page of ours, or nobody's page, made the browser ask."""
        if asked.method in _SAFE_METHODS:
            return not asked.is_embedded
        scheme = "https" if asked.secure else "http"
        return is_same_origin(asked.headers.get("origin"), asked.headers.get("host"), scheme)

    def _wants_local_session(self, asked: Asked) -> bool:
        """Whether a browser gets a session by itself: nobody needs to log in here, and a page of ours asks."""
        if self._door.needs_login or asked.method not in _SAFE_METHODS or asked.rule.needs == "nobody":
            return False
        return asked.rule.kind == "page" or asked.path.startswith("/_stcore/") or asked.path == "/api/session"

    def _who(self, asked: Asked, session: Session | None) -> Actor | None:
        """The one who asks, when he may; None where anybody may. Raises Refusal."""
        rule = asked.rule
        if rule.needs == "nobody":
            return None if session is None else session.actor()
        if session is None and (self._door.needs_login or rule.token or rule.kind == "websocket"):
            raise self._no_session(asked)
        try:
            actor = msgspec.structs.replace(self._door.actor_of(session), address=asked.address)
        except NotLoggedIn as error:
            raise self._no_session(asked) from error
        if rule.needs == "operator" and actor.role != "operator":
            raise Refusal(403, "not an operator", "access.viewer_may_not", name=actor.name, action=_action(asked.path))
        if rule.token:
            given = asked.headers.get("x-bifrost-token", "")
            if session is None or not compare_digest(given.encode(), session.token.encode()):
                raise Refusal(403, "no token of its page", "access.no_token")
        return actor

    def _no_session(self, asked: Asked) -> Refusal:
        """How somebody is told that he must log in: an end that his cookie remembers is told as such."""
        token = self._door.token_in(asked.cookies)
        if token is None:
            # SameSite keeps the cookie back when a link on another site led here: our own redirect brings it.
            bounce = asked.rule.kind == "page" and asked.is_from_elsewhere
            return Refusal(401, "not logged in", "access.not_logged_in", bounce=bounce)
        ended = self._door.sessions.how_ended(token)
        if ended is None:
            return Refusal(401, "forged or old session", "access.session_unknown")
        return Refusal(401, f"session ended: {ended}", "access.session_over")

    def _count(self, asked: Asked, refused: Refusal) -> None:
        """Into the audit. A page that nobody has logged in for yet is no incident, just the way in."""
        if asked.rule.quiet or (refused.kind == "not logged in" and asked.rule.kind == "page"):
            return
        session = self._door.session_of(asked.cookies)
        self._door.record.refused(
            refused.kind,
            address=asked.address,
            now_us=self._door.wall(),
            by="" if session is None else session.name,
            path=f"{asked.method} {asked.path}",
        )

    def _signed(self, asked: Asked, send: Send, cookie: str | None) -> Send:
        """`send` with the security headers, and with the cookie of a session that just began."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": with_security(list(message.get("headers", [])), trusted=asked.trusted)}
                if cookie is not None:
                    name = self._door.cookie_name(secure=asked.secure)
                    MutableHeaders(raw=message["headers"]).append(
                        "set-cookie", session_cookie(name, cookie, secure=asked.secure)
                    )
            await send(message)

        return with_headers


def _action(path: str) -> str:
    """What a command's route is called: its last word."""
    return path.rpartition("/")[2][:40]


def session_cookie(name: str, token: str, *, secure: bool) -> str:
    """The Set-Cookie of a session: for this site's requests only, out of every script's reach, gone with the browser.

    An empty token takes it back.
    """
    end = "" if token else "; Max-Age=0"
    return f"{name}={token}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}{end}"


async def _with_whole_body(asked: Asked, receive: Receive) -> Receive:
    """The request's body, read up to the bound and handed on in one piece. Raises Refusal."""
    length = asked.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        raise Refusal(413, "body too large", "access.body_too_large")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_WITHIN_S):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "gone before it had asked", "access.body_unfinished")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > MAX_BODY_BYTES:
                    raise Refusal(413, "body too large", "access.body_too_large")
    except TimeoutError as error:
        raise Refusal(408, "body unfinished", "access.body_unfinished") from error
    told = False

    async def handed_on() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return handed_on
