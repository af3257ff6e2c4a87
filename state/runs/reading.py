"""What lies under `_backtests/` and `_sweeps/`, for commands and pages: each run with how it stands.

Whatever a folder holds, it becomes a row that says what is wrong with it; nothing here raises for a file's content.
"""

from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from state.runs.files import PROGRESS_BYTES, SUMMARY_BYTES, UnreadableError, read_small
from state.runs.folder import BACKTESTS, SWEEPS, BacktestPaths, SweepPaths, run_ids
from state.runs.living import Look, is_alive, process_of
from state.runs.records import SCHEMA_VERSION, Progress, Summary, SweepPlan
from state.undecodable import UNDECODABLE

Standing = Literal["running", "finished", "interrupted", "failed", "damaged"]
STANDINGS: Final[tuple[Standing, ...]] = ("running", "finished", "interrupted", "failed", "damaged")
Record = TypeVar("Record", Summary, SweepPlan, Progress)


class RunLook(msgspec.Struct, frozen=True, kw_only=True):
    """One run as its folder tells it.

    `trouble` is a code (process_gone, empty, missing, foreign, too_large, unreadable, undecodable, newer) and `detail`
    its line; None where all is well. `summary` is a backtest's, `plan` a sweep's.
    """

    run_id: str
    kind: Literal["backtest", "sweep"]
    standing: Standing
    summary: Summary | None = None
    plan: SweepPlan | None = None
    progress: Progress | None = None
    trouble: str | None = None
    detail: str = ""

    @property
    def created_ts(self) -> str:
        """When it was started, as its files say; empty where they do not."""
        if self.summary is not None:
            return self.summary.created_ts
        if self.plan is not None:
            return self.plan.created_ts
        return "" if self.progress is None else self.progress.started_ts

    @property
    def title(self) -> str:
        """Its title, or its name where it has none."""
        told = self.summary if self.summary is not None else self.plan
        return (told.title if told is not None else "") or self.run_id


def list_backtests(root: Path, look: Look = process_of) -> tuple[RunLook, ...]:
    """Every backtest under a root, newest first."""
    return newest_first(
        [look_at_backtest(BacktestPaths(root / BACKTESTS / each), look) for each in ids(root, BACKTESTS)]
    )


def list_sweeps(root: Path, look: Look = process_of) -> tuple[RunLook, ...]:
    """Every sweep under a root, newest first."""
    return newest_first([look_at_sweep(SweepPaths(root / SWEEPS / each), look) for each in ids(root, SWEEPS)])


def ids(root: Path, kind: str) -> tuple[str, ...]:
    """The names of the runs; none where the folder cannot be read."""
    try:
        return run_ids(root, kind)
    except OSError:
        return ()


def newest_first(found: list[RunLook]) -> tuple[RunLook, ...]:
    """By the time of their start; those that tell none come last, by name."""
    return tuple(sorted(found, key=lambda run: (run.created_ts, run.run_id), reverse=True))


def look_at_backtest(paths: BacktestPaths, look: Look = process_of) -> RunLook:
    """One backtest. Its summary, once written, has the last word; before that its progress has."""
    progress = read_progress(paths.progress)
    try:
        summary = decode(paths.summary, SUMMARY_BYTES, Summary)
    except UnreadableError as error:
        if error.code == "missing":
            return _by_progress(paths.run_id, "backtest", progress, look)
        return RunLook(
            run_id=paths.run_id, kind="backtest", standing="damaged", progress=progress, trouble=error.code,
            detail=str(error),
        )  # fmt: skip
    if summary.status == "running":
        found = _by_progress(paths.run_id, "backtest", progress, look)
        return msgspec.structs.replace(found, summary=summary)
    return RunLook(
        run_id=paths.run_id, kind="backtest", standing=summary.status, summary=summary, progress=progress,
        detail=summary.problem or "", trouble=_newer(summary.schema),
    )  # fmt: skip


def look_at_sweep(paths: SweepPaths, look: Look = process_of) -> RunLook:
    """One sweep. What it searches stands in its plan, how it stands in its progress."""
    progress = read_progress(paths.progress)
    try:
        plan = decode(paths.plan, SUMMARY_BYTES, SweepPlan)
    except UnreadableError as error:
        found = _by_progress(paths.run_id, "sweep", progress, look)
        if error.code == "missing" and found.standing == "running":
            return found
        return msgspec.structs.replace(found, standing="damaged", trouble=error.code, detail=str(error))
    if progress is None:  # killed between its plan and its first word
        return RunLook(run_id=paths.run_id, kind="sweep", standing="interrupted", plan=plan, trouble="process_gone")
    found = _by_progress(paths.run_id, "sweep", progress, look)
    return msgspec.structs.replace(found, plan=plan, trouble=found.trouble or _newer(plan.schema))


def read_progress(path: Path) -> Progress | None:
    """The last word of a run under way; None where there is none that can be read."""
    try:
        return decode(path, PROGRESS_BYTES, Progress)
    except UnreadableError:
        return None


def decode(path: Path, most_bytes: int, kind: type[Record]) -> Record:
    """One record. Raises UnreadableError."""
    try:
        return msgspec.json.decode(read_small(path, most_bytes), type=kind)
    except UNDECODABLE as error:
        raise UnreadableError("undecodable", f"{path.name}: {error}"[:300]) from error


def _by_progress(run_id: str, kind: Literal["backtest", "sweep"], progress: Progress | None, look: Look) -> RunLook:
    if progress is None:
        return RunLook(run_id=run_id, kind=kind, standing="damaged", trouble="empty")
    if progress.status == "running" and not is_alive(progress, look):
        return RunLook(run_id=run_id, kind=kind, standing="interrupted", progress=progress, trouble="process_gone")
    return RunLook(run_id=run_id, kind=kind, standing=progress.status, progress=progress)


def _newer(schema: int) -> str | None:
    return "newer" if schema > SCHEMA_VERSION else None
