"""A journal that is damaged before its tail: no trading, readable pages, a salvage, and a flatten by its number."""

import json
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from state.records import JournalType
from state.segments import list_segments
from tests.acceptance.test_control import FOREIGN_SHARES, WITH_FOREIGN, acknowledge, hedging, start
from tests.support.cockpit_process import CockpitProcess
from tests.support.invariants import assert_invariants
from tests.support.system import System, running, wait_for

JOURNAL_DAMAGED = 5


@pytest.fixture(scope="module")
def hedged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a desk that has hedged, in an account that holds foreign shares too, and was stopped."""
    with running(System(tmp_path_factory.mktemp("hedged"), WITH_FOREIGN)) as system:
        start(system)
        acknowledge(system)
        hedging(system, beyond=2)
        assert system.cli("stop", "--reason", "for the night", "--wait", "15").returncode == 0
        system.end("supervise")
        assert system.cli("start").returncode == 0
    assert_invariants(system)
    return system.paths.root


@pytest.fixture
def stopped(hedged: Path, tmp_path: Path) -> Iterator[System]:
    """That desk, a copy for each test, with its simulator: this one goes on from its own saved book."""
    shutil.copytree(hedged, tmp_path / "var")
    with running(System(tmp_path, WITH_FOREIGN)) as system:
        system.start_simulator()
        yield system
    assert_invariants(system)


def flip(system: System, *numbers: int) -> Path:
    """Flip a bit in the bodies of these lines (counted from 1) of the one segment; gives the file."""
    (segment,) = list_segments(system.paths.journal)
    lines = segment.path.read_bytes().splitlines(keepends=True)
    for number in numbers:
        line = bytearray(lines[number - 1])
        line[40] ^= 1
        lines[number - 1] = bytes(line)
    segment.path.write_bytes(b"".join(lines))
    return segment.path


def lose_every_order(system: System) -> Path:
    """Damage every line from the first intent on: what remains knows of no order at all."""
    lines = system.lines()
    first = next(line.seq for line in lines if line.type is JournalType.INTENT)
    return flip(system, *range(first, lines[-1].seq + 1))


def start_daemon(system: System) -> int:
    """A daemon in the foreground that is expected to give up."""
    return system.start("daemon", "--profile", str(system.profile)).wait(30)


def own_at_the_venue(system: System) -> float:
    """What the account holds beyond the foreign shares, by the simulator's own book."""
    book = json.loads((system.paths.simulator / "book.json").read_text())["exchange"]
    held: float = book["money"]["holdings"].get(book["instruments"][0], {"quantity": 0.0})["quantity"]
    return held - FOREIGN_SHARES


def page(system: System) -> str:
    """What the cockpit tells of the desk."""
    with CockpitProcess(system.paths.root, desk=system.desk) as cockpit:
        address = f"{cockpit.address}/api/light?desk={system.desk}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own page on loopback
            return str(answer.read().decode())


def salvage(system: System) -> dict[str, object]:
    done = system.cli("salvage", "--by", "anna", "--reason", "bad sector", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


def halted(system: System) -> None:
    """Supervised again, reconciled, and halted."""
    system.start_supervised()
    wait_for("the reconciliation", lambda: system.of(JournalType.RECONCILED))
    run_id = system.of(JournalType.RUN_STARTED)[-1].run_id
    wait_for("its snapshot", lambda: (s := system.snapshot()) and s.run_id == run_id and s.posture.name == "HALTED")


def test_damage_salvage_and_a_flatten_by_its_number(stopped: System) -> None:
    own = stopped.snapshot().own_shares
    assert own
    assert own == own_at_the_venue(stopped)
    damaged = lose_every_order(stopped)
    content = damaged.read_bytes()

    # No trading; everything stays readable and names the place.
    sent = stopped.placed_order_refs()
    assert start_daemon(stopped) == JOURNAL_DAMAGED
    assert stopped.placed_order_refs() == sent
    assert "journal_damaged" in stopped.cli("status").stdout
    assert "fill" in stopped.cli("ops").stdout
    assert "journal_damaged" in page(stopped)
    verified = stopped.cli("verify")
    assert verified.returncode == 1
    assert f"{damaged}, line " in verified.stderr
    assert "(hash)" in verified.stderr
    refused = stopped.cli("flatten", "--yes")
    assert refused.returncode == 1
    assert "salvage" in refused.stderr

    # The salvage: asked for, then done; the damaged folder is kept as it was.
    assert stopped.cli("salvage", "--by", "anna", "--reason", "bad sector").returncode == 2
    told = salvage(stopped)
    assert (told["own_shares"], told["snapshot_own_shares"]) == (0, own)
    (kept,) = stopped.paths.folder.glob("journal.damaged-*")
    assert (kept / damaged.name).read_bytes() == content
    assert stopped.cli("verify").returncode == 0
    audited = "".join(file.read_text() for file in stopped.paths.audit.glob("*.jsonl"))
    assert '"action":"salvage"' in audited

    # The broker's executions are found again; hedging is halted.
    halted(stopped)
    wait_for("own shares", lambda: stopped.snapshot().own_shares == own)
    assert own_at_the_venue(stopped) == own
    assert {line.reason for line in stopped.of(JournalType.FILL)} == {"journal_salvaged"}
    assert [line.reason for line in stopped.of(JournalType.HALT)] == ["journal_salvaged"]
    time.sleep(3)
    assert stopped.placed_order_refs() == sent
    assert stopped.status() == 2

    # A touch cannot say the number, and a wrong number is none.
    (stopped.paths.control / "flatten").touch()
    line = wait_for("the refusal", lambda: stopped.command_receipt("flatten", JournalType.CONTROL_REFUSED), 10)
    assert (line.reason, line.data["own_shares"]) == ("flatten_unconfirmed", own)
    assert line.data["account_shares"] == own + FOREIGN_SHARES
    shown = stopped.cli("status").stdout
    assert "flatten_unconfirmed" in shown
    assert f"--confirm-shares {own:g}" in shown
    assert stopped.cli("flatten", "--yes").returncode == 2
    wrong = stopped.cli("flatten", "--yes", f"--confirm-shares={own + FOREIGN_SHARES}", "--wait", "20")
    assert wrong.returncode == 1
    assert "flatten_unconfirmed" in wrong.stderr
    assert stopped.placed_order_refs() == sent

    # The right one closes what is own, and nothing else.
    done = stopped.cli("flatten", "--yes", f"--confirm-shares={own}", "--wait", "30")
    assert done.returncode == 0, done.stderr
    wait_for("the snapshot", lambda: stopped.snapshot().own_shares == 0)
    assert stopped.snapshot().foreign_shares == FOREIGN_SHARES
    assert own_at_the_venue(stopped) == 0

    # The halt ends with a reset, and the desk hedges again.
    assert stopped.cli("reset", "--by", "anna", "--reason", "compared with TWS").returncode == 0
    assert stopped.cli("resume", "--wait", "10").returncode == 0
    hedging(stopped, beyond=len(stopped.of(JournalType.FILL)))
    assert stopped.cli("verify").returncode == 0
    stopped.cli("stop", "--wait", "15")


def test_one_flipped_bit_loses_nothing_and_the_supervisor_flattens_under_a_stop(stopped: System) -> None:
    own = stopped.snapshot().own_shares
    first = next(line.seq for line in stopped.lines() if line.type is JournalType.LEDGER_CHECKPOINT)
    flip(stopped, first + 1)
    assert start_daemon(stopped) == JOURNAL_DAMAGED
    # The lines behind the damage vouch for themselves, up to the last word of the run.
    assert salvage(stopped)["own_shares"] == own
    assert stopped.cli("stop", "--reason", "stay down").returncode == 0
    stopped.start_supervised()
    wait_for("the cancel pass", lambda: stopped.lines()[-1].type is JournalType.RUN_STOPPED, 30)
    asked = stopped.cli("flatten", "--yes", f"--confirm-shares={own}")
    assert asked.returncode == 0, asked.stderr
    wait_for("the flatten", lambda: stopped.of(JournalType.FLATTEN_VERIFIED), 30)
    wait_for("the end of the flattening run", lambda: stopped.daemon_pid() is None, 15)
    assert (stopped.paths.control / "stop").exists()
    assert own_at_the_venue(stopped) == 0


def test_a_salvage_cut_short_in_the_gap_keeps_the_daemon_down_until_it_is_finished(stopped: System) -> None:
    own = stopped.snapshot().own_shares
    flip(stopped, 2)
    assert start_daemon(stopped) == JOURNAL_DAMAGED
    salvage(stopped)
    # As a kill between the two renames would have left it: the old one is aside, the new one not yet in.
    stopped.paths.journal.rename(stopped.paths.salvaging)
    assert start_daemon(stopped) == JOURNAL_DAMAGED
    assert "salvage was cut short" in (stopped.root / "daemon.log").read_text()
    assert stopped.cli("verify").returncode == 1
    assert stopped.cli("flatten", "--yes").returncode == 1
    assert salvage(stopped)["outcome"] == "finished"
    halted(stopped)
    wait_for("own shares", lambda: stopped.snapshot().own_shares == own)
    stopped.cli("stop", "--wait", "15")


def test_a_sound_journal_and_a_running_daemon_are_not_salvaged(stopped: System) -> None:
    sound = stopped.cli("salvage", "--by", "anna", "--reason", "to be sure", "--yes")
    assert sound.returncode == 1
    assert "nothing to salvage" in sound.stderr
    stopped.start_supervised()
    wait_for("a daemon", stopped.daemon_pid)
    running_one = stopped.cli("salvage", "--by", "anna", "--reason", "to be sure", "--yes")
    assert running_one.returncode == 4
    assert "in use" in running_one.stderr
    stopped.cli("stop", "--wait", "15")
