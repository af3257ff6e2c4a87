"""Where the system's tracer is needed, and what happens where there is none."""

import shutil
import subprocess

import pytest


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
