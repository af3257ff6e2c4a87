"""What the tests of the venues share."""

import pytest

from tests.support.lean_day import LeanDay, write_lean_day


@pytest.fixture(scope="session")
def lean_day(tmp_path_factory: pytest.TempPathFactory) -> LeanDay:
    return write_lean_day(tmp_path_factory.mktemp("lean"))
