"""Trials on a Dask cluster: the same function, wherever a worker runs it.

The cluster's workers need this program (the same version) on their path, and the data under the same names. Both are
asked of every worker before the first trial. Trials are never retried: a worker that dies gives its trial a problem,
as a process of this machine does.

`distributed` takes a second to import: this module is imported by who names a scheduler, and by nobody else. A client
opens no dashboard and sends no telemetry.
"""

import queue
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from distributed import Client

from config.schema import Profile
from config.version import version
from daemon.backtest.sweep.jobs import Job, StrategyOf, run_job, try_data
from daemon.backtest.sweep.pool import PoolError
from state.runs.records import Trial

CONNECT_WITHIN_S = 20.0


class ClusterPool:
    """Implements `pool.Pool` by a scheduler's address. Use as a context manager. Raises PoolError."""

    def __init__(self, scheduler: str, strategy_of: StrategyOf, *, connect_within_s: float | None = None) -> None:
        self._strategy_of = strategy_of
        self._scheduler = scheduler
        self._client = _connected(scheduler, CONNECT_WITHIN_S if connect_within_s is None else connect_within_s)
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._running: dict[str, tuple[Job, Any]] = {}
        self._count = 0
        self.slots = sum(self._client.nthreads().values())
        if self.slots == 0:
            self.close()
            raise PoolError(f"{scheduler} has no workers: start some there (dask worker {scheduler})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self, specs: list[str], profile: Profile, root: Path | None) -> None:
        """Ask every worker for its version of the program and whether it can open the data. Raises PoolError."""
        mine = version()
        for spec in specs:
            try:
                found = self._client.run(_worker_fault, spec, profile, root, mine, on_error="return")
            except Exception as error:
                raise PoolError(f"{self._scheduler}: its workers cannot be asked: {_line(error)}") from error
            for worker, fault in found.items():
                if isinstance(fault, BaseException):
                    raise PoolError(
                        f"worker {worker} cannot run this program ({_line(fault)}): "
                        "start it with this checkout in PYTHONPATH and the same environment"
                    )
                if fault is not None:
                    raise PoolError(f"worker {worker}: {fault}")

    def submit(self, job: Job) -> None:
        """Send it to the scheduler."""
        self._count += 1
        key = f"bifrost-{id(self):x}-{self._count}"
        future = self._client.submit(run_job, job, self._strategy_of, key=key, pure=False, retries=0)
        self._running[key] = (job, future)
        future.add_done_callback(self._ended.put)

    def wait(self, timeout_s: float) -> list[Trial]:
        """What has ended."""
        ended = []
        with suppress(queue.Empty):
            ended.append(self._ended.get(timeout=timeout_s))
            while True:
                ended.append(self._ended.get_nowait())
        if not ended and self._running and self._client.status != "running":
            raise PoolError(f"{self._scheduler} is gone; what came is kept: go on with --resume once it is back")
        trials = []
        for future in ended:
            job, _ = self._running.pop(future.key)
            try:
                trials.append(future.result())
            except Exception as error:  # noqa: BLE001 whatever the cluster says of a trial is that trial's problem
                trials.append(job.failed(f"the cluster gave it up: {_line(error)}"))
        return trials

    def close(self) -> None:
        """Take back what still waits there and leave."""
        futures = [future for _, future in self._running.values()]
        with suppress(Exception):  # the scheduler may be gone: then there is nothing to take back
            if futures:
                self._client.cancel(futures, force=True)
            self._client.close(timeout=5)
        self._running = {}


_ADDRESS = re.compile(r"[a-z]+://[^\s/]+:(\d{1,5})")


def _connected(scheduler: str, within_s: float) -> Any:
    """A client; `distributed` has no types."""
    address = _ADDRESS.fullmatch(scheduler)
    if address is None or not 0 < int(address[1]) < 65536:
        # Asked with such an address, the client raises, and then waits 40 s to say so again as a traceback.
        raise PoolError(
            f"{scheduler!r} is no scheduler's address: write tcp://HOST:PORT, as `dask scheduler` prints it"
        )
    client_type: Any = Client
    try:
        return client_type(scheduler, timeout=within_s, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise PoolError(
            f"{scheduler}: no Dask scheduler answers ({_line(error)}); start one (dask scheduler) or name another"
        ) from error


def _worker_fault(spec: str, profile: Profile, root: Path | None, wanted: str) -> str | None:
    """Runs on a worker: why it cannot take part, or None."""
    mine = version()
    if mine != wanted:
        return f"it has version {mine} of this program, the sweep {wanted}: use one checkout for both"
    return try_data(spec, profile, root)


def _line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
