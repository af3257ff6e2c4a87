"""How the kernel is compiled and kept, and the proof that this machine's compiled mathematics are the interpreter's.

The machine code is kept in the user's cache folder, never beside the sources: under a name made of the sources of
everything compiled, so that no old code outlives a change. Where that folder cannot be written, each process compiles
anew.
"""

import hashlib
import math
import random
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import platformdirs

_SOURCES = ("core/*.py", "strategies/gamma_scalper/*.py", "backtest/leap/*.py")
_SAMPLES = 4000
KEPT = 6
"""So many versions of the compiled code are kept, some megabytes each."""
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
"""A division by zero gives what floats give. Nothing is allocated and every array belongs to the caller: counting
references, at each array that a function is handed, would double the time of a tick."""
_CACHE_KEY = "CACHE_DIR"
"""Numba asks for it once for each function, when that is decorated."""


@cache
def cache_folder() -> Path | None:
    """Where compiled code of exactly these sources is kept; None where nothing can be written."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256(f"numba {numba.__version__}".encode())
    for pattern in _SOURCES:
        for path in sorted(root.glob(pattern)):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    folder = Path(platformdirs.user_cache_dir("bifrost", appauthor=False)) / "leap" / digest.hexdigest()[:24]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
        _forget_old(folder)
    except OSError:
        return None
    return folder


def _forget_old(folder: Path) -> None:
    """Remove what was compiled of other sources long ago: all but the newest folders."""
    others = sorted((each for each in folder.parent.iterdir() if each != folder), key=lambda each: each.stat().st_mtime)
    for old in others[: -KEPT + 1]:
        shutil.rmtree(old, ignore_errors=True)


def compiled(function: Callable[..., Any], **names: Any) -> Any:
    """The function compiled for floats and integers as they are: no reordering, no contraction.

    `names` are compiled functions that it finds in place of the module's own of that name.
    """
    if names:
        made = FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__)
        made.__module__, made.__qualname__ = function.__module__, function.__qualname__
        function = made
    folder = cache_folder()
    if folder is None:
        return numba.njit(function, **_OPTIONS)
    before = getattr(numba.config, _CACHE_KEY)
    setattr(numba.config, _CACHE_KEY, str(folder))
    try:
        return numba.njit(function, cache=True, **_OPTIONS)
    finally:
        setattr(numba.config, _CACHE_KEY, before)


def _elementary(x: float, y: float) -> tuple[float, float, float, float]:
    return math.log(x), math.exp(-y * y), math.erfc(y), math.sqrt(x)


@cache
def computes_alike() -> bool:
    """Whether log, exp, erfc and square root give the same bits compiled and interpreted, on this machine.

    Several thousand arguments over the whole range that prices and times lead to.
    """
    run = compiled(_elementary)
    source = random.Random(1)  # noqa: S311 -- arguments of a test
    for _ in range(_SAMPLES):
        x, y = math.exp(source.uniform(-40.0, 40.0)), source.uniform(-27.0, 27.0)
        if run(x, y) != _elementary(x, y):
            return False
    return True
