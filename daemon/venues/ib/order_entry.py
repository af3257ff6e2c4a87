"""Own orders on their way to the socket: placed once, changed in place, cancelled by their reference.

Whatever raises here raises OrderNotSentError, and means that not a byte left. What became of an order that did leave
is the broker's to say, never this module's.
"""

from ib_async import Order

from daemon.core.effects import ModifyOrder, PlaceOrder
from daemon.venues.ib.broker_book import BrokerBook, OwnOrders
from daemon.venues.ib.connection import Connection
from daemon.venues.ib.contracts import Qualified
from daemon.venues.ib.translate import KnownOrder
from daemon.venues.protocol import OrderNotSentError


class OrderEntry:
    """One connection's way out. `own` outlives it: an orderRef is sent once in the life of this process."""

    def __init__(
        self,
        connection: Connection,
        book: BrokerBook,
        qualified: Qualified,
        own: OwnOrders,
        *,
        account: str,
        client_id: int,
    ) -> None:
        self._connection, self._book, self._qualified, self._own = connection, book, qualified, own
        self._account, self._client_id = account, client_id

    def place(self, order: PlaceOrder) -> None:
        """Send an order. Raises OrderNotSentError."""
        contract = self._qualified.orderable.get(order.instrument)
        if contract is None:
            raise OrderNotSentError(f"{order.instrument} is not a declared instrument")
        if self._own.find(order.order_ref) is not None:
            raise OrderNotSentError(f"{order.order_ref} was already sent")
        client = self._connection.client
        # The venue's counter may roll back after its restart: an id must never be used twice.
        client.updateReqId(self._own.highest_order_id + 1)
        order_id: int = client.getReqId()
        self._send(order_id, order)
        self._book.placed(
            KnownOrder(
                order_ref=order.order_ref,
                venue_order_id=order_id,
                client_id=self._client_id,
                perm_id=0,
                instrument=order.instrument,
                side=order.side,
                quantity=order.quantity,
                order_type=order.order_type,
                limit_price=order.limit_price,
            )
        )

    def modify(self, change: ModifyOrder) -> None:
        """The same order again under its own id and reference, with another limit. Raises OrderNotSentError."""
        known = self._book.changeable(change.order_ref)
        if isinstance(known, str):
            raise OrderNotSentError(known)
        if known.instrument not in self._qualified.orderable or known.order_type != "LMT":
            raise OrderNotSentError(f"{change.order_ref} is no limit order of a declared instrument")
        again = PlaceOrder(
            order_ref=change.order_ref,
            intent_id="",
            instrument=known.instrument,
            side=known.side,
            quantity=change.quantity,
            order_type="LMT",
            limit_price=change.limit_price,
        )
        self._send(known.venue_order_id, again)
        self._book.modified(known, change.limit_price)

    def _send(self, order_id: int, order: PlaceOrder) -> None:
        contract = self._qualified.orderable[order.instrument]
        try:
            self._connection.client.placeOrder(order_id, contract, self._wire_order(order))
        except ConnectionError as error:
            raise OrderNotSentError(str(error)) from error

    def _wire_order(self, order: PlaceOrder) -> Order:
        """The order as ib_async sends it. Time in force is explicit: a preset would raise 10349 on a live order."""
        quantity = int(order.quantity) if order.quantity == int(order.quantity) else order.quantity
        wire = Order(
            action=order.side,
            totalQuantity=quantity,
            orderType=order.order_type,
            tif="DAY",
            account=self._account,
            orderRef=order.order_ref,
            outsideRth=False,
            transmit=True,
        )
        if order.limit_price is not None:
            wire.lmtPrice = order.limit_price
        return wire
