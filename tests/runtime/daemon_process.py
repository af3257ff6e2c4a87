"""One daemon as a process of its own: the real runtime, core and files around the file venue. Run with `-m`."""

import argparse
import functools
import sys
from pathlib import Path

from config.schema import ControlSection, Daemon, Ib, Profile, Storage, Underlying
from daemon.core.step import Core
from daemon.runtime import recovery
from daemon.runtime.app import run_daemon
from daemon.runtime.clocks import WallClock
from daemon.runtime.run import OwnPrefix
from daemon.venues.protocol import VenueClock
from state.journal import SEGMENT_BYTES, JournalWriter
from state.layout import DeskPaths
from tests.runtime.eager_strategy import EagerStrategy
from tests.runtime.file_venue import FileExchange, FileVenue


def profile(*, client_id: int = 1, stop_timeout_s: float = 10.0, min_free_mib: float = 0.0) -> Profile:
    return Profile(
        name="eager",
        underlying=Underlying(symbol="TWX"),
        ib=Ib(client_id=client_id),
        daemon=Daemon(period_ms=100, probe_every_s=0.1),
        control=ControlSection(stop_timeout_s=stop_timeout_s),
        storage=Storage(min_free_mib=min_free_mib),
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--exchange", type=Path, required=True)
    parser.add_argument("--desk", default="eager")
    parser.add_argument("--mode", default="fill", choices=("fill", "rest", "ignore"))
    parser.add_argument("--hedges", type=int, default=5)
    parser.add_argument("--client-id", type=int, default=1)
    parser.add_argument("--account", default="DU1234567")
    parser.add_argument("--stop-timeout", type=float, default=10.0)
    parser.add_argument("--flatten-only", action="store_true")
    parser.add_argument("--quote-every", type=float, default=0.01, help="seconds")
    parser.add_argument("--min-free-mib", type=float, default=0.0)
    parser.add_argument("--segment-bytes", type=int, default=SEGMENT_BYTES)
    options = parser.parse_args()
    paths = DeskPaths(options.root, options.desk)
    recovery.JournalWriter = functools.partial(JournalWriter, segment_bytes=options.segment_bytes)  # type: ignore[misc,assignment]

    def venue(clock: VenueClock, _own_prefix: OwnPrefix) -> FileVenue:
        exchange = FileExchange(options.exchange)
        return FileVenue(
            exchange,
            clock,
            journal=paths.journal,
            mode=options.mode,
            every_s=options.quote_every,
            account=options.account,
        )

    chosen = profile(
        client_id=options.client_id, stop_timeout_s=options.stop_timeout, min_free_mib=options.min_free_mib
    )
    return run_daemon(
        profile=chosen,
        profile_hash="0" * 64,
        version="test",
        paths=paths,
        core=Core(chosen, EagerStrategy(options.hedges)),
        venue_factory=venue,
        clock=WallClock(),
        flatten_only=options.flatten_only,
    )


if __name__ == "__main__":
    sys.exit(main())
