"""Carrying out a flatten: what each state of `flatten_fsm` does.

The size comes from the own ledger alone, the direction from the target; foreign shares are never counted.
A started flatten survives crash, disconnect and partial fills, because every round begins with a fresh report.
"""

import math

import msgspec

from config.schema import Profile
from daemon.core import consent
from daemon.core.book import Book, FlattenView
from daemon.core.effects import AssertControl, ReleaseControl, RequestReconcile, StartTimer
from daemon.core.events import BrokerReport, ControlFile
from daemon.core.flatten_fsm import FLATTEN, RUNNING, FlattenState, FlattenTrigger
from daemon.core.instruments import TOLERANCE, floor_to_step, round_half_away
from daemon.core.orders import cancel_in_flight, mint
from daemon.core.strategy import Strategy
from daemon.core.turn import Turn
from state.records import JournalType
from state.times import iso_from_us

REPORT_REASON = "flatten"
RETRY_MS = (500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Wait before the next closing order after one that did not fill whole."""


def _move(turn: Turn, trigger: FlattenTrigger, **changes: object) -> None:
    view = turn.book.flatten
    turn.put(flatten=msgspec.structs.replace(view, state=FLATTEN.next(view.state, trigger), **changes))


def _data(turn: Turn, **more: object) -> dict[str, object]:
    return {
        "command": "flatten",
        "own_shares": turn.book.ledger.own_shares,
        "foreign_shares": turn.book.foreign_shares,
    } | more


def on_asserted(turn: Turn, file: ControlFile) -> None:
    """A new touch of the flatten file, or one found at start."""
    view = turn.book.flatten
    if view.state in RUNNING:
        return
    agreed = view.agreed and view.resuming
    changes = {"since_us": file.since_us, "confirmed_shares": file.shares, "agreed": agreed}
    _move(turn, FlattenTrigger.ASSERTED, refusal=None, detail=None, **changes)
    if not file.readable:
        turn.do(AssertControl(name="pause", reason="flatten file with unreadable content"))
        _refuse(
            turn, "flatten_refused", "the file's content is not a note; empty it or write JSON, then touch it again"
        )
        return
    if turn.book.flatten.resuming:
        return
    left_ms = turn.profile.control.flatten_start_s * 1000 - file.age_ms
    if left_ms <= 0:
        _refuse(turn, "stale_flatten", f"asked {file.age_ms / 1000:.0f} s ago and not started; touch it again")
        return
    turn.do(StartTimer(key="flatten_start", delay_ms=left_ms))


def on_start_overdue(turn: Turn) -> None:
    """The time in which a flatten must start has passed."""
    if turn.book.flatten.state == FlattenState.WAITING and not turn.book.flatten.resuming:
        limit_s = turn.profile.control.flatten_start_s
        _refuse(turn, "stale_flatten", f"could not start within {limit_s:g} s ({_obstacle(turn)}); touch it again")


def _obstacle(turn: Turn) -> str:
    link = turn.book.link
    if link.state != "SYNCED":
        return f"link {link.state}: {link.reason}"
    return "not reconciled"


def _refuse(turn: Turn, code: str, detail: str) -> None:
    numbers = {"account_shares": turn.book.account_positions.get(turn.book.underlying, 0.0)}
    if turn.book.flatten.confirmed_shares is not None:
        numbers["confirmed_shares"] = turn.book.flatten.confirmed_shares
    _move(turn, FlattenTrigger.REFUSED, refusal=code, detail=detail, resuming=False, agreed=False)
    turn.record(JournalType.CONTROL_REFUSED, status="refused", reason=code, data=_data(turn, detail=detail, **numbers))


def on_released(turn: Turn) -> None:
    """The operator removed the file. Midway that aborts, and the desk pauses with what is left."""
    was = turn.book.flatten
    turn.put(flatten=FlattenView())
    if was.state in RUNNING or was.resuming:
        cancel_in_flight(turn, "flatten aborted", closing_too=True)
        turn.record(JournalType.FLATTEN_ABORTED, status="aborted", reason="file removed midway", data=_data(turn))
        turn.do(AssertControl(name="pause", reason="flatten aborted"))


def advance(turn: Turn) -> None:
    """Move the flatten as far as it can go without news from the venue."""
    state = turn.book.flatten.state
    if state == FlattenState.WAITING:
        _try_start(turn)
    state = turn.book.flatten.state
    if state == FlattenState.CANCELLING and cancel_in_flight(turn, "flatten", closing_too=True):
        _move(turn, FlattenTrigger.ORDERS_GONE)
        turn.do(RequestReconcile(reason=REPORT_REASON))
    elif state == FlattenState.CLOSING and not turn.book.in_flight():
        attempts = turn.book.flatten.attempts
        _move(turn, FlattenTrigger.ORDER_ENDED, attempts=attempts + 1)
        turn.do(StartTimer(key="flatten_retry", delay_ms=_retry_ms(turn)))


def _retry_ms(turn: Turn) -> float:
    """Look at once after a whole fill; wait ever longer after orders that did not fill."""
    last = [order for order in turn.book.orders.values() if order.closing]
    if last and last[-1].remaining <= TOLERANCE:
        return 0.0
    return RETRY_MS[min(turn.book.flatten.attempts, len(RETRY_MS)) - 1]


def on_retry(turn: Turn) -> None:
    """Size again from a fresh report."""
    if turn.book.flatten.state == FlattenState.SIZING:
        turn.do(RequestReconcile(reason=REPORT_REASON))


def on_link_synced(turn: Turn) -> None:
    """A report that was asked for before the link broke never comes: ask again."""
    if turn.book.flatten.state in (FlattenState.SIZING, FlattenState.VERIFYING):
        turn.do(RequestReconcile(reason=REPORT_REASON))


def _try_start(turn: Turn) -> None:
    book = turn.book
    if book.link.state != "SYNCED" or not book.reconciled or not book.sessions:
        return
    if consent.is_missing(book):
        _refuse(turn, "flatten_unconfirmed", consent.claims(book).words())
        return
    if _cannot_close(turn):
        return
    resumed = book.flatten.resuming
    _move(turn, FlattenTrigger.STARTED, resuming=False, attempts=0, first_read_flat=False)
    residual = _option_delta(turn)
    data = _data(turn, target_shares=_target(turn), residual_option_delta_shares=residual, resumed=resumed)
    turn.record(JournalType.CONTROL_STARTED, status="started", reason="flatten", data=data)


def target_shares(profile: Profile, strategy: Strategy, book: Book) -> float:
    """Own shares that a flatten ends with: none, or as many as offset the options (`flatten_target: matched`)."""
    if profile.control.flatten_target == "zero":
        return 0.0
    delta = strategy.option_delta_shares(book.strategy, book)
    if delta is None:
        return book.ledger.own_shares  # without a delta there is nothing to match: stay
    return round_half_away(-delta)


def _cannot_close(turn: Turn) -> bool:
    """Refuse what must not be tried: an order that would wait for the next open, or one of unknown size."""
    book = turn.book
    if turn.profile.control.flatten_target == "matched" and _option_delta(turn) is None:
        _refuse(turn, "flatten_refused", "the option delta to match is unknown; touch it again when greeks are back")
        return True
    session = book.session_now()
    edge_us = turn.profile.execution.cancel_before_close_s * 1e6
    if _distance(turn) == 0 or (session is not None and session.close_us - book.ts_us > edge_us):
        return False
    upcoming = book.next_session()
    when = "unknown" if upcoming is None else iso_from_us(upcoming.open_us)
    _refuse(turn, "flatten_refused", f"the market is closed; the next session opens {when}")
    return True


def _option_delta(turn: Turn) -> float | None:
    return turn.strategy.option_delta_shares(turn.book.strategy, turn.book)


def _target(turn: Turn) -> float:
    return target_shares(turn.profile, turn.strategy, turn.book)


def _distance(turn: Turn) -> float:
    """Shares to trade, negative to sell; dust below the venue's smallest order counts as none."""
    distance = _target(turn) - turn.book.ledger.own_shares
    spec = turn.book.spec()
    if spec is None or spec.size_step is None or spec.min_size is None:
        return distance
    size = floor_to_step(abs(distance), spec.size_step)
    return 0.0 if size < spec.min_size - TOLERANCE else math.copysign(size, distance)


def on_report(turn: Turn, event: BrokerReport) -> None:
    """A fresh report while flattening: size, or verify."""
    state = turn.book.flatten.state
    if event.reason != REPORT_REASON or state not in (FlattenState.SIZING, FlattenState.VERIFYING):
        return
    if turn.book.in_flight():
        if state == FlattenState.VERIFYING:
            _move(turn, FlattenTrigger.OFF_TARGET)
        _move(turn, FlattenTrigger.STARTED)
        return
    if state == FlattenState.VERIFYING:
        _second_read(turn)
    else:
        _size(turn)


def _size(turn: Turn) -> None:
    refused = consent.settle(turn)
    if refused is not None:
        _refuse(turn, *refused)
        return
    if _cannot_close(turn):
        return
    distance = _distance(turn)
    if distance == 0:
        _move(turn, FlattenTrigger.AT_TARGET)
        turn.do(RequestReconcile(reason=REPORT_REASON))
        return
    turn.record(
        JournalType.FLATTEN_SIZED,
        instrument=turn.book.underlying,
        side="BUY" if distance > 0 else "SELL",
        quantity=abs(distance),
        unit="share",
        status="sized",
        data=_data(turn, target_shares=_target(turn), attempt=turn.book.flatten.attempts, **_agreed(turn)),
    )
    _move(turn, FlattenTrigger.ORDER_NEEDED)
    quote = turn.book.quote()
    mint(
        turn,
        side="BUY" if distance > 0 else "SELL",
        quantity=abs(distance),
        reason="flatten",
        decision_mid=None if quote is None else quote.mid,
        closing=True,
    )


def _agreed(turn: Turn) -> dict[str, float | None]:
    """What a restart must know to go on with it: the number was confirmed and found right."""
    view = turn.book.flatten
    return {"confirmed_shares": view.confirmed_shares} if view.agreed else {}


def _second_read(turn: Turn) -> None:
    unknown = turn.profile.control.flatten_target == "matched" and _option_delta(turn) is None
    if unknown or _distance(turn) != 0:
        _move(turn, FlattenTrigger.OFF_TARGET)
        turn.do(RequestReconcile(reason=REPORT_REASON))
        return
    residual = _option_delta(turn)
    own = turn.book.ledger.own_shares
    dust = abs(_target(turn) - own) > TOLERANCE
    data = _data(turn, target_shares=_target(turn), residual_option_delta_shares=residual)
    status = "dust" if dust else "flat"
    turn.record(JournalType.FLATTEN_VERIFIED, quantity=own, unit="share", status=status, reason="two reads", data=data)
    turn.record(JournalType.CONTROL_DONE, status="done", reason="flatten", data=data)
    # Pause stands before the flatten file goes, so that no moment lies between them in which a hedge could leave.
    turn.do(AssertControl(name="pause", reason="flattened"), ReleaseControl(name="flatten"))
    turn.put(flatten=FlattenView())
