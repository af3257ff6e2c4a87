"""The journal's durable append beside what a user would take instead: SQLite, WAL, synchronous=FULL.

Both store the same operations and acknowledge only what is on the disk; ours also chains every line by SHA-256.
The two take turns in short rounds, so that a noisy disk is noisy for both; a ratio is the median of the rounds'
ratios, above 1 where ours is faster.
"""

import argparse
import json
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.machine import machine_line
from state.journal import JournalWriter
from state.records import JournalLine, JournalType, Snapshot
from state.snapshot import write_snapshot
from state.times import iso_from_us

BATCH = 100
AIM_RECORDS_PER_S = 100_000
_START_US = 1_402_000_000_000_000
_CHECKOUT = Path(__file__).resolve().parent.parent

Store = Callable[[list[JournalLine]], None]
"""Makes operations durable; returns when they are on the disk."""


def operation(seq: int) -> JournalLine:
    """A fill, as the daemon writes one: about 430 bytes with its hash."""
    time_text = iso_from_us(_START_US + seq * 1000)
    return JournalLine(
        seq=seq,
        ts=time_text,
        wall_ts=time_text,
        type=JournalType.LEDGER_CHECKPOINT if seq == 1 else JournalType.FILL,
        desk="bench",
        run_id="20140605T133000-4242",
        tape_seq=seq * 7,
        intent_id=f"20140605T133000-4242.{seq // 5}",
        order_ref=f"bench.1a2b3c4d.{seq // 5}",
        instrument="TWX",
        side="BUY" if seq % 2 else "SELL",
        quantity=float(seq % 90 + 10),
        unit="share",
        price=70.0 + seq % 100 / 100,
        ccy="USD",
        status="filled",
        state_code="O1 D2 M1 L0 E0 S0",
        latency_ms=1.25,
        data={"exec_key": f"0001.{seq}", "revision": 1, "executed_us": _START_US + seq},
    )


@contextmanager
def journal(folder: Path) -> Iterator[Store]:
    """Ours: encode, check, chain, one write and one fdatasync."""
    writer = JournalWriter(folder / "journal", wall_us=lambda: _START_US)
    writer.open()
    try:
        yield writer.append
    finally:
        writer.close()


@contextmanager
def sqlite(folder: Path) -> Iterator[Store]:
    """The peer: one transaction per call, on the disk when it returns. No hash, no index but the primary key."""
    fields = [name for name in JournalLine.__struct_fields__ if name != "seq"]
    connection = sqlite3.connect(folder / "peer.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"CREATE TABLE operations (seq INTEGER PRIMARY KEY, {', '.join(fields)})")
    insert = f"INSERT INTO operations VALUES ({', '.join('?' * (len(fields) + 1))})"  # noqa: S608 - our own names

    def row(line: JournalLine) -> tuple[object, ...]:
        values = msgspec.structs.astuple(line)
        return (*values[:-1], msgspec.json.encode(line.data))

    def store(lines: list[JournalLine]) -> None:
        connection.execute("BEGIN")
        connection.executemany(insert, map(row, lines))
        connection.execute("COMMIT")

    try:
        yield store
    finally:
        connection.close()


class Times(msgspec.Struct, frozen=True):
    """The durations of one round's calls, in microseconds."""

    us: list[float]

    @property
    def p50(self) -> float:
        """The median call."""
        return statistics.median(self.us)

    @property
    def p99(self) -> float:
        """The 99th percentile, by rank."""
        return sorted(self.us)[min(len(self.us) - 1, int(len(self.us) * 0.99))]

    @property
    def total_s(self) -> float:
        """All calls together."""
        return sum(self.us) / 1e6


def timed(store: Store, batches: list[list[JournalLine]]) -> Times:
    """Time every call; making the operations is not part of it."""
    durations = []
    for batch in batches:
        started_ns = time.perf_counter_ns()
        store(batch)
        durations.append((time.perf_counter_ns() - started_ns) / 1000)
    return Times(durations)


def rounds_of(
    ours: Store, peer: Store, *, rounds: int, calls: int, batch: int, first_seq: int
) -> tuple[list[tuple[Times, Times]], int]:
    """Let the two take turns; gives each round's times and the next free number."""
    found = []
    seq = first_seq
    for number in range(rounds):
        batches = []
        for _ in range(calls):
            batches.append([operation(seq + offset) for offset in range(batch)])
            seq += batch
        turns = [(ours, 0), (peer, 1)] if number % 2 == 0 else [(peer, 1), (ours, 0)]
        times: dict[int, Times] = {}
        for store, which in turns:
            times[which] = timed(store, batches)
        found.append((times[0], times[1]))
    return found, seq


def report(name: str, found: list[tuple[Times, Times]], batch: int) -> dict[str, float | str]:
    """One row of the table: medians over the rounds."""

    def median(pick: Callable[[tuple[Times, Times]], float]) -> float:
        return statistics.median(map(pick, found))

    return {
        "what": name,
        "ours_p50_us": median(lambda pair: pair[0].p50),
        "ours_p99_us": median(lambda pair: pair[0].p99),
        "sqlite_p50_us": median(lambda pair: pair[1].p50),
        "sqlite_p99_us": median(lambda pair: pair[1].p99),
        "ours_records_per_s": median(lambda pair: len(pair[0].us) * batch / pair[0].total_s),
        "sqlite_records_per_s": median(lambda pair: len(pair[1].us) * batch / pair[1].total_s),
        "ratio_p50": median(lambda pair: pair[1].p50 / pair[0].p50),
    }


def snapshots(folder: Path, calls: int) -> dict[str, Times]:
    """Replacing a snapshot of the usual size, with and without its own fsync."""
    text = iso_from_us(_START_US)
    legs = [{"instrument": f"TWX 140719C000{strike}000", "delta_shares": 12.5, "price": 1.25} for strike in range(100)]
    found = {}
    for name, sync in (("snapshot", False), ("snapshot, synced", True)):
        durations = []
        for seq in range(calls):
            snapshot = msgspec.convert(
                {
                    "schema": 1,
                    "desk": "bench",
                    "run_id": "r",
                    "pid": 1,
                    "seq": seq,
                    "ts": text,
                    "wall_ts": text,
                    "period_ms": 1000,
                    "daemon_state": "running",
                    "self_check": {"status": "ok"},
                    "strategy": {"name": "bench", "legs": legs},
                },
                Snapshot,
            )
            started_ns = time.perf_counter_ns()
            write_snapshot(folder / "snapshot.json", snapshot, sync=sync)
            durations.append((time.perf_counter_ns() - started_ns) / 1000)
        found[name] = Times(durations)
    return found


def print_table(rows: list[dict[str, float | str]], extra: dict[str, Times]) -> None:
    """Right-aligned, one line per question."""
    print(f"{'':28}{'ours p50':>12}{'p99':>12}{'SQLite p50':>13}{'p99':>12}{'ratio':>8}{'ours/s':>12}{'SQLite/s':>12}")
    for row in rows:
        print(
            f"{row['what']:28}{row['ours_p50_us']:>9.0f} us{row['ours_p99_us']:>9.0f} us"
            f"{row['sqlite_p50_us']:>10.0f} us{row['sqlite_p99_us']:>9.0f} us{row['ratio_p50']:>8.2f}"
            f"{row['ours_records_per_s']:>12,.0f}{row['sqlite_records_per_s']:>12,.0f}"
        )
    for name, times in extra.items():
        print(f"{name:28}{times.p50:>9.0f} us{times.p99:>9.0f} us")
    single, batched = rows[0], rows[1]
    print()
    print(verdict(f"one record ahead of SQLite: ratio {single['ratio_p50']:.2f}", float(single["ratio_p50"]) > 1))
    reached = float(batched["ours_records_per_s"])
    print(
        verdict(
            f"batches of {BATCH}: {reached:,.0f} records/s, aim {AIM_RECORDS_PER_S:,}", reached >= AIM_RECORDS_PER_S
        )
    )


def verdict(words: str, reached: bool) -> str:
    """An aim, and whether it was reached in this run."""
    return f"{'reached' if reached else 'MISSED '}  {words}"


def main() -> int:
    """Measure, print, clean up."""
    parser = argparse.ArgumentParser(prog="bench/sink", description=__doc__, epilog="Example: ./bench/sink --rounds 9")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each of the two (default 7, at least 3)")
    parser.add_argument("--calls", type=int, default=400, help="durable calls in a turn (default 400)")
    parser.add_argument("--folder", type=Path, default=_CHECKOUT / "var", help="where to write; default var/")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    chosen = parser.parse_args()
    if chosen.rounds < 3 or chosen.calls < 10:
        parser.error("a median needs at least 3 rounds of 10 calls")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="_bench-", dir=chosen.folder))
    try:
        with journal(folder) as ours, sqlite(folder) as peer:
            single, seq = rounds_of(ours, peer, rounds=chosen.rounds, calls=chosen.calls, batch=1, first_seq=1)
            batched, _ = rounds_of(
                ours, peer, rounds=chosen.rounds, calls=chosen.calls // 4, batch=BATCH, first_seq=seq
            )
        extra = snapshots(folder, chosen.calls)
    finally:
        shutil.rmtree(folder)
    rows = [report("one record", single, 1), report(f"batch of {BATCH}", batched, BATCH)]
    machine = machine_line(chosen.folder)
    if chosen.json:
        times = {name: {"p50_us": each.p50, "p99_us": each.p99} for name, each in extra.items()}
        json.dump({"machine": machine, "rows": rows, "snapshots": times}, sys.stdout, indent=2)
        print()
    else:
        print(machine)
        print_table(rows, extra)
    return 0


if __name__ == "__main__":
    sys.exit(main())
