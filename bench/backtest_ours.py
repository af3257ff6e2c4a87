"""Our own backtest doing the million-tick job in a process of its own, as `bench/backtest_peers.py` does the peers'.

`python -m bench.backtest_ours core|leap JOB.npz REPEATS`. The whole `run_backtest` is timed, from the arrays to the
summary and its tables: classifier, machines, guard, orders, account, P&L with its parts, a decision row for each tick.
"""

import json
import resource
import sys
import time
from pathlib import Path

from bench.backtest_job import Ticks, load
from bench.backtest_market import TicksFeed
from config.loader import load_profile
from daemon.backtest.run import run_backtest
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.runs.records import Summary, VenueModel

PROFILE = str(Path(__file__).with_name("backtest_job.yaml"))
FREE = VenueModel(commission_usd_share=0.0, commission_minimum_usd=0.0)
"""The peers pay no commission either."""


def play(ticks: Ticks, *, fast: bool) -> Summary:
    """One whole run."""
    loaded = load_profile(PROFILE)
    feed = TicksFeed(ticks, loaded.profile)
    return run_backtest(
        loaded, GammaScalper, feed, model=FREE, out=None, overrides={}, title="", progress=None, fast=fast
    ).summary


def main(path: str, file: str, repeats: int) -> None:
    """Measure and print what was found."""
    job, ticks = load(Path(file))
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        summary = play(ticks, fast=path == "leap")
        seconds.append(time.perf_counter() - began)
    if summary.path != path:
        raise SystemExit(f"bench: asked for the path {path}, got {summary.path}: {summary.findings}")
    hedges = 0 if summary.figures is None else summary.figures.hedges
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"seconds": seconds, "prepared_s": 0.0, "hedges": hedges, "ticks": job.ticks, "rss_mb": rss_mb}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
