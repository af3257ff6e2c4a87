"""How many connections the server holds, and how long one may wait without asking anything.

A connection costs a file descriptor before anybody has said who he is. Without bounds a device on the network could
open a thousand, send half a request on each, and nobody would come in any more.
"""

import asyncio
import resource
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from cockpit.access.addresses import guess_key, is_loopback

REQUEST_WITHIN_S: Final = 10.0
"""A connection that has no answer under way sends its next request, head complete, within this, or is closed."""
MOST: Final = 512
"""Connections from the network, all together. This machine's own are not counted."""
MOST_OF_ADDRESS: Final = 128
"""Of one address (an IPv6 one's site): a browser opens six and one for each page."""
_DESCRIPTORS: Final = 4096


def allow_descriptors() -> None:
    """Raise this process's own limit of open files as far as the system lets it; many systems begin with 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Connections:
    """The open connections from the network. For one event loop."""

    def __init__(self, most: int = MOST, most_of_address: int = MOST_OF_ADDRESS) -> None:
        self._most, self._most_of_address = most, most_of_address
        self._open: list[tuple[str, asyncio.Transport]] = []

    def admit(self, transport: asyncio.Transport, address: str | None) -> bool:
        """Count a new connection; false when there is no room for it."""
        if address is not None and is_loopback(address):
            return True
        key = guess_key(address)
        # WebSockets change their protocol, so the end of a connection is asked of its transport.
        self._open = [each for each in self._open if not each[1].is_closing()]
        if len(self._open) >= self._most or sum(each[0] == key for each in self._open) >= self._most_of_address:
            return False
        self._open.append((key, transport))
        return True


class BoundedHttp(H11Protocol):
    """uvicorn's HTTP with these bounds."""

    admitted = Connections()
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        if self.admitted.admit(transport, None if self.client is None else self.client[0]):
            self._await_request()
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """A part of a request, or a whole one: only a whole head counts."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._unset_deadline()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """From here on another protocol speaks."""
        self._unset_deadline()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Answered; the next request may have come already."""
        before = self.cycle
        super().on_response_complete()
        if self.cycle is before:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._unset_deadline()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._unset_deadline()
        self._deadline = self.loop.call_later(REQUEST_WITHIN_S, self.transport.abort)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
