"""Carrying out a flatten: what each state of `flatten_fsm` does.

The size comes from the own ledger alone, the direction from the target; foreign shares are never counted.
A started flatten survives crash, disconnect and partial fills, because every round begins with a fresh report.

What a closing order may meet, and the answer: a part fill, a cancel or a reject ends it, and the rest is sized again
after a pause that doubles from 0.5 to 8 s; one that only rests (a trading halt, a lost answer) is cancelled after
`control.flatten_order_s` and sized again; a halted stock is waited for. After five tries in a row that moved nothing
the light is red (`flatten_stuck`), and it still tries every 8 s, until the session's end refuses it.
"""

import msgspec

from daemon.core import consent
from daemon.core.book import Book, FlattenView
from daemon.core.day import write_checkpoint
from daemon.core.effects import Alarm, AssertControl, ReleaseControl, RequestReconcile, StartTimer
from daemon.core.events import BrokerReport, ControlFile, Side
from daemon.core.fills import is_own
from daemon.core.flatten_fsm import FLATTEN, RUNNING, FlattenState, FlattenTrigger
from daemon.core.flatten_size import distance_shares, size_is_known, target_shares
from daemon.core.instruments import TOLERANCE
from daemon.core.order_life import OrderState, OwnOrder
from daemon.core.orders import cancel, cancel_in_flight, mint
from daemon.core.turn import Turn
from state.records import JournalType
from state.times import iso_from_us

REPORT_REASON = "flatten"
ORDERS_REASON = "flatten_orders"
"""Of a report that is asked for because an own order does not end; it sizes and verifies nothing."""
RETRY_MS = (500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Wait before the next closing order, by how many in a row moved nothing; after the last it is red, and goes on."""


def _move(turn: Turn, trigger: FlattenTrigger, **changes: object) -> None:
    view = turn.book.flatten
    after = msgspec.structs.replace(view, state=FLATTEN.next(view.state, trigger), **changes)
    turn.put(flatten=after)
    if after.state in RUNNING and after.state != view.state:
        _watch_stall(turn)


def _put(turn: Turn, **changes: object) -> None:
    turn.put(flatten=msgspec.structs.replace(turn.book.flatten, **changes))


def _watch_stall(turn: Turn) -> None:
    turn.do(StartTimer(key="flatten_stall", delay_ms=turn.profile.control.flatten_order_s * 1000))


def _data(turn: Turn, **more: object) -> dict[str, object]:
    return {
        "command": "flatten",
        "own_shares": turn.book.ledger.own_shares,
        "foreign_shares": turn.book.foreign_shares,
    } | more


# --- the file ------------------------------------------------------------------------------------
def on_asserted(turn: Turn, file: ControlFile) -> None:
    """A new touch of the flatten file, or one found at start."""
    view = turn.book.flatten
    if view.state in RUNNING:
        _put(turn, since_us=file.since_us)
        return
    if file.since_us == view.done_us:
        _finish_again(turn)
        return
    agreed = view.agreed and view.resuming
    changes = {"since_us": file.since_us, "confirmed_shares": file.shares, "agreed": agreed}
    _move(turn, FlattenTrigger.ASSERTED, refusal=None, detail=None, doubted=False, **changes)
    if not file.readable:
        turn.do(AssertControl(name="pause", reason="flatten file with unreadable content"))
        _refuse(
            turn, "flatten_refused", "the file's content is not a note; empty it or write JSON, then touch it again"
        )
        return
    if turn.book.flatten.resuming:
        return
    limit_ms = turn.profile.control.flatten_start_s * 1000
    left_ms = limit_ms - file.age_ms
    if left_ms <= 0:
        _refuse(turn, "stale_flatten", f"asked {file.age_ms / 1000:.0f} s ago and not started; touch it again")
        return
    # A file from the future (a clock that was set back) is as old as it can be seen to be: just asked for.
    turn.do(StartTimer(key="flatten_start", delay_ms=min(left_ms, limit_ms)))


def _finish_again(turn: Turn) -> None:
    """The journal says that this very file was obeyed to the end; a crash kept it from being removed."""
    data = _data(turn, detail="verified before the restart; only its file was left")
    turn.record(JournalType.CONTROL_DONE, status="done", reason="flatten", data=data)
    turn.do(AssertControl(name="pause", reason="flattened"), ReleaseControl(name="flatten"))


def on_start_overdue(turn: Turn) -> None:
    """The time in which a flatten must start has passed."""
    if turn.book.flatten.state == FlattenState.WAITING and not turn.book.flatten.resuming:
        limit_s = turn.profile.control.flatten_start_s
        _refuse(turn, "stale_flatten", f"could not start within {limit_s:g} s ({_obstacle(turn)}); touch it again")


def _obstacle(turn: Turn) -> str:
    link = turn.book.link
    if link.state != "SYNCED":
        return f"link {link.state}: {link.reason}"
    return "not reconciled" if not turn.book.reconciled else "the sessions are not known"


def _refuse(turn: Turn, code: str, detail: str) -> None:
    numbers = {"account_shares": turn.book.account_positions.get(turn.book.underlying, 0.0)}
    if turn.book.flatten.confirmed_shares is not None:
        numbers["confirmed_shares"] = turn.book.flatten.confirmed_shares
    _move(turn, FlattenTrigger.REFUSED, refusal=code, detail=detail, resuming=False, agreed=False, stuck=False)
    turn.record(JournalType.CONTROL_REFUSED, status="refused", reason=code, data=_data(turn, detail=detail, **numbers))


def on_released(turn: Turn) -> None:
    """The operator removed the file. Midway that aborts, and the desk pauses with what is left."""
    was = turn.book.flatten
    turn.put(flatten=FlattenView(done_us=was.done_us))
    if was.state in RUNNING or was.resuming:
        cancel_in_flight(turn, "flatten aborted", closing_too=True)
        turn.record(JournalType.FLATTEN_ABORTED, status="aborted", reason="file removed midway", data=_data(turn))
        turn.do(AssertControl(name="pause", reason="flatten aborted"))


# --- what moves it -------------------------------------------------------------------------------
def advance(turn: Turn) -> None:
    """Move the flatten as far as it can go without news from the venue."""
    if turn.book.flatten.state == FlattenState.WAITING:
        _try_start(turn)
    if turn.book.flatten.state in RUNNING and _bell_rang(turn):
        return
    state = turn.book.flatten.state
    if state == FlattenState.CANCELLING and cancel_in_flight(turn, "flatten", closing_too=True):
        _move(turn, FlattenTrigger.ORDERS_GONE)
        turn.do(RequestReconcile(reason=REPORT_REASON))
    elif state == FlattenState.CLOSING and not turn.book.in_flight():
        _order_ended(turn)


def _bell_rang(turn: Turn) -> bool:
    """At the session's end a flatten with shares left is refused: it must not go on by itself at the next open."""
    book = turn.book
    if _market_is_open(turn) or not (book.in_flight() or _distance(turn) != 0):
        return False
    if book.in_flight() and book.session_now() is not None and book.link.state == "SYNCED":
        return False  # its cancel (`day.keep_time`) is about to be answered: the refusal shall tell the shares left
    cancel_in_flight(turn, "session ends", closing_too=True)
    _refuse(turn, "flatten_refused", _closed_words(turn))
    return True


def _order_ended(turn: Turn) -> None:
    """The closing order is over. Look at once after a whole fill; else wait, the longer the less moved."""
    last = _last_closing(turn.book)
    if last is None or last.remaining <= TOLERANCE:
        _move(turn, FlattenTrigger.ORDER_ENDED, attempts=0, stuck=False, detail=None)
        turn.do(StartTimer(key="flatten_retry", delay_ms=0.0))
        return
    moved = last.filled > TOLERANCE
    attempts = 1 if moved else turn.book.flatten.attempts + 1
    stuck = turn.book.flatten.stuck and not moved
    why = last.reason if last.reason is not None else last.state.value
    # The options' delta has moved on meanwhile: what is matched is asked anew.
    detail = turn.book.flatten.detail if stuck else None
    _move(turn, FlattenTrigger.ORDER_ENDED, attempts=attempts, stuck=stuck, target_shares=None, detail=detail)
    if attempts >= len(RETRY_MS):
        _stuck(turn, "retrying", f"{attempts} tries to close in a row moved nothing, last: {why}")
    turn.do(StartTimer(key="flatten_retry", delay_ms=_retry_ms(turn)))


def _last_closing(book: Book) -> OwnOrder | None:
    closing = [order for order in book.orders.values() if order.closing]
    return closing[-1] if closing else None


def _retry_ms(turn: Turn) -> float:
    return RETRY_MS[min(turn.book.flatten.attempts, len(RETRY_MS)) - 1]


def _stuck(turn: Turn, status: str, detail: str) -> None:
    """Red, and told aloud and journaled once; it goes on trying all the same."""
    told = turn.book.flatten.stuck
    _put(turn, stuck=True, detail=detail)
    if not told:
        turn.record(JournalType.FLATTEN_STUCK, status=status, reason="flatten_stuck", data=_data(turn, detail=detail))
        own = turn.book.ledger.own_shares
        turn.do(Alarm(text=f"flatten of {turn.book.desk}: {own:g} own shares are still there: {detail}"))


def on_retry(turn: Turn) -> None:
    """Size again from a fresh report."""
    if turn.book.flatten.state == FlattenState.SIZING:
        turn.do(RequestReconcile(reason=REPORT_REASON))


def on_stall(turn: Turn) -> None:
    """Nothing has ended this state for `flatten_order_s`: an order rests, or an answer was lost. Ask again."""
    view = turn.book.flatten
    if view.state not in RUNNING:
        return
    _watch_stall(turn)
    if view.state in (FlattenState.SIZING, FlattenState.VERIFYING):
        turn.do(RequestReconcile(reason=REPORT_REASON))
        return
    filled = sum(order.filled for order in turn.book.in_flight() if order.closing)
    if view.state == FlattenState.CLOSING and filled > view.filled_at_look + TOLERANCE:
        _put(turn, filled_at_look=filled)  # it is being filled, slowly: a cancel would only lose its place
        return
    for order in turn.book.in_flight():
        if order.state != OrderState.INTENDED:
            cancel(turn, order, "flatten: it does not end")
    turn.do(RequestReconcile(reason=ORDERS_REASON))


def on_link_synced(turn: Turn) -> None:
    """A report that was asked for before the link broke never comes: ask again."""
    if turn.book.flatten.state in (FlattenState.SIZING, FlattenState.VERIFYING):
        turn.do(RequestReconcile(reason=REPORT_REASON))


# --- start and target ----------------------------------------------------------------------------
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
    _move(turn, FlattenTrigger.STARTED, resuming=False, attempts=0, stuck=False, target_shares=None)
    residual = _option_delta(turn)
    data = _data(turn, target_shares=_target(turn), residual_option_delta_shares=residual, resumed=resumed)
    turn.record(JournalType.CONTROL_STARTED, status="started", reason="flatten", data=data)


def _cannot_close(turn: Turn) -> bool:
    """Refuse what must not be tried: an order that would wait for the next open, or one of unknown size."""
    if _matches_the_unknown(turn):
        _refuse(turn, "flatten_refused", "the option delta to match is unknown; touch it again when greeks are back")
        return True
    if _distance(turn) == 0:
        return False
    if not size_is_known(turn.book):
        detail = f"instrument_constraints_missing: the size step of {turn.book.underlying} is unknown"
        _refuse(turn, "flatten_refused", f"{detail}; touch it again when the venue has told it")
        return True
    if _market_is_open(turn):
        return False
    _refuse(turn, "flatten_refused", _closed_words(turn))
    return True


def _matches_the_unknown(turn: Turn) -> bool:
    matched = turn.profile.control.flatten_target == "matched"
    return matched and turn.book.flatten.target_shares is None and _option_delta(turn) is None


def _market_is_open(turn: Turn) -> bool:
    """Open, and not in its last seconds, in which own orders are cancelled."""
    session = turn.book.session_now()
    edge_us = turn.profile.execution.cancel_before_close_s * 1e6
    return session is not None and session.close_us - turn.book.ts_us > edge_us


def _closed_words(turn: Turn) -> str:
    upcoming = turn.book.next_session()
    when = "unknown" if upcoming is None else iso_from_us(upcoming.open_us)
    return f"the market is closed; the next session opens {when}; touch it again then"


def _option_delta(turn: Turn) -> float | None:
    return turn.strategy.option_delta_shares(turn.book.strategy, turn.book)


def _target(turn: Turn) -> float:
    """As fixed when it was sized: a delta that moves on between the reads must not keep it from ever being met."""
    fixed = turn.book.flatten.target_shares
    return target_shares(turn.profile, turn.strategy, turn.book) if fixed is None else fixed


def _distance(turn: Turn) -> float:
    return distance_shares(turn.book, _target(turn))


# --- the reports ---------------------------------------------------------------------------------
def on_report(turn: Turn, event: BrokerReport) -> None:
    """A fresh report while flattening: size, or verify."""
    state = turn.book.flatten.state
    if event.reason != REPORT_REASON or state not in (FlattenState.SIZING, FlattenState.VERIFYING):
        return
    if turn.book.link.state != "SYNCED":
        return  # nothing could be sent on it; `on_link_synced` asks for the next one
    if turn.book.in_flight():
        if state == FlattenState.VERIFYING:
            _move(turn, FlattenTrigger.OFF_TARGET)
        _move(turn, FlattenTrigger.STARTED)
        return
    if any(is_own(turn, order.order_ref) for order in event.open_orders):
        _open_though_ended(turn, state)
    elif state == FlattenState.VERIFYING:
        _second_read(turn)
    else:
        _size(turn)


def _open_though_ended(turn: Turn, state: FlattenState) -> None:
    """The broker still works an order that we hold for ended (its cancel was just asked for): sized now, both fill."""
    attempts = turn.book.flatten.attempts + 1
    if state == FlattenState.VERIFYING:
        _move(turn, FlattenTrigger.OFF_TARGET, attempts=attempts)
    else:
        _put(turn, attempts=attempts)
    if attempts >= len(RETRY_MS):
        _stuck(turn, "retrying", "the broker still lists an own order as open that has ended here")
    turn.do(StartTimer(key="flatten_retry", delay_ms=_retry_ms(turn)))


def _size(turn: Turn) -> None:
    refused = consent.settle(turn)
    if refused is not None:
        if refused[0] == "flatten_conflict" and not turn.book.flatten.doubted:
            # A position may lag the execution that moved it: one such read is a question, two are an answer.
            _put(turn, doubted=True)
            turn.do(StartTimer(key="flatten_retry", delay_ms=RETRY_MS[0]))
            return
        _refuse(turn, *refused)
        return
    if _cannot_close(turn):
        return
    _put(turn, target_shares=_target(turn), doubted=False)
    distance = _distance(turn)
    if distance == 0:
        _move(turn, FlattenTrigger.AT_TARGET)
        turn.do(RequestReconcile(reason=REPORT_REASON))
        return
    quote = turn.book.quote()
    if quote is not None and quote.halted is True:
        _wait_for_trading(turn)
        return
    side: Side = "BUY" if distance > 0 else "SELL"
    turn.record(
        JournalType.FLATTEN_SIZED,
        instrument=turn.book.underlying,
        side=side,
        quantity=abs(distance),
        unit="share",
        status="sized",
        data=_data(turn, target_shares=_target(turn), attempt=turn.book.flatten.attempts, **_agreed(turn)),
    )
    _move(turn, FlattenTrigger.ORDER_NEEDED, filled_at_look=0.0)
    mid = None if quote is None else quote.mid
    mint(turn, side=side, quantity=abs(distance), reason="flatten", decision_mid=mid, closing=True)


def _wait_for_trading(turn: Turn) -> None:
    """A market order would rest through the halt and fill at whatever price it ends with: wait and look again."""
    _put(turn, attempts=turn.book.flatten.attempts + 1, target_shares=None)
    _stuck(turn, "halted", f"trading in {turn.book.underlying} is halted; it goes on when trading does")
    turn.do(StartTimer(key="flatten_retry", delay_ms=_retry_ms(turn)))


def _agreed(turn: Turn) -> dict[str, float | None]:
    """What a restart must know to go on with it: the number was confirmed and found right."""
    view = turn.book.flatten
    return {"confirmed_shares": view.confirmed_shares} if view.agreed else {}


def _second_read(turn: Turn) -> None:
    if _distance(turn) != 0:
        _move(turn, FlattenTrigger.OFF_TARGET, target_shares=None)
        turn.do(RequestReconcile(reason=REPORT_REASON))
        return
    file = turn.book.control.flatten
    since_us = turn.book.flatten.since_us if file is None else file.since_us
    own = turn.book.ledger.own_shares
    dust = own - _target(turn)
    is_dust = abs(dust) > TOLERANCE
    facts = {"target_shares": _target(turn), "residual_option_delta_shares": _option_delta(turn), "since_us": since_us}
    if is_dust:
        facts |= {"dust_shares": dust}
    data = _data(turn, **facts)
    status = "dust" if is_dust else "flat"
    turn.record(JournalType.FLATTEN_VERIFIED, quantity=own, unit="share", status=status, reason="two reads", data=data)
    turn.record(JournalType.CONTROL_DONE, status="done", reason="flatten", data=data)
    # Pause stands before the flatten file goes, so that no moment lies between them in which a hedge could leave.
    turn.do(AssertControl(name="pause", reason="flattened"), ReleaseControl(name="flatten"))
    turn.change_ledger(dust_own_shares=own if is_dust else None)
    turn.put(flatten=FlattenView(done_us=since_us))


# --- dust ----------------------------------------------------------------------------------------
def accept_dust(turn: Turn) -> None:
    """The pause that followed the flatten is gone: the operator has seen what it left."""
    if turn.book.ledger.dust_own_shares is not None:
        turn.change_ledger(dust_own_shares=None)
        write_checkpoint(turn)
