"""The pages that promise the file format and the runbook say what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import state.records
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.look import look_at
from state.reasons import REASONS
from state.records import JournalType, Snapshot
from state.times import us_from_iso
from state.verification import verify

DOCS = Path(__file__).parents[2] / "docs"
FORMAT = (DOCS / "file-format.md").read_text()
RUNBOOK = (DOCS / "runbook.md").read_text()
SEVERITY = {"yellow": "Yellow", "red": "Red", "not_live": "Not live"}
ENDS = {
    "itself": "by itself, with its cause",
    "operator": "by what the operator does",
    "resume": "with `./bifrost resume`",
    "reset": "with `./bifrost reset --by NAME --reason TEXT`",
}


def table(marker: str) -> list[str]:
    """The first column of the table after a marker."""
    _, _, after = FORMAT.partition(f"<!-- {marker} -->\n")
    assert after, f"docs/file-format.md has no table {marker}"
    rows = after.split("\n\n", 1)[0].splitlines()[2:]
    return [match.group(1) for row in rows if (match := re.match(r"\| `(\w+)` \|", row))]


RECORDS = sorted(
    name
    for name, found in vars(state.records).items()
    if isinstance(found, type) and issubclass(found, msgspec.Struct) and not name.startswith("_") and name != "Snapshot"
)
RECORDS.remove("Struct") if "Struct" in RECORDS else None


@pytest.mark.parametrize("name", RECORDS)
def test_the_fields_of_every_record_are_on_the_page(name: str) -> None:
    assert table(f"fields: {name}") == list(getattr(state.records, name).__struct_fields__)


def test_the_snapshots_fields_are_on_the_page_by_whether_they_are_needed() -> None:
    fields = msgspec.structs.fields(Snapshot)
    assert table("fields: Snapshot required") == [each.name for each in fields if each.required]
    assert table("fields: Snapshot optional") == [each.name for each in fields if not each.required]


def test_the_journals_types_are_on_the_page() -> None:
    assert table("types: JournalType") == [each.value for each in JournalType]


def test_the_page_names_no_record_that_is_not_there() -> None:
    named = set(re.findall(r"<!-- fields: (\w+)", FORMAT))
    assert named == {*RECORDS, "Snapshot"}


def test_the_folders_of_a_desk_are_on_the_page(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "demo")
    properties = [name for name, value in vars(DeskPaths).items() if isinstance(value, property) and name != "folder"]
    for name in properties:
        relative = getattr(paths, name).relative_to(paths.folder).as_posix()
        assert f"`{relative}/`" in FORMAT or f"`{relative}`" in FORMAT


def example(name: str) -> str:
    """The block of code after a marker."""
    found = re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", FORMAT, re.DOTALL)
    assert found is not None, name
    return found.group(1)


def test_the_example_of_a_snapshot_is_read_and_green(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "mybot")
    paths.create()
    paths.snapshot.write_text(example("snapshot"))
    written_us = us_from_iso("2026-11-21T10:00:17Z")
    assert look_at(paths, written_us + 900_000).light.state == "green"
    assert look_at(paths, written_us + 3_100_000).light.state == "not_live"


def test_the_example_of_a_journal_holds(tmp_path: Path) -> None:
    (tmp_path / "20261121-0001.jsonl").write_text(example("journal"))
    found = verify(tmp_path)
    assert (found.ok, found.records) == (True, 2)
    assert [line.type for line in read_journal(tmp_path)] == [JournalType.RUN_STARTED, JournalType.CONTROL_SEEN]


def test_the_recipes_of_a_hash_give_the_examples_lines() -> None:
    first, _ = example("journal").splitlines()
    said = subprocess.run(["sh", "-c", example("shell")], capture_output=True, text=True, check=True).stdout
    assert said == f"{first}\n"
    ran = subprocess.run([sys.executable, "-P", "-c", example("python")], capture_output=True, text=True, check=True)
    assert ran.stdout == example("journal")


def test_the_runbook_has_an_entry_for_every_reason_in_its_order() -> None:
    assert re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE) == list(REASONS)


@pytest.mark.parametrize("code", REASONS)
def test_an_entry_says_how_bad_it_is_who_ends_it_what_the_desk_does_and_what_to_do(code: str) -> None:
    reason = REASONS[code]
    entry = RUNBOOK.partition(f"## {code}\n")[2].partition("\n## ")[0]
    assert f"{SEVERITY[reason.severity]}. Ends {ENDS[reason.cleared_by]}." in entry
    assert len(entry.partition("**Means.** ")[2].partition("\n")[0]) > 20
    assert len(entry.partition("**Desk.** ")[2].partition("\n")[0]) > 20
    assert len(entry.partition("**Do.** ")[2]) > 5
    assert re.findall(r"\*\*(\w+)\.\*\*", entry)[:3] == ["Means", "Desk", "Do"]


def test_the_registry_is_sorted_worst_first_and_speaks_in_sentences() -> None:
    rank = {"not_live": 0, "red": 1, "yellow": 2}
    severities = [rank[each.severity] for each in REASONS.values()]
    assert severities == sorted(severities)
    for code, reason in REASONS.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
        assert reason.runbook == f"docs/runbook.md#{code}"
        assert reason.sentence.endswith(".")
        assert reason.word.isupper()
        assert (reason.cleared_by == "reset") == ("./bifrost reset" in reason.sentence)


NAMED_BY_THE_DESIGN = """journal_failed halted link_down link_not_synced waiting_ib waiting_ib_overdue not_reconciled
unknown_outcome position_unexplained foreign_unacknowledged stop_asserted stopped flatten_asserted paused
control_unreadable control_unknown_name data_lag stale data_slightly_old greeks_bad risk_halt spread_wide
spread_extreme no_quote broker_error safe order_overdue loop_slow stale_flatten flatten_conflict flatten_refused
flatten_dust stop_unconfirmed force_hedge_refused limit_near leg_outside_gates unhedged_until_open slow_disk
snapshot_missing snapshot_damaged snapshot_old snapshot_future instrument_constraints_missing crash_loop
leg_settlement"""


def test_every_code_that_the_design_names_is_registered() -> None:
    assert set(NAMED_BY_THE_DESIGN.split()) <= set(REASONS)
