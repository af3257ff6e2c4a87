"""The runs under a root, read once and again only when their files change; shared by every page and route.

The one rule: what is asked of a file is kept by the file's identity (modified, inode, size), so a run that is
written anew is read anew.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from cockpit.files_seen import Print, print_of
from state.runs.folder import BACKTESTS, SWEEPS, BacktestPaths, SweepPaths
from state.runs.reading import RunLook, ids, look_at_backtest, look_at_sweep, newest_first

Kind = Literal["backtest", "sweep"]
_FOLDERS: Final = {"backtest": BACKTESTS, "sweep": SWEEPS}
_KEPT: Final = 48
"""Values made of tables: thinned curves, matching rows. Each is at most some hundred kilobytes."""
_Value = TypeVar("_Value")


class RunStore:
    """Of one process. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looks: dict[Path, tuple[tuple[Print, ...], RunLook]] = {}
        self._made: OrderedDict[tuple[Any, ...], tuple[tuple[Print, ...], Any]] = OrderedDict()

    def all(self, root: Path, kind: Kind) -> tuple[RunLook, ...]:
        """Every run of a kind, newest first."""
        folder = root / _FOLDERS[kind]
        found = [self._look(folder / name, kind) for name in ids(root, _FOLDERS[kind])]
        there = {folder / run.run_id for run in found}
        with self._lock:
            for gone in [each for each in self._looks if each.parent == folder and each not in there]:
                del self._looks[gone]
        return newest_first(found)

    def one(self, root: Path, kind: Kind, run_id: str) -> RunLook | None:
        """The run of a name; None where there is no such folder."""
        if run_id not in ids(root, _FOLDERS[kind]):
            return None
        return self._look(root / _FOLDERS[kind] / run_id, kind)

    def made(self, what: tuple[Any, ...], files: tuple[Path, ...], make: Callable[[], _Value]) -> _Value:
        """What `make` gives of these files, kept until one of them changes. What it raises is not kept."""
        prints = tuple(print_of(str(path)) for path in files)
        key = (*what, *files)
        with self._lock:
            known = self._made.get(key)
            if known is not None and known[0] == prints:
                self._made.move_to_end(key)
                value: _Value = known[1]
                return value
        value = make()
        with self._lock:
            self._made[key] = (prints, value)
            self._made.move_to_end(key)
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return value

    def _look(self, folder: Path, kind: Kind) -> RunLook:
        if kind == "backtest":
            paths = BacktestPaths(folder)
            prints = (print_of(str(paths.summary)), print_of(str(paths.progress)))
        else:
            sweep = SweepPaths(folder)
            prints = (print_of(str(sweep.plan)), print_of(str(sweep.progress)))
        with self._lock:
            known = self._looks.get(folder)
        # Whether a running one still lives does not stand in its files.
        if known is not None and known[0] == prints and known[1].standing != "running":
            return known[1]
        found = look_at_backtest(paths) if kind == "backtest" else look_at_sweep(sweep)
        with self._lock:
            self._looks[folder] = (prints, found)
        return found


store = RunStore()
"""Of this process: Streamlit runs its pages in it, each in a thread of its own."""
