"""The million-tick job: our backtest beside five engines, a plain loop and a compiled one, in the same run.

Each engine has a process, and each peer an environment, of its own; one that cannot be installed or run is skipped
with the reason. A figure is the median of the runs after the first of its process; the first, with everything that is
compiled then, has a column of its own. Engines of fewer than 100,000 ticks a second get a part of the ticks.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import msgspec

from bench.backtest_job import Job, make_ticks, save
from bench.machine import machine_line
from bench.peer_environments import PINS, NoEnvironmentError, python_of
from daemon.venues.exchange_hours import last_trade_us, sessions_between

FIRST_DAY = date(2026, 1, 5)
EXPIRY = "20260320"
OURS = ("leap", "core")
LOOPS = ("plain-python", "numba-loop")
SLOW = {"core": 10, "backtesting": 10, "backtrader": 20}
"""Engine -> it gets this part of the ticks: the rate is the same, the minutes are not."""
_PEERS_FILE = Path(__file__).with_name("backtest_peers.py")
_TIMEOUT_S = 1800.0
AIM_NAUTILUS = 3.0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one process told; or why it did not."""

    seconds: list[float] = []
    prepared_s: float = 0.0
    hedges: int = 0
    ticks: int = 0
    rss_mb: float = 0.0
    skipped: str | None = None

    @property
    def warm_s(self) -> float:
        """Of the runs after the first, where there are any."""
        return statistics.median(self.seconds[1:] or self.seconds)

    @property
    def ticks_s(self) -> float:
        """Ticks a second, warm."""
        return self.ticks / self.warm_s


def job_of(ticks: int) -> tuple[Job, list[int]]:
    """The job over so many ticks, and the opens of the sessions they may need."""
    sessions = sessions_between(FIRST_DAY, FIRST_DAY + timedelta(days=60))
    return replace(Job(ticks=ticks), expiry_us=last_trade_us(EXPIRY)), [session.open_us for session in sessions]


def measured(engine: str, file: Path, repeats: int) -> Measured:
    """Run one engine in a process of its own."""
    if engine in OURS:
        command = [sys.executable, "-P", "-m", "bench.backtest_ours", engine]
    elif engine in PINS:
        try:
            command = [str(python_of(engine)), "-P", str(_PEERS_FILE), engine]
        except NoEnvironmentError as error:
            return Measured(skipped=f"cannot be installed: {error}")
    else:
        command = [sys.executable, "-P", str(_PEERS_FILE), engine]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [*command, str(file), str(repeats)], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return Measured(skipped=f"gave no answer within {_TIMEOUT_S:g} s")
    if done.returncode != 0:
        return Measured(skipped=(done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:200])
    return msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=Measured)


def print_table(found: dict[str, Measured], expected: dict[int, int]) -> None:
    """A line each, fastest first, with the ratio of our fastest to it."""
    ran = {name: each for name, each in found.items() if each.skipped is None}
    ours = max((each.ticks_s for name, each in ran.items() if name in OURS), default=0.0)
    head = f"{'engine':18}{'ticks/s':>12}{'first run s':>13}{'warm s':>9}{'ticks':>11}{'hedges':>8}{'RSS MiB':>9}"
    print(f"{head}{'ours / it':>11}  hedges agree")
    for name, each in sorted(ran.items(), key=lambda item: -item[1].ticks_s):
        label = f"bifrost, {name}" if name in OURS else name
        agree = "yes" if each.hedges == expected[each.ticks] else f"no, {expected[each.ticks]} expected"
        print(
            f"{label:18}{each.ticks_s:>12,.0f}{each.seconds[0]:>13.2f}{each.warm_s:>9.2f}{each.ticks:>11,}"
            f"{each.hedges:>8}{each.rss_mb:>9,.0f}{ours / each.ticks_s:>11.2f}  {agree}"
        )
    for name, each in found.items():
        if each.skipped is not None:
            print(f"{name:18} skipped: {each.skipped}")


def print_aims(found: dict[str, Measured]) -> None:
    """The aims of the page of figures, and whether this run reached them."""
    core, nautilus = found.get("core"), found.get("nautilus_trader")
    print()
    if core is not None and nautilus is not None and core.skipped is None and nautilus.skipped is None:
        ratio = core.ticks_s / nautilus.ticks_s
        print(
            verdict(f"event by event / nautilus_trader: {ratio:.2f}, aim {AIM_NAUTILUS:g}", good=ratio >= AIM_NAUTILUS)
        )
    leap = found.get("leap")
    peers = {name: each for name, each in found.items() if name in PINS and each.skipped is None}
    if leap is not None and leap.skipped is None and peers:
        best = max(peers, key=lambda name: peers[name].ticks_s)
        ratio = leap.ticks_s / peers[best].ticks_s
        print(verdict(f"fast path / fastest peer ({best}): {ratio:.2f}, aim 1", good=ratio >= 1))


def verdict(words: str, *, good: bool) -> str:
    """A line that says it in words too."""
    return f"{'reached' if good else 'MISSED '}  {words}"


def told(what: str) -> None:
    """Progress, where somebody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[Kbench: {what} ")
        sys.stderr.flush()


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        prog="bench/backtest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ticks", type=int, default=1_000_000, help="default 1,000,000")
    parser.add_argument("--repeats", type=int, default=4, help="runs in a process, the first apart; default 4")
    engines = (*OURS, *LOOPS, *PINS)
    parser.add_argument(
        "--only", nargs="+", choices=engines, default=engines, metavar="ENGINE", help=", ".join(engines)
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bifrost-bench-") as folder:
        files: dict[int, Path] = {}
        expected: dict[int, int] = {}
        for part in sorted({SLOW.get(engine, 1) for engine in chosen.only}):
            job, opens_us = job_of(chosen.ticks // part)
            files[part] = Path(folder, f"{job.ticks}.npz")
            save(files[part], job, make_ticks(job, opens_us))
            expected[job.ticks] = measured("plain-python", files[part], 1).hedges
        found = {}
        for engine in chosen.only:
            told(engine)
            found[engine] = measured(engine, files[SLOW.get(engine, 1)], chosen.repeats)
        machine = machine_line(Path(folder))
    told("")
    if chosen.json:
        print(json.dumps({"machine": machine, "engines": msgspec.to_builtins(found)}, indent=2))
        return
    print(machine)
    print()
    print_table(found, expected)
    print_aims(found)


if __name__ == "__main__":
    main()
