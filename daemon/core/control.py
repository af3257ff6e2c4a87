"""The three control files as the core sees them, and the stop."""

from daemon.core import flatten
from daemon.core.book import Book, ControlState
from daemon.core.daemon_fsm import DaemonState
from daemon.core.effects import Alarm, CancelTimer, Exit, StartTimer
from daemon.core.events import Control, ControlFile, StopSignal
from daemon.core.flatten_fsm import FlattenState
from daemon.core.orders import cancel_in_flight
from daemon.core.turn import Turn
from state.records import JournalType


def on_control(turn: Turn, event: Control) -> None:
    """The whole folder at one look: journal what appeared and what went, then obey."""
    before = turn.book.control
    files = {file.name: file for file in event.files}
    # Who cannot read the folder cannot know that a file is gone: a flatten that was asked for stays asked for.
    unseen = None if event.readable else before.flatten
    now = ControlState(
        stop=files.get("stop"),
        pause=files.get("pause"),
        flatten=files.get("flatten", unseen),
        readable=event.readable,
        unknown_names=event.unknown_names,
    )
    turn.put(control=now)
    for name in event.unknown_names:
        if name not in before.unknown_names:
            turn.record(
                JournalType.CONTROL_REFUSED, status="ignored", reason="control_unknown_name", data={"command": name}
            )
    if not event.readable and before.readable:
        turn.record(JournalType.CONTROL_SEEN, status="seen", reason="control_unreadable", data={"command": "pause"})
    _changed(turn, before.stop, now.stop)
    _changed(turn, before.pause, now.pause)
    _changed(turn, before.flatten, now.flatten)
    if event.readable and now.flatten is None and turn.book.flatten.resuming:
        # It was removed while no daemon ran: that aborts a started flatten as it would have then.
        flatten.on_released(turn)
    if event.readable and now.pause is None and now.flatten is None:
        flatten.accept_dust(turn)


def _changed(turn: Turn, before: ControlFile | None, now: ControlFile | None) -> None:
    if now is None:
        if before is not None:
            _released(turn, before)
        return
    if before is not None and before.since_us == now.since_us:
        return
    facts = {"command": now.name, "by": now.by, "since_us": now.since_us, "readable": now.readable}
    turn.record(JournalType.CONTROL_SEEN, status="seen", reason=now.reason, data=facts)
    if now.name == "pause":
        turn.record(JournalType.CONTROL_DONE, status="done", reason=now.reason, data={"command": "pause"})
    elif now.name == "flatten":
        flatten.on_asserted(turn, now)
    elif not turn.book.synced_once:
        turn.put(stop_at_start=True)


def _released(turn: Turn, file: ControlFile) -> None:
    turn.record(JournalType.CONTROL_DONE, status="released", reason=file.reason, data={"command": file.name})
    if file.name == "flatten" and turn.book.flatten.state != FlattenState.NONE:
        flatten.on_released(turn)


def on_stop_signal(turn: Turn, event: StopSignal) -> None:
    """SIGTERM or SIGINT: as a stop file, but for this run only."""
    if turn.book.stop_signal is None:
        turn.put(stop_signal=event.signal_name)
        turn.record(
            JournalType.CONTROL_SEEN, status="seen", reason=event.signal_name, data={"command": "stop", "by": "signal"}
        )


def advance_stop(turn: Turn) -> None:
    """Stop: cancel own working orders, have that confirmed, leave. A running flatten goes first."""
    book = turn.book
    asked = book.control.stop is not None or book.stop_signal is not None
    # A stop that has started goes through, also when its file is gone by now: half a stop trades nothing for ever.
    if not (asked or book.stop_started) or book.daemon_state == DaemonState.STOPPED:
        return
    # A flatten outranks a stop that the operator asserted as a file, not a dying process's signal.
    if _flatten_first(turn):
        return
    if not book.stop_started:
        turn.put(stop_started=True)
        turn.record(JournalType.CONTROL_STARTED, status="started", reason="stop", data={"command": "stop"})
        _start_deadline(turn)
    confirmed = cancel_in_flight(turn, "stop", closing_too=True) and not turn.book.mismatched
    if confirmed and not _must_look_first(turn.book):
        code = 3 if book.stop_at_start else 0
        _leave(turn, code, "stopped", "own orders confirmed cancelled")


def _flatten_first(turn: Turn) -> bool:
    return turn.book.stop_signal is None and turn.book.flatten.state not in (FlattenState.NONE, FlattenState.REFUSED)


def _must_look_first(book: Book) -> bool:
    """An earlier run disagreed with the broker about an order: nothing is confirmed before the broker was asked."""
    return not book.synced_once and any(halt.code == "reconciliation_mismatch" for halt in book.ledger.halts)


def _start_deadline(turn: Turn) -> None:
    turn.do(StartTimer(key="stop_timeout", delay_ms=turn.profile.control.stop_timeout_s * 1000))


def on_stop_overdue(turn: Turn) -> None:
    """Own orders could not be confirmed in time: leave loudly, the supervisor tries the cancel pass again."""
    if not turn.book.stop_started:
        return
    if _flatten_first(turn):
        _start_deadline(turn)
        return
    book = turn.book
    # One that had ended here, and was open at the broker all the same, works until the broker says otherwise.
    orders = (*book.in_flight(), *(book.orders[ref] for ref in book.mismatched if not book.orders[ref].in_flight))
    for order in orders:
        turn.record_order(JournalType.UNKNOWN_OUTCOME, order, status=order.state.value, reason="stop_unconfirmed")
    if orders or _must_look_first(book):
        refs = tuple(order.order_ref for order in orders)
        turn.put(stop_unconfirmed=refs)
        named = ", ".join(refs) if refs else "the orders of the halt, for the broker could not be asked"
        detail = f"not confirmed cancelled: {named}"
        turn.do(Alarm(text=f"stop of {turn.book.desk}: {detail}; they may still fill"))
        _leave(turn, 6, "stop_unconfirmed", detail)


def _leave(turn: Turn, code: int, reason: str, detail: str) -> None:
    turn.record(
        JournalType.CONTROL_DONE if code != 6 else JournalType.CONTROL_REFUSED,
        status="done" if code != 6 else "unconfirmed",
        reason=reason,
        data={"command": "stop", "detail": detail, "exit_code": code},
    )
    turn.record(
        JournalType.RUN_STOPPED,
        status=reason,
        reason=detail,
        data={"exit_code": code, "marks": dict(turn.book.day.marks), "own_shares": turn.book.ledger.own_shares},
    )
    turn.put(daemon_state=DaemonState.STOPPED)
    turn.do(CancelTimer(key="stop_timeout"), Exit(code=code, reason=detail))
