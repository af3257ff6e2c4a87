"""`salvage`, and a `flatten` that needs its number, over a journal that the real core wrote."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from cli.options import CHECKOUT
from daemon.core.recovery import recover
from daemon.runtime.clocks import wall_us
from daemon.runtime.locks import Locks, desk_lock_path
from daemon.runtime.recovery import DamagedJournalError, open_journal
from state.audit import read_audit
from state.control import read_control
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.maintenance import maintenance_lock
from state.records import Check, JournalType, SelfCheck
from state.segments import list_segments
from state.snapshot import read_snapshot, write_snapshot
from tests.cli.conftest import Cli, Desk
from tests.support.core_driver import Driver
from tests.support.desk_files import make_snapshot

SALVAGE = ("salvage", "--desk", "desk", "--by", "anna", "--reason", "bad sector")


@pytest.fixture
def paths(root: Path) -> DeskPaths:
    """A desk that bought 100 shares and then sold 30, stopped; its snapshot remembers the head."""
    driver = Driver().connect()
    driver.fill(driver.order("BUY", 100), "BUY", 100, 70.0)
    driver.fill(driver.order("SELL", 30), "SELL", 30, 70.5)
    paths = DeskPaths(root, "desk")
    paths.create()
    writer = JournalWriter(paths.journal, wall_us=wall_us)
    writer.open()
    writer.append(driver.lines)
    seq, head = writer.head
    writer.close()
    snapshot = make_snapshot(desk="desk", daemon_state="stopped", own_shares=70.0, journal_seq=seq, journal_hash=head)
    write_snapshot(paths.snapshot, snapshot, sync=False)
    return paths


def damage(paths: DeskPaths, kind: JournalType, *, nth: int = 0) -> int:
    """Flip a bit in the nth line of a type; gives its number."""
    seq = [line.seq for line in read_journal(paths.journal) if line.type is kind][nth]
    (segment,) = list_segments(paths.journal)
    lines = segment.path.read_bytes().splitlines(keepends=True)
    line = bytearray(lines[seq - 1])
    line[40] ^= 1
    lines[seq - 1] = bytes(line)
    segment.path.write_bytes(b"".join(lines))
    return seq


def test_a_terminal_or_yes_is_needed_and_nothing_is_done_without(cli: Cli, paths: DeskPaths) -> None:
    damage(paths, JournalType.FILL, nth=1)
    answer = cli(*SALVAGE)
    assert answer.code == 2
    assert "--yes" in answer.err
    assert "own shares     +100 by what holds; the last snapshot said +70" in answer.err
    assert not list(paths.folder.glob("journal.damaged-*"))
    with pytest.raises(DamagedJournalError, match="salvage"):
        open_journal(paths)


def test_salvage_begins_a_new_journal_that_opens_halted(cli: Cli, paths: DeskPaths) -> None:
    seq = damage(paths, JournalType.FILL, nth=1)
    answer = cli(*SALVAGE, "--yes")
    assert answer.code == 0, answer.err
    assert f"line {seq}: " in answer.err
    assert "(hash)" in answer.err
    assert "earlier days" in answer.err
    assert answer.out.startswith("desk: salvaged: own +100 shares, halted (journal_salvaged); the damaged journal is")
    opened = open_journal(paths)
    opened.writer.close()
    ledger = opened.recovered.ledger
    assert ledger is not None
    assert (ledger.own_shares, ledger.is_salvaged) == (100, True)
    lines = list(read_journal(paths.journal))
    assert [line.type for line in lines] == [JournalType.LEDGER_CHECKPOINT, JournalType.REPAIRED, JournalType.HALT]
    facts = lines[1].data
    assert facts is not None
    assert (facts["line"], facts["kind"], facts["lines_left_out"]) == (seq, "hash", 1)
    assert (facts["by"], facts["why"], facts["own_shares"]) == ("anna", "bad sector", 100)
    # The lost lines knew of one more order: its number is not given again.
    assert ledger.next_order > 1000
    (audited,) = read_audit(paths.audit)
    assert (audited.source, audited.action, audited.by, audited.outcome) == ("cli", "salvage", "anna", "salvaged")
    snapshot = read_snapshot(paths.snapshot).snapshot
    assert snapshot is not None
    assert snapshot.flatten_choices_shares == (100,)


def test_status_says_that_the_book_was_salvaged(cli: Cli, paths: DeskPaths) -> None:
    damage(paths, JournalType.FILL, nth=1)
    assert cli(*SALVAGE, "--yes").code == 0
    assert "journal_salvaged" in cli("status", "--desk", "desk").out


def test_json_is_one_object(cli: Cli, paths: DeskPaths) -> None:
    damage(paths, JournalType.FILL, nth=1)
    told = json.loads(cli(*SALVAGE, "--yes", "--json").out)
    assert (told["outcome"], told["own_shares"], told["kind"]) == ("salvaged", 100, "hash")
    assert (paths.folder / told["kept_in"]).is_dir()


def test_a_salvaged_journal_is_sound(cli: Cli, paths: DeskPaths) -> None:
    damage(paths, JournalType.FILL)
    assert cli(*SALVAGE, "--yes").code == 0
    again = cli(*SALVAGE, "--yes")
    assert again.code == 1
    assert "nothing to salvage" in again.err
    assert cli("verify", "--desk", "desk").code == 0


def test_without_a_checkpoint_that_verifies_the_operator_is_told_what_is_left(cli: Cli, paths: DeskPaths) -> None:
    (segment,) = list_segments(paths.journal)
    segment.path.write_bytes(segment.path.read_bytes().replace(b'"ledger_checkpoint"', b'"ledger_checkpoinT"'))
    answer = cli(*SALVAGE, "--yes")
    assert answer.code == 1
    assert "by hand in TWS" in answer.err
    assert "--desk" in answer.err


def test_it_refuses_while_a_daemon_has_the_desk(cli: Cli, paths: DeskPaths) -> None:
    damage(paths, JournalType.FILL)
    locks = Locks()
    locks.take(desk_lock_path(paths.folder), "desk")
    try:
        answer = cli(*SALVAGE, "--yes")
    finally:
        locks.release_all()
    assert answer.code == 4
    assert "in use" in answer.err


def test_it_refuses_while_maintain_is_at_work_in_the_same_journal(cli: Cli, paths: DeskPaths) -> None:
    damage(paths, JournalType.FILL)
    lock = maintenance_lock(paths)
    try:
        answer = cli(*SALVAGE, "--yes")
    finally:
        lock.release()
    assert answer.code == 4
    assert "maintains" in answer.err
    assert not list(paths.folder.glob("journal.*"))
    assert cli(*SALVAGE, "--yes").code == 0
    maintenance_lock(paths).release()


def test_another_user_whose_journal_the_daemon_could_not_open_is_sent_away(
    cli: Cli, paths: DeskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(paths, JournalType.FILL)
    monkeypatch.setattr(os, "geteuid", lambda: paths.folder.stat().st_uid + 1)
    answer = cli(*SALVAGE, "--yes")
    assert answer.code == 1
    assert "run this command as that user" in answer.err
    assert not list(paths.folder.glob("journal.*"))


@pytest.mark.parametrize("words", [("--by", " ", "--reason", "x"), ("--by", "anna", "--reason", "")])
def test_it_needs_a_person_and_a_reason(cli: Cli, paths: DeskPaths, words: tuple[str, ...]) -> None:
    assert cli("salvage", "--desk", "desk", *words).code == 2


def test_a_lost_tail_is_salvaged_by_what_is_left(cli: Cli, paths: DeskPaths) -> None:
    (segment,) = list_segments(paths.journal)
    lines = segment.path.read_bytes().splitlines(keepends=True)
    sold = [line.seq for line in read_journal(paths.journal) if line.type is JournalType.FILL][1]
    segment.path.write_bytes(b"".join(lines[: sold - 1]))
    told = json.loads(cli(*SALVAGE, "--yes", "--json").out)
    assert (told["kind"], told["own_shares"], told["snapshot_own_shares"]) == ("lost_tail", 100, 70)


def test_a_salvage_cut_short_is_named_and_finished(cli: Cli, paths: DeskPaths) -> None:
    damage(paths, JournalType.FILL)
    assert cli(*SALVAGE, "--yes").code == 0
    paths.journal.rename(paths.salvaging)
    paths.create()  # as a supervisor does at its start
    with pytest.raises(DamagedJournalError, match="cut short"):
        open_journal(paths)
    assert "cut short" in cli("verify", "--desk", "desk").err
    answer = cli(*SALVAGE)
    assert answer.code == 0, answer.err
    assert "it is finished now" in answer.err
    assert recover(read_journal(paths.journal)).ledger is not None


# --- flatten ---------------------------------------------------------------------------------------
def test_flatten_of_a_damaged_journal_names_the_salvage(cli: Cli, desk: Desk) -> None:
    broken = Check(name="journal", ok=False, severity="red", measured="x", reason="journal_damaged")
    desk.shows(self_check=SelfCheck(status="blocked", block_reasons=("journal_damaged",), checks=(broken,)))
    answer = cli("flatten", "--yes")
    assert answer.code == 1
    assert "exit 5" in answer.err
    assert "./bifrost salvage --by NAME --reason TEXT" in answer.err
    assert not desk.asserted("flatten")


@pytest.mark.parametrize("command", [("flatten", "--yes"), ("stop", "--flatten", "--yes")])
def test_a_number_that_is_needed_is_asked_for_with_every_choice(cli: Cli, desk: Desk, command: tuple[str, ...]) -> None:
    desk.shows(own_shares=-100.0, foreign_shares=270.0, flatten_choices_shares=(-100.0, -130.0))
    answer = cli(*command)
    assert answer.code == 2
    assert "-100 or -130 by book or account; the account holds +170 in all" in answer.err
    assert "--confirm-shares N" in answer.err
    assert not desk.asserted("flatten")
    assert cli(*command, "--confirm-shares=-130").code == 0
    note = read_control(desk.paths.control, wall_us()).files["flatten"]
    assert note.shares == -130
    audited = read_audit(desk.paths.audit)[0]
    assert audited.data == {"confirmed_shares": -130}


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_what_is_no_number_of_shares_is_refused(cli: Cli, desk: Desk, number: str) -> None:
    assert cli("flatten", "--yes", f"--confirm-shares={number}").code == 2
    assert not desk.asserted("flatten")


# --- at a terminal ---------------------------------------------------------------------------------
def typed(root: Path, answer: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one command with a terminal as its input, and type."""
    controller, terminal = pty.openpty()
    try:
        os.write(controller, answer.encode())
        return subprocess.run(
            [sys.executable, "-P", "-m", "cli", *words],
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            cwd=root.parent,
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(controller)
        os.close(terminal)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 1), ("n\n", 1), ("\x04", 1)])
def test_the_question_is_answered_with_y_and_nothing_else(root: Path, paths: DeskPaths, answer: str, code: int) -> None:
    damage(paths, JournalType.FILL)
    done = typed(root, answer, *SALVAGE)
    assert done.returncode == code, done.stderr
    assert bool(list(paths.folder.glob("journal.damaged-*"))) == (code == 0)


@pytest.mark.parametrize(("answer", "shares"), [("-130\n", -130.0), ("all\n", None), ("\x04", None)])
def test_the_number_is_typed_where_it_was_not_given(root: Path, desk: Desk, answer: str, shares: float | None) -> None:
    desk.shows(own_shares=-100.0, foreign_shares=270.0, flatten_choices_shares=(-100.0, -130.0))
    done = typed(root, answer, "flatten")
    assert done.returncode == (0 if shares is not None else 1), done.stderr
    assert desk.asserted("flatten") == (shares is not None)
    if shares is not None:
        assert read_control(desk.paths.control, wall_us()).files["flatten"].shares == shares
