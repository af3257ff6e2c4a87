"""How a sweep scales: the same cells in one process, in two, and on a Dask cluster of two workers on this machine.

The job is the processor's alone: a made-up market, the demo's profile, a grid of thresholds and cooldowns. The three
take turns, each round in another order, so that a busy machine is busy for all of them; a ratio is the median of the
rounds' ratios to one worker. Starting the processes is part of a local sweep's time; the cluster's workers stand
already and have run one trial, as a cluster's do. Every round's cells are compared: the figures must be the same.
"""

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.machine import machine_line

AIM_RATIO = 1.8
"""Of two workers on two cores."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(
        prog="bench/sweep", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=16, help="cells of the grid, even (default 16)")
    parser.add_argument("--sessions", type=int, default=2, help="sessions of the market (default 2)")
    parser.add_argument("--step-s", type=int, default=10, help="seconds between two prices (default 10)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    # Each worker process imports this module again, as multiprocessing does: at its top it must cost nothing.
    from distributed import LocalCluster  # noqa: PLC0415 -- see above

    from bench.sweep_job import Bench, measure, ways_of  # noqa: PLC0415 -- see above

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
    ):
        bench = Bench(Path(folder), cells=options.cells, sessions=options.sessions, step_s=options.step_s)
        ways = ways_of(cluster.scheduler_address)
        bench.run(ways["Dask, 2 workers"], cells=4)
        load = os.getloadavg()[0]
        found = measure(bench, ways, options.rounds)
        machine = machine_line(Path(folder))
    report = {
        name: {
            "seconds": statistics.median(taken),
            "trials_per_s": bench.plan.trials / statistics.median(taken),
            "ratio": statistics.median(one / this for one, this in zip(found["1 worker"], taken, strict=True)),
        }
        for name, taken in found.items()
    }
    if options.json:
        print(json.dumps({"machine": machine, "load_before": load, "cells": bench.plan.trials, "ways": report}))
        return 0
    print(f"{machine}; load before {load:.2f}")
    print(f"{bench.plan.trials} cells over {bench.plan.data.description}; median of {options.rounds} rounds")
    print(f"{'':<18}{'seconds':>10}{'trials/s':>10}{'ratio':>8}")
    for name, row in report.items():
        print(f"{name:<18}{row['seconds']:>10.1f}{row['trials_per_s']:>10.2f}{row['ratio']:>8.2f}")
    print(f"aim: {AIM_RATIO} x on 2 idle cores; the figures of every cell were the same")
    return 0


if __name__ == "__main__":
    sys.exit(main())
