"""The orders of the simulated exchange: what rests, what was executed, and what one execution does to the account.

market order   fills at the touch (a buy at the ask), or worse where the frictions say so; without that side it rests
               and fills at the next quote
limit order    fills at the touch when it crosses on arrival; else it rests, and fills at its limit when crossed
size           unlimited, in slices of `slice_shares`; with `displayed_size` a limit order gets at most what the
               touch shows, once each step of the market
plan           what a fault script wants of one order goes before all of this (`model.FillPlan`)
"""

import math
from dataclasses import dataclass

from daemon.venues.simulated.account import SimulatedAccount
from daemon.venues.simulated.frictions import NO_FRICTIONS, Frictions
from daemon.venues.simulated.model import (
    NO_PLAN,
    ExchangeEvent,
    FillPlan,
    OrderTicket,
    OrderUpdate,
    SimCommission,
    SimContract,
    SimExecution,
    SimQuote,
)
from daemon.venues.simulated.saved_book import RestingOrder, SavedBook

CANCELLED = 202
HELD_FOR_EVER = -1

_FIRST_PERM_ID = 900_001
_EXEC_PREFIX = "0000e1a7"
_FIRST_EXEC = 0x6B00DB08


@dataclass(frozen=True)
class Moment:
    """What the market is when something happens to an order."""

    now_us: int
    quote: SimQuote | None
    """Of the order's instrument."""


class OrderBook:
    """Every order that still works, and today's finished ones.

    The one rule: an order's status, its executions and the account change together, in `fill`, or not at all.
    """

    def __init__(
        self,
        contracts: dict[str, SimContract],
        money: SimulatedAccount,
        *,
        slice_shares: float = math.inf,
        displayed_size: bool = False,
        frictions: Frictions = NO_FRICTIONS,
    ) -> None:
        self._contracts = contracts
        self._money = money
        self._slice = slice_shares
        self._displayed_size = displayed_size
        self._frictions = frictions
        self.orders: dict[tuple[int, int], RestingOrder] = {}
        """(client_id, order_id) -> order."""
        self._open: list[RestingOrder] = []
        """Those that worked when last asked: every step of the market asks, a day's finished orders are many."""
        self.highest_id: dict[int, int] = {}
        """client_id -> the highest order id it ever used."""
        self.executions: list[SimExecution] = []
        self.commissions: list[SimCommission] = []
        self.halted: set[str] = set()
        """Instruments whose orders rest whatever the quotes say."""
        self.perm_ids = 0
        self.exec_ids = 0

    def working(self) -> list[RestingOrder]:
        """Orders that still work, in the order they came."""
        if self._open:
            self._open = [order for order in self._open if order.works]  # what has ended never works again
        return list(self._open)

    def accept(self, ticket: OrderTicket, plan: FillPlan = NO_PLAN) -> RestingOrder:
        """Take an order in; its ids are used from now on."""
        self.perm_ids += 1
        held_steps = None
        if plan.why_held:
            held_steps = HELD_FOR_EVER if plan.hold_steps is None else plan.hold_steps
        order = RestingOrder(
            ticket=ticket, perm_id=_FIRST_PERM_ID + self.perm_ids - 1, plan=plan, held_steps=held_steps
        )
        self.orders[ticket.client_id, ticket.order_id] = order
        self._open.append(order)
        self.highest_id[ticket.client_id] = max(self.highest_id.get(ticket.client_id, 0), ticket.order_id)
        return order

    def age_hold(self, order: RestingOrder) -> bool:
        """Let one step of a held order's waiting pass; True when that frees it."""
        if order.held_steps is None or order.held_steps == HELD_FOR_EVER:
            return False
        order.held_steps -= 1
        if order.held_steps > 0:
            return False
        order.held_steps = None
        return True

    def match(self, order: RestingOrder, moment: Moment, *, resting: bool) -> list[ExchangeEvent]:
        """Execute what the market gives this order now; `resting` is False for an order that has just arrived."""
        price = self._price(order, moment.quote, resting=resting)
        if price is None or moment.quote is None:
            return []
        if order.plan.slices:
            return self._match_by_plan(order, moment, price)
        wanted = order.remaining
        if self._displayed_size and order.ticket.order_type == "LMT":
            buying = order.ticket.side == "BUY"
            wanted = min(wanted, math.floor(moment.quote.ask_size if buying else moment.quote.bid_size))
        return self._fill_in_slices(order, moment, wanted, price)

    def _price(self, order: RestingOrder, quote: SimQuote | None, *, resting: bool) -> float | None:
        """What the order would trade at, None when it cannot trade."""
        if quote is None or order.is_held or order.ticket.instrument in self.halted:
            return None
        buying = order.ticket.side == "BUY"
        touch = quote.ask if buying else quote.bid
        limit = order.ticket.limit_price
        if touch is None:
            return None
        if order.ticket.order_type == "MKT" or limit is None:
            return self._frictions.slipped(order.ticket.side, touch)
        if touch > limit if buying else touch < limit:
            return None
        return limit if resting else touch

    def _match_by_plan(self, order: RestingOrder, moment: Moment, price: float) -> list[ExchangeEvent]:
        plan = order.plan
        events: list[ExchangeEvent] = []
        while order.works and order.slices_done < len(plan.slices):
            quantity = min(plan.slices[order.slices_done], order.remaining)
            order.slices_done += 1
            events.extend(self.fill(order, quantity, price, moment))
            if plan.per_step:
                return events
        if order.works and plan.rest == "fill":
            events.extend(self._fill_in_slices(order, moment, order.remaining, price))
        elif order.works and plan.rest == "cancel":
            events.append(self.finish_cancelled(order, "Order Canceled - reason:fault script"))
        return events

    def _fill_in_slices(self, order: RestingOrder, moment: Moment, wanted: float, price: float) -> list[ExchangeEvent]:
        events: list[ExchangeEvent] = []
        while order.works and wanted > 0:
            quantity = min(self._slice, wanted)
            wanted -= quantity
            events.extend(self.fill(order, quantity, price, moment))
            if self._frictions.slice_each_step:
                break
        return events

    def fill(self, order: RestingOrder, quantity: float, price: float, moment: Moment) -> list[ExchangeEvent]:
        """One execution with everything it causes; an order that is cancelled already is filled all the same."""
        events = self._execute(order, quantity, price, moment)
        if order.status == "Filled" and order.plan.extra > 0 and order.filled == order.ticket.quantity:
            events.extend(self._execute(order, order.plan.extra, price, moment))
        return events

    def _execute(self, order: RestingOrder, quantity: float, price: float, moment: Moment) -> list[ExchangeEvent]:
        ticket = order.ticket
        contract = self._contracts[ticket.instrument]
        commissions = self._frictions.commissions
        before_usd = commissions.of_order(contract, order.filled)
        order.filled += quantity
        order.fill_value += quantity * price
        order.last_price = price
        if order.filled >= ticket.quantity:
            order.status = "Filled"
        commission_usd = round(commissions.of_order(contract, order.filled) - before_usd, 6)
        signed = quantity if ticket.side == "BUY" else -quantity
        realised_usd = self._money.apply_fill(ticket.instrument, signed, price, commission_usd)
        if moment.quote is not None:
            self._money.mark(moment.quote)
        self.exec_ids += 1
        execution = SimExecution(
            exec_id=f"{_EXEC_PREFIX}.{_FIRST_EXEC + self.exec_ids - 1:08x}.01.01",
            ticket=ticket,
            perm_id=order.perm_id,
            quantity=quantity,
            price=price,
            executed_us=moment.now_us,
            cumulative_quantity=order.filled,
            average_price=order.average_price,
        )
        commission = SimCommission(exec_id=execution.exec_id, commission_usd=commission_usd, realised_usd=realised_usd)
        self.executions.append(execution)
        self.commissions.append(commission)
        return [execution, order.update(), self._money.position(ticket.instrument), commission]

    def correct(self, exec_id: str, *, price: float, quantity: float) -> list[ExchangeEvent]:
        """Replace an execution by its next revision: the account is as if it had always been so.

        The list keeps the newest revision only; the commission stays what it was. Empty when there is no such one.
        """
        place = next((at for at, found in enumerate(self.executions) if found.exec_id == exec_id), None)
        if place is None:
            return []
        wrong = self.executions[place]
        sign = 1.0 if wrong.ticket.side == "BUY" else -1.0
        self._money.apply_fill(wrong.ticket.instrument, -sign * wrong.quantity, wrong.price, 0.0)
        self._money.apply_fill(wrong.ticket.instrument, sign * quantity, price, 0.0)
        order = self.orders.get((wrong.ticket.client_id, wrong.ticket.order_id))
        cumulative, average_price = wrong.cumulative_quantity + quantity - wrong.quantity, price
        if order is not None:
            order.filled += quantity - wrong.quantity
            order.fill_value += quantity * price - wrong.quantity * wrong.price
            average_price = order.average_price
        key, _, revision = wrong.exec_id.rpartition(".")
        right = SimExecution(
            exec_id=f"{key}.{int(revision) + 1:02d}",
            ticket=wrong.ticket,
            perm_id=wrong.perm_id,
            quantity=quantity,
            price=price,
            executed_us=wrong.executed_us,
            cumulative_quantity=cumulative,
            average_price=average_price,
        )
        self.executions[place] = right
        paid = self.commissions[place]
        commission = SimCommission(
            exec_id=right.exec_id, commission_usd=paid.commission_usd, realised_usd=paid.realised_usd
        )
        self.commissions[place] = commission
        return [right, self._money.position(wrong.ticket.instrument), commission]

    def finish_cancelled(self, order: RestingOrder, text: str) -> OrderUpdate:
        """End a working order; the update carries the confirmation (202)."""
        order.status = "Cancelled"
        return order.update(error_code=CANCELLED, error_text=text)

    def roll_day(self) -> None:
        """Executions and finished orders are of their day."""
        self.executions.clear()
        self.commissions.clear()
        self.orders = {key: order for key, order in self.orders.items() if order.works}

    def restore(self, saved: SavedBook) -> None:
        """Continue with the orders, executions and ids of a saved book."""
        self.orders = {(order.ticket.client_id, order.ticket.order_id): order for order in saved.orders}
        self._open = list(saved.orders)
        self.highest_id = dict(saved.highest_ids)
        self.executions = list(saved.executions)
        self.commissions = list(saved.commissions)
        self.halted = set(saved.halted)
        self.perm_ids = saved.perm_ids
        self.exec_ids = saved.exec_ids
