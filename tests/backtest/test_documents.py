"""What docs/file-format.md says of a run's folder is what the code writes."""

import re
from pathlib import Path

import pytest

from daemon.backtest import schemas
from daemon.backtest.oddities import CODES
from state.runs import records
from state.runs.folder import BacktestPaths

DOCS = Path(__file__).parents[2] / "docs"
FORMAT = (DOCS / "file-format.md").read_text()
TABLES = {"decisions": schemas.DECISIONS, "equity": schemas.EQUITY, "fills": schemas.FILLS}
WRITTEN = (
    "Summary", "ProfileInfo", "DataInfo", "VenueModel", "Figures", "AttributionUsd", "RatioValue", "DayRow", "Finding",
    "MarketReached", "TrialsEnded", "Progress", "SweepPlan", "Searched", "Trial",
)  # fmt: skip


def table(marker: str) -> list[str]:
    """The first column of the table after a marker."""
    _, _, after = FORMAT.partition(f"<!-- {marker} -->\n")
    assert after, f"docs/file-format.md has no table {marker}"
    return re.findall(r"^\| `(\w+)` \|", after.split("\n\n", 1)[0], re.MULTILINE)


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_on_the_page(name: str) -> None:
    assert table(f"columns: {name}") == TABLES[name].names


@pytest.mark.parametrize("name", WRITTEN)
def test_every_field_of_a_runs_records_is_on_the_page(name: str) -> None:
    assert table(f"run fields: {name}") == list(getattr(records, name).__struct_fields__)


def test_every_file_of_the_folder_is_on_the_page() -> None:
    paths = BacktestPaths(Path("_backtests/<run_id>"))
    files = [name for name, value in vars(BacktestPaths).items() if isinstance(value, property) and name != "run_id"]
    assert all(f"`{getattr(paths, name)}`" in FORMAT for name in files)


def test_every_code_of_a_run_is_explained() -> None:
    page = (DOCS / "backtest.md").read_text()
    assert [code for code in CODES if f"`{code}`" not in page] == []
