"""The system's tracer, where there is one; and a place for thousands of small trees."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.runtime.locks import RUN_DIR_VARIABLE
from tests.support.memory import folder_in_memory


@pytest.fixture(scope="session")
def strace() -> str:
    """The path of strace. Skips where it is missing, or where this process may not trace another."""
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed (Debian: apt-get install strace)")
    tried = subprocess.run(
        [path, "-f", "-qq", "-e", "trace=write", "-e", "inject=write:delay_enter=1:when=1", "true"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if tried.returncode != 0:
        pytest.skip(f"strace may not trace here: {tried.stderr.strip()[:200]}")
    return path


@pytest.fixture(autouse=True)
def _own_run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of a desk in this process lie beside it, never among the developer's own."""
    monkeypatch.setenv(RUN_DIR_VARIABLE, str(tmp_path / "run"))


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory: thousands of small trees need no disk, and syncs are not executed anyway."""
    with folder_in_memory(tmp_path) as folder:
        yield folder
