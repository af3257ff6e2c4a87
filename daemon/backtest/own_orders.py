"""What became of the orders that a run sent: executions and commissions, for each order and as rows of the fills."""

from collections.abc import Iterable

from daemon.backtest.schemas import FILLS
from daemon.backtest.tables import HedgeOrder, Rows
from daemon.core.book import Book
from daemon.core.effects import PlaceOrder, Record
from state.statistics.digest import Fill


class OwnOrders:
    """An order whose row has been handed over is forgotten: what is told of it later stands in the fills alone."""

    def __init__(self) -> None:
        self.fills = Rows(FILLS)
        self._orders: dict[str, HedgeOrder] = {}
        """order_ref -> the order, while its row can still change."""
        self._fill_rows: dict[str, int] = {}
        """exec_key -> row of `fills`."""

    def placed(self, effect: PlaceOrder) -> HedgeOrder:
        """Follow an order that leaves."""
        order = HedgeOrder(order_ref=effect.order_ref, side=effect.side, quantity_shares=effect.quantity)
        self._orders[effect.order_ref] = order
        return order

    def filled(self, record: Record, book: Book) -> None:
        """Take in one execution, as the journal tells it; its commission comes later."""
        data = record.data if record.data is not None else {}
        quantity, price = record.quantity or 0.0, record.price or 0.0
        order = self._orders.get(record.order_ref or "")
        if order is not None:
            order.filled_shares += quantity
            order.value_usd += quantity * price
        self._fill_rows[data["exec_key"]] = len(self.fills.rows)
        facts = (record.order_ref, data["exec_key"], record.side, quantity, price, data["decision_mid"])
        self.fills.rows.append((book.ts_us, book.ledger.day, *facts, data["slippage_usd"], 0.0))

    def paid(self, record: Record) -> None:
        """Take in the commission of one execution, USD."""
        usd = record.price or 0.0
        order = self._orders.get(record.order_ref or "")
        if order is not None:
            order.commission_usd += usd
        place = self._fill_rows.get("" if record.data is None else record.data["exec_key"])
        if place is not None:
            self.fills.rows[place] = (*self.fills.rows[place][:-1], usd)

    def forget(self, order_refs: Iterable[str]) -> None:
        """Their rows are out of reach."""
        for ref in order_refs:
            self._orders.pop(ref, None)

    def as_digest(self) -> list[Fill]:
        """The fills as the statistics know them, in order of time."""
        return [
            Fill(
                ts_us=ts_us,
                order_ref=order_ref,
                exec_key=exec_key,
                revision=1,
                side=side,
                quantity=quantity,
                price=price,
                equity_usd=None,
                decision_mid=mid,
                slippage_usd=slippage_usd,
            )
            for ts_us, _, order_ref, exec_key, side, quantity, price, mid, slippage_usd, _ in self.fills.rows
        ]
