import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cli import desk_commands
from cli.options import CHECKOUT, default_root
from state.records import JournalType
from tests.cli.conftest import Cli, Desk

RUNNING = ["up", "daemon", "supervise", "simulator", "cockpit", "passwd", "test"]
ASKING = ["status", "top", "ops", "why", "verify", "profile", "doctor", "maintain"]
COMMANDING = ["stop", "start", "pause", "resume", "flatten", "reset", "book", "salvage"]
HISTORY = ["backtest", "replay", "stats", "sweep", "whatif"]
COMMANDS = [*RUNNING, *ASKING, *COMMANDING, *HISTORY]
SUBCOMMANDS = [
    *COMMANDS,
    *(f"profile {each}" for each in ("list", "show", "validate")),
    *(f"book {each}" for each in ("adopt", "release", "acknowledge")),
    *(f"sweep {each}" for each in ("run", "list", "show", "make-profile")),
]
ABOUT_A_DESK = [
    "status",
    "status --fresh --json",
    "stop",
    "stop --flatten --yes",
    "start",
    "pause",
    "resume",
    "flatten --yes",
    "ops",
    "why --at 14:03",
    "verify",
    "doctor --desk nobody",
    "maintain --dry-run",
    "reset --by anna --reason x",
    "salvage --by anna --reason x --yes",
    "book adopt --shares 1 --reason x",
    "book release --shares 1 --reason x",
    "book acknowledge --shares 1 --reason x",
]


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_every_command_has_help_with_an_example(cli: Cli, command: str) -> None:
    answer = cli(*command.split(), "--help")
    assert answer.code == 0
    assert f"./bifrost {command.split(maxsplit=1)[0]}" in answer.out.replace("\n ", "")
    assert "Example: ./bifrost " in answer.out
    assert answer.err == ""


def test_help_lists_exactly_the_commands_of_this_version(cli: Cli) -> None:
    listed = cli("--help").out.split("Commands:")[1]
    assert sorted(re.findall(r"^  (\w+) ", listed, re.MULTILINE)) == sorted([*COMMANDS])


def test_help_loads_no_heavy_library() -> None:
    script = "import sys, cli.app; cli.app.run(['--help']); print('LOADED', *sorted(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.partition("LOADED ")[2].split()}
    ours = {"daemon", "cockpit", "state", "config"}
    heavy = {"numpy", "pandas", "scipy", "streamlit", "ib_async", "rich", "yaml", "msgspec", "pydantic"}
    assert loaded & (ours | heavy) == set()


@pytest.mark.parametrize("command", ABOUT_A_DESK)
def test_a_desk_that_does_not_exist_is_one_line_and_exit_2(cli: Cli, root: Path, command: str) -> None:
    answer = cli(*command.split(), "--desk", "nobody")
    assert answer.code == 2
    if "--json" not in command:
        assert answer.out == ""
    assert answer.err == (
        f"bifrost: no desk 'nobody' under {root} (no desk was ever started there); name one with --desk, another root "
        "with --root, or start it: ./bifrost up --profile P\n"
    )
    assert not root.exists(), "asking must not make a desk"


@pytest.mark.parametrize("command", [*ABOUT_A_DESK, "status --frsh", "profile show nowhere", "nope"])
def test_who_asks_for_json_gets_json_also_for_a_problem(cli: Cli, command: str) -> None:
    answer = cli(*command.split(), "--json") if "--json" not in command else cli(*command.split())
    found = json.loads(answer.out)
    assert (answer.code, found["exit_code"]) == (2, 2)
    assert found["problem"]


def test_a_missing_desk_names_those_that_exist(cli: Cli, desk: Desk) -> None:
    assert "(desks there: demo)" in cli("status", "--desk", "dmeo").err


@pytest.mark.parametrize("name", ["_archive", "../demo", "Demo", "", "x" * 32])
def test_a_name_that_is_no_desks(cli: Cli, name: str) -> None:
    answer = cli("verify", f"--desk={name}")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("nope", "No such command 'nope'"),
        ("status --frsh", "No such option: --frsh"),
        ("stop --wait soon", "Invalid value for '--wait'"),
        ("stop --wait -1", "Invalid value for '--wait'"),
        ("up --port 70000", "Invalid value for '--port'"),
        ("ops --limit 0", "Invalid value for '--limit'"),
        ("daemon", "Missing option '--profile'"),
        ("reset --by anna", "Missing option '--reason'"),
        ("book adopt --reason x", "Missing option '--shares'"),
        ("profile show", "Missing argument"),
    ],
)
def test_wrong_words_are_one_line_with_the_help_to_read(cli: Cli, arguments: str, words: str) -> None:
    answer = cli(*arguments.split())
    assert answer.code == 2
    assert answer.out == ""
    assert len(answer.err.splitlines()) == 1
    assert answer.err.startswith(f"bifrost: {words}")
    assert "--help`." in answer.err


def test_no_words_at_all_show_the_help(cli: Cli) -> None:
    answer = cli()
    assert answer.code == 2
    assert "Commands:" in answer.out + answer.err


def test_global_options_before_or_after_the_command(cli: Cli, desk: Desk, root: Path, tmp_path: Path) -> None:
    desk.shows()
    elsewhere = str(tmp_path / "elsewhere")
    assert cli("--desk", "demo", "--root", str(root), "--json", "status").out.startswith('{"desk":"demo"')
    assert cli("status", "--desk", "demo", "--root", str(root), "--json").out.startswith('{"desk":"demo"')
    assert cli("--root", elsewhere, "status", "--root", str(root)).code == 0, "what stands after the command wins"
    assert cli("--root", str(root), "status", "--root", elsewhere).code == 2


def test_desk_and_root_from_the_environment(
    cli: Cli, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk.shows()
    monkeypatch.setenv("BIFROST_DESK", "other")
    assert "no desk 'other'" in cli("status").err
    assert cli("status", "--desk", "demo").code == 0
    monkeypatch.delenv("BIFROST_ROOT")
    monkeypatch.setenv("BIFROST_LAUNCHER", str(tmp_path / "bifrost"))
    assert default_root() == tmp_path / "var"
    monkeypatch.delenv("BIFROST_LAUNCHER")
    assert default_root() == CHECKOUT / "var"


def test_a_bug_is_one_line_and_its_traceback_is_kept(
    cli: Cli, desk: Desk, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(desk_commands, "look", broken)
    answer = cli("status")
    log = root / "_logs" / "cli.log"
    assert answer.code in {1, 3}
    assert answer.err == f"bifrost: unexpected ZeroDivisionError: a bug; details in {log}\n"
    assert "Traceback" in log.read_text()


def test_a_reader_that_had_enough_is_no_error(root: Path, desk: Desk) -> None:
    for _ in range(2000):
        desk.journal(JournalType.TRANSITION, reason="x" * 50)
    command = [sys.executable, "-P", "-m", "cli", "ops", "--limit", "2000", "--json"]
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == b'{"desk":"d'
        process.stdout.close()
        assert process.stderr.read() == b""


def test_an_interrupt_while_the_program_is_read_in_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "cli.app", Slow("cli.app"))
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("cli", run_name="__main__")
    assert ended.value.code == 130
