"""One client's session: who it is, what it subscribed to, and what it was told of the market's time."""

from collections import deque

from daemon.simulator.transport import ClientLink


class Pace:
    """How many requests came in the last second of the wall clock."""

    def __init__(self) -> None:
        self._arrived_s: deque[float] = deque()

    def allows(self, per_second: int, now_s: float) -> bool:
        """Count one more; False when that is more than allowed (the second then begins anew)."""
        while self._arrived_s and self._arrived_s[0] <= now_s - 1.0:
            self._arrived_s.popleft()
        self._arrived_s.append(now_s)
        if len(self._arrived_s) <= per_second:
            return True
        self._arrived_s.clear()
        return False


class Session:
    """What the gateway knows of one connected client.

    The one rule: answers are put with `say` and leave together with `flush`, so that one write holds a whole answer.
    """

    def __init__(self, link: ClientLink) -> None:
        self.link = link
        self.is_greeted = False
        self.client_id: int | None = None
        """None until startApi."""
        self.market_data: dict[int, str] = {}
        """Request id -> instrument."""
        self.live: tuple[int, ...] = ()
        """The request ids that heard of the newest step."""
        self.wants_positions = False
        self.wants_account = False
        self.summaries: dict[int, frozenset[str]] = {}
        """Request id -> the tags asked for."""
        self.pnl: set[int] = set()
        self.pnl_single: dict[int, str] = {}
        """Request id -> instrument."""
        self.owes_probe = False
        """A market stamp was sent and no request for the time has come since."""
        self.stamp_again = False
        """Orders moved while a probe was owed: when it comes, another stamp follows."""
        self.pace = Pace()
        self.strikes = 0
        """How often it was too fast."""
        self.data_types: dict[int, int] = {}
        """Request id -> the kind of data (1 live) that it was told it gets."""
        self._unsaid: list[bytes] = []

    @property
    def name(self) -> str:
        """The client in logs."""
        return "client ?" if self.client_id is None else f"client {self.client_id}"

    def forget_market_data(self, instruments: tuple[str, ...] | None) -> None:
        """End these subscriptions (None: all) without a word."""
        for req_id in [req for req, name in self.market_data.items() if instruments is None or name in instruments]:
            del self.market_data[req_id]
            self.data_types.pop(req_id, None)
        self.live = tuple(req_id for req_id in self.live if req_id in self.market_data)
        self.owes_probe = self.owes_probe and bool(self.market_data)

    def say(self, *frames: bytes) -> None:
        """Put messages into the next write."""
        self._unsaid.extend(frames)

    @property
    def fault_id(self) -> int:
        """The client id as faults ask for it: -1 until it is known."""
        return -1 if self.client_id is None else self.client_id

    @property
    def unsaid(self) -> int:
        """How many messages wait for the next write."""
        return len(self._unsaid)

    def flush(self, chunk_bytes: int | None = None) -> None:
        """Write everything said so far in one piece, or in pieces of so many bytes."""
        if not self._unsaid:
            return
        data = b"".join(self._unsaid)
        self._unsaid.clear()
        step = len(data) if chunk_bytes is None else max(1, chunk_bytes)
        for start in range(0, len(data), step):
            self.link.send(data[start : start + step])

    def keep(self, count: int) -> None:
        """Drop what waits behind the first `count` messages."""
        del self._unsaid[count:]

    def put(self, place: int, raw: bytes) -> None:
        """Put raw bytes before the message at this place."""
        self._unsaid.insert(place, raw)

    def halve(self, place: int) -> None:
        """Of all that waits from this place on only the first half of the bytes stays."""
        data = b"".join(self._unsaid[place:])
        self._unsaid[place:] = [data[: len(data) // 2]]
