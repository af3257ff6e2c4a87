from pathlib import Path
from typing import Any

import pytest

from state.query import Filter, JournalIndex, matches, newest
from state.records import JournalLine, JournalType
from tests.support.desk_files import NOON_US, make_journal, make_line

T = JournalType


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two intents with their orders, over two segments; lines are one second apart from NOON_US on."""
    writer = make_journal(tmp_path, 0, segment_bytes=400)
    story: list[tuple[JournalType, dict[str, Any]]] = [
        (T.INTENT, {"intent_id": "run-1", "order_ref": "demo.x.1", "instrument": "TWX"}),
        (T.ORDER_SENT, {"intent_id": "run-1", "order_ref": "demo.x.1", "instrument": "TWX"}),
        (T.REFUSED, {"reason": "Cooldown: 12 s of 60 s", "state_code": "O1 D2 M1 L0 E0 S0"}),
        (T.LEDGER_CHECKPOINT, {}),
        (T.FILL, {"order_ref": "demo.x.1", "instrument": "TWX", "price": 70.0}),
        (T.INTENT, {"intent_id": "run-10", "order_ref": "demo.x.10", "instrument": "TWX"}),
        (T.COMMISSION, {"order_ref": "demo.x.1", "status": "booked"}),
        (T.FILL, {"order_ref": "demo.x.10", "instrument": "TWX", "price": 71.0}),
    ]
    for seq, (type_, fields) in enumerate(story, start=1):
        writer.append([make_line(seq, type_, **fields)])
    writer.close()
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    return tmp_path


def found(folder: Path, limit: int = 100, **wanted: Any) -> list[int]:
    return [line.seq for line in newest(folder, Filter(**wanted), limit)]


def index(folder: Path) -> JournalIndex:
    """Without a cache."""
    return JournalIndex(folder, folder / "no-cache")


def test_newest_come_first_and_no_more_than_asked(folder: Path) -> None:
    assert found(folder) == [8, 7, 6, 5, 4, 3, 2, 1]
    assert found(folder, limit=3) == [8, 7, 6]
    assert found(folder, limit=0) == []
    assert newest(folder / "none", Filter(), 10) == []


def test_routine_lines_are_left_out_and_counted_as_far_as_was_read(folder: Path) -> None:
    def without_routine(limit: int, **wanted: Any) -> tuple[list[int], int]:
        answer = index(folder).newest(Filter(**wanted), limit, routine=False)
        return [line.seq for line in answer.lines], answer.left_out

    assert without_routine(5) == ([8, 7, 6, 5, 3], 1)
    assert without_routine(4) == ([8, 7, 6, 5], 0)
    assert without_routine(5, types=frozenset({T.LEDGER_CHECKPOINT})) == ([], 1)


def test_each_question_alone_and_together(folder: Path) -> None:
    assert found(folder, types=frozenset({T.FILL, T.REFUSED})) == [8, 5, 3]
    assert found(folder, intent_id="run-1") == [2, 1]
    assert found(folder, order_ref="demo.x.10") == [8, 6]
    assert found(folder, instrument="TWX", types=frozenset({T.FILL})) == [8, 5]
    assert found(folder, run_id="other") == []
    assert found(folder, text="cooldown") == [3]
    assert found(folder, text="BOOKED") == [7]
    assert found(folder, text="l0") == [3]


def test_times_are_half_open(folder: Path) -> None:
    second = 1_000_000
    assert found(folder, since_us=NOON_US + 3 * second, until_us=NOON_US + 5 * second) == [4, 3]
    assert found(folder, since_us=NOON_US + 8 * second) == [8]
    assert found(folder, until_us=NOON_US + second) == []


def test_a_line_with_no_time_is_not_within_any(folder: Path) -> None:
    line: JournalLine = make_line(1, ts="never")
    assert matches(line, Filter())
    assert not matches(line, Filter(since_us=0))


def test_the_life_of_an_intent_holds_what_names_only_its_order_and_nothing_of_its_namesake(folder: Path) -> None:
    def life(intent_id: str) -> list[int]:
        return [line.seq for line in index(folder).life_of_intent(intent_id).lines]

    assert life("run-1") == [1, 2, 5, 7]
    assert life("run-10") == [6, 8]
    assert life("run-2") == []


def test_damaged_lines_are_left_out_of_what_is_shown(folder: Path) -> None:
    segment = min(folder.glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b'"seq":2', b'"seq":x'))
    assert found(folder) == [8, 7, 6, 5, 4, 3, 1]
