"""Journals of many segments with everything that may be asked of them, and the plain reading that judges answers."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from state.chain import Head, seal
from state.journal_reader import decode_line
from state.query import Filter, matches
from state.records import JournalLine, JournalType
from state.segments import Segment, list_segments, open_segment
from state.times import iso_from_us, us_from_iso

T = JournalType
HOUR_US = 3_600_000_000
START_US = us_from_iso("2025-12-27T20:00:00Z")
KINDS = (T.INTENT, T.ORDER_SENT, T.FILL, T.REFUSED, T.TRANSITION, T.COMMISSION)
REASONS = (None, "cooldown", "Zur Straße", "a\nb", 'with "quotes" \\ and \x00 zero', "")


def body_of(seq: int, **fields: Any) -> bytes:
    return msgspec.json.encode({"seq": seq, "wall_ts": "-", "desk": "demo", "run_id": "run-1", **fields})


def story(seq: int) -> bytes:
    """Line `seq`, seven hours after the one before: types, orders, words, and now and then something odd."""
    order = seq // 5
    fields: dict[str, Any] = {"ts": iso_from_us(START_US + seq * 7 * HOUR_US), "type": KINDS[seq % len(KINDS)].value}
    if seq % 9 == 1:
        fields["type"] = T.LEDGER_CHECKPOINT.value
        fields["data"] = {"note": f"intent run-1.{order} and more", "zero": 0}
    elif seq % 5 < 4:
        fields |= {"order_ref": f"demo.x.{order}", "instrument": ("TWX", "XÄ")[order % 2]}
        fields |= {"side": ("BUY", "SELL")[order % 2], "quantity": float(seq % 4) + 0.5}
        if seq % 5 < 2:
            fields["intent_id"] = f"run-1.{order}"
    if (reason := REASONS[seq % len(REASONS)]) is not None:
        fields["reason"] = reason
    fields |= {"status": "Filled"} if seq % 4 == 0 else {}
    fields |= {"state_code": "O1 D2 M1"} if seq % 3 == 0 else {}
    if seq % 17 == 0:
        fields["ts"] = "no time at all"
    if seq % 19 == 0:
        fields["type"] = "a_type_of_tomorrow"
    if seq % 23 == 0:
        fields["ts"] = "2026-01-02T03:04:05.000001+05:00"
    return body_of(seq, **fields)


def write_segments(folder: Path, sizes: list[int], line: Callable[[int], bytes] = story) -> None:
    """Sealed lines in so many segments of so many lines each."""
    folder.mkdir(parents=True, exist_ok=True)
    head = Head()
    for number, size in enumerate(sizes, start=1):
        sealed = []
        for _ in range(size):
            raw, head = seal(head, line(head.seq + 1))
            sealed.append(raw)
        (folder / f"20260101-{number:04d}.jsonl").write_bytes(b"".join(sealed))


def compress(segment: Segment) -> None:
    """As the archive does: the compressed file beside, then the plain one gone."""
    segment.path.with_name(f"{segment.path.name}.gz").write_bytes(gzip.compress(segment.path.read_bytes()))
    segment.path.unlink()


def plain_scan(folder: Path, wanted: Filter) -> list[JournalLine]:
    """The oracle: every whole line, in order, that can be read and matches."""
    raws: list[bytes] = []
    for segment in list_segments(folder):
        with open_segment(segment) as file:
            raws += file.read().split(b"\n")[:-1]
    lines = (decode_line(raw) for raw in raws)
    return [line for line in lines if line is not None and matches(line, wanted)]
