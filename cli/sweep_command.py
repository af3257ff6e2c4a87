"""`bifrost sweep run|list|show|make-profile`: many backtests of one profile with some of its keys varied."""

from typing import Annotated

import typer

from cli.errors import CommandError, ExitCode
from cli.options import JsonOption, RootOption, settings
from cli.output import say, say_json
from cli.sweep_parts import paths_of
from cli.sweep_run import run

sweeps = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_EXAMPLE = (
    "./bifrost sweep run --profile demo --data synthetic:7:10 "
    "--search gates.intent.hedge.cooldown_seconds=30:120:30 "
    "--search gates.state.delta.threshold_hedge_shares=5:25:5"
)
RunArgument = Annotated[str, typer.Argument(metavar="RUN_ID", help="A sweep's name; `sweep list` shows them.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(
        sweeps,
        name="sweep",
        help="Try many values of a profile's keys over past prices; tell plateau from spike, and promise from result.",
        short_help="Try many values of a profile's keys over past prices",
        epilog=f"Example: {_EXAMPLE}   then   ./bifrost sweep show RUN_ID   and   "
        "./bifrost sweep make-profile RUN_ID --trial 7 --as calmer",
    )


sweeps.command("run", short_help="Run a sweep, or go on with one", epilog=f"Example: {_EXAMPLE} --walk-forward 3")(run)


@sweeps.command("list", epilog="Example: ./bifrost sweep list --json")
def list_runs(context: typer.Context, *, root: RootOption = None, as_json: JsonOption = False) -> None:
    """Every sweep under the root, newest first, with how it stands."""
    from cli.sweep_text import list_text
    from state.runs.reading import list_sweeps

    chosen = settings(context, None, root, as_json=as_json)
    found = list_sweeps(chosen.root)
    if chosen.as_json:
        say_json({"root": str(chosen.root), "sweeps": found})
    else:
        say(list_text(found, chosen.root, _EXAMPLE))


@sweeps.command("show", epilog="Example: ./bifrost sweep show 20261121-141502-demo --best 20")
def show(
    context: typer.Context,
    run_id: RunArgument,
    *,
    best: Annotated[int, typer.Option("--best", min=1, metavar="N", help="How many cells are listed.")] = 10,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """The cells of a sweep beside their neighbours, the one to trust, and what was kept out of sample."""
    from daemon.backtest.sweep.results import SweepFolderError, plan_of
    from state.runs.files import UnreadableError
    from state.runs.reading import look_at_sweep
    from state.runs.trials import read_trials

    chosen = settings(context, None, root, as_json=as_json)
    paths = paths_of(chosen, run_id)
    try:
        plan, trials = plan_of(paths), read_trials(paths.results)
    except SweepFolderError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    except UnreadableError as error:
        raise CommandError(f"{paths.folder}: {error}; take that line out to read the others") from error
    look = look_at_sweep(paths)
    if chosen.as_json:
        from cli.sweep_text import verdict

        say_json({"run_id": run_id, "standing": look.standing, "progress": look.progress} | verdict(plan, trials))
    else:
        from cli.sweep_text import show_text

        say(show_text(plan, trials, look.standing, best=best, shell=chosen.shell_line()))
    return ExitCode.DONE


@sweeps.command(
    "make-profile", epilog="Example: ./bifrost sweep make-profile 20261121-141502-demo --trial 7 --as calmer"
)
def make_profile_of(
    context: typer.Context,
    run_id: RunArgument,
    *,
    trial: Annotated[int, typer.Option("--trial", min=0, metavar="N", help="The number of the cell.")],
    as_: Annotated[
        str, typer.Option("--as", metavar="NAME|FILE", help="A name under config/profiles/, or the path of a file.")
    ],
    desk: Annotated[
        str | None,
        typer.Option("--desk", metavar="NAME", help="The desk that it trades. Default: its name.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a profile of that name.")] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write a cell's keys as a profile that extends the sweep's, with the evidence for the cell as comments."""
    from config.loader import ProfileError
    from daemon.backtest.sweep.made_profile import MadeProfileError, make_profile, profile_path
    from daemon.backtest.sweep.results import SweepFolderError, plan_of
    from state.runs.files import UnreadableError
    from state.runs.trials import read_trials

    chosen = settings(context, None, root, as_json=as_json)
    paths, path = paths_of(chosen, run_id), profile_path(as_)
    try:
        made = make_profile(
            plan_of(paths), read_trials(paths.results), trial, path, desk=desk or path.stem, force=force
        )
    except (MadeProfileError, SweepFolderError, ProfileError, UnreadableError) as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    if chosen.as_json:
        say_json({"path": str(path), "name": made.profile.name, "desk": made.profile.desk_name, "hash": made.hash})
    else:
        say(f"{path}: profile {made.profile.name} for desk {made.profile.desk_name}, hash {made.hash[:12]}")
        say("its first lines say what is known of the cell; read them before it trades")
    return ExitCode.DONE
