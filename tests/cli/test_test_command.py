import sys
from pathlib import Path

import pytest

import cli.test_command as module
from cli.test_command import WORKERS, pytest_defaults
from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("given", "nightly", "expected"),
    [
        ([], False, ["-m", "not nightly", *WORKERS]),
        ([], True, [*WORKERS]),
        (["tests/core", "-k", "guard"], False, ["-m", "not nightly", *WORKERS, "tests/core", "-k", "guard"]),
        (["-n", "0"], False, ["-m", "not nightly", "-n", "0"]),
        (["-n8"], False, ["-m", "not nightly", "-n8"]),
        (["--numprocesses=4"], True, ["--numprocesses=4"]),
        (["--maxfail=1"], True, [*WORKERS, "--maxfail=1"]),
        (["-m", "browser"], False, [*WORKERS, "-m", "browser"]),
        (["--pdb"], True, ["--pdb"]),
    ],
)
def test_three_workers_and_no_nightly_unless_said(given: list[str], nightly: bool, expected: list[str]) -> None:
    assert pytest_defaults(given, nightly=nightly) == expected


def _tool(name: str, script: str, *, is_tests: bool = False, is_beside: bool = False) -> module._Tool:
    return module._Tool(name, (sys.executable, "-c", script), is_tests=is_tests, is_beside=is_beside)


def test_every_tool_runs_and_the_worst_decides(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [
        _tool("fine", "print('never shown')"),
        _tool("bad", "print('what is wrong'); raise SystemExit(3)"),
        _tool("tests", "import sys; print('streamed'); sys.exit(1)", is_tests=True),
    ]
    monkeypatch.setattr(module, "_tools", lambda *_, **__: tools)
    answer = cli("test")
    assert answer.code == 3
    assert "what is wrong" in answer.out
    assert "streamed" in answer.out
    assert "never shown" not in answer.out
    summary = answer.out.splitlines()[-3:]
    assert [line.split()[:2] for line in summary] == [["ok", "fine"], ["FAILED", "bad"], ["FAILED", "tests"]]
    assert summary[1].endswith("(exit 3)")


def test_what_runs_beside_the_others_begins_before_them_and_is_told_after_them(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, seen = tmp_path / "begun", tmp_path / "seen"
    meet = """
import pathlib, sys, time
mine, other = pathlib.Path({!r}), pathlib.Path({!r})
mine.touch()
end = time.monotonic() + 60
while not other.exists():
    if time.monotonic() > end: sys.exit("never met")
    time.sleep(0.02)
print("met")
"""
    tools = [
        _tool("beside", meet.format(str(begun), str(seen)) + "sys.exit(2)", is_beside=True),
        _tool("tests", meet.format(str(seen), str(begun)), is_tests=True),
    ]
    monkeypatch.setattr(module, "_tools", lambda *_, **__: tools)
    answer = cli("test")
    assert answer.code == 2
    said = [line.split(" s", maxsplit=1)[0].split()[:2] for line in answer.out.splitlines()]
    assert said[-3:] == [[], ["FAILED", "beside"], ["ok", "tests"]]
    assert answer.out.index("== tests") < answer.out.index("== beside") < answer.out.rindex("met")


def test_a_killed_tool_is_a_failure(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = _tool("killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setattr(module, "_tools", lambda *_, **__: [killed])
    assert cli("test").code == 1


def test_a_missing_tool_says_how_to_get_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_tools", lambda *_, **__: [module._Tool("gone", ("/no/such/tool",))])
    answer = cli("test")
    assert answer.code == 1
    assert answer.err == "bifrost: cannot run gone (No such file or directory); `./bifrost test` installs the tools\n"


def test_arguments_after_the_command_reach_pytest(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], bool]] = []

    def tools(arguments: list[str], *, nightly: bool) -> list[module._Tool]:
        seen.append((arguments, nightly))
        return [_tool("fine", "")]

    monkeypatch.setattr(module, "_tools", tools)
    assert cli("test", "--nightly", "tests/core", "-k", "guard", "--json", "-x").code == 0
    assert seen == [(["tests/core", "-k", "guard", "--json", "-x"], True)]


def test_the_tools_are_those_of_the_design() -> None:
    assert [tool.name for tool in module._tools([], nightly=False)] == [
        "ruff format",
        "ruff check",
        "mypy",
        "import-linter",
        "pytest",
    ]
