import time
from pathlib import Path

from cockpit.cache_keepers import CacheKeepers
from state.journal import JournalWriter
from state.layout import DeskPaths
from state.query import JournalIndex
from state.records import JournalLine, JournalType

START_US = 1_402_000_000_000_000
TEXT = "2014-06-05T20:26:40.000000Z"


def test_a_desk_that_is_looked_at_gets_its_cache_kept(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "demo")
    paths.create()
    writer = JournalWriter(paths.journal, wall_us=lambda: START_US, segment_bytes=2000)
    writer.open()
    for _ in range(200):
        kind = JournalType.LEDGER_CHECKPOINT if writer.rotation_due() else JournalType.FILL
        writer.append([JournalLine(seq=writer.next_seq, ts=TEXT, wall_ts=TEXT, type=kind, desk="demo", run_id="r")])
    writer.close()
    keepers = CacheKeepers()
    ends = time.monotonic() + 60
    while (status := JournalIndex.of(paths).status()).segments_cached < status.segments_closed:
        assert keepers.keep(paths).problem is None
        assert time.monotonic() < ends, "nobody builds the cache"
        time.sleep(0.1)
    assert status.segments_closed > 10
    keepers.close()


def test_looking_at_a_desk_that_never_ran_makes_nothing(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "demo")
    keepers = CacheKeepers()
    assert not keepers.keep(paths).is_building
    keepers.close()
    assert not paths.folder.exists()
