"""A gamma scalper's desk in a few lines: one session, a straddle, a quote, and knobs for everything else."""

from typing import Any

import msgspec

from config.schema import Profile
from daemon.core.book import Book, ControlState, LinkView, OptionQuoteState, QuoteState
from daemon.core.events import AnyEvent, Clock, Instruments, OptionQuote, Quote, Session, Sessions
from daemon.core.instruments import InstrumentSpec
from daemon.core.ledger import Ledger
from daemon.core.order_life import OrderState, OwnOrder
from daemon.core.strategy import Decision
from daemon.strategies.gamma_scalper.strategy import GammaScalper

S = 1_000_000
OPEN = 1_401_975_000 * S  # 2014-06-05 09:30 New York
CLOSE = OPEN + 23_400 * S
NOON = OPEN + 9_000 * S
SESSION = Session(date="2014-06-05", open_us=OPEN, close_us=CLOSE)
NEXT = Session(date="2014-06-06", open_us=OPEN + 86_400 * S, close_us=CLOSE + 86_400 * S)
CALL, PUT = "TWX 20140719 C 70", "TWX 20140719 P 70"
EXPIRY = 1_405_713_600 * S  # 2014-07-18 16:00 New York

STOCK = InstrumentSpec(
    instrument="TWX", kind="stock", symbol="TWX", currency="USD", venue_id=1, price_tick=0.01, size_step=1, min_size=1
)


def option_spec(instrument: str) -> InstrumentSpec:
    return InstrumentSpec(
        instrument=instrument,
        kind="option",
        symbol="TWX",
        currency="USD",
        venue_id=hash(instrument) % 1000 + 2,
        multiplier=100.0,
        unit="contract",
        price_tick=0.01,
        size_step=1,
        min_size=1,
        right="C" if " C " in instrument else "P",
        strike=70.0,
        expiry="20140719",
        last_trade_ts_us=EXPIRY,
    )


def profile(**overrides: Any) -> Profile:
    """Keys are dotted paths with `__`: `gates__intent__hedge__cooldown_seconds=0`."""
    plain: dict[str, Any] = {
        "name": "test",
        "underlying": {"symbol": "TWX"},
        "legs": [
            {"right": "call", "strike": 70.0, "expiry": "2014-07-19"},
            {"right": "put", "strike": 70.0, "expiry": "2014-07-19"},
        ],
        "greeks": {"risk_free_rate": 0.0, "volatility": 0.35},
    }
    for path, value in overrides.items():
        at = plain
        *parents, last = path.split("__")
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
    return msgspec.convert(plain, Profile)


class Desk:
    """A strategy with its book. The rule: feed events through `on`, change the rest of the book with `put`."""

    def __init__(self, *, quantity: float = 10.0, ts_us: int = NOON, **overrides: Any) -> None:
        self.profile = profile(**overrides)
        self.strategy = GammaScalper(self.profile)
        self.book = Book(
            desk="test",
            run_id="run",
            underlying="TWX",
            ts_us=ts_us,
            ledger=Ledger(
                ledger_id="L",
                foreign_acknowledged=0.0,
                day=SESSION.date,
                leg_quantities={CALL: quantity, PUT: quantity},
            ),
            link=LinkView(state="SYNCED", reason="synced", round_trip_ms=5.0),
            specs={"TWX": STOCK, CALL: option_spec(CALL), PUT: option_spec(PUT)},
            sessions=(SESSION, NEXT),
            reconciled=True,
        )
        self.state = self.strategy.initial()
        self.on(Sessions(ts_us=ts_us, sessions=self.book.sessions))
        self.on(Instruments(ts_us=ts_us, specs=tuple(self.book.specs.values())))

    def put(self, **changes: Any) -> None:
        self.book = msgspec.structs.replace(self.book, **changes)

    def put_ledger(self, **changes: Any) -> None:
        self.put(ledger=msgspec.structs.replace(self.book.ledger, **changes))

    def put_link(self, **changes: Any) -> None:
        self.put(link=msgspec.structs.replace(self.book.link, **changes))

    def on(self, event: AnyEvent) -> None:
        """As the core does: time, then the book, then the strategy's own state."""
        self.put(ts_us=max(self.book.ts_us, event.ts_us))
        if isinstance(event, Quote | OptionQuote):
            kind = OptionQuoteState if isinstance(event, OptionQuote) else QuoteState
            told = set(type(event).__struct_fields__) - {"ts_us"}
            shared = {name: getattr(event, name) for name in kind.__struct_fields__ if name in told}
            self.put(quotes={**self.book.quotes, event.instrument: kind(ts_us=event.ts_us, **shared)})
        self.state = self.strategy.observe(self.state, self.book, event)

    def quote(self, mid: float, *, spread: float = 0.01, at_us: int | None = None, delay_ms: float = 0.0) -> None:
        ts_us = self.book.ts_us if at_us is None else at_us
        self.on(
            Quote(ts_us=ts_us, instrument="TWX", bid=mid - spread / 2, ask=mid + spread / 2, queue_delay_ms=delay_ms)
        )

    def option_quote(self, instrument: str, bid: float | None, ask: float | None, **more: Any) -> None:
        self.on(OptionQuote(ts_us=self.book.ts_us, instrument=instrument, bid=bid, ask=ask, **more))

    def clock(self, seconds: float) -> None:
        """Time goes on without a tick."""
        self.on(Clock(ts_us=self.book.ts_us + round(seconds * S)))

    def decide(self) -> Decision:
        decision = self.strategy.decide(self.state, self.book)
        self.state = decision.state
        if decision.in_band:
            self.put_ledger(remainder=False)  # as the core does
        return decision

    def tick(self, mid: float, *, after_s: float = 1.0, **more: Any) -> Decision:
        self.quote(mid, at_us=self.book.ts_us + round(after_s * S), **more)
        return self.decide()

    def own_to(self, net_delta: float) -> None:
        """Give the desk own shares so that its net delta is this."""
        delta = self.strategy.option_delta_shares(self.state, self.book)
        assert delta is not None
        self.put_ledger(own_shares=net_delta - delta)

    def net_delta(self) -> float:
        delta = self.strategy.option_delta_shares(self.state, self.book)
        assert delta is not None
        return delta + self.book.ledger.own_shares

    def order(self, state: OrderState, *, number: int = 1, quantity: float = 50.0, **more: Any) -> OwnOrder:
        """Put an own order into the book."""
        order = OwnOrder(
            order_ref=f"test.L.{number}",
            intent_id=f"run-{number}",
            instrument="TWX",
            side=more.pop("side", "SELL"),
            quantity=quantity,
            state=state,
            decided_us=self.book.ts_us,
            **more,
        )
        self.put(orders={**self.book.orders, order.order_ref: order})
        if order.filled > 0 and not order.in_flight:
            self.put_ledger(remainder=order.leaves_remainder)  # as the core does
        return order

    def check_reasons(self) -> set[str]:
        return {c.reason for c in self.strategy.checks(self.state, self.book) if not c.ok and c.reason is not None}

    def severities(self) -> set[str]:
        return {c.severity for c in self.strategy.checks(self.state, self.book) if not c.ok}


def ready(**overrides: Any) -> Desk:
    """A desk in band at noon with one clean quote and the first decisions behind it."""
    desk = Desk(**overrides)
    desk.quote(70.0)
    desk.own_to(0.0)
    desk.decide()
    desk.decide()
    return desk


PAUSED = ControlState(readable=False)
