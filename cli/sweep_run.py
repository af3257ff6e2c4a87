"""`bifrost sweep run`: from options to a plan, from a plan to trials, and what came of them."""

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from cli.errors import CommandError, ExitCode
from cli.history_options import NewDataOption, PositionOption, PriorityOption, RunNameOption, SetOption, TitleOption
from cli.history_profile import load_for_history
from cli.history_run import EXITS, INTERRUPTED, take_priority, terminate_as_interrupt
from cli.option_groups import with_groups
from cli.options import JsonOption, RootOption, Settings, settings
from cli.output import complain, say, say_json
from cli.sweep_options import ResumeOption, SchedulerOption, SearchOptions, SweptProfileOption, WorkersOption
from cli.sweep_parts import again, begun, carried_out, new_id, paths_of
from cli.venue_options import VenueOptions

if TYPE_CHECKING:
    from daemon.backtest.sweep.run import Outcome
    from state.runs.records import SweepPlan

_BEST = 10


@with_groups
def run(
    context: typer.Context,
    *,
    profile: SweptProfileOption = None,
    data: NewDataOption = None,
    searched: SearchOptions,
    set_: SetOption = None,
    position: PositionOption = None,
    venue: VenueOptions,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    name: RunNameOption = None,
    title: TitleOption = "",
    resume: ResumeOption = None,
    priority: PriorityOption = "normal",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Try every cell of a space of profile keys, or as many as are asked for, and say which one to trust.

    Results are appended to <root>/_sweeps/RUN_ID/results.jsonl as they come. Exit 0 finished, 1 no cell came to a
    result, 2 wrong words, 130 interrupted: what came is kept, and --resume goes on.
    """
    chosen = settings(context, None, root, as_json=as_json)
    take_priority(priority)
    count = workers or _cores()
    with ExitStack() as stack:
        stack.enter_context(terminate_as_interrupt())
        try:
            if resume is not None:
                _refuse_beside_resume(context)
                folder, base = again(chosen, resume)
            else:
                if profile is None or data is None:
                    missing = "--profile" if profile is None else "--data"
                    raise CommandError(f"{missing} is missing; see `bifrost sweep run --help`", ExitCode.USAGE)
                base, overrides = load_for_history(profile, set_, position)
                run_id = paths_of(chosen, name or new_id(chosen, base)).run_id
                asked = searched.asked(run_id=run_id, data=data, title=title, workers=count, scheduler=scheduler)
                folder = begun(chosen, asked, base, overrides, venue.model(base.profile))
            stack.callback(folder.close)
            outcome = carried_out(chosen, folder, base, count, scheduler)
        except KeyboardInterrupt:
            complain("bifrost: interrupted before the first trial")
            return INTERRUPTED
    return _told(chosen, folder.plan, outcome)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_WITH_RESUME = {"context", "workers", "scheduler", "resume", "priority", "root", "as_json"}


def _refuse_beside_resume(context: typer.Context) -> None:
    """A sweep goes on as it was planned: every other option stands in its plan."""
    for option in context.params:
        if option not in _WITH_RESUME and context.get_parameter_source(option).name == "COMMANDLINE":  # type: ignore[union-attr]
            flag = "--" + option.rstrip("_").replace("_", "-")
            raise CommandError(
                f"{flag} stands in the plan of the sweep that --resume names; leave it out", ExitCode.USAGE
            )


def _told(chosen: Settings, plan: "SweepPlan", outcome: "Outcome") -> int:
    """The verdict, and the exit code."""
    from cli.sweep_text import show_text, verdict

    if chosen.as_json:
        say_json(
            {"run_id": plan.run_id, "standing": outcome.status, "text": outcome.text} | verdict(plan, outcome.trials)
        )
    else:
        say(show_text(plan, outcome.trials, outcome.status, best=_BEST, shell=chosen.shell_line()))
    if outcome.status == "interrupted":
        again = chosen.shell_line().format(f"sweep run --resume {plan.run_id}")
        complain(f"bifrost: interrupted: {outcome.text}; what came is kept, go on with {again}")
    elif outcome.status == "failed":
        complain(f"bifrost: {outcome.text}")
    return EXITS[outcome.status]
