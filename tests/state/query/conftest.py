"""A journal of many segments with everything that may be asked of it, and the plain reading that judges answers."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from state.chain import Head, seal
from state.journal_reader import decode_line
from state.query import Filter, JournalIndex, engine, matches
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


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Five closed segments, one of them compressed, and an open one with an unfinished line."""
    folder = tmp_path / "journal"
    write_segments(folder, [40, 30, 1, 30, 25, 20])
    compress(list_segments(folder)[1])
    with list_segments(folder)[-1].path.open("ab") as file:
        file.write(b'{"seq":999,"ts":"2026')
    return folder


@pytest.fixture
def index(journal: Path, tmp_path: Path) -> JournalIndex:
    """Without a cache so far."""
    return JournalIndex(journal, tmp_path / "cache")


@pytest.fixture
def read_through(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the segments that are read line by line instead of being looked up, and no look ahead."""
    names: list[str] = []
    for name in ("matching_forward", "matching_backward", "life_in_segment"):
        real = getattr(engine, name)

        def noted(segment: Segment, *rest: Any, real: Any = real) -> Any:
            names.append(segment.name)
            return real(segment, *rest)

        monkeypatch.setattr(engine, name, noted)
    monkeypatch.setattr(engine, "TAIL_LINES", 0)
    return names
