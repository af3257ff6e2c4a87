"""What a halt does to orders that already work, and what must measure clear before it may be ended.

| halt | may be reset when |
|---|---|
| daily_loss, drawdown | it is known and below its limit |
| repeated_rejects | the back-off after the last reject has passed |
| overfill, orphan_execution, journal_salvaged | broker and book are reconciled and every position is explained |
| reconciliation_mismatch | likewise, and no order that ended here is still open at the broker |
| journal_failed | this run has not failed to write it |
| illegal_transition, internal_error | always: a fault of the program has no measure, the operator's word is all |
"""

from collections.abc import Callable

from config.schema import Profile
from daemon.core.account_rules import is_breached
from daemon.core.book import Book
from daemon.core.ledger import SALVAGED
from daemon.core.order_life import OrderState
from daemon.core.orders import cancel
from daemon.core.posture import lowers, posture
from daemon.core.turn import Turn

Cause = Callable[[Profile, Book], str | None]
"""What still stands in the way, in words with numbers; None when nothing does."""


def standing_causes(profile: Profile, book: Book) -> tuple[str, ...]:
    """Why the halts of the book must not be ended yet; empty when a reset may end them all."""
    found = []
    for halt in book.ledger.halts:
        cause = _CAUSES.get(halt.code)
        stands = None if cause is None else cause(profile, book)
        if stands is not None:
            found.append(f"{halt.code}{stands}")
    return tuple(found)


def _daily_loss(profile: Profile, book: Book) -> str | None:
    limit = profile.gates.guard.risk.max_daily_loss_usd
    if book.day.pnl is None:
        return f" is not known yet, limit {limit:.2f} USD"
    loss = -book.day.pnl.total_usd
    return f" still measures {loss:.2f} USD, limit {limit:.2f}" if is_breached(loss, limit) else None


def _drawdown(profile: Profile, book: Book) -> str | None:
    limit = profile.gates.guard.risk.max_drawdown_pct
    fallen = book.day.drawdown_pct
    if fallen is None:
        return f" is not known yet, limit {limit:.2f} %"
    return f" still measures {fallen:.2f} %, limit {limit:.2f} %" if is_breached(fallen, limit) else None


def _back_off(profile: Profile, book: Book) -> str | None:  # noqa: ARG001 -- one shape for all
    until_us = book.ledger.reject_until_us
    if until_us is None or book.ts_us >= until_us:
        return None
    count = book.ledger.consecutive_rejects
    return f": the back-off after {count} rejects runs for another {(until_us - book.ts_us) / 1e6:.0f} s"


def _disagreement(profile: Profile, book: Book) -> str | None:  # noqa: ARG001
    if not book.reconciled:
        return ": broker and book are not reconciled yet; wait for the link"
    if book.unexplained:
        return f": the position is still unexplained ({', '.join(book.unexplained)})"
    return None


def _mismatch(profile: Profile, book: Book) -> str | None:
    if book.mismatched:
        return f": ended here, but open at the broker: {', '.join(book.mismatched)}; cancel it in TWS if it lasts"
    return _disagreement(profile, book)


def _journal(profile: Profile, book: Book) -> str | None:  # noqa: ARG001
    if book.journal_failed is None:
        return None
    return ": this run cannot write it; free or repair the disk, then restart the daemon"


def cancel_what_no_longer_may_leave(turn: Turn) -> None:
    """While a halt stands: cancel own working hedges that it forbids; a flatten's closing orders are the operator's.

    While REDUCING one stays that still lowers |net delta|. Without a delta nobody can tell, so it goes.
    """
    book = turn.book
    if not book.in_flight():
        return
    reducing = posture(book.ledger, turn.profile.control).name == "REDUCING"
    option_delta = turn.strategy.option_delta_shares(book.strategy, book) if reducing else None
    for order in book.in_flight():
        if order.closing or order.cancel_sent or order.state == OrderState.INTENDED:
            continue
        signed = order.remaining if order.side == "BUY" else -order.remaining
        if option_delta is None or not lowers(option_delta + book.ledger.own_shares, signed):
            cancel(turn, order, "a halt stands")


_CAUSES: dict[str, Cause] = {
    "daily_loss": _daily_loss,
    "drawdown": _drawdown,
    "repeated_rejects": _back_off,
    "overfill": _disagreement,
    "orphan_execution": _disagreement,
    SALVAGED: _disagreement,
    "reconciliation_mismatch": _mismatch,
    "journal_failed": _journal,
}
