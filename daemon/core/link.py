"""The connection to the venue, its probes, and the feed's."""

import msgspec

from daemon.core import flatten
from daemon.core.effects import CancelTimer, StartTimer
from daemon.core.events import Link, ProbeAnswered
from daemon.core.orders import repeat_cancels
from daemon.core.turn import Turn


def on_link(turn: Turn, event: Link) -> None:
    """The link changed. Below SYNCED no price and no order state may be trusted."""
    before = turn.book.link
    first = before.since_us is None
    since_us = event.ts_us if first or before.state != event.state else before.since_us
    link = msgspec.structs.replace(
        before,
        state=event.state,
        since_us=since_us,
        reason=event.reason,
        account=before.account if event.account is None else event.account,
        account_kind=before.account_kind if event.account_kind is None else event.account_kind,
    )
    if event.account is not None and not turn.book.ledger.account:
        turn.change_ledger(account=event.account)
    if event.state == "SYNCED":
        link = msgspec.structs.replace(link, deadline_passed=False, probe_failed=False)
        turn.put(link=link)
        turn.do(CancelTimer(key="waiting_ib"))
        if before.state != "SYNCED":
            repeat_cancels(turn)
        start_feed_probe(turn)
        flatten.on_link_synced(turn)
        return
    turn.put(link=link)
    if event.state == "DOWN":
        # ib_async keeps the last price after a disconnect; a price from before is no quote.
        turn.put(quotes={}, reconciled=False)
    if before.state == "SYNCED" or first:
        turn.do(StartTimer(key="waiting_ib", delay_ms=turn.profile.daemon.waiting_ib_deadline_s * 1000))


def on_waiting_overdue(turn: Turn) -> None:
    """Waiting for IB has lasted longer than the profile allows: the light goes from yellow to red."""
    if turn.book.link.state != "SYNCED":
        turn.put(link=msgspec.structs.replace(turn.book.link, deadline_passed=True))


def on_probe(turn: Turn, event: ProbeAnswered) -> None:
    """One round trip to the venue, or the lack of it."""
    turn.put(
        link=msgspec.structs.replace(
            turn.book.link, round_trip_ms=event.round_trip_ms, probe_failed=event.round_trip_ms is None
        )
    )


def start_feed_probe(turn: Turn) -> None:
    """Look in machine time whether the underlying still ticks: a frozen feed freezes the market's own clock."""
    turn.put(feed_seen=False)
    turn.do(StartTimer(key="feed", delay_ms=turn.profile.gates.state.market.stale_ts_threshold_ms))


def on_feed_probe(turn: Turn) -> None:
    """The feed probe is due: no tick since the last one, in an open session, is a failure."""
    book = turn.book
    expected = book.link.state == "SYNCED" and book.session_now() is not None
    turn.put(feed_probe_failed=expected and not book.feed_seen)
    if book.link.state == "SYNCED":
        start_feed_probe(turn)
