"""What the broker has said on this connection: orders, executions, commissions, positions, as plain data.

Built anew for each connection, so that nothing stale survives a drop; only `OwnOrders`, the memory of what this
process placed, lives as long as the process (an execution may come back without its orderRef).

Silence while listing: answers to our own requests repeat what is known. Such frames are not told as events (they are
in the `BrokerReport` that follows) unless they differ from what was told before.
"""

from typing import Any

import msgspec

from daemon.core.events import (
    AnyEvent,
    BrokerReport,
    Commission,
    Execution,
    ModifyRefused,
    OrderReport,
    PositionChanged,
    PositionItem,
)
from daemon.venues.ib.errors import DUPLICATE_ORDER_ID, MODIFY_REFUSED, OrderMeaning
from daemon.venues.ib.translate import (
    Contracts,
    KnownOrder,
    clean_id,
    execution,
    finite_or_none,
    order_status,
    position_item,
    price_or_none,
    side_of,
    split_exec_id,
)

IDS_SKIPPED = 1000
PRICE_TOLERANCE = 1e-6
"""Prices that came over the wire as text are compared to this, in USD."""
DONE = frozenset({"cancelled", "filled", "rejected"})
OrderKey = tuple[int, int]
"""(client id, order id), or (-1, permanent id) for orders entered by hand."""


def order_key(client_id: int, order_id: int, perm_id: int) -> OrderKey:
    """The identity of an order on one connection; manual orders have no order id."""
    return (client_id, order_id) if order_id > 0 else (-1, perm_id)


class OwnOrders:
    """order_ref -> the order as placed or found; kept over reconnects."""

    def __init__(self) -> None:
        self._by_ref: dict[str, KnownOrder] = {}
        self._ref_by_perm_id: dict[int, str] = {}
        self.highest_order_id = 0
        """The largest order id ever seen for our client id; the venue's own counter may roll back."""

    def remember(self, order: KnownOrder) -> None:
        """Store the newest state of an own order."""
        if order.order_ref is None:
            return
        self._by_ref[order.order_ref] = order
        if order.perm_id > 0:
            self._ref_by_perm_id[order.perm_id] = order.order_ref

    def find(self, order_ref: str) -> KnownOrder | None:
        """The order with this reference."""
        return self._by_ref.get(order_ref)

    def by_perm_id(self, perm_id: int) -> str | None:
        """The reference of the own order with this permanent id (unique for ever, unlike order ids)."""
        return self._ref_by_perm_id.get(perm_id)


class BrokerBook:
    """One connection's view. Every method returns the events to tell, in order."""

    def __init__(self, *, account: str, client_id: int, prefix: str, contracts: Contracts, own: OwnOrders) -> None:
        self._account, self._client_id, self._prefix = account, client_id, prefix
        self._contracts, self._own = contracts, own
        self._listing = True  # until the first report everything is part of it
        self._orders: dict[OrderKey, KnownOrder] = {}
        self._told_orders: dict[OrderKey, KnownOrder] = {}
        self._listed: set[OrderKey] = set()
        self._modifying: dict[OrderKey, float] = {}
        self._completed: dict[tuple[str, int], OrderReport] | None = None
        self._executions: dict[str, Execution] = {}
        self._commissions: dict[str, Commission] = {}
        self._told_keys: set[str] = set()
        self._positions: dict[int, PositionItem] = {}
        self._symbols: dict[int, str] = {}
        self._told_positions: dict[int, PositionItem] = {}

    def begin_listing(self) -> None:
        """A reconciliation starts: what is listed from here on is the new truth about open orders and positions."""
        self._listing = True
        self._listed.clear()
        self._positions.clear()
        self._completed = None

    def abandon_listing(self) -> None:
        """The reconciliation failed; live frames are told again."""
        self._listing = False

    def report(self, reason: str, connection: int, ts_us: int) -> BrokerReport:
        """The complete listing as one event; live frames that came meanwhile are in it."""
        self._listing = False
        open_orders = {key: self._orders[key] for key in sorted(self._listed) if self._orders[key].status not in DONE}
        self._told_orders.update(open_orders)
        self._told_positions = dict(self._positions)
        newest = {entry.exec_key: entry for entry in sorted(self._executions.values(), key=_by_revision)}
        self._told_keys.update(newest)
        commissions = (self._commissions[key] for key in sorted(newest) if key in self._commissions)
        return BrokerReport(
            ts_us=ts_us,
            reason=reason,
            connection=connection,
            positions=tuple(item for item in self._positions.values() if item.quantity != 0),
            open_orders=tuple(order.report(ts_us) for order in open_orders.values()),
            executions=tuple(sorted(newest.values(), key=lambda entry: (entry.executed_us, entry.exec_key))),
            commissions=tuple(commissions),
            completed_orders=None if self._completed is None else tuple(self._completed.values()),
        )

    # -- orders ---------------------------------------------------------------------------------------------------

    def placed(self, order: KnownOrder) -> None:
        """We hand this order to the socket now. It is open when the broker says so, not before."""
        key = order_key(order.client_id, order.venue_order_id, 0)
        self._orders[key] = self._told_orders[key] = order
        self._own.highest_order_id = max(self._own.highest_order_id, order.venue_order_id)
        self._own.remember(order)

    def changeable(self, order_ref: str) -> KnownOrder | str:
        """The own order as it stands on this connection, or in words why it cannot be modified here."""
        known = self._own.find(order_ref)
        if known is None:
            return f"{order_ref} is not an order of this desk"
        if known.client_id != self._client_id:
            return f"{order_ref} belongs to client id {known.client_id}: modify it there"
        order = self._orders.get(order_key(known.client_id, known.venue_order_id, 0))
        if order is None or order.order_ref != order_ref:
            return f"{order_ref} has not been seen on this connection"
        return f"{order_ref} is {order.status}" if order.status in DONE else order

    def modified(self, order: KnownOrder, limit_price: float) -> None:
        """We hand a new limit of this order to the socket now; until the broker shows it, refusals speak of it."""
        self._modifying[order_key(order.client_id, order.venue_order_id, 0)] = limit_price

    def open_order(self, contract: Any, order: Any, status: str, ts_us: int) -> list[AnyEvent]:
        """An openOrder frame. Orders of the login's other accounts are not ours to see."""
        if order.account not in {"", self._account}:
            return []
        state, quantity = order_status(status), finite_or_none(order.totalQuantity)
        key = order_key(order.clientId, order.orderId, order.permId)
        before = self._orders.get(key)
        if state is None or quantity is None:
            return []
        if order.clientId == self._client_id:
            self._own.highest_order_id = max(self._own.highest_order_id, order.orderId)
        after = KnownOrder(
            order_ref=self._own_ref(order.orderRef, order.permId),
            venue_order_id=clean_id(order.orderId),
            client_id=order.clientId,
            perm_id=clean_id(order.permId),
            instrument=self._contracts.instrument(contract),
            side=side_of(order.action),
            quantity=quantity,
            order_type=order.orderType,
            limit_price=price_or_none(order.lmtPrice) if order.orderType == "LMT" else None,
            filled=before.filled if before is not None else 0.0,
            status=state,
            reason=before.reason if before is not None else None,
        )
        if state == "inactive" and before is not None:
            # Rejected or held? The orderStatus frame that follows says so, this one does not.
            after = msgspec.structs.replace(after, status=before.status)
        self._listed.add(key)
        asked = self._modifying.get(key)
        if asked is not None and after.limit_price is not None and abs(asked - after.limit_price) < PRICE_TOLERANCE:
            del self._modifying[key]
        return self._moved(key, after, ts_us)

    def order_status(
        self, key: OrderKey, perm_id: int, status: str, filled: float, ts_us: int, *, why_held: str = ""
    ) -> list[AnyEvent]:
        """An orderStatus frame; one without its openOrder says too little to be told (its executions will)."""
        before, state = self._orders.get(key), order_status(status)
        if before is None or state is None:
            return []
        reason = before.reason
        if state == "inactive" and "locate" in why_held:
            state, reason = "submitted", f"held: {why_held}"  # it fills as soon as shares are found
        if before.status == "rejected" and state in {"inactive", "cancelled"}:
            state = "rejected"  # the statuses that follow a rejection say less than its code
        amount = finite_or_none(filled)
        after = msgspec.structs.replace(
            before,
            status=state,
            reason=reason,
            perm_id=perm_id if perm_id > 0 else before.perm_id,
            filled=before.filled if amount is None else amount,
        )
        return self._moved(key, after, ts_us)

    def knows_order(self, order_id: int) -> bool:
        """Whether this is the id of an order of our client on this connection."""
        return (self._client_id, order_id) in self._orders

    def order_message(
        self, order_id: int, meaning: OrderMeaning, text: str, ts_us: int, *, code: int = 0
    ) -> list[AnyEvent]:
        """A message with an own order's id: terminal only for declared codes, and never after a fill.

        While a modification is unanswered, a rejection is the modification's: the order itself lives on.
        """
        key = (self._client_id, order_id)
        before = self._orders[key]
        if key in self._modifying and code in MODIFY_REFUSED and before.order_ref is not None:
            del self._modifying[key]
            return [ModifyRefused(ts_us=ts_us, order_ref=before.order_ref, reason=text)]
        if before.status == "filled" or meaning not in {OrderMeaning.REJECTED, OrderMeaning.CANCELLED}:
            return []
        if code == DUPLICATE_ORDER_ID:
            # The venue's counter went back behind what other days have used: leave those ids well behind.
            self._own.highest_order_id = max(self._own.highest_order_id, order_id) + IDS_SKIPPED
        status = "rejected" if meaning is OrderMeaning.REJECTED else "cancelled"
        return self._moved(key, msgspec.structs.replace(before, status=status, reason=text), ts_us)

    # -- completed orders -----------------------------------------------------------------------------------------

    def begin_completed(self) -> None:
        """The completed orders are asked for."""
        self._completed = {}

    def forget_completed(self) -> None:
        """They did not all come: none were asked for, as far as the report says."""
        self._completed = None

    def completed_order(self, contract: Any, order: Any, status: str, outcome: str, ts_us: int) -> None:
        """One order that has ended; such frames carry no order id, only orderRef and permanent id."""
        ours = order.account in {"", self._account}
        state, quantity = order_status(status), finite_or_none(order.totalQuantity)
        if self._completed is None or not ours or state is None:
            return
        filled = finite_or_none(order.filledQuantity)
        filled = 0.0 if filled is None else filled
        report = OrderReport(
            ts_us=ts_us,
            order_ref=self._own_ref(order.orderRef, order.permId),
            venue_order_id=clean_id(order.orderId),
            perm_id=clean_id(order.permId),
            instrument=self._contracts.instrument(contract),
            side=side_of(order.action),
            # A completed order may come with the quantity that was left: none.
            quantity=filled if quantity is None or quantity < filled else quantity,
            filled=filled,
            status="rejected" if state == "inactive" else state,
            order_type=order.orderType,
            reason=outcome or None,
        )
        self._completed[report.order_ref or "", report.perm_id] = report

    def _moved(self, key: OrderKey, after: KnownOrder, ts_us: int) -> list[AnyEvent]:
        self._orders[key] = after
        self._own.remember(after)
        told = self._told_orders.get(key)
        if told == after or (told is None and self._listing):
            return []
        self._told_orders[key] = after
        report: OrderReport = after.report(ts_us)
        return [report]

    def _own_ref(self, order_ref: str, perm_id: int) -> str | None:
        if order_ref.startswith(self._prefix):
            return order_ref
        return self._own.by_perm_id(perm_id) if not order_ref else None

    # -- executions and commissions -------------------------------------------------------------------------------

    def executed(self, contract: Any, raw: Any, *, live: bool, ts_us: int) -> list[AnyEvent]:
        """An execDetails frame, `live` or the answer to our question; its parked commission follows it."""
        if raw.acctNumber not in {"", self._account} or raw.execId in self._executions:
            return []
        if raw.clientId == self._client_id:
            self._own.highest_order_id = max(self._own.highest_order_id, clean_id(raw.orderId))
        entry = execution(
            raw, contract, order_ref=self._own_ref(raw.orderRef, raw.permId), contracts=self._contracts, ts_us=ts_us
        )
        self._executions[raw.execId] = entry
        if not live:
            return []
        self._told_keys.add(entry.exec_key)
        parked = self._commissions.get(entry.exec_key)
        return [entry] if parked is None else [entry, msgspec.structs.replace(parked, ts_us=ts_us)]

    def commission(self, exec_id: str, amount: float, currency: str, ts_us: int) -> list[AnyEvent]:
        """A commission report; it waits here until its execution has been told, and may come for others' orders."""
        usd = finite_or_none(amount)
        if usd is None:
            return []
        key, _revision = split_exec_id(exec_id)
        event = Commission(ts_us=ts_us, exec_key=key, commission_usd=usd, currency=currency)
        before = self._commissions.get(key)
        self._commissions[key] = event
        unchanged = before is not None and (before.commission_usd, before.currency) == (usd, currency)
        return [event] if key in self._told_keys and not unchanged else []

    def options_of(self, symbol: str) -> dict[int, str]:
        """ConId -> instrument, of the options of this underlying that the account holds now."""
        held = (con_id for con_id, item in self._positions.items() if item.quantity != 0 and item.kind == "option")
        return {con_id: self._positions[con_id].instrument for con_id in held if self._symbols.get(con_id) == symbol}

    # -- positions ------------------------------------------------------------------------------------------------

    def position(self, contract: Any, quantity: float, average_cost: float, ts_us: int) -> list[AnyEvent]:
        """A position frame of our account, from the stream or from a listing."""
        item = position_item(contract, quantity, average_cost, self._contracts)
        self._positions[contract.conId] = item
        self._symbols[contract.conId] = contract.symbol
        told = self._told_positions.get(contract.conId)
        if told == item or (told is None and self._listing):
            return []
        self._told_positions[contract.conId] = item
        return [PositionChanged(ts_us=ts_us, position=item)]


def _by_revision(entry: Execution) -> tuple[str, int]:
    return entry.exec_key, entry.revision
