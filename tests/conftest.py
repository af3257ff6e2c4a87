"""What goes for every test: a quick collection, and which tests get a second try, and why.

Tests that start processes, open sockets or drive a browser share the machine with whatever else runs on it, and a
machine that stands still for some seconds fails them without any fault of the product. Such a test is tried once more.
A second failure counts, a run has few second tries to give (`pyproject.toml`), and each one is listed with its failure
at the end, so that none goes unseen. Pure tests get none, nor does anything under `--nightly`, where the long versions
look for rare failures.
"""

import contextlib
import importlib
from pathlib import Path

import pytest

WITH_PROCESSES = frozenset({"acceptance", "cli", "cockpit", "faults", "runtime", "simulator", "venues_ib"})
TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """In a whole run, each worker imports its share of the test modules before it collects them all.

    Every worker imports every module, and the first time most of that is the rewriting of asserts, which pytest keeps
    on disk. Begun at the same module, all would rewrite all of them, side by side. What cannot be imported is told
    where it is collected.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args != session.config.getini("testpaths"):
        return
    first, step = int(worker["workerid"].removeprefix("gw")), worker["workercount"]
    for path in sorted(TESTS.rglob("test_*.py"))[first::step]:
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what may be tried twice."""
    if config.getoption("markexpr", "") != "not nightly":
        return
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in WITH_PROCESSES:
            item.add_marker(pytest.mark.flaky(reruns=1))
