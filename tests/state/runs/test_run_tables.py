"""A run's tables are read a piece at a time, and what is no table says so."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from state.runs.files import UnreadableError
from state.runs.tables import RunTable, numbers_of, times_of
from tests.support.run_folders import write_run


def test_rows_come_by_number_across_row_groups(tmp_path: Path) -> None:
    path = write_run(tmp_path, "run", group=100).decisions
    whole = pq.read_table(path)
    numbers = np.array([0, 99, 100, 101, 350, 779])
    with RunTable(path) as table:
        assert table.rows == 780
        found = table.rows_at(numbers, ("ts_us", "side", "state_code", "no_such"))
        none = table.rows_at(np.array([], dtype=np.int64), ("ts_us", "no_such"))
    assert found.column_names == ["ts_us", "side", "state_code"]
    assert found.column("ts_us").to_pylist() == [whole.column("ts_us")[int(at)].as_py() for at in numbers]
    assert none.num_rows == 0


def test_a_missing_column_is_unknown_and_a_time_may_be_either_kind(tmp_path: Path) -> None:
    path = write_run(tmp_path, "run").decisions
    with RunTable(path) as table:
        assert np.isnan(numbers_of(table.columns(("spot",)), "vega")).all()
        by_number, by_time = (times_of(table.columns((name,))) for name in ("ts_us", "ts"))
    assert (by_number == by_time).all()
    with pytest.raises(UnreadableError, match="ts_us"):
        times_of(pa.table({"spot": [1.0]}))


def test_what_is_no_table_is_one_line(tmp_path: Path) -> None:
    path = write_run(tmp_path, "run").equity
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[: len(whole) // 2], b"x" * len(whole)):
        path.write_bytes(content)
        with pytest.raises(UnreadableError) as error:
            RunTable(path)
        assert error.value.code == "undecodable"
        assert "\n" not in str(error.value)
    path.unlink()
    with pytest.raises(UnreadableError, match="missing"):
        RunTable(path)
    path.symlink_to("/etc/passwd")
    with pytest.raises(UnreadableError, match="no regular file"):
        RunTable(path)


def test_a_damaged_row_group_is_one_line(tmp_path: Path) -> None:
    path = write_run(tmp_path, "run", group=100).decisions
    whole = bytearray(path.read_bytes())
    whole[40:4000] = bytes(3960)
    path.write_bytes(whole)
    with RunTable(path) as table, pytest.raises(UnreadableError):
        table.rows_at(np.arange(50), ("spot", "net_delta_shares"))
