"""The safety invariants of the design, asserted over what a scenario left behind: venue, journal, files, logs.

The venue's side is read from the simulator's own saved book, the desk's side from its journal: two witnesses.
"""

import errno
import json
from collections import Counter
from typing import Any

from daemon.core.recovery import recover
from state.journal_reader import decode_line
from state.records import JournalLine, JournalType
from state.verification import verify
from tests.support.recount import recount
from tests.support.system import System

_LINK_ERRORS = (
    "Peer closed connection",
    "API connection failed",
    "Make sure API port",
    f"[Errno {errno.ECONNRESET}]",
    f"[Errno {errno.EPIPE}]",
)
"""What ib_async says when the other side goes away: a scenario's own doing, not a misread message."""


def assert_invariants(system: System) -> None:
    """Fails naming the invariant. Call it when nothing is in flight and the simulator has saved its book."""
    lines = system.lines()
    if not lines:
        return
    verified = verify(system.paths.journal)
    assert verified.ok, f"5, the journal verifies: {verified.problem}"
    misread = [each for each in system.ib_async_errors() if not each.startswith(_LINK_ERRORS)]
    assert not misread, f"6, no error from ib_async's decoder: {misread}"
    _orders_equal_intents(system, lines)
    _no_order_after_a_stop(lines)
    _one_hedge_at_a_time(lines)
    book = system.paths.simulator / "book.json"
    if book.exists():
        venue = json.loads(book.read_text())["exchange"]
        _positions_agree(venue, lines)
        _foreign_orders_untouched(system)


def _orders_equal_intents(system: System, lines: list[JournalLine]) -> None:
    intents = [line.order_ref for line in (*_put_aside(system), *lines) if line.type is JournalType.INTENT]
    unsent = {line.order_ref for line in lines if line.type is JournalType.REFUSED and line.status == "not_sent"}
    placed = system.placed_order_refs()
    assert max(Counter(placed).values(), default=0) <= 1, "9, an order was sent twice"
    assert set(placed) <= set(intents), "2, an order at the venue without its intent"
    sent = {line.order_ref for line in lines if line.type is JournalType.ORDER_SENT}
    assert sent <= set(placed), "2, an order_sent that never reached the venue"
    assert not unsent & set(placed), "2, an order that was said not to have left"


def _put_aside(system: System) -> list[JournalLine]:
    """What damaged journals that a salvage kept still say: durable once, whether or not they verify now."""
    raw = [
        line
        for segment in sorted(system.paths.folder.glob("journal.damaged-*/*.jsonl"))
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


def _foreign_orders_untouched(system: System) -> None:
    log = system.paths.simulator / "requests.jsonl"
    heard = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    assert not [line for line in heard if line["request"] == "reqGlobalCancel"], "8, a global cancel"
    own_ids = {line["values"]["order_id"] for line in heard if line["request"] == "placeOrder"}
    cancelled = {line["values"]["order_id"] for line in heard if line["request"] == "cancelOrder"}
    assert cancelled <= own_ids, "8, a cancel of somebody else's order"
