"""What a flatten would do now, and the phrase that agrees to exactly that. Pure.

The snapshot gives the numbers; the daemon sizes the flatten again from its own ledger. A plan's id is a hash of what
an operator agrees to: desk and account, side and size, the orders to cancel. Whoever commands sends the id and the
phrase back, and the plan is made anew at that moment: another id is another plan, which must be read first.
"""

import hashlib
from typing import Literal

import msgspec

from cockpit import wording
from cockpit.reader import Reader
from cockpit.tables import strategy_state
from state.light import Light
from state.records import Snapshot

DUST_SHARES = 1e-9
_ID_LENGTH = 16
UNDONE = frozenset({"stale_flatten", "flatten_refused", "flatten_conflict", "flatten_unconfirmed"})
"""A flatten that stands with one of these does nothing any more until it is asked for again."""
Side = Literal["BUY", "SELL"]


class OrderToCancel(msgspec.Struct, frozen=True, kw_only=True):
    """One own order that works now."""

    order_ref: str
    instrument: str
    side: Side
    quantity: float
    status: str


class Phrase(msgspec.Struct, frozen=True, kw_only=True):
    """What to type, and what it stands for. `shares` is the number of own shares that it confirms, if any."""

    text: str
    side: Side | None
    quantity_shares: float
    shares: float | None = None


class FlattenPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan in numbers. `side` is None when there is nothing to trade; unknown numbers are None.

    `phrases` has one entry, or one for each number that the desk asks to have confirmed; `phrase` is the only one.
    `age_ms` is the snapshot's; without a living desk nobody can say whether the market is open.
    """

    plan: str
    desk: str
    account: str | None
    account_kind: wording.Kind
    underlying: str
    own_shares: float | None
    target_shares: float
    side: Side | None
    quantity_shares: float
    reference_price_usd: float | None
    value_usd: float | None
    cost_usd: float | None
    """Half the spread for the whole quantity; commission comes on top."""
    residual_delta_shares: float | None
    foreign_shares: float | None
    orders_to_cancel: tuple[OrderToCancel, ...]
    market_open: bool | None
    session: str
    phrase: str | None
    phrases: tuple[Phrase, ...]
    is_live: bool
    age_ms: float | None


class Agreed(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator sends: the id of the plan that he read, and the phrase as typed."""

    plan: str
    phrase: str


class NotAgreedError(Exception):
    """It is not what the plan of now asks for: `plan_changed` or `wrong_phrase`."""

    def __init__(self, code: Literal["plan_changed", "wrong_phrase"]) -> None:
        super().__init__(code)
        self.code = code


def preview(snapshot: Snapshot, light: Light, reader: Reader) -> FlattenPlan:
    """Own shares to the flatten's target at the quote of now."""
    own, target = snapshot.own_shares, target_shares(snapshot)
    side, quantity = order_from(own, target)
    quote = snapshot.instruments[0] if snapshot.instruments else None
    bid, ask = (None, None) if quote is None else (quote.bid, quote.ask)
    price = None if side is None else bid if side == "SELL" else ask
    state = strategy_state(snapshot)
    delta = None if state is None else state.greeks.net_delta_shares
    is_live = light.state != "not_live"
    orders = orders_to_cancel(snapshot)
    choices = phrases(snapshot)
    return FlattenPlan(
        plan=plan_id(snapshot),
        desk=snapshot.desk,
        account=snapshot.account,
        account_kind=wording.account_kind(snapshot.account_kind),
        underlying="" if quote is None else quote.symbol,
        own_shares=own,
        target_shares=target,
        side=side,
        quantity_shares=quantity,
        reference_price_usd=price,
        value_usd=None if price is None else price * quantity,
        cost_usd=None if bid is None or ask is None else quantity * (ask - bid) / 2,
        residual_delta_shares=None if delta is None or own is None else delta + target - own,
        foreign_shares=snapshot.foreign_shares,
        orders_to_cancel=orders,
        market_open=snapshot.session.is_open if is_live and snapshot.session is not None else None,
        session=wording.session(snapshot.session, now_iso=snapshot.ts, reader=reader),
        phrase=choices[0].text if len(choices) == 1 else None,
        phrases=choices,
        is_live=is_live,
        age_ms=light.age_ms,
    )


def target_shares(snapshot: Snapshot) -> float:
    """Own shares that a flatten ends with; a desk that does not name them flattens to none."""
    return 0.0 if snapshot.flatten_target_shares is None else snapshot.flatten_target_shares


def order_from(own: float | None, target: float) -> tuple[Side | None, float]:
    """The order that brings `own` shares to `target`: side and shares; no side where nothing is to be traded."""
    change = 0.0 if own is None else target - own
    if abs(change) <= DUST_SHARES:
        return None, 0.0
    return ("SELL" if change < 0 else "BUY"), abs(change)


def orders_to_cancel(snapshot: Snapshot) -> tuple[OrderToCancel, ...]:
    """Own working orders; others' are never touched."""
    return tuple(
        OrderToCancel(
            order_ref=order.order_ref or "",
            instrument=order.instrument,
            side=order.side,
            quantity=order.quantity,
            status=order.status,
        )
        for order in snapshot.working_orders
        if order.own
    )


def plan_id(snapshot: Snapshot) -> str:
    """A hash of what is agreed to. Prices move at every tick and are not part of it; the size is what they are for."""
    side, quantity = order_from(snapshot.own_shares, target_shares(snapshot))
    orders = sorted(
        (order.order_ref, order.instrument, order.side, plain(order.quantity)) for order in orders_to_cancel(snapshot)
    )
    facts = (
        snapshot.desk,
        snapshot.account,
        snapshot.account_kind,
        snapshot.instruments[0].symbol if snapshot.instruments else None,
        None if snapshot.own_shares is None else plain(snapshot.own_shares),
        side,
        plain(quantity),
        orders,
        [plain(number) for number in snapshot.flatten_choices_shares],
    )
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:_ID_LENGTH]


def phrases(snapshot: Snapshot) -> tuple[Phrase, ...]:
    """`FLATTEN DEMO SELL 240`; with numbers to confirm one each, `FLATTEN DEMO CONFIRM 210`."""
    start, target = f"FLATTEN {snapshot.desk.upper()}", target_shares(snapshot)
    if snapshot.flatten_choices_shares:
        return tuple(
            Phrase(text=f"{start} CONFIRM {plain(number)}", side=side, quantity_shares=quantity, shares=number)
            for number in snapshot.flatten_choices_shares
            for side, quantity in (order_from(number, target),)
        )
    side, quantity = order_from(snapshot.own_shares, target)
    order = "" if side is None else f" {side} {plain(quantity)}"
    return (Phrase(text=start + order, side=side, quantity_shares=quantity),)


def plain(number: float) -> str:
    """A number as it is typed: no thousands apart, no exponent, at most six decimals: `1200`, `-12.5`."""
    text = f"{number:.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def matching(plan: FlattenPlan, typed: str) -> Phrase | None:
    """The phrase that was typed, spaces and the kind of minus aside; None where it is none of them."""
    words = " ".join(typed.replace(wording.MINUS, "-").split())
    return next((phrase for phrase in plan.phrases if phrase.text == words), None)


def agree(plan: FlattenPlan, agreed: Agreed) -> Phrase:
    """The phrase that stands for the plan of now. Raises NotAgreedError where plan or phrase are others."""
    if agreed.plan != plan.plan:
        raise NotAgreedError("plan_changed")
    phrase = matching(plan, agreed.phrase)
    if phrase is None:
        raise NotAgreedError("wrong_phrase")
    return phrase


def refusal(snapshot: Snapshot, reader: Reader) -> str | None:
    """Why a flatten asked for now would come to nothing at all; None while a daemon may obey it."""
    if any(not check.ok and check.reason == "journal_damaged" for check in snapshot.self_check.checks):
        return reader.say("flatten.journal_damaged")
    return None


def is_closed(plan: FlattenPlan) -> bool:
    """Whether the daemon would refuse at once: there is something to trade, and no market."""
    return plan.market_open is False and plan.side is not None


def rows(plan: FlattenPlan, reader: Reader) -> list[tuple[str, str]]:
    """Label and value, in the order an operator reads them."""
    shown = [
        ("orders", _orders(plan, reader)),
        ("own", _own(plan)),
        ("order", _order(plan, reader)),
        ("estimate", _estimate(plan, reader)),
        ("residual", reader.say("flatten.residual", delta=_delta(plan))),
        ("untouched", reader.say("flatten.untouched", shares=wording.shares(plan.foreign_shares, signed=True))),
        ("afterwards", reader.say("flatten.afterwards")),
    ]
    return [(reader.say(f"flatten.label.{name}"), text) for name, text in shown]


def _own(plan: FlattenPlan) -> str:
    return f"{wording.shares(plan.own_shares, signed=True)} → {wording.shares(plan.target_shares)}"


def _delta(plan: FlattenPlan) -> str:
    return wording.number(plan.residual_delta_shares, decimals=1, signed=True)


def _orders(plan: FlattenPlan, reader: Reader) -> str:
    if not plan.orders_to_cancel:
        return reader.say("flatten.none")
    return "; ".join(
        f"{order.side} {wording.shares(order.quantity)} {order.instrument} ({order.status})"
        for order in plan.orders_to_cancel
    )


def _order(plan: FlattenPlan, reader: Reader) -> str:
    if len(plan.phrases) > 1 or plan.phrases[0].shares is not None:
        return "; ".join(
            reader.say(
                "flatten.order_by_number",
                number=wording.shares(phrase.shares, signed=True),
                order=_market_order(phrase.side, phrase.quantity_shares, plan, reader),
            )
            for phrase in plan.phrases
        )
    if plan.own_shares is None:
        return reader.say("flatten.own_unknown")
    return _market_order(plan.side, plan.quantity_shares, plan, reader)


def _market_order(side: Side | None, quantity: float, plan: FlattenPlan, reader: Reader) -> str:
    if side is None:
        return reader.say("flatten.nothing", target=wording.shares(plan.target_shares))
    return reader.say("flatten.at_market", side=side, shares=wording.shares(quantity), symbol=plan.underlying)


def _estimate(plan: FlattenPlan, reader: Reader) -> str:
    if plan.side is None or plan.reference_price_usd is None:
        return wording.DASH
    return reader.say(
        "flatten.estimate",
        value=wording.usd(plan.value_usd),
        price=wording.number(plan.reference_price_usd, decimals=3),
        cost=wording.usd(plan.cost_usd),
    )
