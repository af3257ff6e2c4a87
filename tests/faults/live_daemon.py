"""The `bifrost` command whose daemon keeps a live desk's clock, set to the hour of the simulated exchange.

A profile with a simulator takes its time from the market; a scenario about the machine's own clock wants the other.
"""

import os

from cli import run_commands
from cli.app import main
from daemon.runtime.clocks import WallClock, wall_us

AHEAD_US = "LIVE_DAEMON_AHEAD_US"
"""Environment: how far the machine's wall clock is ahead of the exchange's."""

if __name__ == "__main__":
    ahead_us = int(os.environ[AHEAD_US])
    run_commands._clock = lambda _profile: WallClock(wall=lambda: wall_us() - ahead_us)
    main()
