"""Every key of a profile with its place, and every problem with a line that exists."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.keys import Key, effective_keys
from config.loader import PROFILES_DIR, ProfileError, load_profile, profile_names
from config.schema import Profile
from config.validation import schema_paths
from tests.config.conftest import Write
from tests.config.test_refusals import MINIMAL, ONE_LINE


def by_path(found: tuple[Key, ...]) -> dict[str, Key]:
    return {key.path: key for key in found}


@pytest.mark.parametrize("name", profile_names())
def test_every_key_of_a_shipped_profile_is_there_with_a_meaning(name: str) -> None:
    found = effective_keys(name)
    assert len({key.path for key in found}) == len(found)
    known = {path for path in schema_paths(Profile) if "." not in path}
    assert {key.path.partition(".")[0].partition("[")[0] for key in found} == known - {"name"}
    assert {key.path for key in found if not key.bounds} == set()
    assert {key.path for key in found if not key.meaning} == set()
    for key in found:
        assert (key.file is None) == (key.line is None)
        if key.file is None:
            assert key.is_default, "what no file sets is the default"
            continue
        line = key.file.read_text(encoding="utf-8").splitlines()[key.line - 1 if key.line else 0]
        assert key.path.rpartition(".")[2].partition("[")[0] in line


def test_a_value_is_found_in_the_file_that_set_it_last(write: Write, tmp_path: Path) -> None:
    base = write("base", MINIMAL + "ib:\n  port: 4002\n  client_id: 5\n")
    write("over", "extends: base\nib:\n  port: 4001\ngates: {guard: {risk: {max_daily_loss_usd: 100}}}\n")
    found = by_path(effective_keys("over", profiles_dir=tmp_path))
    assert (found["ib.port"].value, found["ib.port"].file, found["ib.port"].line) == ("4001", tmp_path / "over.yaml", 3)
    assert (found["ib.client_id"].file, found["ib.client_id"].line) == (base, 4)
    assert (found["ib.port"].is_default, found["ib.port"].default) == (False, "7497")
    assert found["ib.host"].is_default
    assert found["underlying.symbol"].default is None
    loss = found["gates.guard.risk.max_daily_loss_usd"]
    assert (loss.unit, loss.value, loss.line) == ("USD", "100", 4)
    assert "halts" in loss.meaning


def test_lists_of_sections_are_told_item_by_item(write: Write, tmp_path: Path) -> None:
    write("p", MINIMAL + "legs:\n  - {right: call, strike: 70, expiry: 2014-07-19}\n  - right: put\n    strike: 65\n"
          "    expiry: 2014-07-19\n")  # fmt: skip
    found = by_path(effective_keys("p", profiles_dir=tmp_path))
    assert (found["legs[1].strike"].value, found["legs[1].strike"].line) == ("65", 5)
    assert found["simulator"].value == "null"
    assert found["ib.restart_windows"].value == "[]"


# --- the places of problems -----------------------------------------------------------------------
def assert_placed(error: ProfileError, file: Path) -> None:
    """Every problem names a line of the file that is there, and a column of that line."""
    lines = file.read_bytes().decode("utf-8", "replace").split("\n")
    assert error.problems
    for problem in error.problems:
        assert problem.file == file
        assert 1 <= problem.line <= len(lines), problem
        assert 0 <= problem.column <= len(lines[problem.line - 1]) + 1, problem
        assert problem.text.strip()


@pytest.mark.parametrize("case", ONE_LINE)
def test_every_kind_of_refusal_has_a_line_and_a_column(write: Write, tmp_path: Path, case: str) -> None:
    file = write("p", MINIMAL + ONE_LINE[case][0])
    with pytest.raises(ProfileError) as caught:
        load_profile("p", profiles_dir=tmp_path)
    assert_placed(caught.value, file)
    assert all(problem.column >= 1 for problem in caught.value.problems)


_WHOLE = (PROFILES_DIR / "demo.yaml").read_text(encoding="utf-8")
_WRONG = st.sampled_from(
    ["\t", ":", "- ", "*a", "&a ", "!x ", "{", "]", '"', "\n", "\x07", "ä", "é: 1\n", "null", "-1", ".inf"]
)


@given(st.lists(st.tuples(st.integers(0, len(_WHOLE)), st.integers(0, 12), _WRONG), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_broken_in_a_profile_is_told_with_its_line(
    tmp_path: Path, changes: list[tuple[int, int, str]]
) -> None:
    text = _WHOLE
    for place, cut, put in changes:
        text = text[:place] + put + text[place + cut :]
    file = tmp_path / "p.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        load_profile(str(file))
    except ProfileError as error:
        assert_placed(error, file)


def test_bytes_that_are_no_text_have_a_line_and_a_column(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(b"underlying:\n  symbol: \xff\n")
    with pytest.raises(ProfileError) as caught:
        load_profile(str(file))
    [problem] = caught.value.problems
    assert (problem.line, problem.column) == (2, 11)
