"""Writes a long past of a desk into its folder, quickly and always the same: for tests in small, benchmarks in large.

    PYTHONPATH=. .venv/bin/python -P -m tests.support.year_of_history var --desk year --days 252

Sessions of New York without holidays: weekdays, 390 minutes, and a half day of 210 every sixtieth. Samples and
operations are spread evenly over the days. The figures add up as a daemon's do; no market is modelled.
"""

import argparse
import datetime as dt
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from state.chain import Head, seal
from state.history import compress_day
from state.layout import DeskPaths
from state.records import SCHEMA_VERSION, HistorySample, JournalLine, JournalType, PnlParts
from state.segments import segment_path
from state.times import iso_from_us

FIRST_DAY = dt.date(2025, 11, 3)
RUN_ID = "20251103T143000-77"
_NEW_YORK = ZoneInfo("America/New_York")
_RULES = ("cooldown", "min_price_move", "spread_too_wide", "max_daily_hedge_count")
_RULE_WEIGHTS = (60, 30, 8, 2)


class Session(msgspec.Struct, frozen=True):
    """One trading day as it is written."""

    date: dt.date
    open_us: int
    minutes: int


def sessions(days: int, first: dt.date = FIRST_DAY) -> list[Session]:
    """`days` weekdays from `first` on."""
    found: list[Session] = []
    date = first
    while len(found) < days:
        if date.weekday() < 5:
            opens = dt.datetime.combine(date, dt.time(9, 30), _NEW_YORK)
            minutes = 210 if len(found) % 60 == 59 else 390
            found.append(Session(date, int(opens.timestamp()) * 1_000_000, minutes))
        date += dt.timedelta(days=1)
    return found


def write_year(
    paths: DeskPaths,
    *,
    days: int = 252,
    samples: int = 100_000,
    operations: int = 100_000,
    seed: int = 7,
    compressed: bool = False,
) -> list[Session]:
    """Write about so many samples and operations, spread over the days; at least one of each a day.

    `compressed` puts all days but the newest two away, as `bifrost maintain` would.
    """
    paths.create()
    chance = random.Random(seed)
    found = sessions(days)
    book = _Book(chance)
    head = Head()
    for number, session in enumerate(found, start=1):
        lines = [msgspec.json.encode(sample) for sample in book.day(session, per_day=max(1, samples // days))]
        day = session.date.strftime("%Y%m%d")
        (paths.history / f"{day}.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        content = bytearray()
        for line in _operations(session, book, chance, first=head.seq + 1, count=max(1, operations // days)):
            raw, head = seal(head, msgspec.json.encode(line))
            content += raw
        segment_path(paths.journal, day, number).write_bytes(content)
    if compressed:
        for session in found[:-2]:
            compress_day(paths.history, session.date.strftime("%Y%m%d"))
    return found


class _Book:
    """The desk's account over the days."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.earlier = 0.0
        self.peak = 100_000.0
        self.fills: list[tuple[int, str, float, float, float]] = []
        """Of the day: time, order, signed shares, price, mid of the decision."""

    def day(self, session: Session, *, per_day: int) -> Iterator[HistorySample]:
        chance = self.chance
        drift, wide = chance.gauss(25, 260), chance.uniform(20, 90)
        gamma, theta = abs(chance.gauss(240, 160)), -chance.uniform(90, 160)
        hedges = chance.randrange(4, 40)
        self.fills = []
        step_us = session.minutes * 60_000_000 // per_day
        spot, pnl = 70 + chance.random(), 0.0
        traded = slippage = 0.0

        def told() -> dict[str, Any]:
            sums = {"traded": traded, "slippage": slippage, "gamma": gamma, "theta": theta}
            return {"ts_us": ts_us, "spot": spot, "part": part, **sums}

        due = sorted(chance.randrange(per_day) for _ in range(hedges))
        for number in range(per_day):
            part = (number + 1) / per_day
            ts_us = session.open_us + number * step_us
            spot += chance.gauss(0, 0.02)
            while due and due[0] <= number:
                due.pop(0)
                signed = float(chance.choice((-1, 1)) * chance.randrange(10, 60))
                price = round(spot + chance.gauss(0.002, 0.004) * math.copysign(1, signed), 4)
                ref = f"{session.date:%Y%m%d}.{len(self.fills) + 1}"
                self.fills.append((ts_us, ref, signed, price, round(spot, 4)))
                traded += abs(signed) * price
                slippage += (price - round(spot, 4)) * signed
                yield self._sample(session, kind="fill", pnl=pnl, **told())
            pnl = drift * part + wide * math.sin(6 * part + drift) + chance.gauss(0, 6)
            yield self._sample(session, kind="minute", pnl=pnl, **told())
        self.earlier += round(pnl, 2)

    def _sample(
        self,
        session: Session,
        *,
        ts_us: int,
        kind: Any,
        pnl: float,
        spot: float,
        traded: float,
        slippage: float,
        part: float,
        gamma: float,
        theta: float,
    ) -> HistorySample:
        total = round(pnl, 2)
        equity = 100_000 + self.earlier + total
        self.peak = max(self.peak, equity)
        commission = float(len(self.fills))
        explained = {"gamma_usd": gamma * part, "theta_usd": theta * part, "vega_usd": 12 * math.sin(9 * part)}
        cents = {name: round(value, 2) for name, value in explained.items()}
        delta = round(total * 0.3, 2)
        other = round(total - delta - sum(cents.values()) + round(slippage, 2) + commission, 2)
        parts = PnlParts(
            realised_usd=0.0,
            unrealised_usd=0.0,
            legs_usd=round(total + commission, 2),
            commission_usd=commission,
            total_usd=total,
            delta_usd=delta,
            slippage_usd=round(slippage, 2),
            other_usd=other,
            wear_per_10k=None if traded == 0 else round(-total / traded * 10_000, 4),
            **cents,
        )
        data = None
        if kind == "fill":
            _, ref, signed, price, mid = self.fills[-1]
            data = {
                "order_ref": ref,
                "exec_key": f"x.{ref}",
                "revision": 1,
                "side": "BUY" if signed > 0 else "SELL",
                "price": price,
                "quantity": abs(signed),
                "decision_mid": mid,
                "slippage_usd": round((price - mid) * signed, 6),
            }
        return HistorySample(
            schema=SCHEMA_VERSION,
            kind=kind,
            desk="demo",
            run_id=RUN_ID,
            ts=iso_from_us(ts_us),
            wall_ts=iso_from_us(ts_us),
            session_date=session.date.isoformat(),
            equity_usd=round(equity, 2),
            daily_pnl_usd=total,
            drawdown_pct=round((self.peak - equity) / self.peak * 100, 4),
            underlying_price=round(spot, 3),
            net_delta_shares=round(spot % 7, 2),
            own_shares=240.0,
            hedges_today=len(self.fills),
            pnl_parts=parts,
            traded_usd=round(traded, 2),
            light="green",
            data=data,
        )


def _operations(
    session: Session, book: _Book, chance: random.Random, *, first: int, count: int
) -> Iterator[JournalLine]:
    """The day's hedges in order, refusals between them, a checkpoint at the start."""
    rows: list[tuple[int, JournalType, dict[str, Any]]] = [
        (session.open_us, JournalType.LEDGER_CHECKPOINT, {"data": {"own_shares": 240.0}})
    ]
    for ts_us, ref, signed, price, _mid in book.fills:
        facts: dict[str, Any] = {
            "intent_id": f"{RUN_ID}-{ref}",
            "order_ref": ref,
            "instrument": "TWX",
            "side": "BUY" if signed > 0 else "SELL",
            "quantity": abs(signed),
            "unit": "share",
        }
        rows.append((ts_us, JournalType.INTENT, {**facts, "reason": "net delta beyond 25"}))
        latency = round(chance.lognormvariate(1.1, 0.5), 3)
        rows.append((ts_us + 3000, JournalType.ORDER_SENT, {**facts, "status": "sent", "latency_ms": latency}))
        rows.append((ts_us + 90_000, JournalType.FILL, {**facts, "status": "filled", "price": price, "ccy": "USD"}))
    span_us = session.minutes * 60_000_000
    for _ in range(max(count - len(rows), count // 5)):
        (rule,) = chance.choices(_RULES, _RULE_WEIGHTS)
        measured = {"rules": {rule: {"ok": False, "measured": round(chance.random() * 60, 2), "limit": 60.0}}}
        facts = {"instrument": "TWX", "side": "BUY", "quantity": 30.0, "unit": "share", "reason": rule}
        rows.append((session.open_us + chance.randrange(span_us), JournalType.REFUSED, {**facts, "data": measured}))
    rows = [rows[0], *sorted(rows[1:], key=lambda row: row[0])]
    for number, (ts_us, kind, facts) in enumerate(rows, start=first):
        ts = iso_from_us(ts_us)
        yield JournalLine(seq=number, ts=ts, wall_ts=ts, type=kind, desk="demo", run_id=RUN_ID, **facts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--desk", default="demo")
    parser.add_argument("--days", type=int, default=252)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--operations", type=int, default=100_000)
    asked = parser.parse_args()
    write_year(DeskPaths(asked.root, asked.desk), days=asked.days, samples=asked.samples, operations=asked.operations)
    sys.stdout.write(f"wrote {DeskPaths(asked.root, asked.desk).folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
