r"""Bytes to frames and back: the part of the simulator that knows sockets and nothing of the messages.

A client says `API\0`, then everything both ways is a frame: four bytes of big-endian length, then the payload.
Frames may arrive split at any byte. A client that does not read slows only itself: `congested` turns true, and
whoever repeats quotes leaves it out until it has caught up.
"""

import asyncio
import socket
import struct
from typing import Protocol

GREETING = b"API\0"
LENGTH = struct.Struct(">I")
MAX_FRAME_BYTES = 1 << 20
"""No request of the API comes near this; a longer one is noise or an attack."""
HIGH_WATER_BYTES = 1 << 18
MAX_BUFFERED_BYTES = 1 << 26
"""A client that has left this much unread is dropped, so that it cannot eat the memory of the others."""


class WireError(Exception):
    """What arrived is not the IB API; the text says what was wrong."""


def framed(payload: bytes) -> bytes:
    """The payload behind its length."""
    return LENGTH.pack(len(payload)) + payload


class FrameBuffer:
    """Cuts a client's byte stream into payloads, whatever the splits."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._greeted = False

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete now. Raises WireError when the stream cannot be the IB API."""
        self._data += data
        if not self._greeted and not self._take_greeting():
            return []
        payloads = []
        start = 0
        while len(self._data) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._data, start)
            if length > MAX_FRAME_BYTES:
                raise WireError(f"a frame of {length} bytes; the longest allowed is {MAX_FRAME_BYTES}")
            end = start + LENGTH.size + length
            if len(self._data) < end:
                break
            payloads.append(bytes(self._data[start + LENGTH.size : end]))
            start = end
        del self._data[:start]
        return payloads

    def _take_greeting(self) -> bool:
        seen = bytes(self._data[: len(GREETING)])
        if not GREETING.startswith(seen):
            raise WireError(f"the stream starts with {seen!r} instead of {GREETING!r}")
        if len(seen) < len(GREETING):
            return False
        del self._data[: len(GREETING)]
        self._greeted = True
        return True


class LinkOwner(Protocol):
    """Who is told about one link."""

    def frame_arrived(self, link: "ClientLink", payload: bytes) -> None:
        """A whole payload is in."""
        ...

    def link_closed(self, link: "ClientLink", reason: str) -> None:
        """The link is gone; said once."""
        ...

    def link_opened(self, link: "ClientLink") -> None:
        """A client has connected."""
        ...


class ClientLink(asyncio.Protocol):
    """One client's socket.

    The one rule: after `freeze` nothing is read or written any more while the socket stays open (a half-open peer).
    """

    def __init__(self, owner: LinkOwner) -> None:
        self._owner = owner
        self._frames = FrameBuffer()
        self._transport: asyncio.Transport | None = None
        self._frozen = False
        self.congested = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: the socket is open."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio hands a TCP transport to this protocol
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._transport = transport
        self._owner.link_opened(self)

    def data_received(self, data: bytes) -> None:
        """Asyncio: some bytes are in."""
        if self._frozen:
            return
        try:
            payloads = self._frames.feed(data)
        except WireError as error:
            self._end(str(error))
            return
        for payload in payloads:
            if self._transport is None or self._frozen:
                return
            self._owner.frame_arrived(self, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio: the socket is gone."""
        if self._transport is not None:
            self._transport = None
            self._owner.link_closed(self, str(exc) if exc is not None else "closed by the client")

    def pause_writing(self) -> None:
        """Asyncio: the client does not read what it is sent; so it is not listened to either."""
        self.congested = True
        if self._transport is not None and not self._frozen:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Asyncio: the client has caught up."""
        self.congested = False
        if self._transport is not None and not self._frozen:
            self._transport.resume_reading()

    @property
    def is_open(self) -> bool:
        """Whether the socket is still there."""
        return self._transport is not None

    def send(self, data: bytes) -> None:
        """Write whole frames; one call keeps them together. Silently nothing on a closed or frozen link."""
        if self._transport is None or self._frozen:
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_BUFFERED_BYTES:
            self.reset(f"the client has left more than {MAX_BUFFERED_BYTES} bytes unread")

    def close(self, reason: str) -> None:
        """End in an orderly way (FIN) after everything written has left."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
            self._owner.link_closed(self, reason)

    def reset(self, reason: str) -> None:
        """End abruptly (RST), as a crashed gateway or a cut line does."""
        if self._transport is not None:
            peer = self._transport.get_extra_info("socket")
            if peer is not None:
                # linger 0 makes the kernel send RST instead of FIN
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._end(reason)

    def end(self, how: str, reason: str) -> None:
        """`rst` or `fin`."""
        if how == "rst":
            self.reset(reason)
        else:
            self.close(reason)

    def freeze(self) -> None:
        """Go half-open: the socket stays, nothing is heard or answered any more.

        Only the client's own end of it is noticed, which frees its client id.
        """
        self._frozen = True

    def _end(self, reason: str) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
            self._owner.link_closed(self, reason)
