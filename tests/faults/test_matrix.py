"""The page of the matrix and the names of its tests, kept together."""

import re
from pathlib import Path

HERE = Path(__file__).parent
HOUSE = HERE.parents[1]
NAMED = {*range(1, 42), *range(53, 59)}
"""Rows whose tests carry the row's number."""
_ROW = re.compile(r"^\| (\d+) \| .+ \| (.+) \|$", re.MULTILINE)


def rows() -> dict[int, list[Path]]:
    """Row -> its files, as the page says."""
    table = _ROW.findall((HERE / "README.md").read_text())
    return {
        int(number): [HOUSE / name if "/" in name else HERE / name for name in files.split(", ")]
        for number, files in table
    }


def rows_of_tests(path: Path) -> set[int]:
    """The rows that tests of this file are named after."""
    names = re.findall(r"^(?:async )?def (test_row_\w+)", path.read_text(), re.MULTILINE)
    return {int(number) for name in names for number in re.findall(r"(?:row|and)_(\d\d)(?=_)", name)}


def test_the_page_lists_every_row_in_order_with_files_that_exist() -> None:
    assert list(rows()) == list(range(1, 59))
    assert not [str(path) for files in rows().values() for path in files if not path.exists()]


def test_every_row_has_a_test_of_its_name_in_the_file_that_the_page_says() -> None:
    for number in NAMED:
        for path in rows()[number]:
            assert number in rows_of_tests(path), f"row {number} has no test in {path.name}"


def test_no_named_test_is_missing_on_the_page() -> None:
    for path in sorted(HERE.glob("test_*.py")):
        missing = [number for number in rows_of_tests(path) if path not in rows()[number]]
        assert not missing, f"{path.name}: rows {missing}"
