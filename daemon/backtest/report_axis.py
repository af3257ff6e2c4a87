"""The time axis of the report: minutes of open sessions side by side, so that no night is drawn as a long line."""

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.backtest.report_chart import WIDTH
from daemon.backtest.report_words import ZONE

_ZONE = ZoneInfo(ZONE)
_MOST_LABELS = 6
_STEPS_MIN = (5, 10, 15, 30, 60, 120)


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """Places of the minute samples, equally far apart, and what is written under them."""

    times_us: NDArray[np.int64]
    labels: tuple[tuple[float, str], ...]

    def places(self, times_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """Thousandths of the axis for any moments; those of a night lie where it is folded."""
        numbers = np.arange(self.times_us.size, dtype=np.float64)
        if self.times_us.size < 2:
            return np.full(times_us.size, WIDTH / 2)
        found: NDArray[np.float64] = np.interp(times_us, self.times_us, numbers) / (self.times_us.size - 1) * WIDTH
        return found


def open_rows(
    times_us: NDArray[np.int64], moments_us: NDArray[np.int64], sessions: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which of the times lie within a session's first and last decision moment.

    A desk also samples at night, when nothing moves; `sessions` numbers each decision moment's session, -1 at night.
    """
    inside = sessions >= 0
    if not inside.any():
        return np.ones(times_us.size, dtype=bool)
    at, codes = moments_us[inside], sessions[inside]
    starts = np.append(0, np.flatnonzero(codes[1:] != codes[:-1]) + 1)
    first, last = at[starts], at[np.append(starts[1:], at.size) - 1]
    place = np.searchsorted(first, times_us, side="right") - 1
    found: NDArray[np.bool_] = (place >= 0) & (times_us <= last[np.maximum(place, 0)])
    return found


def axis_of(times_us: NDArray[np.int64], sessions: NDArray[np.int64], names: list[str]) -> Axis:
    """An axis over samples; `sessions` numbers each sample's session within `names`."""
    plain = Axis(times_us=times_us, labels=())
    if times_us.size < 2:
        return plain
    starts = np.append(0, np.flatnonzero(sessions[1:] != sessions[:-1]) + 1)
    if starts.size > 1:
        labels = _session_labels(starts, [names[code] for code in sessions[starts].tolist()], times_us.size)
    else:
        labels = _clock_labels(plain)
    return Axis(times_us=times_us, labels=labels)


def _session_labels(starts: NDArray[np.int64], days: list[str], samples: int) -> tuple[tuple[float, str], ...]:
    every = max(1, -(-len(days) // _MOST_LABELS))
    return tuple(
        (float(start) / (samples - 1) * WIDTH, day)
        for number, (start, day) in enumerate(zip(starts.tolist(), days, strict=True))
        if number % every == 0
    )


def _clock_labels(axis: Axis) -> tuple[tuple[float, str], ...]:
    first, last = (int(axis.times_us[place]) // 1_000_000 for place in (0, -1))
    step_s = next(
        (step * 60 for step in _STEPS_MIN if (last - first) / (step * 60) <= _MOST_LABELS), _STEPS_MIN[-1] * 60
    )
    at = np.arange(-(-first // step_s) * step_s, last + 1, step_s, dtype=np.int64)
    places = axis.places(at * 1_000_000)
    return tuple((float(place), clock(int(each) * 1_000_000)) for place, each in zip(places, at, strict=True))


def clock(time_us: int) -> str:
    """`10:30` at the exchange."""
    return dt.datetime.fromtimestamp(time_us / 1e6, _ZONE).strftime("%H:%M")


def moment(time_us: int) -> str:
    """`2026-11-21 10:30:05` at the exchange."""
    return dt.datetime.fromtimestamp(time_us / 1e6, _ZONE).strftime("%Y-%m-%d %H:%M:%S")
