"""A journal of many operations to ask questions of: 30 days, eight symbols, written by the real writer.

The operations come in the order and the mix of a busy desk: a hedge in six lines, refusals and transitions between.
"""

import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from state.journal import JournalWriter
from state.records import JournalLine, JournalType
from state.times import iso_from_us, us_from_iso

DAYS = 30
DAY_US = 86_400_000_000
START_US = us_from_iso("2026-10-05T00:00:00Z")
SYMBOLS = ("TWX", "AAPL", "GOOG", "IBM", "MSFT", "SPY", "QQQ", "XOM")
_BATCH = 5000
_RULES = ("cooldown", "min_price_move", "spread_too_wide", "order_rate", "outside_rth")
_HEDGE = (
    (JournalType.INTENT, "intended"),
    (JournalType.ORDER_SENT, "sent"),
    (JournalType.ORDER_ACKED, "working"),
    (JournalType.PARTIAL_FILL, "working"),
    (JournalType.FILL, "filled"),
    (JournalType.COMMISSION, "booked"),
)
_RECIPE = "recipe.json"


def journal_of(folder: Path, records: int) -> Path:
    """The journal under `folder`, made where it is not there yet with just so many records. Shows its progress."""
    recipe = {"records": records, "form": 1}
    note, journal = folder / _RECIPE, folder / "journal"
    if note.exists() and json.loads(note.read_text()) == recipe:
        return journal
    if journal.exists():
        raise SystemExit(f"bench: {folder} holds another journal; name another folder with --data, or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    _write(journal, records)
    note.write_text(json.dumps(recipe))
    return journal


def _write(journal: Path, records: int) -> None:
    now_us = START_US
    writer = JournalWriter(journal, wall_us=lambda: now_us)
    writer.open()
    step_us = DAYS * DAY_US // records
    lines = _operations(records, step_us)
    shown_at = time.monotonic()
    written = 0
    while written < records:
        batch = []
        for line in lines:
            batch.append(line)
            if line.seq % _BATCH == 0:
                break
        now_us = START_US + (batch[0].seq - 1) * step_us
        writer.append(batch)
        written += len(batch)
        if sys.stderr.isatty() and (time.monotonic() - shown_at > 0.5 or written == records):
            shown_at = time.monotonic()
            sys.stderr.write(f"\rbench: {written:,} of {records:,} records written ")
            sys.stderr.flush()
    writer.close()
    if sys.stderr.isatty():
        sys.stderr.write("\n")


def _operations(records: int, step_us: int) -> Iterator[JournalLine]:
    """Lines from seq 1 on; every batch opens with a `ledger_checkpoint`, so that a segment may start there."""
    chance = random.Random(7)  # noqa: S311 - the same journal every time
    order, step, symbol, side, shares, price = 0, len(_HEDGE), SYMBOLS[0], "BUY", 0.0, 70.0
    for seq in range(1, records + 1):
        ts = iso_from_us(START_US + (seq - 1) * step_us)
        facts: dict[str, Any] = {"ts": ts, "wall_ts": ts, "state_code": "O1 D1 M1 L0 E0 S0"}
        draw = chance.random()
        if seq % _BATCH == 1:
            facts |= {"type": JournalType.LEDGER_CHECKPOINT, "data": {"own_shares": shares, "fills": []}}
        elif step == len(_HEDGE) and draw < 0.5:
            facts |= _refusal(chance) if draw < 0.3 else _transition(chance)
        else:
            if step == len(_HEDGE):
                order, step, symbol = order + 1, 0, chance.choice(SYMBOLS)
                side, shares = chance.choice(("BUY", "SELL")), float(chance.randrange(1, 200))
                price = round(60 + chance.random() * 20, 2)
            kind, status = _HEDGE[step]
            step += 1
            facts |= {
                "type": kind, "status": status, "intent_id": f"20261005T133000-4242.{order}",
                "order_ref": f"bench.1a2b3c4d.{order}", "instrument": symbol, "side": side, "quantity": shares,
                "unit": "share", "price": price, "ccy": "USD", "latency_ms": round(chance.random() * 3, 3),
            }  # fmt: skip
        yield JournalLine(seq=seq, desk="bench", run_id="20261005T133000-4242", tape_seq=seq * 3, **facts)


def _refusal(chance: random.Random) -> dict[str, Any]:
    rule = chance.choice(_RULES)
    checks = [{"rule": rule, "measured": round(chance.random() * 60, 3), "limit": 60.0}]
    return {
        "type": JournalType.REFUSED, "reason": rule, "instrument": chance.choice(SYMBOLS), "status": "refused",
        "data": {"detail": f"{rule}: measured against its limit", "rules": checks},
    }  # fmt: skip


def _transition(chance: random.Random) -> dict[str, Any]:
    return {
        "type": JournalType.TRANSITION, "instrument": chance.choice(SYMBOLS), "reason": "tick",
        "data": {"machine": "trading", "from": "MONITOR", "to": "NEED_HEDGE"},
    }  # fmt: skip
