from pathlib import Path

from structlog.testing import capture_logs

from daemon.core.events import Clock
from daemon.runtime.tape_sink import TapeSink
from state.tape import read_events, tape_files
from tests.runtime.workbench import WALL_US, synced_book


def test_a_file_that_cannot_make_room_is_logged_and_the_tape_goes_on(tmp_path: Path) -> None:
    stuck = tmp_path / "old-0001.jsonl"
    stuck.mkdir()
    sink = TapeSink(tmp_path, desk="eager", run_id="r", max_mib=0.0001)
    with capture_logs() as logs:
        sink.start(synced_book())
    assert [(each["event"], each["log_level"]) for each in logs] == [("tape_not_bounded", "warning")]
    assert str(stuck) in logs[0]["problem"]
    assert sink.write(Clock(ts_us=WALL_US), synced_book()) == 1
    sink.close()


def test_within_one_run_the_oldest_files_make_room(tmp_path: Path) -> None:
    sink, book = TapeSink(tmp_path, desk="eager", run_id="r", max_mib=1), synced_book()
    sink.start(book)
    event = Clock(ts_us=WALL_US)
    for _ in range(20_000):
        last = sink.write(event, book)
    sink.close()
    files = tape_files(tmp_path, "r")
    assert files[0].name > "r-0001.jsonl"
    assert sum(path.stat().st_size for path in files) <= 1024 * 1024
    assert [each.tape_seq for path in files for each in read_events(path)][-1] == last
