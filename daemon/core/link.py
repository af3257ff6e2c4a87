"""The connection to the venue: its state by the table of `link_fsm`, its deadlines, its probes.

Being disconnected is a failed beat: the deadline of waiting for IB runs from the run's first word on, and whatever
keeps the link from SYNCED, it ends red and said aloud.
"""

import msgspec

from daemon.core import feed, flatten, timekeeping
from daemon.core.book import LinkView
from daemon.core.effects import Alarm, CancelTimer, StartTimer
from daemon.core.events import Link, ProbeAnswered
from daemon.core.fsm import IllegalTransitionError
from daemon.core.link_fsm import LINK, LinkState
from daemon.core.orders import repeat_cancels
from daemon.core.restart_windows import patience_ms
from daemon.core.turn import Turn

ID_REFUSALS_ALARM = 3
"""Refusals of our client id in a row that call a human: a ghost of our own last connection is gone by then."""


def on_link(turn: Turn, event: Link) -> None:
    """The link changed. Below SYNCED no price and no order state may be trusted.

    Raises IllegalTransitionError where venue and core do not agree about the table.
    """
    before = turn.book.link
    if event.trigger is not None and LINK.next(before.state, event.trigger) != event.state:
        raise IllegalTransitionError(LINK.name, before.state, f"{event.trigger} to {event.state}")
    first = before.since_us is None
    turn.put(link=_after(before, event))
    if event.account is not None and not turn.book.ledger.account:
        turn.change_ledger(account=event.account)
    if event.state == LinkState.SYNCED:
        turn.do(CancelTimer(key="waiting_ib"))
        if before.state != LinkState.SYNCED:
            repeat_cancels(turn)
        feed.start_probe(turn)
        flatten.on_link_synced(turn)
        return
    if event.state == LinkState.DOWN:
        # ib_async keeps the last price after a disconnect; a price from before is no quote.
        turn.put(quotes={}, reconciled=False)
        timekeeping.on_down(turn)
        feed.forget(turn)
        _call_a_human(turn, event)
    if before.state == LinkState.SYNCED or first:
        turn.do(StartTimer(key="waiting_ib", delay_ms=_patience_ms(turn)))


def _after(before: LinkView, event: Link) -> LinkView:
    same = before.since_us is not None and before.state == event.state
    synced = event.state == LinkState.SYNCED
    taken = event.cause == "client_id_taken"
    return msgspec.structs.replace(
        before,
        state=event.state,
        since_us=before.since_us if same else event.ts_us,
        reason=event.reason,
        account=before.account if event.account is None else event.account,
        account_kind=before.account_kind if event.account_kind is None else event.account_kind,
        id_refusals=before.id_refusals + 1 if taken else 0,
        deadline_passed=not synced and before.deadline_passed,
        probe_failed=not synced and before.probe_failed,
    )


def _call_a_human(turn: Turn, event: Link) -> None:
    """What waiting alone will not mend."""
    if turn.book.link.id_refusals == ID_REFUSALS_ALARM:
        turn.do(
            Alarm(
                text=f"{event.reason} ({ID_REFUSALS_ALARM} attempts in a row). End the other program or restart TWS; "
                "the daemon keeps asking under the same id"
            )
        )
    if event.cause == "upstream_overdue":
        turn.put(link=msgspec.structs.replace(turn.book.link, deadline_passed=True))
        turn.do(Alarm(text=f"{event.reason}. Look at TWS and at IB's system status"))


def _patience_ms(turn: Turn) -> float:
    return patience_ms(turn.book, turn.profile.daemon.waiting_ib_deadline_s)


def on_waiting_overdue(turn: Turn) -> None:
    """Waiting for IB has lasted longer than the profile allows: the light goes from yellow to red.

    Where a restart window has begun meanwhile, waiting is expected until its end plus the deadline.
    """
    link, deadline_s = turn.book.link, turn.profile.daemon.waiting_ib_deadline_s
    if link.state == LinkState.SYNCED:
        return
    left_ms = _patience_ms(turn)
    if left_ms > deadline_s * 1000:
        turn.do(StartTimer(key="waiting_ib", delay_ms=left_ms))
        return
    turn.put(link=msgspec.structs.replace(link, deadline_passed=True))
    if not link.deadline_passed:
        turn.do(Alarm(text=f"no synchronised link to IB within {deadline_s:g} s: {link.state}, {link.reason}"))


def on_probe(turn: Turn, event: ProbeAnswered) -> None:
    """One round trip to the venue, or the lack of it."""
    timekeeping.on_probe(turn, event)
    turn.put(
        link=msgspec.structs.replace(
            turn.book.link, round_trip_ms=event.round_trip_ms, probe_failed=event.round_trip_ms is None
        )
    )
