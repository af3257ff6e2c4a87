"""Which tests get a second try, and why.

Tests that start processes, open sockets or drive a browser share the machine with whatever else runs on it, and a
machine that stands still for some seconds fails them without any fault of the product. Such a test is tried once more.
A second failure counts, a run has few second tries to give (`pyproject.toml`), and each one is listed with its failure
at the end, so that none goes unseen. Pure tests get none, nor does anything under `--nightly`, where the long versions
look for rare failures.
"""

from pathlib import Path

import pytest

WITH_PROCESSES = frozenset({"acceptance", "cli", "cockpit", "faults", "runtime", "simulator", "venues_ib"})
TESTS = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what may be tried twice."""
    if config.getoption("markexpr", "") != "not nightly":
        return
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in WITH_PROCESSES:
            item.add_marker(pytest.mark.flaky(reruns=1))
