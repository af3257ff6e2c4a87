"""One client's session: who it is, what it subscribed to, and what it was told of the market's time."""

from daemon.simulator.transport import ClientLink


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
        self._unsaid: list[bytes] = []

    @property
    def name(self) -> str:
        """The client in logs."""
        return "client ?" if self.client_id is None else f"client {self.client_id}"

    def say(self, *frames: bytes) -> None:
        """Put messages into the next write."""
        self._unsaid.extend(frames)

    def flush(self) -> None:
        """Write everything said so far in one piece."""
        if self._unsaid:
            unsaid, self._unsaid = self._unsaid, []
            self.link.send(b"".join(unsaid))

    def forget(self) -> None:
        """Drop what was said and not yet written."""
        self._unsaid.clear()
