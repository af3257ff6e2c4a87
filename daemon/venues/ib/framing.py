"""What may reach the library's decoder: the IB API's own frames, and nothing that only listens on its port.

The library waits for ever for the rest of a frame whose length is noise, and loses the exception of a hello that is
none. Both end the connection here, at once and in plain words.
"""

from collections.abc import Callable

LENGTH_BYTES = 4
MAX_FRAME_BYTES = 1 << 24
"""The longest answers of TWS (scanner parameters) are a fiftieth of it."""
MAX_HELLO_BYTES = 256
MIN_SERVER_VERSION = 157
"""What ib_async needs; TWS 972 of 2019."""
SHOWN_BYTES = 24


class FrameGuard:
    """Stands between the socket and ib_async's client. `refuse` is called once, then nothing is decoded any more.

    `decode` takes bytes as they come; `undecoded` gives what the decoder still holds of an incomplete frame.
    """

    def __init__(
        self, decode: Callable[[bytes], None], undecoded: Callable[[], bytes], refuse: Callable[[str], None]
    ) -> None:
        self._decode, self._undecoded, self._refuse = decode, undecoded, refuse
        self._hello = b""
        self._greeted = False
        self._refused = False

    def __call__(self, data: bytes) -> None:
        """Some bytes are in."""
        if self._refused:
            return
        if not self._greeted:
            self._hello += data
            if not self._is_hello():
                return
            data, self._hello = self._hello, b""
        try:
            self._decode(data)
        except Exception as error:  # noqa: BLE001 - a peer's bytes, not our fault: whatever the library raised
            self._end(f"a frame of the venue cannot be read: {error!r}")
            return
        held = self._undecoded()
        if len(held) >= LENGTH_BYTES and _length(held) > MAX_FRAME_BYTES:
            self._end(f"the venue announces a frame of {_length(held)} bytes: the stream is out of step")

    def _is_hello(self) -> bool:
        """Whether the first frame is complete and the API's: two fields, the version and the time."""
        hello = self._hello
        if len(hello) < LENGTH_BYTES:
            return False
        length = _length(hello)
        frame = hello[LENGTH_BYTES : LENGTH_BYTES + length]
        if length <= MAX_HELLO_BYTES and len(frame) < length:
            return False
        version, *rest = frame.split(b"\0")
        if length > MAX_HELLO_BYTES or len(rest) != 2 or not version.isdigit():
            self._end(f"what listens there does not speak the IB API: it begins with {hello[:SHOWN_BYTES]!r}")
            return False
        if int(version) < MIN_SERVER_VERSION:
            self._end(
                f"TWS or Gateway speaks API version {int(version)}, at least {MIN_SERVER_VERSION} is needed: update it"
            )
            return False
        self._greeted = True
        return True

    def _end(self, reason: str) -> None:
        self._refused = True
        self._refuse(reason)


def _length(frame: bytes) -> int:
    return int.from_bytes(frame[:LENGTH_BYTES], "big")
