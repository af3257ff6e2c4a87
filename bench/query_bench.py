"""Questions to a long journal: ours beside DuckDB over the same files, an indexed SQLite database, and pandas.

Makes a journal of 30 days (kept with --data, else removed at the end), builds the cache and the peer's database, then
puts three questions to each in a process of its own. All must give the same answers. A figure is the median of the
answers after the first one of its process; the first also loads whatever is needed, and has a line of its own.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.machine import machine_line
from bench.query_journal import journal_of
from bench.query_peers import ENGINES, KIND, NEWEST, QUESTIONS, load_sqlite, sqlite_file

AIMS_S = {"newest": 0.005, "window": 0.1, "group": 0.8}
AIM_RSS_MIB = 150.0
PANDAS_RECORDS_MAX = 1_000_000
"""It wants some 2 GiB for a million of these lines; ten million would not fit on many a machine."""
_TITLES = {"newest": f"newest {NEWEST}", "window": f"{KIND}, one day", "group": "by day and symbol"}


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one process told."""

    seconds: list[float]
    rss_mib: float
    answer: list[object]

    @property
    def first_s(self) -> float:
        """With everything that must be loaded."""
        return self.seconds[0]

    @property
    def median_s(self) -> float:
        """Of the answers after the first."""
        return statistics.median(self.seconds[1:])


def measured(engine: str, question: str, folder: Path, repeats: int) -> Measured:
    """Ask in a process of its own. Raises SystemExit with what it said where it fails."""
    command = [sys.executable, "-P", "-m", "bench.query_peers", engine, question, str(folder), str(repeats + 1)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own module
    if done.returncode != 0:
        raise SystemExit(f"bench: {engine}, {question}: {done.stderr.decode()[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Measured)


def build_cache(folder: Path) -> tuple[float, float]:
    """Build ours in a process of its own, from nothing; gives seconds and peak MiB."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    program = (
        "import resource, sys, time; from pathlib import Path; from state.query import JournalIndex\n"
        "started = time.perf_counter()\n"
        "built = JournalIndex(Path(sys.argv[1], 'journal'), Path(sys.argv[1], 'cache')).build()\n"
        "assert built.complete and not built.problems, built\n"
        "print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    command = [sys.executable, "-P", "-c", program, str(folder)]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout  # noqa: S603 - our own words
    seconds, rss_mib = map(float, said.split())
    return seconds, rss_mib


def ask_all(folder: Path, records: int, repeats: int) -> dict[str, dict[str, Measured]]:
    """Every engine and question; raises SystemExit where two do not agree."""
    found: dict[str, dict[str, Measured]] = {}
    for engine in ENGINES:
        if engine.startswith("pandas") and records > PANDAS_RECORDS_MAX:
            continue
        found[engine] = {}
        for question in QUESTIONS:
            told(f"{engine}: {_TITLES[question]}")
            found[engine][question] = measured(engine, question, folder, repeats)
            if found[engine][question].answer != found["ours"][question].answer:
                raise SystemExit(f"bench: {engine} and ours do not give the same answer: {_TITLES[question]}")
    return found


def told(what: str) -> None:
    """Progress, where somebody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[Kbench: {what} ")
        sys.stderr.flush()


def print_table(found: dict[str, dict[str, Measured]]) -> None:
    """Right-aligned, one line per engine, then the ratio to the best of the others."""
    print(f"{'':26}" + "".join(f"{_TITLES[question]:>20}" for question in QUESTIONS) + f"{'peak MiB':>12}")
    for engine, answers in found.items():
        times = "".join(f"{answers[question].median_s * 1000:>17,.1f} ms" for question in QUESTIONS)
        print(f"{engine:26}{times}{max(each.rss_mib for each in answers.values()):>12,.0f}")
    first = "".join(f"{found['ours'][question].first_s * 1000:>17,.1f} ms" for question in QUESTIONS)
    print(f"{'ours, first in a process':26}{first}")
    ratios = ""
    for question in QUESTIONS:
        best = min(answers[question].median_s for engine, answers in found.items() if engine != "ours")
        ratios += f"{best / found['ours'][question].median_s:>20.2f}"
    print(f"{'best peer / ours':26}{ratios}")


def print_aims(found: dict[str, Measured]) -> None:
    """Each aim and whether this run reached it."""
    print()
    for question in QUESTIONS:
        reached, aim = found[question].median_s, AIMS_S[question]
        print(verdict(f"{_TITLES[question]}: {reached * 1000:,.1f} ms, aim {aim * 1000:,.0f} ms", good=reached <= aim))
    rss_mib = max(each.rss_mib for each in found.values())
    print(verdict(f"peak memory: {rss_mib:,.0f} MiB, aim {AIM_RSS_MIB:,.0f} MiB", good=rss_mib <= AIM_RSS_MIB))


def verdict(words: str, *, good: bool) -> str:
    """An aim, and whether it was reached in this run."""
    return f"{'reached' if good else 'MISSED '}  {words}"


def size_mib(paths: list[Path]) -> float:
    """Of so many files."""
    return sum(path.stat().st_size for path in paths) / 2**20


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="bench/query",
        description=__doc__,
        epilog="Example: ./bench/query --records 1000000 --data /tmp/journal-1m",
    )
    parser.add_argument("--records", type=int, default=10_000_000, help="operations in the journal (default 10000000)")
    parser.add_argument("--repeats", type=int, default=3, help="answers behind each median (default 3, at least 3)")
    parser.add_argument("--data", type=Path, help="a folder to keep the journal in, for the next run")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    chosen = parser.parse_args()
    if chosen.repeats < 3 or chosen.records < 30_000:
        parser.error("a median needs at least 3 answers, and 30 days at least 30000 operations")
    return chosen


def prepare(folder: Path, records: int) -> tuple[str, float]:
    """Make journal, cache and database; gives words about them, and the seconds that the cache took."""
    journal = journal_of(folder, records)
    told("building the cache")
    cache_s, cache_mib = build_cache(folder)
    told("loading SQLite")
    sqlite_s = load_sqlite(folder)
    segments = list(journal.glob("*.jsonl"))
    cached = list((folder / "cache").glob("*.parquet"))
    words = (
        f"{records:,} operations, {size_mib(segments):,.0f} MiB in {len(segments)} segments\n"
        f"our cache: {size_mib(cached):,.0f} MiB, built in {cache_s:,.0f} s with {cache_mib:,.0f} MiB; "
        f"SQLite: {size_mib([sqlite_file(folder)]):,.0f} MiB, "
        + (f"loaded in {sqlite_s:,.0f} s" if sqlite_s else "loaded before")
    )
    return words, cache_s


def main() -> int:
    """Prepare, measure, clean up, print."""
    chosen = arguments()
    folder = Path(tempfile.mkdtemp(prefix="bench-query-")) if chosen.data is None else chosen.data.absolute()
    try:
        words, cache_s = prepare(folder, chosen.records)
        found = ask_all(folder, chosen.records, chosen.repeats)
        told("")
        machine = machine_line(folder)
    finally:
        if chosen.data is None:
            shutil.rmtree(folder)
    if chosen.json:
        rows = {
            engine: {
                question: {"median_s": each.median_s, "first_s": each.first_s, "rss_mib": each.rss_mib}
                for question, each in answers.items()
            }
            for engine, answers in found.items()
        }
        print(
            json.dumps({"machine": machine, "records": chosen.records, "cache_s": cache_s, "engines": rows}, indent=2)
        )
        return 0
    print(f"{machine}\n{words}\n")
    print_table(found)
    if chosen.records > PANDAS_RECORDS_MAX:
        print(f"pandas is only asked up to {PANDAS_RECORDS_MAX:,} operations: it wants all of them in memory")
    print_aims(found["ours"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
