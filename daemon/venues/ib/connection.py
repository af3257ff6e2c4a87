"""One connection to TWS or IB Gateway, from the socket's opening to its end. A new one is made for each attempt.

The one rule: one `Connection` at a time, opened and closed by the venue's single loop, always with the same client
id. Two concurrent connects on one client id lock each other out for the length of the time-out.

Every await here ends: each request has its own time-out, and the end of the socket ends them all.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from socket import SO_KEEPALIVE, SOL_SOCKET
from typing import Any, TypeVar

import structlog
from ib_async.ib import StartupFetchNONE

from daemon.core.events import LinkCause
from daemon.venues.ib.taps import TappedIb, Taps

T = TypeVar("T")
_log = structlog.stdlib.get_logger("bifrost.venue.ib")

CLOSE_TIMEOUT_S = 1.0
SLOW_FOR_S = 60.0
SLOWEST_REQUESTS = 20
"""Requests a second after complaints; twice what probes leave free for orders."""
RESERVED_SLOTS = 10
"""Requests a second that probes leave free, so that orders and cancels never meet a full throttle."""


class LinkLostError(Exception):
    """The connection is gone or never came; the text says why. The venue tries again."""


class NoAnswerError(Exception):
    """A request was not answered within its time-out; the socket may still be fine."""


class Backoff:
    """Waiting times between attempts: doubling from `first_s` to `last_s`, with jitter from an injected source."""

    def __init__(self, source: random.Random, *, first_s: float = 1.0, last_s: float = 30.0) -> None:
        self._source, self._first_s, self._last_s = source, first_s, last_s
        self._attempt = 0

    def next_s(self) -> float:
        """Seconds to wait now: between half and all of the doubled time, never below `first_s`."""
        full = min(self._last_s, self._first_s * 2.0 ** min(self._attempt, 30))
        self._attempt += 1
        return max(self._first_s, full * (0.5 + 0.5 * self._source.random()))

    def reset(self) -> None:
        """The next wait is the shortest again."""
        self._attempt = 0


class Connection:
    """A `TappedIb` with an end that can be awaited. `ended` holds the reason as text, never an exception."""

    def __init__(self, taps: Taps) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self.cause: LinkCause | None = None
        """Why it ended, where that needs a human."""
        self.throttled: Callable[[bool], None] = _ignore
        """Called when requests begin (true) and cease to wait in the client's queue."""
        self._slow_until: asyncio.TimerHandle | None = None
        self.ib = TappedIb(taps, self._socket_closed, self._api_error, self._throttled, self.end)

    @property
    def client(self) -> Any:
        """ib_async's client below its IB object; untyped."""
        return self.ib.client

    def end(self, reason: str, cause: LinkCause | None = None) -> None:
        """Declare this connection finished; the venue's loop then closes it."""
        if not self.ended.done():
            self.cause = cause
            self.ended.set_result(reason)

    def _socket_closed(self, message: str) -> None:
        if not self._closed.done():
            self._closed.set_result(None)
        self.end(f"the socket was closed{f': {message}' if message else ''}")

    def _api_error(self, message: str) -> None:
        # Too old a server: ib_async forgets the connection, but leaves the socket open and the caller waiting.
        if "version" in message:
            self.end(message)

    def _throttled(self, queued: bool) -> None:
        # Silent in ib_async; orders are refused and probes wait until the queue is empty again.
        _log.warning("requests_queue", queued=queued, waiting=len(self.client._msgQ))  # noqa: SLF001
        self.throttled(queued)

    def slow_down(self) -> None:
        """The venue complained about our pace: half of it for a while, never below what a listing needs."""
        client = self.client
        client.MaxRequests = max(SLOWEST_REQUESTS, client.MaxRequests // 2)
        if self._slow_until is not None:
            self._slow_until.cancel()
        self._slow_until = asyncio.get_running_loop().call_later(SLOW_FOR_S, self._full_pace)

    def _full_pace(self) -> None:
        self.client.MaxRequests = type(self.client).MaxRequests

    async def open(self, host: str, port: int, client_id: int, timeout_s: float) -> tuple[str, ...]:
        """Connect, log on and receive the positions. Returns the login's accounts. Raises LinkLostError."""
        connect = partial(
            self.ib.connectAsync, host, port, client_id, timeout_s, raiseSyncErrors=True, fetchFields=StartupFetchNONE
        )
        try:
            await self.ask(connect, "the connection", timeout_s)
        except NoAnswerError as error:
            raise LinkLostError(f"{host}:{port} does not complete the logon within {timeout_s:g} s") from error
        transport = self.client.conn.transport
        if transport is not None:
            # A second guard beside the probes: the kernel notices a vanished peer too.
            transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
        return tuple(self.client.getAccounts())

    async def ask(self, request: Callable[[], Awaitable[T]], what: str, timeout_s: float) -> T:
        """Send a request and await its answer.

        Raises NoAnswerError after `timeout_s`, LinkLostError when the socket ends first, and ib_async's RequestError
        when the venue answers with an error.
        """
        try:
            answer: asyncio.Future[T] = asyncio.ensure_future(request())
        except ConnectionError as error:
            raise LinkLostError(_why(error)) from error
        try:
            waiting: set[asyncio.Future[Any]] = {answer, self.ended}
            await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            # The end outranks the answer: on a drop ib_async fails every future with one and the same text.
            if self.ended.done():
                raise LinkLostError(self.ended.result())
            if not answer.done():
                raise NoAnswerError(f"{what}: no answer within {timeout_s:g} s")
            return answer.result()
        except OSError as error:
            raise LinkLostError(_why(error)) from error
        finally:
            if not answer.done():
                answer.cancel()
                await asyncio.wait({answer})
            if not answer.cancelled():
                answer.exception()  # looked at, so that the loop does not complain about it later

    @property
    def is_queueing(self) -> bool:
        """Whether requests wait in the client's queue."""
        return bool(self.client._msgQ)  # noqa: SLF001

    def free_slots(self) -> int:
        """How many requests the client's throttle would pass at once right now."""
        client = self.client
        now = asyncio.get_running_loop().time()
        recent = sum(1 for sent in client._timeQ if now - sent <= client.RequestsInterval)  # noqa: SLF001
        free: int = client.MaxRequests - recent - len(client._msgQ)  # noqa: SLF001
        return max(0, free)

    def not_ready(self) -> str | None:
        """None when a message sent now goes straight to the socket, else why not."""
        client = self.client
        transport = client.conn.transport
        if not client.isReady() or transport is None or transport.is_closing():
            return "not connected"
        if client._msgQ:  # noqa: SLF001 - the queue is silent, so it is looked at
            return f"{len(client._msgQ)} requests wait in the client's queue"  # noqa: SLF001
        if self.free_slots() < 1:
            return f"the limit of {client.MaxRequests} requests a second is reached"
        if transport.get_write_buffer_size() > 0:
            return "the socket does not drain"
        return None

    def send_cancel(self, order_id: int) -> None:
        """Cancel past the throttle's queue: a stop must not wait behind requests. Raises ConnectionError."""
        client = self.client
        if not client.isReady():
            raise ConnectionError("not connected")
        if not client._msgQ and self.free_slots() > 0:  # noqa: SLF001
            client.cancelOrder(order_id, "")
            return
        fields = ["4", "1", str(order_id)] + ([""] if client.serverVersion() >= 169 else [])
        client.conn.sendMsg(client._prefix(("\0".join(fields) + "\0").encode()))  # noqa: SLF001
        client._timeQ.append(asyncio.get_running_loop().time())  # noqa: SLF001

    async def close(self) -> None:
        """Close the socket and wait until it is closed: a half-closed one still holds the client id."""
        if self._slow_until is not None:
            self._slow_until.cancel()
        client = self.client
        transport = client.conn.transport
        try:
            client.disconnect()
        except OSError as error:
            # It says goodbye first (write_eof): a socket that was reset a moment ago cannot.
            _log.info("closed_without_goodbye", error=str(error))
        if transport is not None:
            if not transport.is_closing():
                transport.abort()
            await asyncio.wait({self._closed}, timeout=CLOSE_TIMEOUT_S)
            if not self._closed.done():
                # A peer that reads nothing keeps the unsent bytes, and so the socket, for ever.
                transport.abort()
                await asyncio.wait({self._closed}, timeout=CLOSE_TIMEOUT_S)
        wrapper: Any = self.ib.wrapper
        wrapper.reset()
        self.end("closed by us")


def _ignore(_queued: bool) -> None:
    """Before the session listens."""


def _why(error: OSError) -> str:
    """An operating system's or ib_async's connection error in plain words."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nothing listens there (is TWS running, and its API port open?)"
    if isinstance(error, TimeoutError):
        return "the connection timed out"
    if error.args and isinstance(error.args[0], list):  # raiseSyncErrors hands over its list of failed requests
        return "; ".join(str(part) for part in error.args[0])
    return str(error) or type(error).__name__
