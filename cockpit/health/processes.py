"""The processes behind a desk: which of them run, since when, and what they take from this machine."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec
import psutil

from state.layout import DeskPaths
from state.lock_holder import DAEMON_LOCK, SUPERVISOR_LOCK, can_tell, holder_pid
from state.records import Snapshot

Kind = Literal["daemon", "supervisor", "simulator", "cockpit"]
KINDS: Final[tuple[Kind, ...]] = ("daemon", "supervisor", "simulator", "cockpit")
State = Literal["running", "missing", "unneeded", "unknown"]
_KEPT: Final = 64
"""Processes whose time is measured at most; the oldest is forgotten first."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one process takes. `cpu_pct` is of one core, since the last look; None at the first."""

    started_us: int
    memory_bytes: int
    cpu_pct: float | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One process, or that there is none."""

    kind: Kind
    state: State
    pid: int | None = None
    usage: Usage | None = None
    version: str | None = None


class Meter:
    """Measures processes by pid, again and again. The one rule: one caller at a time."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}

    def measure(self, pid: int) -> Usage | None:
        """What the process takes; None where it is gone or may not be asked."""
        known = self._known.get(pid)
        try:
            is_first = known is None or not known.is_running()
            process = psutil.Process(pid) if known is None or is_first else known
            with process.oneshot():
                # The first call only begins the measurement; what it returns means nothing.
                cpu_pct = process.cpu_percent(interval=None)
                usage = Usage(
                    started_us=int(process.create_time() * 1e6),
                    memory_bytes=process.memory_info().rss,
                    cpu_pct=None if is_first else cpu_pct,
                )
        except (psutil.Error, OSError):
            self._known.pop(pid, None)
            return None
        self._known[pid] = process
        while len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return usage


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beforehand: this process and its version, whether the desk has a simulator, and which that is."""

    own_pid: int
    own_version: str
    has_simulator: bool
    simulator_pid: int | None = None


def look_for(
    paths: DeskPaths, snapshot: Snapshot | None, here: Whereabouts, measure: Callable[[int], Usage | None]
) -> tuple[Found, ...]:
    """Each kind of process once, in the order in which they matter."""
    pids: Mapping[Kind, int | None] = {
        "daemon": _daemon_pid(paths, snapshot),
        "supervisor": holder_pid(paths.folder / SUPERVISOR_LOCK),
        "simulator": here.simulator_pid if here.has_simulator else None,
        "cockpit": here.own_pid,
    }
    # A bot of somebody else's never took our lock: then nothing of ours is missing.
    is_foreign = snapshot is not None and not (paths.folder / DAEMON_LOCK).exists()
    versions = {"daemon": None if snapshot is None else snapshot.version, "cockpit": here.own_version}
    found = []
    for kind in KINDS:
        pid = pids[kind]
        usage = None if pid is None else measure(pid)
        found.append(
            Found(
                kind=kind,
                state=_state(kind, pid, usage, here, is_foreign=is_foreign),
                pid=pid,
                usage=usage,
                version=versions.get(kind) if pid is not None else None,
            )
        )
    return tuple(found)


def _state(kind: Kind, pid: int | None, usage: Usage | None, here: Whereabouts, *, is_foreign: bool) -> State:
    if pid is not None:
        return "running" if usage is not None else "unknown"
    if kind == "simulator":
        return "missing" if here.has_simulator and not is_foreign else "unneeded"
    if is_foreign:
        return "unknown" if kind == "daemon" else "unneeded"
    return "missing" if can_tell() else "unknown"


def _daemon_pid(paths: DeskPaths, snapshot: Snapshot | None) -> int | None:
    """The holder of the desk's lock. A bot of somebody else's takes no lock: its own word counts while it lives."""
    lock = paths.folder / DAEMON_LOCK
    pid = holder_pid(lock)
    if pid is not None or lock.exists() or snapshot is None or snapshot.daemon_state == "stopped":
        return pid
    return snapshot.pid if psutil.pid_exists(snapshot.pid) else None


def simulator_pid(folder: Path) -> int | None:
    """The process that listens where the desk's simulator said it would; None where none does, or it may not be seen.

    Looks through this user's processes: not for every second.
    """
    try:
        port = int((folder / "port").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    try:
        listening = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return None
    found = (each.pid for each in listening if each.status == psutil.CONN_LISTEN and port in each.laddr)
    return next((pid for pid in found if pid), None)
