"""`bifrost replay`: its exit codes, and what it says of a day that is identical, different, or not all there."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.tape_folder import tape_files
from tests.backtest.synthetic_day import SyntheticDay, small_files
from tests.cli.conftest import Cli

DATE = "2026-01-05"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with one desk that was stopped, killed and restarted; never changed."""
    root = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIFROST_RUN_DIR", str(root / "run"))
        with small_files(patch):
            SyntheticDay(root, 2).play(steps=70)
    return root


@pytest.fixture
def root(recorded: Path, tmp_path: Path) -> Path:
    """A copy to be spoiled."""
    return Path(shutil.copytree(recorded / "var", tmp_path / "var"))


def paths_of(root: Path) -> DeskPaths:
    return DeskPaths(root, "desk")


def replay(cli: Cli, root: Path, *more: str) -> Any:
    return cli("replay", "--root", str(root), "--desk", "desk", *more)


def content(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_an_identical_day_says_what_was_compared_and_writes_nothing(cli: Cli, root: Path) -> None:
    before = content(root)
    answer = replay(cli, root, "--date", DATE)
    assert (answer.code, answer.err) == (0, "")
    assert "IDENTICAL" in answer.out
    assert "0 differences" in answer.out
    assert "events/s" in answer.out
    assert content(root) == before


def test_json_is_one_object(cli: Cli, root: Path) -> None:
    answer = replay(cli, root, "--date", DATE, "--json")
    found = json.loads(answer.out)
    assert (answer.code, found["exit_code"], found["identical"], found["differences"]) == (0, 0, True, 0)
    assert found["events"] == sum(run["events"] for run in found["runs"]) > 100
    lines = (paths_of(root).journal).glob("*.jsonl")
    assert found["journal_lines"] == sum(len(path.read_text().splitlines()) for path in lines)
    assert (found["date"], found["zone"], found["first_difference"]) == (DATE, "America/New_York", None)


def test_one_run_alone_is_compared_whole(cli: Cli, root: Path) -> None:
    runs = sorted({path.name.rsplit("-", 1)[0] for path in paths_of(root).tape.iterdir()})
    answer = replay(cli, root, "--run", runs[-1], "--json")
    found = json.loads(answer.out)
    assert (answer.code, [run["run_id"] for run in found["runs"]]) == (0, [runs[-1]])
    assert replay(cli, root, "--run", "nobody").code == 2


def test_a_changed_tape_is_shown_side_by_side(cli: Cli, root: Path) -> None:
    path = tape_files(paths_of(root).tape, "run-1")[0]
    lines = path.read_text().splitlines(keepends=True)
    for number, line in enumerate(lines[1:], start=1):
        event = json.loads(line)
        if event["event"]["event"] == "quote":
            event["event"]["bid"] += 1.0
            event["event"]["ask"] += 1.0
            lines[number] = json.dumps(event, separators=(",", ":")) + "\n"
    path.write_text("".join(lines))
    answer = replay(cli, root, "--date", DATE)
    assert answer.code == 1
    assert "DIFFERENT" in answer.out
    assert "first difference: run run-1, tape_seq" in answer.out
    assert "journal or tape" in answer.out
    assert "replayed" in answer.out
    found = json.loads(replay(cli, root, "--date", DATE, "--json").out)
    assert found["first_difference"]["fields"] or found["first_difference"]["what"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --date"),
        (("--date", "yesterday"), "write a day like"),
        (("--date", "2026-01-06"), "nothing was recorded on 2026-01-06 (the tape covers 2026-01-05"),
        (("--run", "nobody"), "nothing was recorded in run nobody (the tape covers 2026-01-05"),
        (("--run", "run-1", "--date", "2026-01-06"), "nothing was recorded on 2026-01-06 in run run-1 (the tape"),
        (("--date", DATE, "--zone", "Nowhere/At_All"), "no such time zone"),
        (("--date", DATE, "--profile", "nobody"), "no profile named"),
        (("--date", DATE, "--profile", "recorded_day"), "hedged DEMO"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_2(cli: Cli, root: Path, words: tuple[str, ...], said: str) -> None:
    answer = replay(cli, root, *words)
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_a_day_begins_at_the_markets_midnight_unless_told(cli: Cli, root: Path) -> None:
    """The session of the 5th in New York is the 6th's in Auckland, from its first minute on."""
    answer = replay(cli, root, "--date", "2026-01-06", "--zone", "Pacific/Auckland", "--json")
    assert answer.code == 0
    assert json.loads(answer.out)["identical"]
    assert replay(cli, root, "--date", DATE, "--zone", "Pacific/Auckland").code == 2


def test_a_changed_profile_is_named_with_the_remedy(cli: Cli, root: Path, recorded: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    text = (recorded / "desk.yaml").read_text()
    other.write_text(text.replace("cooldown_seconds: 0", "cooldown_seconds: 600, min_price_move_pct: 0.5"))
    (recorded / "desk.yaml").write_text(other.read_text())
    try:
        answer = replay(cli, root, "--date", DATE)
        assert answer.code == 2
        assert "has changed since" in answer.err
        assert "--profile" in answer.err
    finally:
        (recorded / "desk.yaml").write_text(text)
    answer = replay(cli, root, "--date", DATE, "--profile", str(other))
    assert answer.code == 1
    assert "NOT THE PROFILE OF THE RUN" in answer.out


def test_a_tape_that_is_gone_leaves_lines_that_are_counted(cli: Cli, root: Path) -> None:
    tape = paths_of(root).tape
    for path in tape_files(tape, "run-1"):
        path.unlink()
    answer = replay(cli, root, "--date", DATE)
    assert answer.code == 2
    assert "NOT ALL COMPARED" in answer.out
    assert "of run run-1" in answer.out
    shutil.rmtree(tape)
    answer = replay(cli, root, "--date", DATE)
    assert answer.code == 2
    assert f"no tape of {DATE} is left" in answer.err
    assert "tape_keep_days" in answer.err


def test_compressed_files_are_read_as_they_are(cli: Cli, root: Path) -> None:
    paths = paths_of(root)
    for path in [*paths.tape.iterdir(), *sorted(paths.journal.glob("*.jsonl"))[:-1]]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    answer = replay(cli, root, "--date", DATE)
    assert answer.code == 0, answer.out + answer.err


def test_an_unfinished_last_line_of_a_tape_is_told(cli: Cli, root: Path) -> None:
    path = tape_files(paths_of(root).tape, "run-1")[-1]
    with path.open("ab") as file:
        file.write(b'{"tape_seq":9999,"ev')
    answer = replay(cli, root, "--date", DATE)
    assert answer.code == 0
    assert "unfinished line of 20 bytes" in answer.out


def test_a_damaged_tape_is_told_and_what_it_covered_is_counted(cli: Cli, root: Path) -> None:
    path = tape_files(paths_of(root).tape, "run-1")[-1]
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = "{}\n"
    path.write_text("".join(lines))
    answer = replay(cli, root, "--date", DATE)
    assert answer.code == 2
    assert "tape damaged" in answer.out
    assert "NOT COMPARED" in answer.out


def test_a_damaged_journal_sends_to_verify(cli: Cli, root: Path) -> None:
    path = max(paths_of(root).journal.glob("*.jsonl"))
    path.write_text(path.read_text().replace('"status":"', '"status":"x', 1))
    answer = replay(cli, root, "--date", DATE)
    assert answer.code == 2
    assert "verify" in answer.err


def test_a_desk_that_runs_is_compared_up_to_what_lay_there(cli: Cli, root: Path) -> None:
    """A daemon holds the desk: lines that are newer than the tape as it was read are no difference."""
    import filelock

    paths = paths_of(root)
    runs = {path.name.rsplit("-", 1)[0] for path in paths.tape.iterdir()}
    newest = tape_files(paths.tape, max(runs))[-1]
    lines = newest.read_text().splitlines(keepends=True)
    newest.write_text("".join(lines[:-5]))
    assert replay(cli, root, "--date", DATE).code == 2
    with filelock.FileLock(paths.folder / ".daemon.lock"):
        answer = replay(cli, root, "--date", DATE)
    assert answer.code == 0, answer.out
    assert "the run goes on" in answer.out


def test_a_run_that_was_killed_before_its_tape_began_is_no_difference(cli: Cli, root: Path) -> None:
    """Its first lines are in the journal, and half a checkpoint is all of its tape."""
    paths = paths_of(root)
    lines = list(read_journal(paths.journal))
    start = [line for line in lines if line.run_id == lines[-1].run_id and line.tape_seq is None][:2]
    writer = JournalWriter(paths.journal, wall_us=lambda: 1_800_000_000_000_000)
    opened = writer.open()
    seqs = range(opened.head_seq + 1, opened.head_seq + 3)
    writer.append(
        [msgspec.structs.replace(line, seq=seq, run_id="run-9") for seq, line in zip(seqs, start, strict=True)]
    )
    writer.close()
    (paths.tape / "run-9-0001.jsonl").write_bytes(b'{"schema":1,"desk":"de')
    answer = replay(cli, root, "--date", DATE)
    assert answer.code == 0, answer.out
    assert "run-9-0001.jsonl, line 1" in answer.out
