"""What stays open: a page's WebSocket and its event stream. They are counted, and end with their session."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cockpit.access.door import Door
from cockpit.access.policy import Rule
from cockpit.access.refusal import Refusal
from cockpit.access.sessions import CrowdedError, Link, Session
from cockpit.reader import Reader
from state.times import iso_from_us

MOST: Final = 120
"""Pages, and event streams, of all sessions together."""
MOST_OF_USER: Final = 60
"""One who fills his share, a viewer too, must not shut the others out."""
MOST_OF_SESSION: Final = 24
SESSION_OVER: Final = 4401
"""The WebSocket's close code when its session has ended (4000 and above are an application's own)."""


async def run_linked(
    app: ASGIApp, called_with: tuple[Scope, Receive, Send], door: Door, session: Session, rule: Rule
) -> None:
    """Run the application for one WebSocket or event stream until it, its client or its session ends.

    Raises Refusal when too many are open.
    """
    scope, receive, send = called_with
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    is_page = rule.kind == "websocket"
    link = Link(
        kind="page" if is_page else "stream",
        since_us=door.wall(),
        end=lambda: _set(loop, over),
    )
    try:
        door.sessions.join(session, link, most=MOST, most_of_user=MOST_OF_USER, most_of_session=MOST_OF_SESSION)
    except CrowdedError as error:
        oldest = Reader().time_of_day(iso_from_us(error.oldest_us))
        raise Refusal(503, f"too many {link.kind}s", "access.crowded", limit=error.limit, oldest=oldest) from error
    told = _Told(send)
    listening = _listening(door, session, receive) if is_page else receive
    task = asyncio.create_task(_run(app, scope, listening, told), name=f"{link.kind} of {session.id}")
    ending = asyncio.create_task(over.wait(), name=f"end of {session.id}")
    try:
        await asyncio.wait({task, ending}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task  # passes its error on
            return
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await told.farewell(session)
    finally:
        door.sessions.leave(session, link)
        for other in (task, ending):
            other.cancel()


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """From any thread; a loop that has ended holds nothing open any more."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(event.set)


def _listening(door: Door, session: Session, receive: Receive) -> Receive:
    """`receive` of a WebSocket; each message but the first shows that somebody is at the page.

    The first comes by itself whenever a browser connects, also after a night without anybody.
    """
    heard = 0

    async def listening() -> Message:
        nonlocal heard
        message = await receive()
        if message["type"] == "websocket.receive":
            heard += 1
            if heard > 1:
                door.sessions.touch(session, door.wall())
        return message

    return listening


class _Told:
    """`send` that knows how far the answer has come."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun: str | None = None
        self._done = False

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            self._begun = kind
        self._done = kind == "websocket.close" or (kind == "http.response.body" and not message.get("more_body"))
        await self._send(message)

    async def farewell(self, session: Session) -> None:
        """Say that the session is over, and close."""
        if self._done:
            return
        if self._begun == "websocket.accept":
            await self._send({"type": "websocket.close", "code": SESSION_OVER, "reason": session.ended or ""})
        elif self._begun == "http.response.start":
            reason: dict[str, Any] = {"reason": session.ended}
            last = b"event: ended\ndata: " + msgspec.json.encode(reason) + b"\n\n"
            await self._send({"type": "http.response.body", "body": last, "more_body": False})
