"""What the operator decides about the book: which shares are ours, which are not, and when a halt is over."""

import math

import msgspec

from daemon.core.book import Book
from daemon.core.day import write_checkpoint
from daemon.core.events import BookRequest
from daemon.core.halts import standing_causes
from daemon.core.instruments import TOLERANCE, InstrumentSpec
from daemon.core.ledger import Ledger, book_reset, expected_position, foreign_traded, moved
from daemon.core.order_life import OrderState
from daemon.core.orders import look_first
from daemon.core.outcomes import settle_unknown
from daemon.core.reconcile import refresh_unexplained
from daemon.core.split import split
from daemon.core.turn import Turn
from state.records import JournalType

FRESH_MS = 60_000.0
"""A request older than this is refused: it was meant for another moment."""


def on_request(turn: Turn, event: BookRequest) -> None:
    """Carry out one request, or refuse it with its numbers. Either way it is journaled once."""
    if event.age_ms > FRESH_MS:
        _refuse(turn, event, f"asked {event.age_ms / 1000:.0f} s ago; ask again")
    elif event.command == "reset":
        _reset(turn, event)
    elif not turn.book.reconciled:
        _refuse(turn, event, "broker and book are not reconciled yet; wait for the link")
    elif _order_in_the_way(turn):
        _refuse(turn, event, "an own order is working; ask again when it has ended")
    elif event.shares is None:
        _refuse(turn, event, "the number of shares is missing; say --shares N")
    elif event.command == "acknowledge":
        _acknowledge(turn, event, event.shares)
    else:
        _transfer(turn, event, event.shares if event.command == "adopt" else -event.shares)


def _order_in_the_way(turn: Turn) -> bool:
    """An order may still change what is decided; one out of sight whose shares have moved is what is decided."""
    jumped = abs(_unexplained_jump(turn)) > TOLERANCE
    return any(not jumped or order.state != OrderState.UNKNOWN for order in turn.book.in_flight())


def _facts(turn: Turn, event: BookRequest, **more: object) -> dict[str, object]:
    facts: dict[str, object] = {
        "request_id": event.request_id,
        "command": event.command,
        "by": event.by,
        "own_shares": turn.book.ledger.own_shares,
        "foreign_shares": turn.book.foreign_shares,
    }
    if event.ratio is not None:
        facts["ratio"] = event.ratio
    return facts | more


def _refuse(turn: Turn, event: BookRequest, detail: str) -> None:
    facts = _facts(turn, event, detail=detail)
    turn.record(JournalType.CONTROL_REFUSED, status="refused", reason="request_refused", data=facts)


def _acknowledge(turn: Turn, event: BookRequest, shares: float) -> None:
    """The operator names the foreign shares; the number must be the one that the account shows."""
    if event.ratio is not None and not _split(turn, event, event.ratio, shares):
        return
    foreign = turn.book.foreign_shares
    if abs(shares - foreign) > TOLERANCE:
        _refuse(turn, event, f"the account holds {foreign:g} foreign shares, not {shares:g}; say --shares {foreign:g}")
        return
    traded = foreign_traded(turn.book.ledger, turn.book.underlying)
    turn.change_ledger(foreign_acknowledged=foreign - traded)
    _adopt_legs(turn)
    settle_unknown(turn, "the operator acknowledged what the account holds")
    _booked(turn, event, JournalType.BOOK_ACKNOWLEDGED, shares)


def _split(turn: Turn, event: BookRequest, ratio: float, foreign: float) -> bool:
    """Scale the ledger by the ratio that the operator names; False (and refused) where the numbers do not fit it."""
    book = turn.book
    own = book.account_positions.get(book.underlying, 0.0) - foreign
    wanted = book.ledger.own_shares * ratio
    if not (math.isfinite(ratio) and 0 < ratio != 1):
        _refuse(turn, event, f"a ratio of {ratio:g} multiplies nothing; 2 is two new shares for an old one")
    elif not (abs(own) <= abs(wanted) + TOLERANCE and abs(wanted) - abs(own) < 1 and own * wanted >= 0):
        _refuse(
            turn,
            event,
            f"{book.ledger.own_shares:g} own shares times {ratio:g} are {wanted:g}, and {foreign:g} foreign ones leave "
            f"{own:g} in the account; less than one share may be missing",
        )
    else:
        turn.put_ledger(split(book.ledger, ratio, own, _scaled_legs(turn, ratio)))
        # Prices of before are no prices any more: P&L and its parts wait for quotes.
        attribution = msgspec.structs.replace(book.day.attribution, point=None)
        turn.put(day=msgspec.structs.replace(book.day, marks={}, attribution=attribution))
        return True
    return False


def _scaled_legs(turn: Turn, ratio: float) -> frozenset[str]:
    """Legs that the split multiplied in place; one that became another contract is simply gone."""
    book = turn.book
    return frozenset(
        leg
        for leg, held in book.ledger.leg_quantities.items()
        if abs(book.account_positions.get(leg, 0.0) - (held + foreign_traded(book.ledger, leg)) * ratio) < 1
    )


def _adopt_legs(turn: Turn) -> None:
    """Acknowledging accepts the account as it is: leg quantities that moved without an execution too."""
    book = turn.book
    quantities = dict(book.ledger.leg_quantities)
    settled = book.ledger.legs_realised_usd
    for leg in turn.strategy.legs(book.strategy, book):
        held = book.account_positions.get(leg, 0.0) - foreign_traded(book.ledger, leg)
        settled += _left_usd(turn, leg, quantities.get(leg, 0.0) - held)
        quantities[leg] = held
    turn.change_ledger(leg_quantities=quantities, legs_realised_usd=settled)


def _settle_jump(turn: Turn, event: BookRequest, shares: float, jump: float, price: float) -> None:
    """Shares that came or went without an execution are ours (an exercise, an assignment); legs are as found."""
    if shares * jump <= 0 or abs(shares) > abs(jump) + TOLERANCE:
        _refuse(turn, event, f"{jump:+g} shares are unexplained; adopt at most those, with their sign")
        return
    ledger = moved(turn.book.ledger, shares, price)
    foreign = turn.book.account_positions.get(turn.book.underlying, 0.0) - ledger.own_shares
    traded = foreign_traded(ledger, turn.book.underlying)
    turn.put_ledger(msgspec.structs.replace(ledger, foreign_acknowledged=foreign - traded))
    _adopt_legs(turn)
    settle_unknown(turn, "the operator adopted the unexplained shares")
    _booked(turn, event, JournalType.BOOK_ADOPTED, shares, price=price)


def _unexplained_jump(turn: Turn) -> float:
    """Shares of the stock by which the account differs from the ledger."""
    book = turn.book
    expected = expected_position(book.ledger, book.underlying, is_underlying=True)
    return 0.0 if expected is None else book.account_positions.get(book.underlying, 0.0) - expected


def _left_usd(turn: Turn, leg: str, contracts: float) -> float:
    """What contracts that left without an execution (expired, assigned) had earned today; new ones begin at 0."""
    book = turn.book
    opening, spec = book.ledger.opening_marks.get(leg), book.specs.get(leg)
    if contracts == 0 or opening is None or spec is None:
        return 0.0
    value = _left_at(book, leg, spec)
    return 0.0 if value is None else contracts * spec.multiplier * (value - opening)


def _left_at(book: Book, leg: str, spec: InstrumentSpec) -> float | None:
    """What a contract was worth to us as it left, USD a share; None where nothing says it.

    An exercise changes shares against the strike, and the shares are booked at the stock's mark: together that is
    exact, wherever the stock stands by then (below zero where it has crossed the strike since). What expired beside
    it, or alone, is worth nothing, whatever was quoted last.
    """
    found = book.explanation
    if found is not None and leg in found.exercised:
        price = book.day.marks.get(book.underlying)
        if price is not None and spec.strike is not None:
            return (price - spec.strike) * (1.0 if spec.right == "C" else -1.0)
    elif found is not None and found.cause in ("exercise", "assignment", "expiry"):
        return 0.0
    return book.day.marks.get(leg)


def _transfer(turn: Turn, event: BookRequest, own_change: float) -> None:
    """Move shares between foreign and own at the present price; the account itself does not change."""
    ledger = turn.book.ledger
    price = turn.book.day.marks.get(turn.book.underlying)
    if event.shares == 0:
        _refuse(turn, event, "0 shares move nothing")
        return
    if price is None:
        _refuse(turn, event, "there is no price of the stock to value the shares at; wait for a quote")
        return
    if ledger.foreign_acknowledged is None:
        _refuse(turn, event, f"acknowledge the {turn.book.foreign_shares:g} foreign shares first")
        return
    jump = _unexplained_jump(turn)
    if event.command == "adopt" and abs(jump) > TOLERANCE:
        _settle_jump(turn, event, own_change, jump, price)
        return
    giver = turn.book.foreign_shares if own_change * turn.book.foreign_shares > 0 else None
    if event.command == "release":
        giver = ledger.own_shares if own_change * ledger.own_shares < 0 else None
    if giver is None or abs(own_change) > abs(giver) + TOLERANCE:
        side = "foreign" if event.command == "adopt" else "own"
        held = turn.book.foreign_shares if event.command == "adopt" else ledger.own_shares
        _refuse(turn, event, f"there are {held:g} {side} shares; {event.command} at most those, with their sign")
        return
    turn.put_ledger(_transferred(ledger, own_change, price))
    kind = JournalType.BOOK_ADOPTED if event.command == "adopt" else JournalType.BOOK_RELEASED
    _booked(turn, event, kind, own_change, price=price)


def _transferred(ledger: Ledger, own_change: float, price: float) -> Ledger:
    acknowledged = ledger.foreign_acknowledged
    return msgspec.structs.replace(
        moved(ledger, own_change, price),
        foreign_acknowledged=None if acknowledged is None else acknowledged - own_change,
    )


def _booked(turn: Turn, event: BookRequest, kind: JournalType, shares: float, *, price: float | None = None) -> None:
    turn.record(
        kind,
        instrument=turn.book.underlying,
        quantity=shares,
        unit="share",
        price=price,
        ccy="USD",
        status="done",
        reason=event.reason,
        data=_facts(turn, event),
    )
    refresh_unexplained(turn)
    write_checkpoint(turn)


def _reset(turn: Turn, event: BookRequest) -> None:
    """End all halts whose cause measures clear; the desk then synchronises again before it trades."""
    ledger = turn.book.ledger
    if not ledger.halts:
        _refuse(turn, event, "no halt stands")
        return
    standing = standing_causes(turn.profile, turn.book)
    if standing:
        _refuse(turn, event, "; ".join(standing))
        return
    codes = [halt.code for halt in ledger.halts]
    turn.put_ledger(book_reset(ledger))
    facts = _facts(turn, event, halts=codes)
    turn.record(JournalType.RESET, status="done", reason=event.reason, data=facts)
    look_first(turn, "reset")
