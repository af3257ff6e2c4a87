"""A journal with records of every type, each with a payload of the kind that the daemon writes."""

from pathlib import Path
from typing import Any

from state.journal import JournalWriter
from state.records import JournalLine, JournalType
from state.times import iso_from_us
from tests.support.desk_files import NOON_US, make_line

_OF_ORDERS = frozenset(
    {
        JournalType.INTENT,
        JournalType.ORDER_SENT,
        JournalType.ORDER_ACKED,
        JournalType.PARTIAL_FILL,
        JournalType.FILL,
        JournalType.COMMISSION,
        JournalType.CANCEL_SENT,
        JournalType.CANCELLED,
        JournalType.REJECTED,
        JournalType.UNKNOWN_OUTCOME,
    }
)
_CONTROL = frozenset(each for each in JournalType if each.value.startswith(("control_", "flatten_")))


def payload(type_: JournalType, number: int) -> dict[str, Any]:
    """Fields that differ from line to line."""
    if type_ is JournalType.LEDGER_CHECKPOINT:
        return {"data": {"ledger_id": "ab12", "own_shares": number % 97, "orders": [], "halts": []}}
    if type_ in _OF_ORDERS:
        return {
            "order_ref": f"demo.ab12.{number}",
            "side": "BUY" if number % 2 else "SELL",
            "quantity": float(1 + number % 200),
            "price": round(70 + number / 1000, 3),
        }
    if type_ in _CONTROL:
        return {"status": "seen", "reason": "Kaffee, 10 Uhr ☕", "data": {"command": "pause", "by": f"op{number % 7}"}}
    return {"state_code": f"O1 D{number % 5} M1 L0 E0 S0", "reason": "*J*", "latency_ms": number / 8}


def type_of(seq: int) -> JournalType:
    """The types take turns, and a `ledger_checkpoint` is the first of each turn."""
    rest = [each for each in JournalType if each is not JournalType.LEDGER_CHECKPOINT]
    return [JournalType.LEDGER_CHECKPOINT, *rest][(seq - 1) % len(JournalType)]


def line_of(seq: int) -> JournalLine:
    """The line with this number."""
    type_ = type_of(seq)
    return make_line(seq, type_, ts=iso_from_us(NOON_US + seq * 1_000_003), **payload(type_, seq))


def write_every_type(folder: Path, *, turns: int, turns_per_segment: int) -> None:
    """Write `turns` records of every type; a segment holds `turns_per_segment` of them, the last one what is left."""
    full = 0
    writer = JournalWriter(folder, wall_us=lambda: NOON_US, segment_bytes=1)
    writer.open()
    kinds = len(JournalType)
    while full < turns:
        count = min(turns_per_segment, turns - full)
        first = writer.next_seq
        writer.append([line_of(seq) for seq in range(first, first + count * kinds)])
        full += count
    writer.close()
