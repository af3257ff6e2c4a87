"""What this desk owns and what it has done: the part of the book that survives a restart.

The journal is its only source: `ledger_checkpoint` lines hold a whole ledger, later lines are folded on top
(`core.recovery`). Everything here is in shares and USD; executions are keyed by `exec_key`.
"""

import math

import msgspec

from daemon.core.attribution import Attribution
from daemon.core.events import Side
from daemon.core.instruments import TOLERANCE, InstrumentSpec

REJECT_BACKOFF_S = (5.0, 20.0, 60.0)
"""Seconds without a new hedge after the first, second and third reject in a row; the third also halts."""

RATE_WINDOW_US = 60_000_000
"""The window of `max_orders_per_minute`, in `ts`."""

SALVAGED = "journal_salvaged"
"""The halt of a ledger from a damaged journal: executions may be missing until an operator says otherwise."""


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One own execution in the stock, with its commission when that has arrived."""

    exec_key: str
    revision: int
    order_ref: str
    side: Side
    quantity: float
    price: float
    executed_us: int
    commission_usd: float | None = None
    decision_mid: float | None = None
    """The stock's mid when the order was decided: slippage is measured from there. None where nobody knows it."""

    @property
    def slippage_usd(self) -> float:
        """What trading away from the decision's mid cost: (price - mid) x signed shares, positive when paid."""
        return 0.0 if self.decision_mid is None else (self.price - self.decision_mid) * self.signed_quantity

    @property
    def signed_quantity(self) -> float:
        """Shares, negative for a sale."""
        return self.quantity if self.side == "BUY" else -self.quantity


class ForeignFill(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else's execution in an instrument of the book, seen after the opening was acknowledged."""

    exec_key: str
    instrument: str
    signed_quantity: float
    price: float | None = None
    """Per share. None for a trade that is older than the desk's first sight of the leg: it counts from the opening."""
    revision: int = 1


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """A latched refusal to trade; only `bifrost reset` ends it."""

    code: str
    since_us: int
    detail: str


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The durable half of the book.

    Keys: `fills` by exec_key (today's, older ones are folded into the sums at the day roll), `earlier_fills` by
    exec_key, `leg_quantities` and `opening_marks` by instrument.
    """

    ledger_id: str
    """Random at the ledger's birth; part of every order_ref."""
    underlying: str = ""
    """The stock that this ledger's shares are of."""
    account: str = ""
    """The account that it was first reconciled with; shares of one account mean nothing in another."""
    next_order: int = 1
    day: str = ""
    """The session date that the daily counters belong to."""

    own_shares: float = 0.0
    average_cost: float = 0.0
    realised_usd: float = 0.0
    """Since the previous session's closing mark, by average cost."""
    commission_usd: float = 0.0
    fills: dict[str, Fill] = {}
    foreign_fills: dict[str, ForeignFill] = {}

    dust_own_shares: float | None = None
    """Own shares that a flatten left because no order is that small; None once the operator has gone on."""

    foreign_acknowledged: float | None = None
    """Shares of the opening balance that the operator declared foreign; None until decided (a new desk pauses)."""
    leg_quantities: dict[str, float] = {}
    """The account's contracts per leg, as last explained."""
    adopted_legs: dict[str, InstrumentSpec] = {}
    """Options found in the account and taken in as legs: the contract as the venue described it then."""

    hedges_today: int = 0
    refused_today: dict[str, int] = {}
    last_hedge_sent_us: int | None = None
    """Where the cooldown runs from."""
    remainder: bool = False
    """The last hedge was capped or only partly filled: until net delta is in band, the rest waits for nothing."""
    last_hedge_price: float | None = None
    """Average fill price of the last hedge: the anchor of the cost gate."""

    order_messages_us: tuple[int, ...] = ()
    """When each order or change of one left within the last minute, oldest first: what `order_rate` counts."""
    reduce_orders: int = 0
    """Hedges sent while a halt stood (`on_halt: reduce`), since it was latched."""

    consecutive_rejects: int = 0
    reject_until_us: int | None = None
    """No new hedge before this time: the back-off after a rejected order."""

    opening_shares: float = 0.0
    """Own shares when the day began; with `opening_cost` the start from which today's fills are folded."""
    opening_cost: float = 0.0
    opening_marks: dict[str, float] = {}
    """Price per share at which today's P&L of each leg starts: the previous session's closing mark; the stock's too."""
    earlier_fills: dict[str, Fill] = {}
    """The last closed day's own executions: a correction or a commission of one may still come."""
    carried_usd: float = 0.0
    """The part of `realised_usd` that is not of today's executions: shares released, earlier days restated."""
    restated_usd: float = 0.0
    """The part of `carried_usd` that corrects an earlier day's executions."""
    carried_commission_usd: float = 0.0
    """The part of `commission_usd` that came late, for an earlier day's executions."""
    traded_usd: float = 0.0
    """Notional of today's own executions: sum of shares x price."""
    slippage_usd: float = 0.0
    """Of today's own executions, positive when paid."""
    legs_realised_usd: float = 0.0
    """Today's P&L of contracts that came or went without an execution (assigned, expired) and were acknowledged."""
    attribution: Attribution = Attribution()
    """At the newest checkpoint; the newer one is in `Book.day`."""
    earlier_executions: tuple[str, ...] = ()
    """Keys of earlier days' executions, newest last: a broker may repeat a week of them after our day has rolled."""
    last_marks: dict[str, float] = {}
    """Marks of the newest checkpoint: the day rolls at these when a restart has lost the newer ones."""
    base_equity_usd: float | None = None
    """The account's net liquidation when this ledger was born."""
    earlier_pnl_usd: float = 0.0
    """Desk P&L of all closed days."""
    peak_equity_usd: float | None = None
    halts: tuple[Halt, ...] = ()

    @property
    def is_salvaged(self) -> bool:
        """Whether it comes from a damaged journal and no reset has ended the halt that says so."""
        return any(halt.code == SALVAGED for halt in self.halts)


class OwnPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Shares, their average cost, and what closing trades have earned so far."""

    shares: float
    average_cost: float
    realised_usd: float


def trade(position: OwnPosition, signed_quantity: float, price: float) -> OwnPosition:
    """One execution by the average-cost method: adding moves the average, reducing realises against it.

    A trade through zero closes the old side at its average and opens the rest at `price`; one of no shares (a busted
    execution) changes nothing.
    """
    if signed_quantity == 0:
        return position
    shares = position.shares + signed_quantity
    if position.shares * signed_quantity >= 0:
        cost = (position.average_cost * abs(position.shares) + price * abs(signed_quantity)) / abs(shares)
        return OwnPosition(shares=shares, average_cost=cost, realised_usd=position.realised_usd)
    closed = min(abs(signed_quantity), abs(position.shares))
    direction = 1.0 if position.shares > 0 else -1.0
    realised = position.realised_usd + direction * closed * (price - position.average_cost)
    if abs(shares) <= TOLERANCE:
        return OwnPosition(shares=0.0, average_cost=0.0, realised_usd=realised)
    flipped = shares * position.shares < 0
    cost = price if flipped else position.average_cost
    return OwnPosition(shares=shares, average_cost=cost, realised_usd=realised)


def known_fill(ledger: Ledger, exec_key: str) -> Fill | None:
    """An own execution of today or of the last closed day, as last reported."""
    return ledger.fills.get(exec_key) or ledger.earlier_fills.get(exec_key)


def book_fill(ledger: Ledger, fill: Fill) -> Ledger:
    """The ledger after one own execution, or after its correction.

    Repeats change nothing (`is_news` tells beforehand). A correction (higher revision) replaces the execution and
    the day is folded anew from its opening, so that average cost and realised P&L are as if it had come right. One
    of the last closed day changes today's result: that day's is closed.
    """
    if fill.exec_key in ledger.earlier_fills:
        return _restated(ledger, fill)
    fills = {**ledger.fills, fill.exec_key: fill}
    if fill.exec_key in ledger.fills:
        position = OwnPosition(
            shares=ledger.opening_shares, average_cost=ledger.opening_cost, realised_usd=ledger.carried_usd
        )
        for each in fills.values():
            position = trade(position, each.signed_quantity, each.price)
        traded = math.fsum(each.quantity * each.price for each in fills.values())
        slippage = math.fsum(each.slippage_usd for each in fills.values())
    else:
        now = OwnPosition(shares=ledger.own_shares, average_cost=ledger.average_cost, realised_usd=ledger.realised_usd)
        position = trade(now, fill.signed_quantity, fill.price)
        traded = ledger.traded_usd + fill.quantity * fill.price
        slippage = ledger.slippage_usd + fill.slippage_usd
    return msgspec.structs.replace(
        ledger,
        fills=fills,
        own_shares=position.shares,
        average_cost=position.average_cost,
        realised_usd=position.realised_usd,
        traded_usd=traded,
        slippage_usd=slippage,
    )


def _restated(ledger: Ledger, fill: Fill) -> Ledger:
    """A corrected execution of the closed day: its shares enter at that day's closing mark, the rest is realised."""
    was = ledger.earlier_fills[fill.exec_key]
    closing = ledger.opening_marks.get(ledger.underlying, fill.price)
    change = fill.signed_quantity - was.signed_quantity
    paid = fill.signed_quantity * fill.price - was.signed_quantity * was.price
    restated = change * closing - paid
    ledger = moved(ledger, change, closing)
    return msgspec.structs.replace(
        ledger,
        earlier_fills={**ledger.earlier_fills, fill.exec_key: fill},
        realised_usd=ledger.realised_usd + restated,
        carried_usd=ledger.carried_usd + restated,
        restated_usd=ledger.restated_usd + restated,
    )


def moved(ledger: Ledger, own_change: float, price: float) -> Ledger:
    """The ledger after shares became own (or ceased to be) by a decision, at this price: no execution, no result."""
    now = OwnPosition(shares=ledger.own_shares, average_cost=ledger.average_cost, realised_usd=ledger.realised_usd)
    opening = OwnPosition(shares=ledger.opening_shares, average_cost=ledger.opening_cost, realised_usd=0.0)
    now, opening = trade(now, own_change, price), trade(opening, own_change, price)
    return msgspec.structs.replace(
        ledger,
        own_shares=now.shares,
        average_cost=now.average_cost,
        realised_usd=now.realised_usd,
        opening_shares=opening.shares,
        opening_cost=opening.average_cost,
        # A correction folds the day anew from its opening: what this change realised there must not get lost.
        carried_usd=ledger.carried_usd + opening.realised_usd,
    )


def is_news(ledger: Ledger, exec_key: str, revision: int) -> bool:
    """Whether this own execution is unknown, or corrects a known one."""
    known = known_fill(ledger, exec_key)
    if known is None:
        return exec_key not in ledger.earlier_executions
    return revision > known.revision


def book_reject(ledger: Ledger, ts_us: int) -> Ledger:
    """The ledger after one more rejected order: how many in a row, and until when no hedge is sent."""
    count = ledger.consecutive_rejects + 1
    wait_s = REJECT_BACKOFF_S[min(count, len(REJECT_BACKOFF_S)) - 1]
    return msgspec.structs.replace(ledger, consecutive_rejects=count, reject_until_us=ts_us + round(wait_s * 1e6))


def count_order_message(ledger: Ledger, ts_us: int) -> Ledger:
    """The ledger after an order, or a change of one, has left at this time."""
    recent = [each for each in ledger.order_messages_us if each > ts_us - RATE_WINDOW_US]
    return msgspec.structs.replace(ledger, order_messages_us=(*recent, ts_us))


def messages_last_minute(ledger: Ledger, ts_us: int) -> int:
    """Orders and changes of orders that left within the 60 seconds before `ts_us`; one exactly that old is out."""
    if not ledger.order_messages_us:
        return 0
    return sum(each > ts_us - RATE_WINDOW_US for each in ledger.order_messages_us)


def book_sent(ledger: Ledger, ts_us: int, *, closing: bool) -> Ledger:
    """The ledger after an order has left: every one counts for the rate, a hedge for the day and the cooldown."""
    ledger = count_order_message(ledger, ts_us)
    if closing:
        return ledger
    return msgspec.structs.replace(
        ledger,
        last_hedge_sent_us=ts_us,
        hedges_today=ledger.hedges_today + 1,
        reduce_orders=ledger.reduce_orders + 1 if ledger.halts else 0,
    )


def book_reset(ledger: Ledger) -> Ledger:
    """The ledger after the operator ended its halts: what they froze and counted begins anew."""
    return msgspec.structs.replace(ledger, halts=(), consecutive_rejects=0, reject_until_us=None, reduce_orders=0)


def book_commission(ledger: Ledger, exec_key: str, commission_usd: float) -> Ledger | None:
    """The ledger with the commission of one own execution; None when that changes nothing.

    One that comes after the day has rolled is a cost of today: the execution's own day is closed.
    """
    fill = known_fill(ledger, exec_key)
    if fill is None or fill.commission_usd == commission_usd:
        return None
    charged = msgspec.structs.replace(fill, commission_usd=commission_usd)
    fills, earlier, carried = ledger.fills, ledger.earlier_fills, ledger.carried_commission_usd
    if exec_key in fills:
        fills = {**fills, exec_key: charged}
    else:
        earlier = {**earlier, exec_key: charged}
        carried += commission_usd - (0.0 if fill.commission_usd is None else fill.commission_usd)
    today = math.fsum(each.commission_usd for each in fills.values() if each.commission_usd is not None)
    return msgspec.structs.replace(
        ledger, fills=fills, earlier_fills=earlier, carried_commission_usd=carried, commission_usd=carried + today
    )


def foreign_traded(ledger: Ledger, instrument: str) -> float:
    """Net quantity that others traded in an instrument since its opening was acknowledged."""
    return math.fsum(each.signed_quantity for each in ledger.foreign_fills.values() if each.instrument == instrument)


def expected_position(ledger: Ledger, instrument: str, *, is_underlying: bool) -> float | None:
    """What the account should hold of an instrument; None while its opening balance is not decided."""
    if is_underlying:
        if ledger.foreign_acknowledged is None:
            return None
        return ledger.own_shares + ledger.foreign_acknowledged + foreign_traded(ledger, instrument)
    if instrument not in ledger.leg_quantities:
        return None
    return ledger.leg_quantities[instrument] + foreign_traded(ledger, instrument)
