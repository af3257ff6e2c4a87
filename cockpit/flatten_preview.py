"""What a flatten would do, from the snapshot alone. Pure; the daemon sizes it again from its own ledger."""

import msgspec

from cockpit import tables, wording
from cockpit.reader import Reader
from state.records import Snapshot

DUST_SHARES = 1e-9


class FlattenPreview(msgspec.Struct, frozen=True, kw_only=True):
    """The plan in numbers. `side` is None when there is nothing to trade; unknown numbers are None."""

    underlying: str
    own_shares: float | None
    target_shares: float
    side: str | None
    quantity_shares: float
    reference_price_usd: float | None
    value_usd: float | None
    cost_usd: float | None
    residual_delta_shares: float | None
    foreign_shares: float | None
    orders_to_cancel: tuple[str, ...]
    market_open: bool | None
    session: str

    @property
    def identity(self) -> tuple[str | None, float]:
        """What an operator agrees to: a plan with another side or size must be read again."""
        return self.side, self.quantity_shares


def preview(snapshot: Snapshot, reader: Reader) -> FlattenPreview:
    """Own shares to the flatten's target at the quote of now: half the spread is the estimated cost."""
    underlying = snapshot.instruments[0] if snapshot.instruments else None
    own = snapshot.own_shares
    # A desk that does not name a target flattens to none.
    target = 0.0 if snapshot.flatten_target_shares is None else snapshot.flatten_target_shares
    change = 0.0 if own is None else target - own
    quantity = abs(change)
    side = None if quantity <= DUST_SHARES else ("SELL" if change < 0 else "BUY")
    bid = None if underlying is None else underlying.bid
    ask = None if underlying is None else underlying.ask
    price = (bid if side == "SELL" else ask) if side is not None else None
    cost = None if bid is None or ask is None else quantity * (ask - bid) / 2
    state = tables.strategy_state(snapshot)
    delta = None if state is None else state.greeks.net_delta_shares
    return FlattenPreview(
        underlying=underlying.symbol if underlying is not None else "",
        own_shares=own,
        target_shares=target,
        side=side,
        quantity_shares=quantity,
        reference_price_usd=price,
        value_usd=None if price is None else price * quantity,
        cost_usd=cost,
        residual_delta_shares=None if delta is None or own is None else delta + change,
        foreign_shares=snapshot.foreign_shares,
        orders_to_cancel=tuple(
            f"{order.side} {wording.shares(order.quantity)} {order.instrument} ({order.status})"
            for order in snapshot.working_orders
            if order.own
        ),
        market_open=None if snapshot.session is None else snapshot.session.is_open,
        session=wording.session(snapshot.session, now_iso=snapshot.ts, reader=reader),
    )


def refusal(snapshot: Snapshot) -> str | None:
    """Why a flatten asked for now could come to nothing at all; None while a daemon may obey it."""
    if any(check.reason == "journal_damaged" for check in snapshot.self_check.checks):
        return "The journal is damaged, so no daemon starts to flatten. First salvage it in a shell."
    return None


def question(snapshot: Snapshot) -> str | None:
    """What the operator must type besides the word: the right one of two numbers; None where the book's is enough."""
    choices = snapshot.flatten_choices_shares
    if not choices:
        return None
    words = " or ".join(wording.shares(number, signed=True) for number in choices)
    return f"Own shares by book or account are {words}. Compare with TWS and type the right number"


def confirmed(snapshot: Snapshot, typed: str) -> float | None:
    """The number that was typed, as the page writes it or plainly, when the desk would take it; None else."""
    try:
        number = float(typed.replace(",", "").replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        return None
    return next((choice for choice in snapshot.flatten_choices_shares if abs(choice - number) <= DUST_SHARES), None)


def rows(plan: FlattenPreview) -> list[tuple[str, str]]:
    """Label and value, in the order an operator reads them."""
    order = f"nothing to trade: own shares are {wording.shares(plan.target_shares)} already"
    if plan.own_shares is None:
        order = "unknown: the snapshot does not say how many shares are own"
    elif plan.side is not None:
        order = f"{plan.side} {wording.shares(plan.quantity_shares)} {plan.underlying} at market"
    price = ""
    if plan.side is not None:
        price = (
            f"{wording.usd(plan.value_usd)} USD at {wording.number(plan.reference_price_usd, decimals=3)}; "
            f"about {wording.usd(plan.cost_usd)} USD for half the spread, commission apart"
        )
    return [
        ("Own orders to cancel", "; ".join(plan.orders_to_cancel) if plan.orders_to_cancel else "none"),
        ("Own shares", f"{wording.shares(plan.own_shares, signed=True)} → {wording.shares(plan.target_shares)}"),
        ("Order", order),
        ("Estimated", price or wording.DASH),
        ("Left unhedged", f"net delta {wording.number(plan.residual_delta_shares, decimals=1, signed=True)} shares"),
        ("Stays untouched", f"foreign {wording.shares(plan.foreign_shares, signed=True)} shares, every option leg"),
        ("Afterwards", "hedging stays paused until you resume it"),
    ]
