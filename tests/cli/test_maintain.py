import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cli.maintain_report import line_of
from cli.options import CHECKOUT
from daemon.runtime.clocks import wall_us
from state.anchors import read_anchors, read_chain
from state.audit import read_audit
from state.follow import JournalTail
from state.history import append_sample, read_history
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.maintenance import maintenance_lock
from state.records import HistorySample, JournalType
from state.snapshot import write_snapshot
from state.tape import TapeWriter, read_events, tape_files
from state.times import iso_from_us
from state.verification import verify
from tests.cli.conftest import Answer, Cli
from tests.support.desk_files import make_line, make_snapshot

DAY_US = 86_400_000_000
LINES = 5


def journal_days(paths: DeskPaths, ages: list[int], lines: int = LINES) -> None:
    """A segment for each age in days, of so many lines, opened with a checkpoint."""
    age = ages[0]
    writer = JournalWriter(paths.journal, wall_us=lambda: wall_us() - age * DAY_US, segment_bytes=1, reserve_bytes=0)
    writer.open()
    for age in ages:  # noqa: B007 - the writer's clock reads it
        first = writer.next_seq
        checkpoint = make_line(first, JournalType.LEDGER_CHECKPOINT)
        writer.append([checkpoint, *(make_line(seq, reason="r" * 40) for seq in range(first + 1, first + lines))])
    writer.close()


def aged(path: Path, days: int) -> None:
    written_s = wall_us() // 1_000_000 - days * 86_400
    os.utime(path, (written_s, written_s))


def history_day(paths: DeskPaths, age: int) -> None:
    ts = iso_from_us(wall_us() - age * DAY_US)
    sample = HistorySample(schema=1, kind="minute", desk="demo", run_id="r", ts=ts, wall_ts=ts, own_shares=age)
    append_sample(paths.history, sample)
    aged(paths.history / f"{ts[:10].replace('-', '')}.jsonl", age)


def tape(paths: DeskPaths, run_id: str, age: int, events: int = 5) -> None:
    now = iso_from_us(wall_us())
    writer = TapeWriter(paths.tape, desk="demo", run_id=run_id)
    writer.start({"book": 1}, ts=now, wall_ts=now)
    for number in range(events):
        writer.append({"ts_us": number})
    writer.close()
    aged(tape_files(paths.tape, run_id)[0], age)


@pytest.fixture
def paths(root: Path) -> DeskPaths:
    paths = DeskPaths(root, "demo")
    paths.create()
    return paths


@pytest.fixture
def old(paths: DeskPaths) -> DeskPaths:
    """Journal, history and tape of the last hundred days."""
    journal_days(paths, [100, 50, 20, 1, 0])
    for age in (100, 20, 0):
        history_day(paths, age)
    for run_id, age in (("ancient", 100), ("late", 20), ("running", 0)):
        tape(paths, run_id, age)
    write_snapshot(paths.snapshot, make_snapshot(run_id="running", profile="demo"), sync=False)
    return paths


def tree(paths: DeskPaths) -> dict[str, bytes]:
    """Every file of the folders that are maintained, the locks' aside."""
    return {
        str(path.relative_to(paths.folder)): path.read_bytes()
        for folder in (paths.journal, paths.history, paths.tape)
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
    }


def forms(paths: DeskPaths) -> dict[str, list[str]]:
    """Whether the files of each folder are compressed, in their order."""
    found: dict[str, list[str]] = {"journal": [], "history": [], "tape": []}
    for name in tree(paths):
        folder, file = name.split("/")
        if file != "anchors.jsonl":
            found[folder].append("gz" if file.endswith(".gz") else "plain")
    return found


def test_what_is_old_is_compressed_what_is_older_removed_and_the_rest_left(cli: Cli, old: DeskPaths) -> None:
    answer = cli("maintain", "--keep", "60")
    assert answer.code == 0
    intention, todo, done = answer.out.splitlines()
    assert intention == (
        "demo: settings of profile demo, which the desk ran last: compress after 7 days, keep journal and history "
        "60 days, tape 90 days and at most 4.0 GiB"
    )
    assert todo.startswith("demo: to do: remove 1 journal segment (1.")
    for words in ("removed 1 journal segment (1.", "removed 1 tape file (", "compressed 2 journal segments (", " -> "):
        assert words in done
    assert "query cache: " in done
    assert len(answer.err.splitlines()) == 7
    assert forms(old) == {
        "journal": ["gz", "gz", "plain", "plain"],
        "history": ["gz", "plain"],
        "tape": ["gz", "plain"],
    }
    assert [anchor.number for anchor in read_anchors(old.journal)] == [1]
    assert [line.seq for line in read_journal(old.journal)] == list(range(LINES + 1, 5 * LINES + 1))
    assert [sample.own_shares for sample in read_history(old.history)] == [20, 0]
    assert len(list(read_events(tape_files(old.tape, "late")[0]))) == 5
    assert tape_files(old.tape, "ancient") == ()
    assert cli("verify").code == 0
    [entry] = read_audit(old.audit)
    assert (entry.action, entry.outcome, entry.data) == ("maintain", "done", {"remove": 3, "compress": 4})
    again = cli("maintain", "--keep", "60")
    assert again.code == 0
    assert again.out.splitlines()[1] == "demo: nothing to do: no file is old enough to be compressed or removed"
    assert again.err == ""
    assert len(read_audit(old.audit)) == 1


def test_a_dry_run_says_it_all_and_changes_nothing(cli: Cli, old: DeskPaths) -> None:
    before = tree(old)
    answer = cli("maintain", "--keep", "60", "--dry-run")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert sum(line.startswith("  would remove journal/") for line in lines) == 1
    assert sum(line.startswith("  would compress journal/") for line in lines) == 2
    assert sum(line.startswith("  would remove history/") for line in lines) == 1
    assert sum(line.startswith("  would compress tape/late-0001.jsonl (") for line in lines) == 1
    assert tree(old) == before
    assert not (old.journal / ".maintain.lock").exists()


def test_json_says_what_was_planned_and_done(cli: Cli, old: DeskPaths) -> None:
    found = json.loads(cli("maintain", "--keep", "60", "--json").out)
    assert (found["exit_code"], found["interrupted"], found["notes"]) == (0, False, [])
    assert found["rules"] == {
        "compress_after_days": 7, "keep_days": 60, "tape_keep_days": 90, "tape_max_bytes": 4096 * 1024 * 1024
    }  # fmt: skip
    assert [(step["action"], step["part"]) for step in found["planned"]] == [
        ("remove", "journal"), ("remove", "history"), ("remove", "tape"),
        ("compress", "journal"), ("compress", "journal"), ("compress", "history"), ("compress", "tape"),
    ]  # fmt: skip
    assert [{key: step[key] for key in found["planned"][0]} for step in found["done"]] == found["planned"]
    assert all(step["bytes_after"] == 0 for step in found["done"] if step["action"] == "remove")
    assert all(step["bytes_after"] > 0 for step in found["done"] if step["action"] == "compress")


def test_a_desk_with_nothing_yet(cli: Cli, paths: DeskPaths) -> None:
    answer = cli("maintain")
    assert answer.code == 0
    assert "demo: nothing to do: " in answer.out
    assert answer.err == ""


@pytest.mark.parametrize(
    ("named", "arguments", "said"),
    [
        (None, [], "defaults (no snapshot names a profile): compress after 7 days, keep journal and history for ever"),
        ("demo", [], "profile demo, which the desk ran last: "),
        ("gone", [], "defaults (profile gone, which the desk ran last, is not under config/profiles): "),
        ("gone", ["--profile", "demo"], "profile demo: "),
        (None, ["--compress-after", "1", "--keep", "1"], "compress after 1 day, keep journal and history 1 day, tape"),
    ],
)
def test_it_says_whose_settings_hold(
    cli: Cli, paths: DeskPaths, named: str | None, arguments: list[str], said: str
) -> None:
    if named is not None:
        write_snapshot(paths.snapshot, make_snapshot(profile=named), sync=False)
    assert said in cli("maintain", "--dry-run", *arguments).out


def test_a_profile_of_ones_own(cli: Cli, old: DeskPaths, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: demo\nstorage: {compress_after_days: 15, keep_days: 40, tape_max_mib: 1}\n")
    answer = cli("maintain", "--profile", str(file))
    assert "compress after 15 days, keep journal and history 40 days, tape 90 days and at most 1.0 MiB" in answer.out
    assert forms(old)["journal"] == ["gz", "plain", "plain"]
    assert cli("maintain", "--profile", "nobodys").code == 2


def test_a_second_one_at_the_same_time_is_sent_away(cli: Cli, old: DeskPaths) -> None:
    before = tree(old)
    lock = maintenance_lock(old)
    try:
        answer = cli("maintain")
    finally:
        lock.release()
    assert answer.code == 4
    assert answer.err == f"bifrost: another process maintains {old.folder}; it is done when that one is\n"
    assert tree(old) == before


def test_another_users_desk_is_left_to_that_user(cli: Cli, old: DeskPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: old.folder.stat().st_uid + 1)
    answer = cli("maintain")
    assert answer.code == 1
    assert "run this command as that user" in answer.err


@pytest.mark.parametrize("number", [1, 2])
def test_damage_ends_it_with_its_place_and_nothing_more_is_removed(cli: Cli, old: DeskPaths, number: int) -> None:
    segment = read_chain(old.journal).segments[number - 1].path
    segment.write_bytes(segment.read_bytes().replace(b"rrrr", b"rrqr", 1))
    answer = cli("maintain", "--keep", "40")
    assert answer.code == 1
    [*_, words] = answer.err.splitlines()
    assert words.startswith(f"bifrost: demo: {segment}, line 2: ")
    assert "(hash); nothing more was removed; see docs/runbook.md#journal_damaged" in words
    assert segment.name in {Path(name).name for name in tree(old)}
    assert [anchor.number for anchor in read_anchors(old.journal)] == list(range(1, number))
    assert forms(old)["tape"] == ["plain"] * 3
    assert ("done: removed 1 journal segment (" in answer.out) == (number == 2)
    assert [entry.outcome for entry in read_audit(old.audit)] == ["failed"] * (number - 1)


def test_a_full_disk_is_said_with_the_file_and_loses_nothing(
    cli: Cli, old: DeskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, mode: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = tree(old)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fchmod", full)
        answer = cli("maintain")
    assert answer.code == 1
    first = read_chain(old.journal).segments[0].path
    assert answer.err.splitlines()[-1] == (
        f"bifrost: demo: cannot compress {first}: No space left on device; "
        "nothing is lost, run it again when that is mended"
    )
    assert {name for name in before if name not in tree(old)} == {"tape/ancient-0001.jsonl"}
    assert not list(old.journal.glob(".*.tmp.gz"))
    assert cli("maintain").code == 0


def test_older_segments_that_are_still_needed_are_kept_and_it_says_why(cli: Cli, paths: DeskPaths) -> None:
    writer = JournalWriter(paths.journal, wall_us=lambda: wall_us() - 50 * DAY_US, reserve_bytes=0)
    writer.open()
    writer.append([make_line(1)])
    writer.close()
    journal_days(paths, [40, 30])
    second = read_chain(paths.journal).segments[1].path
    second.write_bytes(b"".join(second.read_bytes().splitlines(keepends=True)[1:]))
    answer = cli("maintain", "--keep", "5", "--dry-run")
    assert answer.code == 0
    assert f"bifrost: {second} does not open with a ledger_checkpoint" in answer.err
    assert "would remove" not in answer.out


def test_a_tape_above_its_bound_loses_its_oldest_finished_files(cli: Cli, old: DeskPaths, tmp_path: Path) -> None:
    tape(old, "second", 30, events=50_000)
    file = tmp_path / "mine.yaml"
    file.write_text("extends: demo\nstorage: {tape_keep_days: null, tape_max_mib: 1}\n")
    answer = cli("maintain", "--profile", str(file), "--compress-after", "1000")
    assert answer.code == 0
    assert sorted(path.name for path in old.tape.iterdir()) == ["late-0001.jsonl", "running-0001.jsonl"]


def maintain(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", "maintain", "--desk", "demo", *arguments],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "BIFROST_ROOT": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_first_file(process: "subprocess.Popen[str]") -> str:
    """Give the first line about a file that was done; empty when the process ended without any."""
    assert process.stderr is not None
    return process.stderr.readline()


def test_ctrl_c_says_what_is_done_and_the_next_run_ends_the_work(root: Path, cli: Cli, paths: DeskPaths) -> None:
    journal_days(paths, [20] * 30, lines=1500)
    with maintain(root) as process:
        first = wait_for_first_file(process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert first.startswith("  compressed journal/")
    assert process.returncode == 130
    [words] = [line for line in err.splitlines() if not line.startswith("  compressed journal/")]
    assert words.startswith("bifrost: interrupted after ")
    assert words.endswith(" of 29 files; nothing is lost, run the command again to go on")
    assert verify(paths.journal).records == 30 * 1500
    assert cli("maintain").code == 0
    assert forms(paths)["journal"] == ["gz"] * 29 + ["plain"]
    assert verify(paths.journal).records == 30 * 1500


def test_killed_at_random_moments_it_loses_nothing(root: Path, cli: Cli, paths: DeskPaths) -> None:
    count, lines = 75, 200
    journal_days(paths, [60] * (count // 3) + [20] * (count // 3 * 2), lines=lines)
    for age in range(20, 40):
        history_day(paths, age)
    chance = random.Random(5)
    killed = 0
    for _ in range(15):
        with maintain(root, "--keep", "50") as process:
            if wait_for_first_file(process).startswith("  "):
                time.sleep(chance.uniform(0, 0.01))
            process.kill()
            process.communicate()
        killed += process.returncode == -signal.SIGKILL
        verdict = verify(paths.journal)
        assert verdict.ok, verdict.problem
        left = [line.seq for line in read_journal(paths.journal)]
        assert left == list(range(left[0], count * lines + 1))
        assert (left[0] - 1) % lines == 0
        assert {sample.own_shares for sample in read_history(paths.history)} == set(range(20, 40))
    assert killed >= 10
    assert cli("maintain", "--keep", "50").code == 0
    assert forms(paths)["journal"] == ["gz"] * (count // 3 * 2 - 1) + ["plain"]
    assert forms(paths)["history"] == ["gz"] * 20
    assert len(read_anchors(paths.journal)) == count // 3
    assert [line.seq for line in read_journal(paths.journal)] == list(range(count // 3 * lines + 1, count * lines + 1))
    assert not [path for folder in (paths.journal, paths.history) for path in folder.glob(".*.tmp.gz")]


class Writing:
    """Somebody who appends and begins a new segment every few lines, until told to stop."""

    def __init__(self, paths: DeskPaths) -> None:
        self.writer = JournalWriter(paths.journal, wall_us=wall_us, segment_bytes=4000, reserve_bytes=0)
        self.writer.open()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer")
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            kind = JournalType.LEDGER_CHECKPOINT if self.writer.rotation_due() else JournalType.TRANSITION
            self.writer.append([make_line(self.writer.next_seq, kind)])
            self._stop.wait(0.002)

    def stop(self) -> int:
        """The number of the last line."""
        self._stop.set()
        self._thread.join()
        self.writer.close()
        return self.writer.head[0]


def test_it_runs_beside_a_writer_and_a_follower(root: Path, paths: DeskPaths) -> None:
    writing = Writing(paths)
    try:
        tail = JournalTail(paths.journal, from_end=False)
        followed: list[int] = []
        answers: list[Answer] = []
        for _ in range(3):
            with maintain(root, "--compress-after", "0", "--json") as process:
                while process.poll() is None:
                    followed += [line.seq for line in tail.poll()]
                out, err = process.communicate()
            answers.append(Answer(process.returncode, out, err))
    finally:
        last = writing.stop()
    followed += [line.seq for line in tail.poll()]
    assert [answer.code for answer in answers] == [0] * 3, answers
    assert followed == list(range(1, last + 1))
    assert forms(paths)["journal"].count("gz") > 10
    assert verify(paths.journal).records == last
    assert writing.writer.broken == "it was closed"


def test_a_line_of_what_was_done() -> None:
    done = {"action": "compress", "file": "journal/20261101-0003.jsonl", "bytes_before": 16 << 20, "bytes_after": 1500}
    assert line_of(done) == "compressed journal/20261101-0003.jsonl: 16.0 MiB -> 1.5 KiB"
    assert line_of({**done, "action": "remove"}) == "removed journal/20261101-0003.jsonl: 16.0 MiB"
