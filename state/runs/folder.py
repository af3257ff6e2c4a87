"""Where runs over history lie: `<root>/_backtests/<run_id>/` and `<root>/_sweeps/<run_id>/`.

    _backtests/<run_id>/  summary.json  decisions.parquet  equity.parquet  fills.parquet  report.html  progress.json
    _sweeps/<run_id>/     sweep.json  results.jsonl  progress.json

`progress.json` is replaced as a whole while a run goes on. A run is finished when `summary.json` (of a sweep:
`progress.json`) says so; a folder without that word, whose process is gone, is an interrupted run.
"""

import re
from dataclasses import dataclass
from pathlib import Path

BACKTESTS = "_backtests"
SWEEPS = "_sweeps"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


class RunNameError(ValueError):
    """A run's name that cannot be a folder of ours."""


def check_run_id(run_id: str) -> str:
    """Give the name back, or raise RunNameError saying what a name may be."""
    if _RUN_ID.fullmatch(run_id) is None:
        raise RunNameError(
            f"run {run_id!r}: a run's name is 1 to 80 of A-Z, a-z, 0-9, -, _ and ., a letter or digit first"
        )
    return run_id


@dataclass(frozen=True)
class BacktestPaths:
    """The folder of one backtest and everything in it."""

    folder: Path

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def summary(self) -> Path:
        """`records.Summary`."""
        return self.folder / "summary.json"

    @property
    def decisions(self) -> Path:
        """One row for each decision moment."""
        return self.folder / "decisions.parquet"

    @property
    def equity(self) -> Path:
        """One row for each minute sample."""
        return self.folder / "equity.parquet"

    @property
    def fills(self) -> Path:
        """One row for each execution."""
        return self.folder / "fills.parquet"

    @property
    def report(self) -> Path:
        """One page that needs nothing else."""
        return self.folder / "report.html"

    @property
    def progress(self) -> Path:
        """`records.Progress`, replaced while the run goes on."""
        return self.folder / "progress.json"


@dataclass(frozen=True)
class SweepPaths:
    """The folder of one sweep and everything in it."""

    folder: Path

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def plan(self) -> Path:
        """`records.SweepPlan`: what is searched, written first."""
        return self.folder / "sweep.json"

    @property
    def results(self) -> Path:
        """`records.Trial`, a line each, appended as they come."""
        return self.folder / "results.jsonl"

    @property
    def progress(self) -> Path:
        """`records.Progress`, replaced while the sweep goes on."""
        return self.folder / "progress.json"


def backtest_paths(root: Path, run_id: str) -> BacktestPaths:
    """The folder of one backtest under a root. Raises RunNameError."""
    return BacktestPaths(root / BACKTESTS / check_run_id(run_id))


def sweep_paths(root: Path, run_id: str) -> SweepPaths:
    """The folder of one sweep under a root. Raises RunNameError."""
    return SweepPaths(root / SWEEPS / check_run_id(run_id))


def run_ids(root: Path, kind: str) -> tuple[str, ...]:
    """The runs under `root/kind`, newest name last; empty where there is no such folder."""
    folder = root / kind
    if not folder.is_dir():
        return ()
    return tuple(sorted(each.name for each in folder.iterdir() if each.is_dir() and _RUN_ID.fullmatch(each.name)))
