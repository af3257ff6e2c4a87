"""One market data subscription: its newest sanitised values, what was refused of them, and whether they are live."""

from dataclasses import dataclass, field
from enum import StrEnum

from daemon.core.events import OptionQuote, Quote, RefusedKind
from daemon.core.instruments import InstrumentSpec
from daemon.venues.ib.sanity import Reference, price_fault
from daemon.venues.ib.translate import delta_or_none, price_or_none, size_or_none, two_sided, volatility_or_none

BID, ASK, LAST, CLOSE = 1, 2, 4, 9
BID_SIZE, ASK_SIZE = 0, 3
LIVE_TICK = {66: BID, 67: ASK, 68: LAST, 75: CLOSE, 69: BID_SIZE, 70: ASK_SIZE}
"""Delayed tick type -> the live one that it stands for."""
HALTED_TICKS = frozenset({49, 90})
"""Trading halted, live and delayed: 0 no, 1 for everybody, 2 for volatility; -1 unknown."""
MODEL_TICKS = frozenset({13, 83})
RENEW_AFTER_S = 30.0
RENEW_RARELY_S = 300.0
MAX_REFUSED = 100
"""Refusals that one event tells at most; a feed of nothing but noise must not grow the memory."""


class Mode(StrEnum):
    """What the venue said these data are."""

    LIVE = "live"
    FROZEN = "frozen"
    DELAYED = "delayed"
    REFUSED = "refused"


MODE = {1: Mode.LIVE, 2: Mode.FROZEN, 3: Mode.DELAYED, 4: Mode.DELAYED}
"""IB's market data type -> mode; 4 is delayed and frozen."""


@dataclass
class Line:
    """The newest values; None is "no quote on that side". Machine times in seconds."""

    spec: InstrumentSpec
    reference: Reference
    """The underlying's last clean mid, shared by all lines."""
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    previous_close: float | None = None
    halted: bool | None = None
    model_volatility: float | None = None
    model_delta: float | None = None
    mode: Mode = Mode.LIVE
    is_usable: bool = True
    """Whether these data may be told as prices: live or delayed ones."""
    is_delayed: bool = False
    refused: list[RefusedKind] = field(default_factory=list)
    heard_s: float = 0.0
    """When the newest tick came, or the line was subscribed."""
    renewed_s: float | None = None
    """When it was last subscribed again because it was silent or its farm had gone."""
    stamp_us: int = 0
    """The newest time that the market said on this line: an old one is the venue's memory, a newer one is life."""
    unproven: bool = False
    """Subscribed again, and what came since may be the venue's memory of the old prices."""
    renewed_in_vain: int = 0
    """Renewals in a row that brought nothing new."""

    @property
    def patience_s(self) -> float:
        """How long to wait after a renewal before the next: it doubles while renewing does not help."""
        return min(RENEW_RARELY_S, RENEW_AFTER_S * 2.0 ** min(self.renewed_in_vain, 8))

    def price(self, tick: int, price: float, size: float, now_us: int) -> None:
        """A price of one side, the last trade or the last session's close."""
        if tick == CLOSE:
            self.previous_close = price_or_none(price)  # another day's: today's price does not bound it
            return
        usable = self._usable(price, now_us)
        if tick == LAST:
            self.last = usable
        else:
            # A bid or ask without size is IB's "no quote on this side", whatever the price says.
            offered = size_or_none(size)
            if tick == BID:
                self.bid, self.bid_size = usable if offered is not None else None, offered
            else:
                self.ask, self.ask_size = usable if offered is not None else None, offered

    def size(self, tick: int, size: float) -> None:
        """The size of one side; 0 takes its quote away."""
        offered = size_or_none(size)
        if tick == BID_SIZE:
            self.bid_size, self.bid = offered, self.bid if offered is not None else None
        else:
            self.ask_size, self.ask = offered, self.ask if offered is not None else None

    def greeks(self, volatility: float, delta: float) -> None:
        """The model's own values; -1 and -2 are "not computed"."""
        self.model_volatility, self.model_delta = volatility_or_none(volatility), delta_or_none(delta)
        if self.model_volatility is None or self.model_delta is None:
            self._refuse("sentinel")

    def set_mode(self, mode: Mode) -> bool:
        """What the data are from now on; True when that is news. Prices of another mode are not carried over."""
        if self.mode is mode:
            return False
        self.mode, self.is_delayed = mode, mode is Mode.DELAYED
        self.is_usable = self.is_delayed or mode is Mode.LIVE
        self.bid = self.ask = self.last = self.bid_size = self.ask_size = None
        self.model_volatility = self.model_delta = None
        return True

    def prices(self) -> tuple[object, ...]:
        """What shows whether a line that was subscribed again has heard anything new."""
        return (self.bid, self.ask, self.last, self.bid_size, self.ask_size)

    def event(self, ts_us: int) -> Quote | OptionQuote:
        """This line as an event. What was refused since the last one is told with it."""
        usable = self.is_usable
        bid, ask = two_sided(self.bid, self.ask) if usable else (None, None)
        if usable and bid is None and self.bid is not None and self.ask is not None:
            self._refuse("crossed")
        refused, self.refused = tuple(self.refused), []
        last = self.last if usable else None
        if self.spec.kind == "option":
            return OptionQuote(
                ts_us=ts_us,
                instrument=self.spec.instrument,
                bid=bid,
                ask=ask,
                last=last,
                model_volatility=self.model_volatility if usable else None,
                model_delta=self.model_delta if usable else None,
                delayed=self.is_delayed,
                refused=refused,
            )
        self.reference.note(bid, ask, ts_us)
        return Quote(
            ts_us=ts_us,
            instrument=self.spec.instrument,
            bid=bid,
            ask=ask,
            last=last,
            bid_size=self.bid_size if bid is not None else None,
            ask_size=self.ask_size if ask is not None else None,
            halted=self.halted,
            delayed=self.is_delayed,
            previous_close=self.previous_close,
            refused=refused,
        )

    def _usable(self, price: float, now_us: int) -> float | None:
        usable = price_or_none(price)
        if usable is None:
            self._refuse(price_fault(price))
            return None
        if self.reference.is_absurd(usable, self.spec, now_us):
            self._refuse("absurd")
            return None
        return usable

    def _refuse(self, kind: RefusedKind) -> None:
        if len(self.refused) < MAX_REFUSED:
            self.refused.append(kind)
