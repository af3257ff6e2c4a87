"""The safety invariants of the design, asserted over what a scenario left behind: venue, journal, tape, files, logs.

The venue's side is read from the exchange's own book and the wire's transcript, the desk's side from its journal and
tape: two witnesses. A scenario is a `System` of processes or a `WorkingDesk` in one loop.
"""

import errno
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from daemon.core.events import AnyEvent, Control, Link, OrderSent, Quote, SinkFailed
from daemon.core.recovery import recover
from state.journal_reader import decode_line
from state.layout import DeskPaths
from state.records import JournalLine, JournalType
from state.tape import read_events, tape_files
from state.verification import verify
from tests.support.recount import recount

_LINK_ERRORS = (
    "Peer closed connection",
    "API connection failed",
    "Make sure API port",
    f"[Errno {errno.ECONNRESET}]",
    f"[Errno {errno.EPIPE}]",
)
"""What ib_async says when the other side goes away: a scenario's own doing, not a misread message."""
_EVENT: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


class Scenario(Protocol):
    """What the invariants ask of a finished scenario."""

    paths: DeskPaths

    def lines(self) -> list[JournalLine]:
        """The whole journal."""
        ...

    def requests(self) -> list[dict[str, Any]]:
        """Every request that the gateway heard, in order: `request`, its `values`, and the asker's `client_id`."""
        ...

    def venue_book(self) -> dict[str, Any] | None:
        """The exchange's own book, None where there was none."""
        ...

    def ib_async_errors(self) -> list[str]:
        """What ib_async logged as an error in the daemon's log."""
        ...


def ib_async_errors(paths: DeskPaths) -> list[str]:
    """What ib_async logged as an error in a desk's log."""
    log = paths.logs / "daemon.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [
        str(line["event"])
        for line in lines
        if str(line.get("logger", "")).startswith("ib_async") and line.get("level") in ("error", "critical")
    ]


def placed_order_refs(scenario: Scenario) -> list[str]:
    """orderRef of every order that reached the venue, in order; a modification repeats its order's."""
    orders: dict[tuple[Any, str], None] = {}
    for each in scenario.requests():
        if each["request"] == "placeOrder" and each["values"]["order_ref"]:
            orders.setdefault((each["values"]["order_id"], each["values"]["order_ref"]))
    return [order_ref for _, order_ref in orders]


def assert_invariants(
    scenario: Scenario, *, stale_ms: float | None = None, max_position_shares: float | None = None
) -> None:
    """Fails naming the invariant. Call it when nothing is in flight and the exchange's book is at rest.

    Two of the profile's limits: how old the newest quote may be when an order leaves, and what |own shares| may
    not exceed.
    """
    lines = scenario.lines()
    if not lines:
        return
    verified = verify(scenario.paths.journal)
    assert verified.ok, f"5, the journal verifies: {verified.problem}"
    misread = [each for each in scenario.ib_async_errors() if not each.startswith(_LINK_ERRORS)]
    assert not misread, f"6, no error from ib_async's decoder: {misread}"
    _orders_equal_intents(scenario, lines)
    _no_order_after_a_stop(lines)
    _one_hedge_at_a_time(lines)
    if max_position_shares is not None:
        _within_the_position_limit(lines, max_position_shares)
    _no_order_at_a_wrong_moment(scenario, lines, stale_ms)
    venue = scenario.venue_book()
    if venue is not None:
        _positions_agree(venue, lines)
        _foreign_orders_untouched(scenario, lines)


def assert_so_far(scenario: Scenario, *, is_running: bool, stale_ms: float | None = None) -> list[JournalLine]:
    """What holds at any moment of a scenario, also in the middle of an order's life; the journal as it stands.

    Without a running daemon a killed one may have left half a line; the next start repairs that.
    """
    placed = placed_order_refs(scenario)  # first: what is at the venue now was in the journal before
    lines = scenario.lines()
    intents = [line.order_ref for line in (*_put_aside(scenario), *lines) if line.type is JournalType.INTENT]
    assert max(Counter(placed).values(), default=0) <= 1, "9, an order was sent twice"
    assert set(placed) <= set(intents), f"2, at the venue without its intent: {set(placed) - set(intents)}"
    if is_running and lines:
        verified = verify(scenario.paths.journal)
        assert verified.ok, f"5, the journal verifies: {verified.problem}"
    misread = [each for each in scenario.ib_async_errors() if not each.startswith(_LINK_ERRORS)]
    assert not misread, f"6, no error from ib_async's decoder: {misread}"
    _no_order_after_a_stop(lines)
    _one_hedge_at_a_time(lines)
    _no_order_at_a_wrong_moment(scenario, lines, stale_ms)
    _foreign_orders_untouched(scenario, lines)
    return lines


def _events(paths: DeskPaths, run_id: str) -> Iterator[AnyEvent]:
    for path in tape_files(paths.tape, run_id):
        if b"\n" not in path.read_bytes():
            continue  # killed while it wrote the first line: no event came after it
        for event in read_events(path):
            yield _EVENT.decode(event.event)


def _no_order_at_a_wrong_moment(scenario: Scenario, lines: list[JournalLine], stale_ms: float | None) -> None:
    """By each run's tape: when an order left, the link was synchronised, the quote fresh, and nobody had said no."""
    closing = {
        line.order_ref for line in lines if line.type is JournalType.ORDER_SENT and (line.data or {}).get("closing")
    }
    for run_id in dict.fromkeys(line.run_id for line in lines):
        link, quote_us, failed = "DOWN", 0, False
        commands: tuple[str, ...] = ()
        stock = next((line.instrument for line in lines if line.type is JournalType.INTENT), None)
        for event in _events(scenario.paths, run_id):
            if isinstance(event, Link):
                link = event.state
            elif isinstance(event, Quote) and event.instrument == stock:
                quote_us = event.ts_us
            elif isinstance(event, Control):
                commands = tuple(file.name for file in event.files) if event.readable else ("unreadable",)
            elif isinstance(event, SinkFailed) and event.what == "journal":
                failed = True
            elif isinstance(event, OrderSent):
                what = f"run {run_id}, {event.order_ref}"
                assert link == "SYNCED", f"4, {what}: the link was {link}"
                if event.order_ref in closing:
                    continue
                assert not commands, f"4, {what}: {commands} stood"
                assert not failed, f"10, {what}: the journal had failed"
                age_ms = (event.ts_us - quote_us) / 1000
                assert stale_ms is None or age_ms <= stale_ms, f"4, {what}: the quote was {age_ms:.0f} ms old"


def _orders_equal_intents(scenario: Scenario, lines: list[JournalLine]) -> None:
    intents = [line.order_ref for line in (*_put_aside(scenario), *lines) if line.type is JournalType.INTENT]
    unsent = {line.order_ref for line in lines if line.type is JournalType.REFUSED and line.status == "not_sent"}
    placed = placed_order_refs(scenario)
    assert max(Counter(placed).values(), default=0) <= 1, "9, an order was sent twice"
    assert set(placed) <= set(intents), "2, an order at the venue without its intent"
    sent = {line.order_ref for line in lines if line.type is JournalType.ORDER_SENT}
    # What was written to a socket that was reset under it may have died there: reconciliation must have found that.
    lost = {line.order_ref for line in lines if line.type is JournalType.RECONCILED and line.status == "lost"}
    assert sent - lost <= set(placed), "2, an order_sent that never reached the venue"
    assert not unsent & set(placed), "2, an order that was said not to have left"


def _put_aside(scenario: Scenario) -> list[JournalLine]:
    """What damaged journals that a salvage kept still say: durable once, whether or not they verify now."""
    raw = [
        line
        for segment in sorted(scenario.paths.folder.glob("journal.damaged-*/*.jsonl"))
        for line in segment.read_bytes().splitlines()
    ]
    return [line for each in raw if (line := decode_line(each)) is not None]


def _no_order_after_a_stop(lines: list[JournalLine]) -> None:
    """Within a run, after `control_seen` of a stop only a flatten's closing orders may leave."""
    stopped = False
    for line in lines:
        if line.type is JournalType.RUN_STARTED:
            stopped = False
        command = None if line.data is None else line.data.get("command")
        if line.type is JournalType.CONTROL_SEEN and command == "stop":
            stopped = True
        if line.type is JournalType.ORDER_SENT and stopped:
            assert line.data is not None
            assert line.data["closing"], f"7, line {line.seq}: an order after a stop was seen"


def _one_hedge_at_a_time(lines: list[JournalLine]) -> None:
    """At most one own order is between its intent and its end."""
    ends = {JournalType.FILL, JournalType.CANCELLED, JournalType.REJECTED}
    unsent_or_lost = {(JournalType.REFUSED, "not_sent"), (JournalType.RECONCILED, "lost")}
    open_refs: set[str | None] = set()
    for line in lines:
        if line.type is JournalType.INTENT:
            assert not open_refs, f"3, line {line.seq}: a second order in flight beside {open_refs}"
            open_refs.add(line.order_ref)
        elif line.type in ends or (line.type, line.status) in unsent_or_lost:
            open_refs.discard(line.order_ref)


def _within_the_position_limit(lines: list[JournalLine], limit: float) -> None:
    """A hedge either stays within the limit, filled whole, or lowers |own shares|."""
    own = 0.0
    for line in lines:
        signed = (line.quantity or 0.0) * (1.0 if line.side == "BUY" else -1.0)
        if line.type is JournalType.LEDGER_CHECKPOINT and line.data is not None:
            own = line.data["ledger"]["own_shares"]
        elif line.type in (JournalType.FILL, JournalType.PARTIAL_FILL):
            own += signed
        elif line.type is JournalType.INTENT and not (line.data or {}).get("closing"):
            assert abs(own + signed) <= max(limit, abs(own)) + 1e-9, f"3, line {line.seq}: {signed:+g} from {own:g}"


def _positions_agree(venue: dict[str, Any], lines: list[JournalLine]) -> None:
    """Venue position = own + acknowledged foreign + others' executions."""
    stock = venue["instruments"][0]
    held = venue["money"]["holdings"].get(stock, {"quantity": 0.0})["quantity"]
    ledger = recover(lines).ledger
    assert ledger is not None
    foreign = sum(fill.signed_quantity for fill in ledger.foreign_fills.values() if fill.instrument == stock)
    acknowledged = 0.0 if ledger.foreign_acknowledged is None else ledger.foreign_acknowledged
    if ledger.foreign_acknowledged is not None:
        assert held == ledger.own_shares + acknowledged + foreign, "1, venue = own + acknowledged + others"
    moved = [line for line in lines if line.type in (JournalType.BOOK_ADOPTED, JournalType.BOOK_RELEASED)]
    transferred = sum(line.quantity for line in moved if line.quantity is not None)
    first = lines[0].data if lines[0].data is not None else {}
    found = first["ledger"]["own_shares"]  # 0 unless the chain begins with what a salvage found
    assert found + recount(lines).own_shares + transferred == ledger.own_shares, "1, own shares = the journal's fills"


def _foreign_orders_untouched(scenario: Scenario, lines: list[JournalLine]) -> None:
    """Only own orders were cancelled, those included that a cut line kept from ever arriving."""
    heard = scenario.requests()
    assert not [line for line in heard if line["request"] == "reqGlobalCancel"], "8, a global cancel"
    orders = [line for line in heard if line["request"] == "placeOrder"]
    own_ids = {(line["client_id"], line["values"]["order_id"]) for line in orders if line["values"]["order_ref"]}
    others = {(line["client_id"], line["values"]["order_id"]) for line in orders} - own_ids
    ours = {client_id for client_id, _ in own_ids}
    asked = [line for line in heard if line["request"] == "cancelOrder" and line["client_id"] in ours]
    cancelled = {(line["client_id"], line["values"]["order_id"]) for line in asked}
    assert not cancelled & others, f"8, a cancel of somebody else's order: {cancelled & others}"
    never_arrived = {line.order_ref for line in lines if line.type is JournalType.INTENT} - set(
        placed_order_refs(scenario)
    )
    unknown = cancelled - own_ids
    assert len(unknown) <= len(never_arrived), f"8, a cancel of an order that nobody sent: {unknown}, own {own_ids}"
