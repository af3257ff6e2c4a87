"""The `bifrost` command: its list of commands, and the one place where an error becomes a line and an exit code."""

import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import typer

from cli import (
    backtest_command,
    book_commands,
    control_commands,
    desk_commands,
    doctor_command,
    journal_commands,
    maintain_command,
    passwd_command,
    profile_commands,
    replay_command,
    run_commands,
    salvage_command,
    stats_command,
    sweep_command,
    test_command,
    top_command,
    up_command,
    verify_command,
    whatif_command,
    why_command,
)
from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, JsonOption, RootOption, default_root, store_globals
from cli.output import complain, say_json

app = typer.Typer(
    name="bifrost",
    help="A delta-hedging trading daemon and the cockpit from which one person runs it.",
    epilog="Example: ./bifrost up   then   ./bifrost status --desk demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _globals(
    context: typer.Context, *, desk: DeskOption = None, root: RootOption = None, as_json: JsonOption = False
) -> None:
    store_globals(context, desk, root, as_json=as_json)


for _module in (
    up_command,
    run_commands,
    desk_commands,
    control_commands,
    book_commands,
    journal_commands,
    whatif_command,
    why_command,
    backtest_command,
    sweep_command,
    replay_command,
    verify_command,
    salvage_command,
    stats_command,
    maintain_command,
    passwd_command,
    profile_commands,
    doctor_command,
    top_command,
    test_command,
):
    _module.register(app)


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line. Every failure is one clear line on stderr; a bug leaves its traceback in a file."""
    try:
        result: Any = _command()(arguments, prog_name="bifrost", standalone_mode=False)
    except CommandError as error:
        complain(f"bifrost: {error}")
        _say_problem(arguments, str(error), error.code)
        return error.code
    except BrokenPipeError:
        # `bifrost ops | head`: whoever read us has enough. Python would complain again while closing stdout.
        sys.stdout = None
        return ExitCode.FAILED
    except typer.Abort:
        complain("bifrost: aborted")
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 the last door: an operator never reads a traceback
        code = _usage_or_bug(error)
        _say_problem(arguments, " ".join(str(error).split()) or type(error).__name__, code)
        return code
    return int(result) if isinstance(result, int) else ExitCode.DONE


@cache
def _command() -> Callable[..., Any]:
    """The tree of all commands, built once: that takes longer than most of them."""
    command: Callable[..., Any] = typer.main.get_command(app)
    return command


def _say_problem(arguments: list[str], problem: str, code: int) -> None:
    """Who asked for JSON gets JSON, also when there is nothing but a problem to tell."""
    if "--json" in arguments:
        say_json({"exit_code": int(code), "problem": problem})


def _usage_or_bug(error: Exception) -> int:
    formatted = getattr(error, "format_message", None)
    if formatted is not None:  # typer's usage errors share no public base class
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
            return ExitCode.USAGE
        command = context.command_path if context is not None else "bifrost"
        words = " ".join(str(formatted()).split()).rstrip(".")
        complain(f"bifrost: {words}. See `{command} --help`.")
        return ExitCode.USAGE
    kept = _keep_traceback(error)
    complain(f"bifrost: unexpected {type(error).__name__}: {str(error)[:200]}; details in {kept}")
    return ExitCode.FAILED


def _keep_traceback(error: Exception) -> str:
    """Append the traceback to `<root>/_logs/cli.log`; says where it went."""
    file = default_root() / "_logs" / "cli.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with Path(file).open("a", encoding="utf-8") as log:
            log.write("".join(traceback.format_exception(error)) + "\n")
    except OSError as failure:
        return f"no file ({failure})"
    return str(file)
