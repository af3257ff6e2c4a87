"""The cockpit's edge to the machine's clock: ages, receipts and command notes need the wall's time."""

import time


def wall_us() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000  # noqa: TID251 - the cockpit is an edge: it judges how old the files are


def monotonic_s() -> float:
    """Seconds on a clock that only goes forward: for intervals, never for a time that is shown."""
    return time.monotonic()
