"""Core and strategies are pure: their imports stay on a short list, and nothing in them reads a clock."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "dataclasses", "enum", "math", "datetime", "typing", "collections", "collections.abc", "numpy", "scipy.special",
    "msgspec", "config.schema", "state.records", "state.times", "functools", "itertools",
}  # fmt: skip
OURS = ("daemon.core", "daemon.strategies")
PURE = sorted([*(ROOT / "daemon/core").rglob("*.py"), *(ROOT / "daemon/strategies").rglob("*.py")])
PURE += [ROOT / "config/schema.py", ROOT / "state/records.py", ROOT / "state/times.py"]
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pure_module_imports_only_what_is_allowed(path: Path) -> None:
    strange = {name for name in imports(path) if name not in ALLOWED and not name.startswith(OURS)}
    assert not strange


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pure_module_reads_no_clock_and_prints_nothing(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert not (node.attr in CLOCKS and node.value.id in ("datetime", "date", "time")), node.attr
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "open", "input", "exec", "eval")


def test_the_walk_found_the_core() -> None:
    assert len(PURE) > 20
