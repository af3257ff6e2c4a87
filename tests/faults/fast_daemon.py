"""The `bifrost` command whose daemon's own timers run ten times faster: half a minute of patience is three seconds."""

import functools

from cli.app import main
from daemon.runtime import app
from daemon.runtime.run import Daemon

TIMER_SPEED = 10.0

if __name__ == "__main__":
    app.Daemon = functools.partial(Daemon, timer_speed=TIMER_SPEED)  # type: ignore[misc,assignment]
    main()
