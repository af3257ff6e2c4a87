import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cli.desk_commands as module
from cli.options import CHECKOUT
from daemon.runtime.clocks import wall_us
from state.control import assert_command
from state.records import Check, JournalType, SelfCheck
from state.times import iso_from_us
from tests.cli.conftest import Cli, Desk

RED = SelfCheck(
    status="blocked",
    block_reasons=("data_lag",),
    checks=(Check(name="data_lag_ms", ok=False, severity="red", measured=1800.0, limit=1000.0, reason="data_lag"),),
)


def test_green(cli: Cli, desk: Desk) -> None:
    desk.shows(account="DU0000001", account_kind="simulated", own_shares=-181.0, daily_pnl_usd=-12.5)
    answer = cli("status")
    assert answer.code == 0
    assert answer.out.startswith("GREEN OK  demo  simulated DU0000001  own -181 shares  P&L -12.50 USD  (")
    assert len(answer.out.splitlines()) == 1


def test_an_account_that_nobody_has_told_yet_is_said_to_be_unknown(cli: Cli, desk: Desk) -> None:
    desk.shows(account=None, account_kind=None)
    assert "  demo  account unknown  " in cli("status").out


def test_yellow_says_who_paused(cli: Cli, desk: Desk) -> None:
    desk.shows()
    assert_command(desk.paths.control, "pause", by="anna", reason="lunch", at=iso_from_us(wall_us()))
    answer = cli("status")
    assert answer.code == 1
    assert answer.out.startswith("YELLOW")
    assert "by anna since" in answer.out
    assert "lunch" in answer.out


def test_nothing_that_others_wrote_steers_the_terminal(cli: Cli, desk: Desk) -> None:
    """Cleared screens, titles and text that runs backwards: `YELLOW` must stay what was said of the desk."""
    desk.shows()
    evil = "\x1b[2J\x1b]0;green\x07\rGREEN OK\x9b1A\u202e"
    assert_command(desk.paths.control, "pause", by=evil, reason=evil, at=iso_from_us(wall_us()))
    desk.journal(JournalType.REJECTED, reason=evil, status="\x1b[31mred", quantity=1.0, unit=evil, order_ref=evil)
    for command in (["status"], ["ops"], ["ops", "--count-by", "reason"], ["doctor"]):
        answer = cli(*command)
        said = answer.out + answer.err
        assert "GREEN" in said, command
        assert not set(said) & set("\x1b\x07\r\x9b\u202e"), command
    assert json.loads(cli("ops", "--json").out)["operations"][0]["reason"] == evil


def test_a_market_that_lives_in_another_time_says_so(cli: Cli, desk: Desk) -> None:
    desk.shows(ts="2014-06-05T14:31:07.000000Z")
    assert "  market time 2014-06-05 14:31:07Z  (0." in cli("status").out


def test_the_commands_it_names_reach_this_desk(
    cli: Cli, desk: Desk, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.shows()
    assert_command(desk.paths.control, "pause", by="anna", reason="lunch", at=iso_from_us(wall_us()))
    assert "End it with ./bifrost resume." in cli("status").out
    monkeypatch.setenv("BIFROST_DESK", "other")
    monkeypatch.delenv("BIFROST_ROOT")
    said = cli("status", "--desk", "demo", "--root", str(root)).out
    assert f"End it with ./bifrost --desk demo --root {root} resume." in said


def test_times_are_told_to_the_second(cli: Cli, desk: Desk) -> None:
    desk.shows()
    assert_command(desk.paths.control, "pause", by="anna", reason="lunch", at=iso_from_us(wall_us()))
    assert re.search(r"\[by anna since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: lunch\]", cli("status").out)


def test_red_says_what_was_measured(cli: Cli, desk: Desk) -> None:
    desk.shows(self_check=RED)
    answer = cli("status")
    assert answer.code == 2
    assert answer.out.startswith("RED")
    assert "[data_lag_ms 1.8 s, limit 1.0 s]" in answer.out


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"schema": 99}', b"\xff\xfe"])
def test_no_or_a_damaged_snapshot_is_not_live(cli: Cli, desk: Desk, content: bytes | None) -> None:
    if content is not None:
        desk.paths.snapshot.write_bytes(content)
    answer = cli("status")
    assert answer.code == 3
    assert answer.out.startswith("NOT LIVE  demo")
    assert answer.err == ""


def test_an_old_snapshot_is_not_live(cli: Cli, desk: Desk) -> None:
    desk.shows(wall_ts=iso_from_us(wall_us() - 4_000_000))
    assert cli("status").code == 3


def test_json_is_one_object_with_reasons_and_snapshot(cli: Cli, desk: Desk) -> None:
    desk.shows(self_check=RED)
    answer = cli("status", "--json")
    found = json.loads(answer.out)
    assert (answer.code, found["exit_code"], found["light"], found["desk"]) == (2, 2, "red", "demo")
    assert found["reasons"][0]["code"] == "data_lag"
    assert found["snapshot"]["schema"] == 1


def test_fresh_waits_for_a_self_check_made_after_the_call(cli: Cli, desk: Desk) -> None:
    desk.shows(self_check=RED)
    looked = []

    def later() -> bool:
        looked.append(1)
        return len(looked) > 20

    desk.when(later, desk.shows)
    assert cli("status", "--fresh").code == 0


def test_fresh_gives_up_as_not_live(cli: Cli, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_WITHIN_S", 0.2)
    desk.shows(period_ms=50)
    answer = cli("status", "--fresh")
    assert answer.code == 3
    assert answer.err == (
        "bifrost: NOT LIVE: no self check within 0.2 s of the call: the daemon does not write; is it running?\n"
    )
    desk.paths.snapshot.unlink()
    assert "does not exist" in cli("status", "--fresh").err


def test_fresh_does_not_wait_for_a_stopped_desk(cli: Cli, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_WITHIN_S", 60.0)
    desk.shows(daemon_state="stopped", wall_ts=iso_from_us(wall_us() - 60_000_000))
    answer = cli("status", "--fresh")
    assert answer.code == 3
    assert "STOPPED" in answer.out


def test_colour_only_where_a_person_looks() -> None:
    import pty

    shown = {}
    for name, extra in (("plain", {"NO_COLOR": "1"}), ("coloured", {})):
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        master, slave = pty.openpty()
        command = [sys.executable, "-P", "-c", "from cli.output import coloured, say; say(coloured('OK', 'green'))"]
        subprocess.run(
            command, env=environment | {"PYTHONPATH": str(CHECKOUT), "TERM": "xterm"} | extra, stdout=slave, check=True
        )
        os.close(slave)
        shown[name] = os.read(master, 1000)
        os.close(master)
    assert shown["plain"] == b"OK\r\n"
    assert shown["coloured"] == b"\x1b[32mOK\x1b[0m\r\n"
