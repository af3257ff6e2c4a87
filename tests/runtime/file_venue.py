"""A small venue whose exchange is a file: it outlives the daemon's process, as a real exchange does.

Every placed order is one JSON line, appended before anything is emitted, together with whether the order's intent
stood in the journal on disk at that moment: the proof that intents are durable before their orders leave.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

from daemon.core.effects import ModifyOrder, PlaceOrder
from daemon.core.events import (
    AccountReported,
    BrokerReport,
    Execution,
    Instruments,
    Link,
    OrderReport,
    PositionChanged,
    PositionItem,
    ProbeAnswered,
    Quote,
    Session,
    Sessions,
)
from daemon.core.instruments import InstrumentSpec
from daemon.core.link_fsm import LinkState
from daemon.venues.protocol import Emit, OrderNotSentError, VenueClock
from state.times import iso_from_us

SYMBOL = "TWX"
HOUR_US = 3_600_000_000


class FileExchange:
    """Orders as lines of a file; the last line of an order counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def orders(self) -> dict[str, dict[str, Any]]:
        if not self.path.exists():
            return {}
        lines = self.path.read_text().splitlines()
        return {order["order_ref"]: order for order in map(json.loads, lines)}

    def sent_refs(self) -> list[str]:
        """Every order_ref ever placed, repeats included."""
        if not self.path.exists():
            return []
        orders = map(json.loads, self.path.read_text().splitlines())
        return [order["order_ref"] for order in orders if order["new"]]

    def put(self, order: dict[str, Any], *, new: bool) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({**order, "new": new}) + "\n")

    def position(self) -> float:
        filled = [order for order in self.orders().values() if order["status"] == "filled"]
        return sum(float(order["quantity"]) * (1 if order["side"] == "BUY" else -1) for order in filled)


class FileVenue:
    """Implements `daemon.venues.protocol.Venue`. `mode` says what the exchange does with a market order."""

    def __init__(
        self,
        exchange: FileExchange,
        clock: VenueClock,
        *,
        journal: Path,
        mode: Literal["fill", "rest", "ignore"] = "fill",
        every_s: float = 0.01,
        account: str = "DU1234567",
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self.journal = journal
        self.mode = mode
        self.every_s = every_s
        self.account = account
        self.connections = 0
        self.probes = 0
        self.blocked: str | None = None
        self.emit: Emit | None = None

    async def run(self, emit: Emit) -> None:
        self.connect(emit)
        price = 70.0
        while True:
            await asyncio.sleep(self.every_s)
            now = self.clock.now_us()
            emit(Quote(ts_us=now, instrument=SYMBOL, bid=price - 0.01, ask=price + 0.01, last=price))

    def connect(self, emit: Emit) -> None:
        self.emit = emit
        self.connections += 1
        now = self.clock.now_us()
        spec = InstrumentSpec(
            instrument=SYMBOL,
            kind="stock",
            symbol=SYMBOL,
            currency="USD",
            venue_id=1,
            price_tick=0.01,
            size_step=1.0,
            min_size=1.0,
        )
        emit(self._link(LinkState.UP_UNSYNCED))
        emit(Instruments(ts_us=now, specs=(spec,)))
        day = iso_from_us(now)[:10]
        session = Session(date=day, open_us=now - 6 * HOUR_US, close_us=now + 6 * HOUR_US)
        emit(Sessions(ts_us=now, sessions=(session,)))
        emit(self._report("connect"))
        emit(AccountReported(ts_us=now, values_usd={"NetLiquidation": 100_000.0}))
        emit(self._link(LinkState.SYNCED))

    def not_ready(self) -> str | None:
        return self.blocked

    def place(self, order: PlaceOrder) -> None:
        if self.emit is None:
            raise OrderNotSentError("not connected")
        text = "".join(path.read_text() for path in sorted(self.journal.glob("*.jsonl")))
        durable = any(order.intent_id in line and '"type":"intent"' in line for line in text.splitlines())
        self.exchange.put(
            {
                "order_ref": order.order_ref,
                "side": order.side,
                "quantity": order.quantity,
                "status": "filled" if self.mode == "fill" else "working",
                "durable": durable,
                "control": sorted(path.name for path in (self.journal.parent / "control").glob("[a-z]*")),
                "executed_us": self.clock.now_us(),
            },
            new=True,
        )
        if self.mode == "ignore":
            return
        placed = self.exchange.orders()[order.order_ref]
        self.emit(self._order_report(placed, "working"))
        if self.mode == "fill":
            self.emit(self._execution(placed))
            self.emit(self._order_report(placed, "filled"))
            self.emit(PositionChanged(ts_us=self.clock.now_us(), position=self._position()))

    def modify(self, order: ModifyOrder) -> None:
        """Here every order fills at once, so none is left to be changed."""
        raise OrderNotSentError(f"{order.order_ref} does not work any more")

    def cancel(self, order_ref: str) -> None:
        order = self.exchange.orders().get(order_ref)
        if order is None or self.emit is None:
            raise OrderNotSentError(f"{order_ref} is not known")
        if self.mode == "ignore" or order["status"] != "working":
            return
        cancelled = {**order, "status": "cancelled"}
        self.exchange.put(cancelled, new=False)
        self.emit(self._order_report(cancelled, "cancelled"))

    def reconcile(self, reason: str, *, fresh_connection: bool) -> None:
        if self.emit is not None:
            self.connections += fresh_connection
            self.emit(self._report(reason))

    def probe(self) -> None:
        self.probes += 1
        if self.emit is not None:
            self.emit(ProbeAnswered(ts_us=self.clock.now_us(), round_trip_ms=0.1))

    async def close(self) -> None:
        self.emit = None

    def _link(self, state: LinkState) -> Link:
        now = self.clock.now_us()
        return Link(ts_us=now, state=state, reason="connected", account=self.account, account_kind="paper")

    def _report(self, reason: str) -> BrokerReport:
        orders = self.exchange.orders().values()
        return BrokerReport(
            ts_us=self.clock.now_us(),
            reason=reason,
            connection=self.connections,
            positions=(self._position(),),
            open_orders=tuple(self._order_report(each, "working") for each in orders if each["status"] == "working"),
            executions=tuple(self._execution(each) for each in orders if each["status"] == "filled"),
            commissions=(),
        )

    def _position(self) -> PositionItem:
        held = self.exchange.position()
        return PositionItem(instrument=SYMBOL, quantity=held, average_cost_usd=70.0, kind="stock")

    def _order_report(self, order: dict[str, Any], status: Literal["working", "cancelled", "filled"]) -> OrderReport:
        number = int(order["order_ref"].rsplit(".", 1)[1])
        return OrderReport(
            ts_us=self.clock.now_us(),
            order_ref=order["order_ref"],
            venue_order_id=number,
            perm_id=1000 + number,
            instrument=SYMBOL,
            side=order["side"],
            quantity=order["quantity"],
            filled=order["quantity"] if status == "filled" else 0.0,
            status=status,
        )

    def _execution(self, order: dict[str, Any]) -> Execution:
        number = int(order["order_ref"].rsplit(".", 1)[1])
        return Execution(
            ts_us=self.clock.now_us(),
            exec_key=f"e{number}",
            revision=1,
            order_ref=order["order_ref"],
            venue_order_id=number,
            perm_id=1000 + number,
            instrument=SYMBOL,
            side=order["side"],
            quantity=order["quantity"],
            price=70.0,
            executed_us=order["executed_us"],
        )
