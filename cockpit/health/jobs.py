"""The long looks that pages have asked for: one at a time for each desk and kind, in processes of their own."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TypeVar

import msgspec

from cockpit.health.job import Failed, Kind, Step
from state.layout import DeskPaths
from state.undecodable import UNDECODABLE

_CHECKOUT = Path(__file__).resolve().parents[2]
_Told = TypeVar("_Told", Step, Failed)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the running look is, and how the last one went wrong, where it did."""

    is_running: bool = False
    step: Step | None = None
    problem: str | None = None


class Jobs:
    """Started by pages, shared by all of them. The one rule: `close` ends them with the cockpit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: dict[tuple[Path, Kind], Progress] = {}
        self._children: dict[tuple[Path, Kind], subprocess.Popen[bytes]] = {}
        self._closed = False

    def start(self, paths: DeskPaths, kind: Kind) -> None:
        """Begin, unless the same look is under way."""
        key = (paths.folder, kind)
        with self._lock:
            if self._closed or key in self._children:
                return
            command = [sys.executable, "-P", "-m", "cockpit.health.job", kind, str(paths.folder)]
            try:
                child = subprocess.Popen(  # noqa: S603 - our own module
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": str(_CHECKOUT)},
                )
            except OSError as error:
                self._progress[key] = Progress(problem=str(error))
                return
            self._children[key] = child
            self._progress[key] = Progress(is_running=True)
        threading.Thread(target=self._follow, args=(key, child), name=f"{kind} of {paths.desk}", daemon=True).start()

    def progress(self, paths: DeskPaths, kind: Kind) -> Progress:
        """How far it is."""
        with self._lock:
            return self._progress.get((paths.folder, kind), Progress())

    def close(self) -> None:
        """End every look; its last outcome stays."""
        with self._lock:
            self._closed = True
            children = list(self._children.values())
        for child in children:
            child.terminate()
        for child in children:
            child.wait()

    def _follow(self, key: tuple[Path, Kind], child: "subprocess.Popen[bytes]") -> None:
        said: str | None = None
        with child:
            for raw in child.stdout or ():
                step, failed = _read(raw, Step), _read(raw, Failed)
                said = said if failed is None else failed.problem
                if step is not None:
                    with self._lock:
                        self._progress[key] = Progress(is_running=True, step=step)
        problem = None if child.returncode == 0 else said or f"ended with code {child.returncode}"
        with self._lock:
            del self._children[key]
            self._progress[key] = Progress(problem=problem)


def _read(raw: bytes, kind: type[_Told]) -> _Told | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNDECODABLE:
        return None


jobs = Jobs()
"""Of this process: Streamlit runs its pages in it, each in a thread of its own."""
