"""Where prices come from, and what keeps them away: farms, refused lines, rejected prices, pacing, the feed's probe.

None of this decides about an order by itself: what is missing shows as stale, no quote or unknown greeks. This is the
reason behind it, in the venue's words.
"""

import msgspec

from daemon.core.book import Book, FarmView, PacingView
from daemon.core.effects import StartTimer
from daemon.core.events import Farm, MarketDataRefused, OptionQuote, Pacing, Quote
from daemon.core.link_fsm import LinkState
from daemon.core.turn import Turn

PACING_SHOWN_US = 60_000_000
"""A complaint of the venue about our pace is shown for so long."""


def on_farm(turn: Turn, event: Farm) -> None:
    """One data farm came or went; `since_us` is kept while it stays as it is."""
    farms = turn.book.link.farms
    before = farms.get(event.name)
    if before is not None and before.state == event.state:
        return
    after = FarmView(state=event.state, since_us=event.ts_us)
    turn.put(link=msgspec.structs.replace(turn.book.link, farms={**farms, event.name: after}))


def on_refused(turn: Turn, event: MarketDataRefused) -> None:
    """Live quotes of an instrument are refused, or given again."""
    lines = {name: note for name, note in turn.book.link.refused_lines.items() if name != event.instrument}
    if event.note is not None:
        lines[event.instrument] = event.note
    turn.put(link=msgspec.structs.replace(turn.book.link, refused_lines=lines))


def count_refused(turn: Turn, event: Quote | OptionQuote) -> None:
    """Add what the boundary refused of one instrument."""
    kinds = dict(turn.book.quotes_refused.get(event.instrument, {}))
    for kind in event.refused:
        kinds[kind] = kinds.get(kind, 0) + 1
    turn.put(quotes_refused={**turn.book.quotes_refused, event.instrument: kinds})


def on_pacing(turn: Turn, event: Pacing) -> None:
    """Requests began or ceased to queue, or the venue complained."""
    before = turn.book.pacing
    since_us = before.queued_since_us if before.queued_since_us is not None else event.ts_us
    complained = event.violations > before.violations
    turn.put(
        pacing=PacingView(
            queued_since_us=since_us if event.queued else None,
            violations=event.violations,
            complained_us=event.ts_us if complained else before.complained_us,
        )
    )


def forget(turn: Turn) -> None:
    """The connection is gone: what was said about its farms, lines and queue goes with it."""
    turn.put(
        link=msgspec.structs.replace(turn.book.link, farms={}, refused_lines={}),
        pacing=msgspec.structs.replace(turn.book.pacing, queued_since_us=None),
    )


def broken_farms(book: Book) -> dict[str, FarmView]:
    """Name -> farm, of those that are broken now."""
    return {name: farm for name, farm in book.link.farms.items() if farm.state == "broken"}


def is_paced(book: Book) -> bool:
    """Whether our own pace stands in the way of an order, or the venue complained about it lately."""
    pacing = book.pacing
    lately = pacing.complained_us is not None and book.ts_us - pacing.complained_us < PACING_SHOWN_US
    return pacing.queued_since_us is not None or lately


def lag_ms(book: Book) -> float | None:
    """From the socket to the decision plus the last probe's round trip; None when that probe failed."""
    if book.link.probe_failed or book.machine.unproven_since_us is not None:
        return None
    quote = book.quotes.get(book.underlying)
    queued_ms = 0.0 if quote is None else quote.queue_delay_ms
    round_trip_ms = book.link.round_trip_ms
    return queued_ms if round_trip_ms is None else queued_ms + round_trip_ms


def start_probe(turn: Turn) -> None:
    """Look in machine time whether the underlying still ticks: a frozen feed freezes the market's own clock."""
    turn.put(feed_seen=False)
    turn.do(StartTimer(key="feed", delay_ms=turn.profile.gates.state.market.stale_ts_threshold_ms))


def on_probe(turn: Turn) -> None:
    """The feed probe is due: no tick since the last one, in an open session, is a failure."""
    book = turn.book
    synced = book.link.state == LinkState.SYNCED
    turn.put(feed_probe_failed=synced and book.session_now() is not None and not book.feed_seen)
    if synced:
        start_probe(turn)
