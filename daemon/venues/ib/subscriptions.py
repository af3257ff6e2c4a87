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
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from daemon.core.events import AnyEvent, OptionQuote, Quote
from daemon.core.instruments import InstrumentSpec
from daemon.venues.ib.translate import delta_or_none, price_or_none, size_or_none, two_sided, volatility_or_none
from daemon.venues.protocol import VenueClock

Later = Callable[[float, Callable[[], None]], asyncio.TimerHandle]
"""Run something after so many machine seconds; an exception in it must not vanish."""
STEP_GRACE_S = 0.01
LIVE_DATA = 1
MODEL_TICK = 13


@dataclass
class Line:
    """The newest sanitised values of one subscription; None is "no quote on that side"."""

    spec: InstrumentSpec
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    model_volatility: float | None = None
    model_delta: float | None = None
    live: bool = True
    """False when the venue said frozen, delayed or refused: such prices are not traded on."""

    def event(self, ts_us: int) -> Quote | OptionQuote:
        """This line as an event."""
        bid, ask = two_sided(self.bid, self.ask) if self.live else (None, None)
        last = self.last if self.live else None
        if self.spec.kind == "option":
            return OptionQuote(
                ts_us=ts_us,
                instrument=self.spec.instrument,
                bid=bid,
                ask=ask,
                last=last,
                model_volatility=self.model_volatility if self.live else None,
                model_delta=self.model_delta if self.live else None,
            )
        return Quote(
            ts_us=ts_us,
            instrument=self.spec.instrument,
            bid=bid,
            ask=ask,
            last=last,
            bid_size=self.bid_size if bid is not None else None,
            ask_size=self.ask_size if ask is not None else None,
        )


class Lines:
    """request id -> line, for one connection; a reconnect builds a new one from the declared set."""

    def __init__(self, clock: VenueClock, emit: Callable[[AnyEvent], None], later: Later, *, stepped: bool) -> None:
        self._clock, self._emit, self._later, self._stepped = clock, emit, later, stepped
        self._lines: dict[int, Line] = {}
        self._touched: set[int] = set()
        self._stamp_us: int | None = None
        self._newest_stamp_us = -1
        self._holding = False
        self._grace: asyncio.TimerHandle | None = None

    def subscribe(self, specs: Iterable[InstrumentSpec], request: Callable[[InstrumentSpec], int]) -> None:
        """(Re)subscribe all instruments; `request` sends and returns the request id. Old ids are forgotten."""
        self.flush()
        self._lines = {request(spec): Line(spec) for spec in specs}

    def request_ids(self) -> tuple[int, ...]:
        """The ids of the current subscriptions."""
        return tuple(self._lines)

    def name(self, request_id: int) -> str | None:
        """The instrument of a subscription, None when the id is not one."""
        line = self._lines.get(request_id)
        return line.spec.instrument if line is not None else None

    def price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        """A price tick. Delayed types (66..76) are ignored: nobody hedges on prices of a quarter of an hour ago."""
        line = self._lines.get(request_id)
        if line is None or tick_type not in {1, 2, 4}:
            return
        if tick_type == 4:
            line.last = price_or_none(price)
        else:
            # A bid or ask without size is IB's "no quote on this side", whatever the price says.
            offered = size_or_none(size)
            usable = price_or_none(price) if offered is not None else None
            if tick_type == 1:
                line.bid, line.bid_size = usable, offered
            else:
                line.ask, line.ask_size = usable, offered
        self._touch(request_id)

    def size(self, request_id: int, tick_type: int, size: float) -> None:
        """A size tick: 0 bid, 3 ask; a size of 0 takes the quote of that side away."""
        line = self._lines.get(request_id)
        if line is None or tick_type not in {0, 3}:
            return
        offered = size_or_none(size)
        if tick_type == 0:
            line.bid_size, line.bid = offered, line.bid if offered is not None else None
        else:
            line.ask_size, line.ask = offered, line.ask if offered is not None else None
        self._touch(request_id)

    def greeks(self, request_id: int, tick_type: int, volatility: float, delta: float) -> None:
        """An option computation; only the model's own (13) is used."""
        line = self._lines.get(request_id)
        if line is None or tick_type != MODEL_TICK:
            return
        line.model_volatility, line.model_delta = volatility_or_none(volatility), delta_or_none(delta)
        self._touch(request_id)

    def data_type(self, request_id: int, data_type: int) -> None:
        """1 live; frozen and delayed data are no quotes."""
        line = self._lines.get(request_id)
        if line is not None and line.live != (data_type == LIVE_DATA):
            line.live = data_type == LIVE_DATA
            self._touch(request_id)

    def refused(self, request_id: int) -> None:
        """The venue refuses live data on this line."""
        self._lines[request_id].live = False
        self._touch(request_id)

    def stamp(self, stamp_us: int) -> None:
        """The market's time. A repeated stamp (several lines carry it) belongs to the same batch."""
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

    def _touch(self, request_id: int) -> None:
        self._touched.add(request_id)
