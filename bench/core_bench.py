"""What one event costs the decision core, in processor time: a quiet quote, an option's quote, a whole backtest step.

Nothing is traded: this is what live pays for every tick between two hedges, and an event-by-event backtest for nearly
all of its ticks. Processor time, not the wall's: a machine that is busy with other things changes it less. A figure is
the median of the rounds.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from bench.backtest_job import Job, make_ticks
from bench.backtest_ours import play
from bench.latency_market import CALL, OPEN_US, STOCK
from bench.latency_rates import synchronised_desk
from bench.machine import machine_line
from daemon.core.book import Book
from daemon.core.events import AnyEvent, OptionQuote, Quote
from daemon.core.step import Core
from daemon.venues.exchange_hours import sessions_between

_CHECKOUT = Path(__file__).resolve().parent.parent
_FIRST_DAY = date(2026, 1, 5)
_WARM_US = OPEN_US + 120_000_000
"""After the first two minutes of the session."""


def stock_quotes(count: int) -> list[AnyEvent]:
    """A thousand a second, to and fro over two cents: the delta stays in its band."""
    return [
        Quote(
            ts_us=_WARM_US + number * 1000,
            instrument=STOCK.instrument,
            bid=100.0 + number % 3 * 0.01,
            ask=100.02 + number % 3 * 0.01,
            last=100.01,
        )
        for number in range(count)
    ]


def option_quotes(count: int) -> list[AnyEvent]:
    """A thousand a second of the desk's only leg."""
    return [
        OptionQuote(ts_us=_WARM_US + number * 1000, instrument=CALL.instrument, bid=15.0, ask=15.1)
        for number in range(count)
    ]


def core_us(events: list[AnyEvent], core: Core, book: Book) -> float:
    """Microseconds of processor time for each event. Raises RuntimeError if one of them asked for a hedge."""
    began = time.process_time()
    for event in events:
        book, _ = core.step(book, event)
    took_s = time.process_time() - began
    if book.orders:
        raise RuntimeError("a quote asked for a hedge: this is not the path to measure")
    return took_s / len(events) * 1e6


def backtest_us(ticks: int) -> float:
    """Microseconds for each tick of a whole backtest event by event: venue, core, decision rows, summary."""
    last = _FIRST_DAY + timedelta(days=2 + ticks // 60_000)
    opens_us = [session.open_us for session in sessions_between(_FIRST_DAY, last)]
    made = make_ticks(Job(ticks=ticks), opens_us)
    began = time.process_time()
    play(made, fast=False)
    return (time.process_time() - began) / ticks * 1e6


def measure(quotes: int, rounds: int) -> dict[str, float]:
    """Name -> microseconds."""
    core, book = synchronised_desk()
    stock, option = stock_quotes(quotes), option_quotes(quotes)
    kinds: dict[str, Callable[[], float]] = {
        "core, a quiet quote of the stock": lambda: core_us(stock, core, book),
        "core, an option's quote": lambda: core_us(option, core, book),
        "backtest event by event, a tick": lambda: backtest_us(quotes),
    }
    for figure in kinds.values():
        figure()  # the first of each compiles and fills what is remembered
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, figure in kinds.items():
            taken[name].append(figure())
    return {name: statistics.median(figures) for name, figures in taken.items()}


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="bench/core", description=__doc__, epilog="example: ./bench/core --rounds 9")
    parser.add_argument("--quotes", type=int, default=20_000, help="of each kind and round (20000)")
    parser.add_argument("--rounds", type=int, default=5, help="a figure is their median (5)")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    asked = parser.parse_args()
    found = measure(asked.quotes, asked.rounds)
    if asked.json:
        print(json.dumps({"machine": machine_line(_CHECKOUT), "microseconds": found}))
        return 0
    print(machine_line(_CHECKOUT))
    print(f"{asked.quotes:,} of each kind, median of {asked.rounds} rounds, processor time\n")
    for name, microseconds in found.items():
        print(f"{name:36s} {microseconds:8.1f} us {1e6 / microseconds:10,.0f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
