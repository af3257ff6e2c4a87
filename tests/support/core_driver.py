"""Drives the real core by hand: events in, effects and journal lines out, with a scripted strategy."""

from typing import Any

import msgspec

from config.schema import Leg, Profile, Underlying
from daemon.core.attribution import Sensitivity
from daemon.core.book import Book
from daemon.core.effects import AnyEffect, Effect, ModifyOrder, PlaceOrder, Record
from daemon.core.events import (
    AnyEvent,
    BookRequest,
    BrokerReport,
    Commission,
    Control,
    ControlFile,
    Execution,
    Instruments,
    Link,
    ModifySent,
    OrderReport,
    OrderSent,
    PositionItem,
    Quote,
    Session,
    Sessions,
    TimerFired,
)
from daemon.core.instruments import InstrumentSpec
from daemon.core.recovery import Recovered
from daemon.core.step import Core
from daemon.core.strategy import Decision, Explanation, Marks, Wish
from state.records import Check, JournalLine, JournalType, Limit
from state.times import iso_from_us

SECOND = 1_000_000
OPEN_US = 1_402_000_000 * SECOND - 1_402_000_000 * SECOND % (86_400 * SECOND) + 13 * 3600 * SECOND + 1800 * SECOND
CLOSE_US = OPEN_US + 23_400 * SECOND
SESSIONS = (
    Session(date="2014-06-05", open_us=OPEN_US, close_us=CLOSE_US),
    Session(date="2014-06-06", open_us=OPEN_US + 86_400 * SECOND, close_us=CLOSE_US + 86_400 * SECOND),
)
LEG = "XYZ 20140719 C 70"
STOCK = InstrumentSpec(
    instrument="XYZ", kind="stock", symbol="XYZ", currency="USD", venue_id=1, price_tick=0.01, size_step=1, min_size=1
)
OPTION = InstrumentSpec(
    instrument=LEG,
    kind="option",
    symbol="XYZ",
    currency="USD",
    venue_id=2,
    multiplier=100,
    unit="contract",
    price_tick=0.01,
    size_step=1,
    min_size=1,
    right="C",
    strike=70,
    expiry="20140719",
    last_trade_ts_us=CLOSE_US + 40 * 86_400 * SECOND,
)


class ScriptedStrategy:
    """A strategy whose next wish the test sets; it prices the stock at its mid and the leg at 2.00."""

    name = "scripted"
    state_type = int

    def __init__(self) -> None:
        self.wish: Wish | None = None
        self.in_band = False
        self.delta: float | None = 0.0

    def initial(self) -> int:
        return 0

    def observe(self, state: Any, book: Book, event: AnyEvent) -> Any:
        return state + 1

    def decide(self, state: Any, book: Book) -> Decision:
        if book.in_flight():
            return Decision(state=state)
        wish, self.wish = self.wish, None
        return Decision(state=state, wish=wish, in_band=self.in_band)

    def explain(self, state: Any, book: Book) -> Explanation:
        return Explanation(
            sentence="the test decides",
            needed=False,
            refused=None,
            state_code="O1",
            codes=(),
            embargoes=(),
            numbers={},
            rules=(),
        )

    def marks(self, state: Any, book: Book) -> Marks:
        quote = book.quote()
        if quote is None or quote.mid is None:
            return Marks({})
        return Marks({"XYZ": quote.mid, LEG: 2.0})

    def sensitivities(self, state: Any, book: Book) -> tuple[Sensitivity, ...]:
        return ()

    def legs(self, state: Any, book: Book) -> tuple[str, ...]:
        return (LEG,)

    def legs_changed(self, state: Any, book: Book) -> Any:
        return state

    def option_delta_shares(self, state: Any, book: Book) -> float | None:
        return self.delta

    def other_option_delta_shares(self, state: Any, book: Book) -> float | None:
        return 0.0

    def checks(self, state: Any, book: Book) -> tuple[Check, ...]:
        return ()

    def limits(self, state: Any, book: Book) -> tuple[Limit, ...]:
        return ()

    def present(self, state: Any, book: Book) -> dict[str, Any]:
        return {"name": self.name, "events": state}


def profile(**changes: Any) -> Profile:
    """A small valid profile of XYZ."""
    base = Profile(
        name="desk",
        underlying=Underlying(symbol="XYZ"),
        legs=(Leg(right="call", strike=70, expiry="2014-07-19"),),
    )
    return msgspec.structs.replace(base, **changes)


class Driver:
    """The runtime's part by hand: keeps the book, numbers the journal, answers placed orders as sent."""

    def __init__(
        self,
        *,
        recovered: Recovered | None = None,
        own: Profile | None = None,
        answer: bool = True,
        run_id: str = "run",
    ) -> None:
        self.run_id = run_id
        self.strategy = ScriptedStrategy()
        self.core = Core(own if own is not None else profile(), self.strategy)
        self.now_us = OPEN_US + 600 * SECOND
        self.answer = answer
        self.book = self.core.open(
            desk="desk",
            run_id=run_id,
            recovered=recovered if recovered is not None else Recovered(),
            new_ledger_id="ab12",
            ts_us=self.now_us,
        )
        self.lines: list[JournalLine] = []
        self.effects: list[AnyEffect] = []
        self.executions: list[Execution] = []
        self.positions: dict[str, float] = {LEG: 10.0}

    def feed(self, event: AnyEvent) -> list[AnyEffect]:
        self.book, effects = self.core.step(self.book, event)
        for effect in effects:
            if isinstance(effect, Record):
                self._journal(effect)
        self.effects.extend(effects)
        found = list(effects)
        for effect in effects:
            if isinstance(effect, PlaceOrder) and self.answer:
                found += self.feed(OrderSent(ts_us=self.now_us, order_ref=effect.order_ref, latency_ms=0.5))
            elif isinstance(effect, ModifyOrder) and self.answer:
                found += self.feed(ModifySent(ts_us=self.now_us, order_ref=effect.order_ref))
        return found

    def _journal(self, record: Record) -> None:
        fields = {name: getattr(record, name) for name in record.__struct_fields__}
        moment = iso_from_us(self.book.ts_us)
        line = JournalLine(
            seq=len(self.lines) + 1, ts=moment, wall_ts=moment, desk="desk", run_id=self.run_id, **fields
        )
        # Through JSON and back, as a reader would get it.
        self.lines.append(msgspec.json.decode(msgspec.json.encode(line), type=JournalLine))

    def tick(self, seconds: float = 1.0) -> None:
        self.now_us += round(seconds * SECOND)

    def types(self) -> list[JournalType]:
        return [line.type for line in self.lines]

    def of(self, kind: type[Effect]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    # --- what a venue would say -----------------------------------------------------------------
    def quote(self, bid: float = 69.99, ask: float = 70.01) -> list[AnyEffect]:
        return self.feed(Quote(ts_us=self.now_us, instrument="XYZ", bid=bid, ask=ask))

    def link(self, state: Any = "SYNCED") -> list[AnyEffect]:
        return self.feed(Link(ts_us=self.now_us, state=state, reason="test", account="DU1", account_kind="simulated"))

    def control(self, *files: ControlFile, readable: bool = True) -> list[AnyEffect]:
        return self.feed(Control(ts_us=self.now_us, files=files, readable=readable))

    def command(self, name: Any, **fields: Any) -> ControlFile:
        return ControlFile(name=name, since_us=fields.pop("since_us", self.now_us), age_ms=0.0, **fields)

    def report(
        self,
        reason: str = "connect",
        *,
        connection: int = 1,
        open_orders: tuple[OrderReport, ...] = (),
        completed: tuple[OrderReport, ...] | None = None,
    ) -> list[AnyEffect]:
        positions = tuple(
            PositionItem(instrument=name, quantity=held, average_cost_usd=0.0) for name, held in self.positions.items()
        )
        return self.feed(
            BrokerReport(
                ts_us=self.now_us,
                reason=reason,
                connection=connection,
                positions=positions,
                open_orders=open_orders,
                executions=tuple(self.executions),
                commissions=(),
                completed_orders=completed,
            )
        )

    def connect(self) -> "Driver":
        self.control()
        self.feed(Instruments(ts_us=self.now_us, specs=(STOCK, OPTION)))
        self.feed(Sessions(ts_us=self.now_us, sessions=SESSIONS))
        self.report()
        self.link()
        self.quote()
        return self

    def connect_with(self, *open_orders: OrderReport) -> "Driver":
        """Connect to an account that lists these open orders."""
        self.feed(Instruments(ts_us=self.now_us, specs=(STOCK, OPTION)))
        self.feed(Sessions(ts_us=self.now_us, sessions=SESSIONS))
        self.link("UP_UNSYNCED")
        self.report(open_orders=open_orders)
        self.link()
        self.quote()
        return self

    def execution(self, order_ref: str | None, side: Any, quantity: float, price: float, **fields: Any) -> Execution:
        number = len(self.executions) + 1
        fill = Execution(
            ts_us=self.now_us,
            exec_key=fields.pop("exec_key", f"e{number}"),
            revision=fields.pop("revision", 1),
            order_ref=order_ref,
            venue_order_id=number,
            perm_id=900 + number,
            instrument=fields.pop("instrument", "XYZ"),
            side=side,
            quantity=quantity,
            price=price,
            executed_us=self.now_us,
        )
        self.executions.append(fill)
        signed = quantity if side == "BUY" else -quantity
        self.positions[fill.instrument] = self.positions.get(fill.instrument, 0.0) + signed
        return fill

    def fill(self, order_ref: str, side: Any, quantity: float, price: float) -> None:
        fill = self.execution(order_ref, side, quantity, price)
        self.feed(fill)
        self.feed(Commission(ts_us=self.now_us, exec_key=fill.exec_key, commission_usd=1.0, currency="USD"))

    def order(self, side: Any, quantity: float) -> str:
        """Wish for an order and return its reference."""
        self.strategy.wish = self.wish(side, quantity)
        self.tick()
        self.quote()
        placed: PlaceOrder = self.of(PlaceOrder)[-1]
        return placed.order_ref

    def wish(self, side: Any, quantity: float, **data: Any) -> Wish:
        """A wish that the scripted strategy can be given."""
        return Wish(
            instrument="XYZ",
            side=side,
            quantity=quantity,
            state_code="O1",
            reason="test",
            decision_mid=70.0,
            data=data,
        )

    def request(self, command: Any, shares: float | None = None, **more: Any) -> list[AnyEffect]:
        """The operator's request, as the runtime hands it on."""
        return self.feed(
            BookRequest(
                ts_us=self.now_us,
                request_id=f"{command}-1",
                command=command,
                shares=shares,
                by="op",
                reason="looked at",
                age_ms=1.0,
                **more,
            )
        )

    def status(self, order_ref: str, status: Any, reason: str | None = None) -> list[AnyEffect]:
        order = self.book.orders[order_ref]
        return self.feed(self.order_report(order_ref, order.side, order.quantity, status, reason))

    def fire(self, key: str, after_s: float = 0.0) -> list[AnyEffect]:
        """Let a timer of the machine fire."""
        self.tick(after_s)
        return self.feed(TimerFired(ts_us=self.now_us, key=key))

    def order_report(
        self, order_ref: str, side: Any, quantity: float, status: Any, reason: str | None = None, **more: Any
    ) -> OrderReport:
        return OrderReport(
            ts_us=self.now_us,
            order_ref=order_ref,
            venue_order_id=1,
            perm_id=900,
            instrument="XYZ",
            side=side,
            quantity=quantity,
            filled=more.pop("filled", 0.0),
            status=status,
            reason=reason,
            **more,
        )
