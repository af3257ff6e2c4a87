"""One backtest: a profile, a strategy, a feed and a model of the venue in; tables and a summary out.

Nothing here decides anything: the core does, stepped by the player. A run that came to nothing says so: its status is
`failed`, its figures are None, and `problem` is the one line that tells why.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from config.keys import settings_of
from config.loader import LoadedProfile
from config.schema import Profile
from config.version import version
from daemon.backtest.assembly import assemble
from daemon.backtest.feeds.feed import Feed
from daemon.backtest.leap.opening import Leaps, columnar
from daemon.backtest.player import Player
from daemon.backtest.recorder import Recorder
from daemon.backtest.results import day_rows, figures_of, what_was_odd
from daemon.backtest.run_folder import RunFolder, RunFolderError, wall_us
from daemon.backtest.schemas import DECISIONS
from daemon.backtest.settlement import Settlement
from daemon.core.strategy import Strategy
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.model import Market
from state.runs.folder import BacktestPaths
from state.runs.records import (
    SCHEMA_VERSION,
    DataInfo,
    Finding,
    MarketReached,
    ProfileInfo,
    Status,
    Summary,
    VenueModel,
)
from state.times import iso_from_us

IN_MEMORY = "memory"
"""The run id of a run that leaves no folder."""
_LOOK_EVERY = 256
"""Steps of the core between two looks at the clock."""
_TELL_EVERY_S = 0.5

ProgressCall = Callable[[float, str], None]


class Result:
    """What a run left: the summary and its three tables (docs/backtest.md tells their columns)."""

    def __init__(
        self, summary: Summary, *, equity: pa.Table, fills: pa.Table, decisions: pa.Table | BacktestPaths
    ) -> None:
        self.summary = summary
        self.equity = equity
        self.fills = fills
        self._decisions = decisions

    @property
    def decisions(self) -> pa.Table:
        """One row for each decision moment; of a run with a folder, read from there."""
        if isinstance(self._decisions, BacktestPaths):
            self._decisions = pq.read_table(self._decisions.decisions)
        return self._decisions


def run_backtest(
    profile: LoadedProfile,
    strategy_of: Callable[[Profile], Strategy],
    feed: Feed,
    *,
    model: VenueModel,
    out: BacktestPaths | None,
    overrides: Mapping[str, Any] | None = None,
    title: str = "",
    progress: ProgressCall | None = None,
    fast: bool = True,
    keep_decisions: bool = True,
) -> Result:
    """Play the feed to its end.

    Args:
        profile: whose decisions; `overrides` are already in it and only told in the summary.
        strategy_of: makes the strategy of a profile.
        feed: the prices.
        model: how the simulated venue fills.
        out: the run's folder; None keeps everything in memory and writes nothing.
        overrides: dotted key -> value, where the profile differs from its file.
        title: for people.
        progress: called with (0 to 1, a line) at most twice a second.
        fast: allow compiled stretches between decisions; what is decided is the same.
        keep_decisions: False drops the decision table of a run without a folder as it grows (150 MB for a million
            moments); `Result.decisions` is then empty.

    Returns:
        The result; an interrupted (Ctrl-C) or failed run has one too, and its `summary.status` says so.

    Raises:
        RunFolderError: the folder cannot be written or is another run's.
    """
    run = _Run(profile, feed, model=model, out=out, overrides=overrides, title=title, progress=progress)
    if out is None and not keep_decisions:
        run.drop_decisions()
    return run.play(strategy_of, fast=fast)


class _UnplayableError(Exception):
    """The profile cannot be played over this feed."""


class _Run:
    """One call of `run_backtest`."""

    def __init__(
        self,
        profile: LoadedProfile,
        feed: Feed,
        *,
        model: VenueModel,
        out: BacktestPaths | None,
        overrides: Mapping[str, Any] | None,
        title: str,
        progress: ProgressCall | None,
    ) -> None:
        self._profile = profile
        self._feed = feed
        self._model = model
        self._overrides = dict(overrides or {})
        self._title = title
        self._progress = progress
        self._folder = None if out is None else RunFolder(out)
        self._batches: list[pa.RecordBatch] = []
        self._recorder = Recorder(self._batches.append if self._folder is None else self._folder.take)
        self._created_us = wall_us()
        self._started_s = self._told_s = time.monotonic()
        self._steps = 0
        self._path: Literal["core", "leap"] = "core"
        self._slow: Finding | None = None
        """Why this machine cannot leap, where it is the reason."""
        self._settlement = Settlement()

    def drop_decisions(self) -> None:
        self._recorder = Recorder(lambda _: None)

    def play(self, strategy_of: Callable[[Profile], Strategy], *, fast: bool) -> Result:
        if self._folder is not None:
            self._folder.begin(self._feed.description)
        status: Status = "finished"
        problem: str | None = None
        try:
            market = columnar(self._feed.market) if fast else None
            player = self._assembled(strategy_of, market)
            self._advance(player, None if market is None else Leaps(player, market, self._model, self._recorder))
        except KeyboardInterrupt:
            status = "interrupted"
        except (FeedError, _UnplayableError) as error:
            status, problem = "failed", " ".join(str(error).split())
        except BaseException as error:
            self._give_up(error)
            raise
        try:
            return self._end(status, problem)
        except RunFolderError as error:
            self._give_up(error)
            raise

    def _give_up(self, error: BaseException) -> None:
        """Nothing half written stays, which may also be what a full disk needs to take the last word."""
        if self._folder is None:
            return
        self._folder.abandon()
        text = str(error) if isinstance(error, RunFolderError) else "ended by an error of the program"
        with suppress(RunFolderError):
            self._folder.tell(0.0, text, status="failed")

    def _assembled(self, strategy_of: Callable[[Profile], Strategy], market: Market | None) -> Player:
        profile = self._profile.profile
        strategy = strategy_of(profile)
        try:
            return assemble(profile, strategy, self._feed, self._recorder, model=self._model, market=market)
        except ValueError as error:
            raise _UnplayableError(str(error)) from error

    def _advance(self, player: Player, leaps: Leaps | None) -> None:
        if not player.start():
            return
        self._steps = 1
        self._settlement.look(player)
        looked = 0
        while True:
            if leaps is not None and (leapt := leaps.leap()):
                self._path = "leap"
                self._steps += leapt
            if not player.advance():
                self._slow = None if leaps is None else leaps.finding
                return
            self._settlement.look(player)
            self._steps += 1
            looked += 1
            if not looked % _LOOK_EVERY:
                self._tell()

    def _tell(self) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s < _TELL_EVERY_S:
            return
        self._told_s = now_s
        done, text = self._feed.done(), self._text()
        if self._folder is not None:
            self._folder.tell(done, text, reached=self._reached())
        if self._progress is not None:
            self._progress(done, text)

    def _reached(self) -> MarketReached | None:
        book = self._recorder.book
        return None if book is None else MarketReached(ts=iso_from_us(book.ts_us), hedges=self._recorder.hedges)

    def _text(self) -> str:
        reached = self._reached()
        if reached is None:
            return self._feed.description
        return f"{reached.ts[:16].replace('T', ' ')}, {reached.hedges} hedges"

    def _end(self, status: Status, problem: str | None) -> Result:
        recorder = self._recorder
        recorder.finish()
        figures = None if status == "failed" else figures_of(recorder)
        if status == "finished" and (problem := self._emptiness(has_figures=figures is not None)) is not None:
            status, figures = "failed", None
        what_was_odd(recorder)
        summary = Summary(
            schema=SCHEMA_VERSION,
            run_id=IN_MEMORY if self._folder is None else self._folder.paths.run_id,
            status=status,
            title=self._title,
            created_ts=iso_from_us(self._created_us),
            version=version(),
            profile=ProfileInfo(
                name=self._profile.profile.name,
                hash=self._profile.hash,
                path=str(self._profile.path),
                overrides=self._overrides,
                settings=settings_of(self._profile.profile),
            ),
            data=self._data(),
            venue=self._model,
            figures=figures,
            decisions=recorder.exposure.moments,
            needed=recorder.exposure.needed,
            hedged=recorder.exposure.hedged,
            refused=dict(recorder.exposure.refused.most_common()),
            new_refusals=dict(recorder.new_refusals.most_common()),
            days=day_rows(recorder),
            findings=(
                *self._feed.findings(),
                *self._settlement.findings(),
                *recorder.oddities.findings(),
                *(() if self._slow is None else (self._slow,)),
            ),
            seconds=round(time.monotonic() - self._started_s, 3),
            path=self._path,
            problem=problem,
        )
        equity, fills = recorder.equity.table(), recorder.orders.fills.table()
        recorder.equity.rows.clear()
        if self._folder is not None:
            self._folder.end(summary, equity, fills, self._text(), reached=self._reached())
            return Result(summary, equity=equity, fills=fills, decisions=self._folder.paths)
        decisions = pa.Table.from_batches(self._batches, schema=DECISIONS)
        self._batches.clear()  # player and venue know each other: what they hold lives until the collector comes by
        return Result(summary, equity=equity, fills=fills, decisions=decisions)

    def _data(self) -> DataInfo:
        feed, recorder = self._feed, self._recorder
        book, first_us = recorder.book, recorder.first_us
        return DataInfo(
            spec=feed.spec,
            description=feed.description,
            hash=feed.data_hash,
            sessions=len(recorder.closed.parts),
            steps=self._steps,
            events=recorder.events,
            first_ts=None if first_us is None else iso_from_us(first_us),
            last_ts=None if book is None else iso_from_us(book.ts_us),
        )

    def _emptiness(self, *, has_figures: bool) -> str | None:
        """Why a run that ended by itself came to nothing; None where it did not."""
        spec = self._feed.spec
        if self._steps == 0:
            return f"{spec}: the data has no moment to play; choose other days, or see what `findings` says of it"
        if self._recorder.book is None or not self._recorder.book.ledger.day:
            return f"{spec}: nothing could be decided in {self._steps} moments of the market: no session was open in it"
        if not has_figures:
            legs = ", ".join(self._recorder.unpriced()) or "the positions"
            return f"{spec}: {legs} never had a price, so nothing can be said; see --position and the profile's legs"
        return None
