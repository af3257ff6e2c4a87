"""From a quote on the socket to an order on the socket: our daemon beside the least that ib_async can do.

Both run as processes against the same simulator, which notes when a quote leaves and when an order arrives. Ours looks
at every gate and rule, writes the intent and syncs it to the disk before the order leaves; the bare script answers each
new bid with an order and does nothing else. The two take turns in rounds, so that a noisy machine is noisy for both; a
ratio is the median of the rounds' ratios, above 1 where the bare script is faster.
"""

import argparse
import asyncio
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

import structlog

from bench.latency_desk import BareScript, Contestant, Desk
from bench.latency_market import CALL, SwingMarket
from bench.latency_rates import core_quotes_per_s, simulator_messages_per_s
from bench.machine import machine_line
from daemon.simulator.codec import Values
from daemon.simulator.server import SimulatorServer
from daemon.simulator.transcript import Transcript
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import OpeningPosition

WARM_UP = 10
DIGEST_S = 0.1
"""Between two trials the client takes in its fill; with its probes it stays below ib_async's 45 requests a second."""
PATIENCE_S = 5.0


class Stopwatch(Transcript):
    """Notes the moment at which an order is read from the socket."""

    def __init__(self) -> None:
        super().__init__()
        self.order_came = asyncio.Event()
        self.order_s = 0.0
        self.subscribed = asyncio.Event()

    def hear(self, *, market_us: int, client_id: int | None, request: str, values: Values) -> None:
        """One request of the client."""
        now = time.perf_counter()
        if request == "placeOrder":
            self.order_s = now
            self.order_came.set()
        elif request == "reqMktData":
            self.subscribed.set()
        super().hear(market_us=market_us, client_id=client_id, request=request, values=values)


class Track:
    """A simulator with one contestant on it."""

    def __init__(self) -> None:
        self.watch = Stopwatch()
        exchange = SimulatedExchange(
            SwingMarket(),
            account="DU0000021",
            cash_usd=1_000_000.0,
            positions=[OpeningPosition(instrument=CALL.instrument, quantity=10)],
        )
        self.server = SimulatorServer(exchange, paced=False, transcript=self.watch)

    async def warm_up(self, contestant: Contestant) -> None:
        """Until it subscribes and answers quotes with orders. Raises RuntimeError when it ended, or never does."""
        end = time.perf_counter() + 60
        answered = 0
        while answered < WARM_UP:
            if (said := contestant.died()) is not None:
                raise RuntimeError(f"{contestant.name} ended: {said}")
            if time.perf_counter() > end:
                raise RuntimeError(f"{contestant.name} does not answer quotes with orders")
            if not self.watch.subscribed.is_set():
                await asyncio.sleep(0.05)
                continue
            answered += await self.trial(0.5) is not None

    async def trial(self, patience_s: float = PATIENCE_S) -> float | None:
        """One quote; milliseconds until its order is here, None when none came."""
        await asyncio.sleep(DIGEST_S)
        self.watch.order_came.clear()
        started = time.perf_counter()
        self.server.step()
        try:
            async with asyncio.timeout(patience_s):
                await self.watch.order_came.wait()
        except TimeoutError:
            return None
        return (self.watch.order_s - started) * 1000

    async def trials(self, count: int) -> list[float]:
        """So many trials. Raises RuntimeError when a quote was not answered."""
        found = []
        for _ in range(count):
            took_ms = await self.trial()
            if took_ms is None:
                raise RuntimeError("a quote was not answered with an order")
            found.append(took_ms)
        return found


async def quote_to_order(
    folder: Path, rounds: int, trials: int
) -> tuple[dict[str, list[list[float]]], dict[str, float]]:
    """Name -> milliseconds by round, and the desk's own figures (measured in its last round)."""
    took: dict[str, list[list[float]]] = {"bare ib_async": [], "bifrost": []}
    own: dict[str, float] = {}
    for number in range(rounds):
        for kind in (BareScript, Desk):
            track = Track()
            async with track.server:
                contestant = kind(track.server.port, folder / f"{kind.__name__}-{number}")
                try:
                    await track.warm_up(contestant)
                    took[contestant.name].append(await track.trials(trials))
                    if isinstance(contestant, Desk) and number == rounds - 1:
                        own = await asyncio.to_thread(desk_figures, contestant)
                finally:
                    await asyncio.to_thread(contestant.end)
            _progress(f"round {number + 1} of {rounds}: {contestant.name}")
    return took, own


def desk_figures(desk: Desk) -> dict[str, float]:
    """Touch to seen, and what the daemon costs while nothing happens."""
    seen = []
    for _ in range(50):
        seen.append(desk.touch_to_seen_ms("pause"))
        desk.release("pause")
        time.sleep(0.15)
    time.sleep(2)
    seconds = 10.0
    before = desk.cpu_s()
    time.sleep(seconds)
    return {
        "touch_to_seen_p50_ms": statistics.median(seen),
        "touch_to_seen_p99_ms": percentile(seen, 99),
        "idle_cpu_pct": (desk.cpu_s() - before) / seconds * 100,
    }


def percentile(values: list[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


def summary(took: dict[str, list[list[float]]]) -> dict[str, dict[str, float]]:
    """Name -> p50, p99 and worst over all rounds, in ms."""
    return {
        name: {
            "p50_ms": percentile(flat, 50),
            "p99_ms": percentile(flat, 99),
            "worst_ms": max(flat),
            "trials": len(flat),
        }
        for name, rounds in took.items()
        if (flat := [each for found in rounds for each in found])
    }


def ratio(took: dict[str, list[list[float]]]) -> float:
    """How many times as long ours takes: the median of the rounds' ratios of p50."""
    pairs = zip(took["bifrost"], took["bare ib_async"], strict=True)
    return statistics.median(percentile(ours, 50) / percentile(bare, 50) for ours, bare in pairs)


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both contestants (3)")
    parser.add_argument("--trials", type=int, default=200, help="quotes a round (200)")
    parser.add_argument("--dir", type=Path, help="where the desk writes; default: a temporary folder")
    parser.add_argument("--json", action="store_true", help="figures as JSON on stdout")
    options = parser.parse_args()
    if options.rounds < 1 or options.trials < 1:
        parser.error("--rounds and --trials are at least 1")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="bench-latency-", dir=options.dir) as name:
        folder = Path(name)
        machine = machine_line(folder)
        took, own = asyncio.run(quote_to_order(folder, options.rounds, options.trials))
        _progress("the simulator's messages")
        own["simulator_messages_per_s"] = simulator_messages_per_s(3.0)
        _progress("the core's quotes")
        own["core_quotes_per_s"] = core_quotes_per_s(20_000)
    if options.json:
        print(json.dumps({"machine": machine, "quote_to_order": summary(took), "ratio": ratio(took), **own}, indent=2))
    else:
        print_table(machine, summary(took), ratio(took), own)
    return 0


def print_table(machine: str, found: dict[str, dict[str, float]], times: float, own: dict[str, float]) -> None:
    """The figures beside their aims."""
    print(machine)
    print()
    print(f"{'quote -> order, ms':<24}{'p50':>9}{'p99':>9}{'worst':>9}{'trials':>8}")
    for name, row in found.items():
        print(f"{name:<24}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}{row['worst_ms']:>9.2f}{row['trials']:>8.0f}")
    print(f"bifrost takes {times:.2f} times as long (aim: p50 <= 1 ms, p99 <= 10 ms, durable intent included)")
    print()
    print(
        f"touch -> seen            p50 {own['touch_to_seen_p50_ms']:.2f} ms (aim <= 1), "
        f"p99 {own['touch_to_seen_p99_ms']:.2f} ms"
    )
    print(f"idle CPU                 {own['idle_cpu_pct']:.2f} % (aim <= 1)")
    print(f"simulator                {own['simulator_messages_per_s']:,.0f} messages/s (aim >= 50,000)")
    print(f"core                     {own['core_quotes_per_s']:,.0f} quotes/s")


def _progress(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
