"""What the tape itself proves about the effects that are no journal lines.

An order or a modification handed to the runtime is answered at once, before anything else that waits: the next event
names it. A timer fires no more often than it was started. After the core has asked to leave, nothing is decided.
What no file tells: whether a cancel or a report that was asked for reached the venue, or a control file the disk.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from daemon.core.effects import AnyEffect, Exit, ModifyOrder, PlaceOrder, StartTimer
from daemon.core.events import AnyEvent, ModifyBlocked, ModifySent, OrderBlocked, OrderSent, SinkFailed, TimerFired

_ANSWERS: Final = (OrderSent, OrderBlocked, ModifySent, ModifyBlocked)


def tells_of_the_journal(event: AnyEvent) -> bool:
    """Whether the event says that the journal has failed: the runtime ends the tape with it."""
    return isinstance(event, SinkFailed) and event.what == "journal"


class Owed(NamedTuple):
    """An answer that must come next."""

    order_ref: str
    is_change: bool

    @property
    def words(self) -> str:
        """`modify_sent or modify_blocked of desk.ab12.3`."""
        kind = "modify" if self.is_change else "order"
        return f"{kind}_sent or {kind}_blocked of {self.order_ref}"

    def is_met_by(self, event: AnyEvent) -> bool:
        """Whether the event is this answer."""
        kinds = (ModifySent, ModifyBlocked) if self.is_change else (OrderSent, OrderBlocked)
        return isinstance(event, kinds) and event.order_ref == self.order_ref


class Answers:
    """The one rule: `heard` before an event is decided, `asked` after it, in the order of the tape."""

    def __init__(self, *, from_start: bool) -> None:
        """Of a run that is replayed from its midst, nobody knows which timers ran, or which answers were due."""
        self._from_start = from_start
        self._may_be_owed = not from_start
        self._owed: deque[Owed] = deque()
        self._running: dict[str, int] = {}
        self._left = False
        self._is_last = False

    @property
    def owed(self) -> tuple[str, ...]:
        """What has not been answered yet, in words."""
        return tuple(each.words for each in self._owed)

    @property
    def has_left(self) -> bool:
        """The core has asked to leave."""
        return self._left

    def heard(self, event: AnyEvent) -> str | None:
        """None where the event may come now, else why it may not."""
        if self._left or self._is_last:
            why = "the core has asked to leave" if self._left else "the tape of a failed journal ends"
            return f"an event follows, although {why}"
        self._is_last = tells_of_the_journal(event)
        if self._owed:
            return self._answered(event)
        if isinstance(event, _ANSWERS):
            unasked = f"an answer to {event.order_ref}, which the replay did not ask for"
            return None if self._may_be_owed else unasked
        self._may_be_owed = False
        return self._fired(event.key) if isinstance(event, TimerFired) else None

    def asked(self, effects: Sequence[AnyEffect]) -> None:
        """Note what must follow."""
        owed = []
        for effect in effects:
            if isinstance(effect, PlaceOrder | ModifyOrder):
                owed.append(Owed(effect.order_ref, isinstance(effect, ModifyOrder)))
            elif isinstance(effect, StartTimer):
                self._running[effect.key] = self._running.get(effect.key, 0) + 1
            elif isinstance(effect, Exit):
                self._left = True
        # Depth first, as the engine: what a step asks for is answered before what an earlier one still waits for.
        self._owed.extendleft(reversed(owed))
        if self._left:
            self._owed.clear()

    def _answered(self, event: AnyEvent) -> str | None:
        owed = self._owed[0]
        if owed.is_met_by(event):
            self._owed.popleft()
            return None
        if tells_of_the_journal(event):
            return None  # the runtime tells of it before the answers of the same step
        self._owed.clear()
        return f"another event comes where {owed.words} must be the next one"

    def _fired(self, key: str) -> str | None:
        started = self._running.get(key, 0)
        if started == 0:
            return f"timer {key} fires, which the replay did not start" if self._from_start else None
        if started == 1:
            del self._running[key]
        else:
            self._running[key] = started - 1
        return None
