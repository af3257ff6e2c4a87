"""Market data lines: the declared set, its newest prices, and in which order the core hears of them.

A *batch* is what one moment of the market brought. It is told as: the market's time to the clock, then every option
quote, then the underlying's, so that the decision (which the underlying's quote triggers last) sees one consistent
step. Every touched instrument is told, also when its prices did not change: a standing quote that is repeated is a
living one. A tick 45 with a new time closes the batch before it, so that several steps merged into one socket read
stay apart. Any other event closes the batch too, which keeps the order of arrival.

Against a stepped market (the simulator) a step may be cut by a socket read: there a batch that opened with a new
stamp waits until all lines were touched, or `STEP_GRACE_S` at most. A real feed has no steps and is never held back.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from daemon.core.events import AnyEvent
from daemon.core.instruments import InstrumentSpec
from daemon.venues.ib.line import (
    ASK,
    ASK_SIZE,
    BID,
    BID_SIZE,
    CLOSE,
    HALTED_TICKS,
    LAST,
    LIVE_TICK,
    MODE,
    MODEL_TICKS,
    Line,
    Mode,
)
from daemon.venues.ib.sanity import Reference
from daemon.venues.protocol import VenueClock

Later = Callable[[float, Callable[[], None]], asyncio.TimerHandle]
"""Run something after so many machine seconds; an exception in it must not vanish."""
STEP_GRACE_S = 0.01
PROOF_S = 2.0
"""After a renewed subscription the venue first repeats what it remembers; what still comes now is new."""


class Lines:
    """request id -> line, for one connection; a reconnect builds a new one from the declared set."""

    def __init__(
        self,
        clock: VenueClock,
        emit: Callable[[AnyEvent], None],
        later: Later,
        *,
        stepped: bool,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._emit, self._later, self._stepped = clock, emit, later, stepped
        self._now_s = now_s
        self._lines: dict[int, Line] = {}
        self._reference = Reference()
        self._touched: set[int] = set()
        self._stamp_us: int | None = None
        self._newest_stamp_us = -1
        self._holding = False
        self._grace: asyncio.TimerHandle | None = None

    def subscribe(self, specs: Iterable[InstrumentSpec], request: Callable[[InstrumentSpec], int]) -> None:
        """(Re)subscribe all instruments; `request` sends and returns the request id. Old ids are forgotten."""
        self.flush()
        now_s = self._now_s()
        self._lines = {request(spec): Line(spec, self._reference, heard_s=now_s) for spec in specs}

    def add(self, specs: Iterable[InstrumentSpec], request: Callable[[InstrumentSpec], int]) -> None:
        """Subscribe more instruments beside those that are."""
        now_s = self._now_s()
        self._lines |= {request(spec): Line(spec, self._reference, heard_s=now_s) for spec in specs}

    def renew(self, request_id: int, now_s: float, request: Callable[[InstrumentSpec], int]) -> None:
        """Subscribe one line again under a new id. It tells nothing until something new is heard on it."""
        line = self._lines.pop(request_id)
        self._touched.discard(request_id)
        line.renewed_in_vain = line.renewed_in_vain + 1 if line.unproven else 0
        line.renewed_s, line.unproven = now_s, True
        if line.mode is Mode.REFUSED:
            line.set_mode(Mode.LIVE)  # until it is refused again
        self._lines[request(line.spec)] = line

    @property
    def by_id(self) -> dict[int, Line]:
        """The current subscriptions, a copy."""
        return dict(self._lines)

    def line(self, request_id: int) -> Line | None:
        """The line of a subscription, None when the id is not one."""
        return self._lines.get(request_id)

    def price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        """A price tick. Delayed types count only where the venue said that the line is delayed."""
        line = self._lines.get(request_id)
        tick = self._tick(line, tick_type)
        if line is None or tick not in {BID, ASK, LAST, CLOSE}:
            return
        before = line.prices() if line.unproven else ()
        line.price(tick, price, size, self._clock.now_us())
        self._touch(request_id, line, before)

    def size(self, request_id: int, tick_type: int, size: float) -> None:
        """A size tick; a size of 0 takes the quote of that side away."""
        line = self._lines.get(request_id)
        tick = self._tick(line, tick_type)
        if line is None or tick not in {BID_SIZE, ASK_SIZE}:
            return
        before = line.prices() if line.unproven else ()
        line.size(tick, size)
        self._touch(request_id, line, before)

    def greeks(self, request_id: int, tick_type: int, volatility: float, delta: float) -> None:
        """An option computation; only the model's own is used."""
        line = self._lines.get(request_id)
        if line is None or tick_type not in MODEL_TICKS:
            return
        before = line.prices() if line.unproven else ()
        line.greeks(volatility, delta)
        self._touch(request_id, line, before)

    def halted(self, request_id: int, tick_type: int, value: float) -> None:
        """Tick 49: whether the exchange has halted trading; a negative value is "unknown"."""
        line = self._lines.get(request_id)
        if line is None or tick_type not in HALTED_TICKS or line.spec.kind != "stock":
            return
        said = None if value < 0 else value > 0
        if line.halted != said:
            line.halted = said
            self._touched.add(request_id)  # news in itself, also on a line that is not proven yet

    def data_type(self, request_id: int, data_type: int) -> None:
        """1 live, 2 frozen, 3 delayed, 4 both: prices of another kind are not carried over."""
        line = self._lines.get(request_id)
        if line is not None and line.set_mode(MODE.get(data_type, Mode.FROZEN)):
            self._touched.add(request_id)

    def refused(self, request_id: int) -> None:
        """The venue refuses quotes on this line."""
        if self._lines[request_id].set_mode(Mode.REFUSED):
            self._touched.add(request_id)

    def stamp(self, request_id: int, stamp_us: int) -> None:
        """The market's time, on one line. A repeated stamp (several lines carry it) belongs to the same batch."""
        line = self._lines.get(request_id)
        if line is not None and stamp_us > line.stamp_us:
            line.stamp_us, line.unproven = stamp_us, False
        if self._stamp_us != stamp_us:
            self.flush()
            self._stamp_us = stamp_us
            self._holding = self._stepped and stamp_us > self._newest_stamp_us

    def read_end(self) -> bool:
        """A socket read is decoded: tell the batch, unless a stepped market's step is incomplete (then False)."""
        if self._holding and len(self._touched) < len(self._lines):
            if self._grace is None:
                self._grace = self._later(STEP_GRACE_S, self.flush)
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Tell what is gathered: stamp to the clock, options, underlying."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        stamp_us, self._stamp_us = self._stamp_us, None
        touched, self._touched = self._touched, set()
        self._holding = False
        if stamp_us is not None:
            self._newest_stamp_us = max(self._newest_stamp_us, stamp_us)
            self._clock.market_stamp(stamp_us)
        lines = [line for request_id, line in self._lines.items() if request_id in touched]
        for line in sorted(lines, key=lambda line: line.spec.kind == "stock"):
            self._emit(line.event(self._clock.now_us()))

    def close(self) -> None:
        """Forget everything; nothing is told any more."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        self._lines, self._touched, self._stamp_us = {}, set(), None

    def _tick(self, line: Line | None, tick_type: int) -> int | None:
        """The tick as its live type; None for one that does not fit the line's mode."""
        live = LIVE_TICK.get(tick_type)
        if line is None or (live is not None) != line.is_delayed:
            return None
        return tick_type if live is None else live

    def _touch(self, request_id: int, line: Line, before: tuple[object, ...]) -> None:
        now_s = self._now_s()
        if line.unproven and line.prices() == before and now_s - (line.renewed_s or now_s) < PROOF_S:
            return
        line.unproven = False
        if line.is_usable:
            line.heard_s = now_s
        self._touched.add(request_id)
