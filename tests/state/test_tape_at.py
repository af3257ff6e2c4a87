"""Which tape file tells of a moment."""

import gzip
import shutil
from pathlib import Path

from state.tape import TapeWriter
from state.tape_at import tape_parts
from state.times import iso_from_us

MINUTE = 60_000_000


def write(folder: Path, run_id: str, *starts_us: int, wall_us: int = 0) -> None:
    """A run's files, one for each checkpoint."""
    writer = TapeWriter(folder, desk="d", run_id=run_id)
    for start_us in starts_us:
        writer.start({"book": start_us}, ts=iso_from_us(start_us), wall_ts=iso_from_us(wall_us or start_us))
        writer.append({"event": "clock", "ts_us": start_us})
    writer.close()


def test_the_newest_checkpoint_at_or_before_the_moment_is_taken(tmp_path: Path) -> None:
    write(tmp_path, "a", 10 * MINUTE, 20 * MINUTE)
    write(tmp_path, "b", 30 * MINUTE)
    parts = tape_parts(tmp_path)
    assert parts.problems == ()
    for minute, name in (
        (10, "a-0001"),
        (19, "a-0001"),
        (20, "a-0002"),
        (29, "a-0002"),
        (30, "b-0001"),
        (99, "b-0001"),
    ):
        found = parts.at(minute * MINUTE)
        assert found is not None
        assert found.path.name == f"{name}.jsonl"
        assert found.begins_us <= minute * MINUTE
    assert parts.at(10 * MINUTE - 1) is None


def test_of_two_runs_of_one_market_moment_the_later_by_the_wall_is_taken(tmp_path: Path) -> None:
    write(tmp_path, "second", 10 * MINUTE, wall_us=200)
    write(tmp_path, "first", 10 * MINUTE, wall_us=100)
    found = tape_parts(tmp_path).at(10 * MINUTE)
    assert found is not None
    assert found.checkpoint.run_id == "second"


def test_a_compressed_file_is_read_and_counts_once_beside_its_plain_form(tmp_path: Path) -> None:
    write(tmp_path, "a", 10 * MINUTE, 20 * MINUTE)
    for name in ("a-0001.jsonl", "a-0002.jsonl"):
        with (tmp_path / name).open("rb") as plain, gzip.open(tmp_path / f"{name}.gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
    (tmp_path / "a-0001.jsonl").unlink()
    parts = tape_parts(tmp_path)
    assert sorted(part.path.name for part in parts.parts) == ["a-0001.jsonl.gz", "a-0002.jsonl"]


def test_a_damaged_first_line_is_named_and_the_others_still_tell(tmp_path: Path) -> None:
    write(tmp_path, "a", 10 * MINUTE)
    (tmp_path / "b-0001.jsonl").write_text("no checkpoint\n")
    parts = tape_parts(tmp_path)
    assert parts.at(10 * MINUTE) is not None
    assert len(parts.problems) == 1
    assert "b-0001.jsonl" in parts.problems[0]


def test_no_folder_is_no_tape(tmp_path: Path) -> None:
    assert tape_parts(tmp_path / "none").parts == ()
