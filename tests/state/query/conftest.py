"""A journal of several segments, asked with the cache in whatever state."""

from pathlib import Path
from typing import Any

import pytest

from state.query import JournalIndex, engine
from state.segments import Segment, list_segments
from tests.support.journal_segments import compress, write_segments


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Five closed segments, one of them compressed, and an open one with an unfinished line."""
    folder = tmp_path / "journal"
    write_segments(folder, [40, 30, 1, 30, 25, 20])
    compress(list_segments(folder)[1])
    with list_segments(folder)[-1].path.open("ab") as file:
        file.write(b'{"seq":999,"ts":"2026')
    return folder


@pytest.fixture
def index(journal: Path, tmp_path: Path) -> JournalIndex:
    """Without a cache so far."""
    return JournalIndex(journal, tmp_path / "cache")


@pytest.fixture
def read_through(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the segments that are read line by line instead of being looked up, and no look ahead."""
    names: list[str] = []
    for name in ("matching_forward", "matching_backward", "life_in_segment"):
        real = getattr(engine, name)

        def noted(segment: Segment, *rest: Any, real: Any = real) -> Any:
            names.append(segment.name)
            return real(segment, *rest)

        monkeypatch.setattr(engine, name, noted)
    monkeypatch.setattr(engine, "TAIL_LINES", 0)
    return names
