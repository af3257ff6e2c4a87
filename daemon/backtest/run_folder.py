"""The folder of one backtest, written so that a reader at any moment sees a whole file or none.

progress.json       first, then replaced at most twice a second while the run goes on
decisions.parquet   grows under a hidden name, a row group at a time, and appears when the run has ended
equity.parquet, fills.parquet
summary.json        last: a folder that has it is complete
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from daemon.backtest.schemas import DECISIONS
from daemon.backtest.tables import ROW_GROUP
from state.atomic import replace_file
from state.runs.folder import BacktestPaths
from state.runs.records import SCHEMA_VERSION, MarketReached, Progress, Status, Summary
from state.times import iso_from_us

PROGRESS_EVERY_S = 0.5


class RunFolderError(Exception):
    """The folder cannot be written, or is another run's; the text says so in one line."""


def wall_us() -> int:
    """The machine's clock: it labels files, and no decision sees it."""
    return time.time_ns() // 1000  # noqa: TID251 -- see above


class RunFolder:
    """The one rule: `begin`, `tell` as it goes on, then `end`. Raises RunFolderError from each of them."""

    def __init__(self, paths: BacktestPaths) -> None:
        self.paths = paths
        self._started_us = wall_us()
        self._started_s = time.monotonic()
        self._told_s = -PROGRESS_EVERY_S
        self._writer: pq.ParquetWriter | None = None
        self._growing = self._temporary(paths.decisions)

    def begin(self, text: str) -> None:
        """Make the folder and say that a run has begun. A folder with another run in it is refused."""
        paths = self.paths
        try:
            paths.folder.mkdir(parents=True, exist_ok=True)
            is_taken = not self._claimed() and self._of_another()
            if is_taken or any(each.exists() for each in (paths.summary, paths.decisions)):
                raise RunFolderError(f"{paths.folder} holds a run already: choose another --name or --out")
        except OSError as error:
            raise RunFolderError(f"cannot write {paths.folder}: {error.strerror or error}") from error
        try:
            self.tell(0.0, text, status="running")
        except RunFolderError:
            self.discard()  # a full disk: the name is free again
            raise

    def tell(self, done: float, text: str, *, status: Status = "running", reached: MarketReached | None = None) -> None:
        """Replace `progress.json`, at most twice a second; an end is always told. `reached`: what `text` says."""
        now_s = time.monotonic()
        if status == "running" and now_s - self._told_s < PROGRESS_EVERY_S:
            return
        self._told_s = now_s
        seconds = now_s - self._started_s
        going = status == "running" and done > 0
        self._replace(
            self.paths.progress,
            Progress(
                schema=SCHEMA_VERSION,
                run_id=self.paths.run_id,
                kind="backtest",
                status=status,
                pid=os.getpid(),
                done=done,
                text=text,
                started_ts=iso_from_us(self._started_us),
                updated_ts=iso_from_us(wall_us()),
                seconds=round(seconds, 3),
                eta_s=round(seconds * (1 - done) / done, 1) if going else None,
                reached=reached,
            ),
        )

    def take(self, batch: pa.RecordBatch) -> None:
        """Append a row group to the decision table."""
        try:
            if self._writer is None:
                self._writer = _writer(self._growing)
            self._writer.write_batch(batch, row_group_size=ROW_GROUP)
        except OSError as error:
            raise RunFolderError(f"cannot write {self._growing}: {error.strerror or error}") from error

    def end(
        self, summary: Summary, equity: pa.Table, fills: pa.Table, text: str, *, reached: MarketReached | None
    ) -> None:
        """Put the tables in place, then the summary."""
        try:
            if self._writer is None:
                self._writer = _writer(self._growing)
            self._writer.close()
            self._growing.replace(self.paths.decisions)
            for table, path in ((equity, self.paths.equity), (fills, self.paths.fills)):
                temporary = self._temporary(path)
                pq.write_table(table, temporary, compression="zstd")
                temporary.replace(path)
        except OSError as error:
            raise RunFolderError(f"cannot write {self.paths.folder}: {error.strerror or error}") from error
        self._replace(self.paths.summary, summary)
        self.tell(1.0 if summary.status == "finished" else 0.0, text, status=summary.status, reached=reached)

    def abandon(self) -> None:
        """Leave nothing half written behind: no table without the summary that tells of it."""
        with suppress(OSError):
            if self._writer is not None:
                self._writer.close()
        tables = (self.paths.decisions, self.paths.equity, self.paths.fills)
        for path in (self._growing, *tables, *(self._temporary(table) for table in tables)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Take a folder away in which nothing but `begin` was written."""
        with suppress(OSError):
            self.paths.progress.unlink(missing_ok=True)
            self.paths.folder.rmdir()

    def _claimed(self) -> bool:
        """Whether the folder was nobody's and is ours now: of two runs that begin at once one alone makes this file."""
        try:
            os.close(os.open(self.paths.progress, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
        except FileExistsError:
            return False
        return True

    def _of_another(self) -> bool:
        try:
            told = msgspec.json.decode(self.paths.progress.read_bytes(), type=Progress)
        except FileNotFoundError:
            return False
        except msgspec.DecodeError:
            return True
        return told.pid != os.getpid()

    @staticmethod
    def _temporary(path: Path) -> Path:
        return path.with_name(f".{path.name}.{os.getpid()}.tmp")

    @staticmethod
    def _replace(path: Path, record: msgspec.Struct) -> None:
        try:
            replace_file(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n", sync=False)
        except OSError as error:
            raise RunFolderError(f"cannot write {path}: {error.strerror or error}") from error


def _writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, DECISIONS, compression="zstd")
