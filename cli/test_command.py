"""`bifrost test`: format, lint, types, layers and every test; exits as the worst of them."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CommandError
from cli.options import CHECKOUT
from cli.output import coloured, say

WORKERS = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
"""Three for two cores: the tests of processes mostly wait. A file's tests share expensive desks, so a file stays with
one worker; the long stories come first by name."""


@dataclass(frozen=True)
class _Tool:
    """One check: its name in the summary and its command line. `is_tests` streams; the others speak on failure.

    `is_beside` runs beside all others, for it keeps one core busy for long, and is told last.
    """

    name: str
    command: tuple[str, ...]
    is_tests: bool = False
    is_beside: bool = False


@dataclass(frozen=True)
class _Outcome:
    """How a tool ended: its exit code (1 when it was killed), its seconds, and what it said unless that streamed."""

    code: int
    seconds: float
    said: str


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "test",
        short_help="Format, lint, types, layers and every test",
        epilog="Example: ./bifrost test tests/core -k guard",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--help"]},
    )(run_tests)


def run_tests(
    context: typer.Context,
    *,
    nightly: Annotated[bool, typer.Option("--nightly", help="Also the long versions of the tests.")] = False,
) -> int:
    """Run ruff, mypy, import-linter and pytest; what follows is handed to pytest. Exits as the worst of them."""
    tools = _tools(list(context.args), nightly=nightly)
    outcomes: dict[str, _Outcome] = {}
    with ThreadPoolExecutor() as pool:
        begun = {tool.name: pool.submit(_run, tool) for tool in tools if tool.is_beside}
        for tool in sorted(tools, key=lambda each: each.is_beside):
            say(coloured(f"== {tool.name}", "bold"))
            outcome = begun[tool.name].result() if tool.is_beside else _run(tool)
            if outcome.code != 0 and outcome.said:
                say(outcome.said)
            outcomes[tool.name] = outcome
    say()
    for tool in tools:
        code, seconds = outcomes[tool.name].code, outcomes[tool.name].seconds
        verdict = coloured("ok    ", "green") if code == 0 else coloured("FAILED", "red")
        say(f"{verdict} {tool.name:<14} {seconds:6.1f} s{'' if code == 0 else f'  (exit {code})'}")
    return max(outcome.code for outcome in outcomes.values())


def _tools(pytest_arguments: list[str], *, nightly: bool) -> list[_Tool]:
    python = (sys.executable, "-P", "-m")
    layers = Path(sys.executable).with_name("lint-imports")
    return [
        _Tool("ruff format", (*python, "ruff", "format", "--check", ".")),
        _Tool("ruff check", (*python, "ruff", "check", ".")),
        # A step behind the tests, whose processes wait for each other.
        _Tool("mypy", ("nice", "-n", "5", *python, "mypy"), is_beside=True),
        _Tool("import-linter", (str(layers), "--no-cache")),
        _Tool("pytest", (*python, "pytest", *pytest_defaults(pytest_arguments, nightly=nightly)), is_tests=True),
    ]


def pytest_defaults(arguments: list[str], *, nightly: bool) -> list[str]:
    """The arguments for pytest: three workers and no nightly tests, unless the caller says otherwise."""
    chosen = list(arguments)
    if not any(_is_option(each, "-n", "--numprocesses", "--dist") for each in arguments) and "--pdb" not in arguments:
        chosen = [*WORKERS, *chosen]
    if not nightly and not any(_is_option(each, "-m") for each in arguments):
        chosen = ["-m", "not nightly", *chosen]
    return chosen


def _is_option(argument: str, *names: str) -> bool:
    return any(
        argument == name or argument.startswith(f"{name}=") or (len(name) == 2 and argument.startswith(name))
        for name in names
    ) and not argument.startswith("---")


def _run(tool: _Tool) -> _Outcome:
    """Run it to its end. Raises CommandError when it cannot be started."""
    started = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    # The tests make desks of their own; the operator's choice of desk must not leak into them.
    # And hundreds of test processes must not compile the same modules again, each for itself.
    for name in ("BIFROST_DESK", "BIFROST_ROOT", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    try:
        done = subprocess.run(  # noqa: S603 our own tools, named above
            tool.command, cwd=CHECKOUT, env=environment, check=False, capture_output=not tool.is_tests, text=True
        )
    except OSError as error:
        raise CommandError(f"cannot run {tool.name} ({error.strerror}); `./bifrost test` installs the tools") from error
    said = "" if tool.is_tests else (done.stdout + done.stderr).rstrip()
    return _Outcome(done.returncode if done.returncode >= 0 else 1, time.monotonic() - started, said)
