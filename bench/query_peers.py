"""One engine answering one question several times, in a process of its own so that its memory is its own.

Called by bench/query: `python -m bench.query_peers ENGINE QUESTION FOLDER REPEATS` prints a JSON object with the
seconds of every answer, the first with everything that must be loaded; the peak memory; and the answer itself, for
all engines must agree.
"""

# ruff: noqa: PLC0415 - a process loads only the engine that it measures

import json
import resource
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.query_journal import DAY_US, START_US
from state.times import iso_from_us

NEWEST = 200
FROM_US, UNTIL_US = START_US + 14 * DAY_US, START_US + 15 * DAY_US
KIND = "refused"
QUESTIONS = ("newest", "window", "group")

Answer = list[Any]
"""Sequence numbers, newest first; or [day, instrument, count], sorted, lines without instrument left out."""


def ours(folder: Path, question: str) -> Answer:
    """The engine under test, with its cache."""
    from state.query import Filter, JournalIndex
    from state.records import JournalType

    index = JournalIndex(folder / "journal", folder / "cache")
    if question == "newest":
        return [line.seq for line in index.newest(Filter(), NEWEST).lines]
    if question == "window":
        wanted = Filter(types=frozenset({JournalType(KIND)}), since_us=FROM_US, until_us=UNTIL_US)
        return [line.seq for line in index.newest(wanted, NEWEST).lines]
    counts = index.count_by(Filter(), ("day", "instrument")).counts
    return [[*count.key, count.count] for count in counts if count.key[1] is not None]


def duckdb_over_jsonl(folder: Path, question: str) -> Answer:
    """What one gets by pointing DuckDB at the segments, its columns named so that it need not guess."""
    import duckdb

    columns = {"seq": "BIGINT", "ts": "VARCHAR", "type": "VARCHAR", "instrument": "VARCHAR", "reason": "VARCHAR"}
    source = f"read_json('{folder}/journal/*.jsonl', format = 'newline_delimited', columns = {columns})"
    with duckdb.connect(config={"threads": 2}) as connection:
        return _in_sql(lambda sql: connection.execute(sql).fetchall(), source, "substr(ts, 1, 10)", question)


def sqlite_indexed(folder: Path, question: str) -> Answer:
    """A database beside the journal, with an index for each question; see `load_sqlite`."""
    with closing(sqlite3.connect(f"file:{sqlite_file(folder)}?mode=ro", uri=True)) as connection:
        return _in_sql(lambda sql: connection.execute(sql).fetchall(), "operations", "substr(ts, 1, 10)", question)


def _in_sql(ask: Callable[[str], list[Any]], source: str, day: str, question: str) -> Answer:
    newest = f"ORDER BY seq DESC LIMIT {NEWEST}"
    if question == "newest":
        return [row[0] for row in ask(f"SELECT seq, ts, type, instrument, reason FROM {source} {newest}")]  # noqa: S608
    if question == "window":
        window = f"type = '{KIND}' AND ts >= '{iso_from_us(FROM_US)}' AND ts < '{iso_from_us(UNTIL_US)}'"
        rows = ask(f"SELECT seq, ts, type, instrument, reason FROM {source} WHERE {window} {newest}")  # noqa: S608
        return [row[0] for row in rows]
    groups = f"SELECT {day}, instrument, count(*) FROM {source} WHERE instrument IS NOT NULL GROUP BY 1, 2"  # noqa: S608
    return sorted(list(row) for row in ask(groups))


def pandas_over_jsonl(folder: Path, question: str) -> Answer:
    """Every segment read into one frame of the few columns that are asked for."""
    import pandas as pd

    columns = ["seq", "ts", "type", "instrument"]
    files = sorted((folder / "journal").glob("*.jsonl"))
    if question == "newest":
        files = files[-2:]
    parts = [pd.read_json(file, lines=True, convert_dates=False).reindex(columns=columns) for file in files]
    frame = pd.concat(parts, ignore_index=True)
    if question == "group":
        counts = frame.assign(day=frame["ts"].str.slice(0, 10)).groupby(["day", "instrument"]).size()
        return sorted([day, instrument, int(count)] for (day, instrument), count in counts.items())
    if question == "window":
        within = (frame["ts"] >= iso_from_us(FROM_US)) & (frame["ts"] < iso_from_us(UNTIL_US))
        frame = frame[(frame["type"] == KIND) & within]
    return [int(seq) for seq in frame["seq"].tail(NEWEST)[::-1]]


ENGINES: dict[str, Callable[[Path, str], Answer]] = {
    "ours": ours,
    "DuckDB over JSONL": duckdb_over_jsonl,
    "SQLite, indexed": sqlite_indexed,
    "pandas over JSONL": pandas_over_jsonl,
}


def sqlite_file(folder: Path) -> Path:
    """Where the peer's database lies."""
    return folder / "peer.sqlite"


def load_sqlite(folder: Path) -> float:
    """Make the peer's database where there is none; gives the seconds that it took."""
    import msgspec

    from state.records import JournalLine

    file = sqlite_file(folder)
    if file.exists():
        return 0.0
    started = time.perf_counter()
    half_made = file.with_suffix(".tmp")
    half_made.unlink(missing_ok=True)
    decoder = msgspec.json.Decoder(JournalLine)
    with closing(sqlite3.connect(half_made, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("CREATE TABLE operations (seq INTEGER PRIMARY KEY, ts, type, instrument, reason, line)")
        for segment in sorted((folder / "journal").glob("*.jsonl")):
            with segment.open("rb") as lines:
                rows = ((found.seq, found.ts, found.type, found.instrument, found.reason, raw) for raw in lines
                        if (found := decoder.decode(raw)))  # fmt: skip
                connection.execute("BEGIN")
                connection.executemany("INSERT INTO operations VALUES (?, ?, ?, ?, ?, ?)", rows)
                connection.execute("COMMIT")
        connection.execute("CREATE INDEX by_type ON operations (type, ts)")
        connection.execute("CREATE INDEX by_day ON operations (substr(ts, 1, 10), instrument)")
    half_made.rename(file)
    return time.perf_counter() - started


def main() -> None:
    """Answer so often, and tell."""
    engine, question, folder, repeats = sys.argv[1:]
    seconds = []
    answer: Answer = []
    for _ in range(int(repeats)):
        started = time.perf_counter()
        answer = ENGINES[engine](Path(folder), question)
        seconds.append(time.perf_counter() - started)
    rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)
    json.dump({"seconds": seconds, "rss_mib": rss_mib, "answer": answer}, sys.stdout)


if __name__ == "__main__":
    main()
