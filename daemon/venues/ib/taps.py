"""ib_async's wrapper and IB object with our taps in them: every frame we use goes to one guarded method.

The one rule: a tap never raises into ib_async. Its event handlers and its decoder swallow exceptions (some without a
log line), so each tap is wrapped: an exception goes to `Taps.broken`, which stops the daemon.

Why taps and not ib_async's events: the library drops what it cannot match (executions of unknown orders, late
commissions, corrections), marks live orders cancelled on informational codes, and hands out objects that change
later. The taps see each frame once, in the order of arrival, and copy its values at once. The library keeps the
socket, the framing, the codec, the throttle and the request futures.
"""

# ruff: noqa: N802, N803, ARG002, D102, PLR0917 - names, order and number of arguments are the library's

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ib_async import IB
from ib_async.client import Client
from ib_async.wrapper import RequestError, Wrapper

from daemon.venues.ib.decoding import WatchedDecoder
from daemon.venues.ib.framing import FrameGuard

LAST_TIMESTAMP = 45


class Taps(Protocol):
    """Who listens to one connection. All methods are called from the loop's thread, synchronously."""

    def broken(self, error: Exception) -> None:
        """A tap raised: the daemon must stop."""
        ...

    def on_read_end(self) -> None:
        """One socket read has been decoded completely."""
        ...

    def on_price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        """A price tick."""
        ...

    def on_size(self, request_id: int, tick_type: int, size: float) -> None:
        """A size tick."""
        ...

    def on_greeks(self, request_id: int, tick_type: int, volatility: float, delta: float) -> None:
        """An option computation; sentinels still in it."""
        ...

    def on_halted(self, request_id: int, tick_type: int, value: float) -> None:
        """A generic tick (49: trading halted)."""
        ...

    def on_stamp(self, request_id: int, stamp_us: int) -> None:
        """The market said its time (tick 45) with this subscription."""
        ...

    def on_data_type(self, request_id: int, data_type: int) -> None:
        """1 live, 2 frozen, 3 delayed, 4 delayed frozen."""
        ...

    def on_open_order(self, contract: Any, order: Any, status: str) -> None:
        """An order as the venue has it, ours or foreign."""
        ...

    def on_order_status(
        self, order_id: int, client_id: int, perm_id: int, status: str, filled: float, *, why_held: str
    ) -> None:
        """A status of an order; `why_held` is `locate` while shares to borrow are looked for."""
        ...

    def on_completed_order(self, contract: Any, order: Any, status: str, outcome: str) -> None:
        """An order that has ended, as the answer to our question; `outcome` is the venue's word on how."""
        ...

    def on_execution(self, request_id: int, contract: Any, execution: Any) -> None:
        """An execution; `request_id` is -1 while it is live, else it answers a question."""
        ...

    def on_commission(self, exec_id: str, commission: float, currency: str) -> None:
        """A commission report."""
        ...

    def on_position(self, account: str, contract: Any, quantity: float, average_cost: float) -> None:
        """A position of the account."""
        ...

    def on_account_value(self, account: str, tag: str, value: str, currency: str) -> None:
        """An account value."""
        ...

    def on_current_time(self) -> None:
        """The answer to a liveness probe."""
        ...

    def on_unreadable(self, kind: int, error: str) -> None:
        """A message without which the book may be wrong could not be decoded."""
        ...

    def on_message(self, request_id: int, code: int, text: str) -> None:
        """Message 4: an error, a warning or a notice; `request_id` may be an order id, -1 is about the system."""
        ...


class TappedWrapper(Wrapper):
    """Where decoded frames arrive. Overridden methods keep the library's name and argument order."""

    def __init__(self, ib: IB, taps: Taps) -> None:
        super().__init__(ib)
        self._taps = taps
        self._library_end: Any = super()._endReq  # untyped there

    def _guard(self, tap: Callable[..., None], *values: Any) -> None:
        try:
            tap(*values)
        except Exception as error:  # noqa: BLE001 - whatever it is: ib_async would swallow it
            self._taps.broken(error)

    def tcpDataArrived(self) -> None:
        """Nothing to do: our quotes carry the venue clock's time."""

    def tcpDataProcessed(self) -> None:
        self._guard(self._taps.on_read_end)

    def priceSizeTick(self, reqId: int, tickType: int, price: float, size: float) -> None:
        self._guard(self._taps.on_price, reqId, tickType, price, size)

    def tickSize(self, reqId: int, tickType: int, size: float) -> None:
        self._guard(self._taps.on_size, reqId, tickType, size)

    def tickString(self, reqId: int, tickType: int, value: str) -> None:
        # "0" is TWS's word for "no trade yet".
        if tickType == LAST_TIMESTAMP and value.isascii() and value.isdigit() and int(value) > 0:
            self._guard(self._taps.on_stamp, reqId, int(value) * 1_000_000)

    def tickGeneric(self, reqId: int, tickType: int, value: float) -> None:
        self._guard(self._taps.on_halted, reqId, tickType, value)

    def tickOptionComputation(
        self,
        reqId: int,
        tickType: int,
        tickAttrib: int,
        impliedVol: float,
        delta: float,
        *_unused: float,
    ) -> None:
        self._guard(self._taps.on_greeks, reqId, tickType, impliedVol, delta)

    def marketDataType(self, reqId: int, marketDataId: int) -> None:
        self._guard(self._taps.on_data_type, reqId, marketDataId)

    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:
        # The library does this too: the next id must be above every id seen, also of other clients.
        client: Any = self.ib.client
        client.updateReqId(orderId + 1)
        if not order.whatIf:
            self._guard(self._taps.on_open_order, contract, order, orderState.status)

    def orderStatus(
        self,
        orderId: int,
        status: str,
        filled: float,
        remaining: float,
        avgFillPrice: float,
        permId: int,
        parentId: int,
        lastFillPrice: float,
        clientId: int,
        whyHeld: str = "",
        mktCapPrice: float = 0.0,
    ) -> None:
        tap = partial(self._taps.on_order_status, why_held=whyHeld)
        self._guard(tap, orderId, clientId, permId, status, filled)

    def completedOrder(self, contract: Any, order: Any, orderState: Any) -> None:
        outcome = str(orderState.completedStatus)
        self._guard(self._taps.on_completed_order, contract, order, str(orderState.status), outcome)

    def contractDetails(self, reqId: int, contractDetails: Any) -> None:
        # One that comes after its request has failed: the library would raise a KeyError in its decoder.
        if reqId in self._results:
            self._results[reqId].append(contractDetails)

    def _endReq(self, key: Any, result: Any = None, success: bool = True) -> None:
        self._library_end(key, result, success)
        if not success:
            self._results.pop(key, None)  # the library keeps what a failed request has gathered

    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:
        self._guard(self._taps.on_execution, reqId, contract, execution)

    def commissionReport(self, commissionReport: Any) -> None:
        report = commissionReport
        self._guard(self._taps.on_commission, report.execId, report.commission, report.currency)

    def position(self, account: str, contract: Any, posSize: float, avgCost: float) -> None:
        self._guard(self._taps.on_position, account, contract, posSize, avgCost)

    def updatePortfolio(self, *_unused: Any) -> None:
        """Not used: positions come from their own stream."""

    def updateAccountValue(self, tag: str, val: str, currency: str, account: str) -> None:
        self._guard(self._taps.on_account_value, account, tag, val, currency)

    def currentTime(self, time: int) -> None:
        self._guard(self._taps.on_current_time)

    def error(self, reqId: int, errorCode: int, errorString: str, advancedOrderRejectJson: str) -> None:
        """Replaces the library's: it would close live orders on notices (10349) and answer failed requests with []."""
        text = f"{errorString} {advancedOrderRejectJson}".strip()
        if reqId in self._futures:
            self._endReq(reqId, RequestError(reqId, errorCode, text), success=False)
        self._guard(self._taps.on_message, reqId, errorCode, text)


class TappedIb(IB):
    """An `ib_async.IB` for exactly one connection; it is thrown away with it, so nothing stale survives."""

    def __init__(
        self,
        taps: Taps,
        on_closed: Callable[[str], None],
        on_api_error: Callable[[str], None],
        on_throttle: Callable[[bool], None],
        on_garbage: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._taps = taps
        self.wrapper = TappedWrapper(self, taps)
        make_client: Any = Client
        self.client = make_client(self.wrapper)
        unreadable = partial(self.wrapper._guard, taps.on_unreadable)  # noqa: SLF001 - the other half of this file
        self.client.decoder = WatchedDecoder(self.wrapper, unreadable)
        # Also covers a server that closes before the session is ready: ib_async would wait for the whole time-out.
        self.client.conn.disconnected.connect(on_closed, error=self._event_failed, keep_ref=True)
        self.client.apiError.connect(on_api_error, error=self._event_failed, keep_ref=True)
        for event, queued in ((self.client.throttleStart, True), (self.client.throttleEnd, False)):
            event.connect(partial(on_throttle, queued), error=self._event_failed, keep_ref=True)
        decode = self.client._onSocketHasData  # noqa: SLF001 - the library has no hook before its decoder
        self.client.conn.hasData -= decode
        guard = FrameGuard(decode, lambda: bytes(self.client._data[:8]), on_garbage)  # noqa: SLF001
        self.client.conn.hasData.connect(guard, error=self._event_failed, keep_ref=True)
        # IB's own answer to 1102 is an unowned task for a summary that nobody reads.
        self.errorEvent -= self._onError

    def _event_failed(self, _event: object, error: Exception) -> None:
        self._taps.broken(error)
