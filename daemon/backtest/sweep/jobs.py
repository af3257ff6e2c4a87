"""One trial: what a worker is given, and what it gives back. The same function runs here or on a cluster.

Everything travels by value: the profile with the cell's keys in it, the model, the name of the data. Only the data
itself is read where the trial runs.
"""

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from config.loader import LoadedProfile
from config.schema import Profile
from daemon.backtest.feeds.feed import Feed
from daemon.backtest.feeds.opening import open_feed
from daemon.backtest.run import run_backtest
from daemon.core.strategy import Strategy
from daemon.venues.feeds.errors import FeedError
from state.runs.objectives import objective_of
from state.runs.records import Summary, Trial, VenueModel

StrategyOf = Callable[[Profile], Strategy]
NOT_COMPARED = ("halted", "core_left", "position_unexplained", "no_net_delta", "never_hedged")
"""Findings of a run that hedged no more before its data ended, or never did though it wanted to."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One cell on one stretch of data."""

    number: int
    fold: int | None
    sample: Literal["all", "in", "out"]
    params: dict[str, Any]
    spec: str
    """Of the stretch, with absolute folders."""
    base: Profile
    """Opens the data: every cell is played on the market of the profile as it was, whatever the cell changes."""
    cell: LoadedProfile
    """Decides."""
    model: VenueModel
    objective: str
    root: Path | None
    """The state folder, for data that lies in it."""
    data_hash: str | None = None
    """What the stretch must hash to, once any trial has told it."""

    def failed(self, problem: str, seconds: float = 0.0) -> Trial:
        """The trial that did not come about."""
        return Trial(
            number=self.number, fold=self.fold, sample=self.sample, params=self.params, objective=None, figures=None,
            seconds=seconds, problem=problem,
        )  # fmt: skip


def run_job(job: Job, strategy_of: StrategyOf) -> Trial:
    """Play it. Never raises for what the data, the profile or the program did: that is the trial's `problem`."""
    started_s = time.monotonic()
    try:
        return _played(job, strategy_of, started_s)
    except FeedError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 one cell's fault must not end the other cells
        problem = f"{type(error).__name__}: {error}"
    return job.failed(" ".join(problem.split()), round(time.monotonic() - started_s, 3))


def try_data(spec: str, profile: Profile, root: Path | None) -> str | None:
    """Whether this process can open the data: None, or why not in one line."""
    try:
        open_feed(spec, profile, base=Path.cwd(), root=root)
    except FeedError as error:
        return str(error)
    return None


def _played(job: Job, strategy_of: StrategyOf, started_s: float) -> Trial:
    key = (job.spec, str(job.root), msgspec.json.encode(job.base))
    feed = _FEEDS.take(key)
    if feed is None:
        feed = open_feed(job.spec, job.base, base=Path.cwd(), root=job.root)
    result = run_backtest(
        job.cell, strategy_of, feed, model=job.model, out=None, overrides=job.params, keep_decisions=False
    )
    summary = result.summary
    if summary.status != "finished":
        return job.failed(summary.problem or summary.status, summary.seconds)
    if job.data_hash is not None and summary.data.hash != job.data_hash:
        return job.failed(
            f"{job.spec}: the data here is not what earlier trials read "
            f"(hash {summary.data.hash[:12]}, was {job.data_hash[:12]}); start a new sweep",
            summary.seconds,
        )
    _FEEDS.give_back(key, feed)
    objective, problem = _compared(summary, job)
    return Trial(
        number=job.number,
        fold=job.fold,
        sample=job.sample,
        params=job.params,
        objective=objective,
        figures=summary.figures,
        refused=summary.refused,
        seconds=round(time.monotonic() - started_s, 3),
        problem=problem,
        data_hash=summary.data.hash,
    )


def _compared(summary: Summary, job: Job) -> tuple[float | None, str | None]:
    """The number by which the cell is compared, and why there is none.

    What a desk earns that does not hedge, though it would, is the market's and not the cell's: with luck more than any
    cell that hedges, and it must not be chosen. Out of sample nothing is chosen, and what following the choice came to
    is told whatever it did.
    """
    if job.sample != "out":
        unlike = next((each.text for each in summary.findings if each.code in NOT_COMPARED), None)
        if unlike is None and summary.hedged > 0 and summary.figures is not None and summary.figures.hedges == 0:
            unlike = f"{summary.hedged} hedges were sent and none was filled"
        if unlike is not None:
            return None, f"not compared: {unlike}"
    objective = objective_of(summary.figures, job.objective)
    if objective is None or not math.isfinite(objective):
        days = 0 if summary.figures is None else summary.figures.days
        return None, f"{job.objective} cannot be said of {days} days"
    return objective, None


class _OpenFeeds:
    """The last few feeds of this process, rewound. A feed in use is not here: a cluster's workers run threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._feeds: list[tuple[tuple[Any, ...], Feed]] = []

    def take(self, key: tuple[Any, ...]) -> Feed | None:
        """The feed, now the caller's alone; None where there is none."""
        with self._lock:
            place = next((at for at, (known, _) in enumerate(self._feeds) if known == key), None)
            return None if place is None else self._feeds.pop(place)[1]

    def give_back(self, key: tuple[Any, ...], feed: Feed) -> None:
        """Whole and played to its end: for the next trial on the same stretch."""
        feed.rewind()
        with self._lock:
            self._feeds.append((key, feed))
            del self._feeds[: -self._most]


_FEEDS = _OpenFeeds(8)
