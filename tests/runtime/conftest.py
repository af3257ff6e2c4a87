"""Shared places: a run directory of its own for every test, a desk's folders."""

from pathlib import Path

import pytest

from state.layout import DeskPaths


@pytest.fixture(autouse=True)
def run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    monkeypatch.setenv("BIFROST_RUN_DIR", str(folder))
    return folder


@pytest.fixture
def paths(tmp_path: Path) -> DeskPaths:
    desk = DeskPaths(tmp_path / "var", "eager")
    desk.create()
    return desk
