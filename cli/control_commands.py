"""`stop`, `start`, `pause`, `resume`, `flatten`: the same three files as `touch` and `rm`, with receipts."""

from typing import Annotated

import typer

from cli.commanding import Commanding
from cli.flatten_question import ConfirmOption, ask_before_flatten
from cli.flatten_run import helper
from cli.options import DeskOption, JsonOption, ReasonOption, RootOption, WaitOption, settings
from cli.output import complain

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask; needed where no terminal can be asked.")]
HelperProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME|FILE",
        help="To flatten with where no daemon runs. Default: the desk's last run's.",
        show_default=False,
    ),
]
KillOption = Annotated[
    bool,
    typer.Option("--kill-hung", help="Kill, without asking, a daemon that holds the desk and does not answer."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "stop",
        short_help="Cancel own orders, end the daemon (--flatten: first to 0)",
        epilog="Example: ./bifrost stop --reason 'end of day' --wait 15",
    )(stop)
    app.command("start", short_help="Remove stop", epilog="Example: ./bifrost start --wait 30")(start)
    app.command("pause", short_help="No new hedges", epilog="Example: ./bifrost pause --reason 'news' --wait 5")(pause)
    app.command("resume", short_help="Remove pause", epilog="Example: ./bifrost resume --wait 5")(resume)
    app.command(
        "flatten",
        short_help="Own hedge shares to 0, then pause",
        epilog="Example: ./bifrost flatten --reason 'leaving' --wait 60 --yes",
    )(flatten)


def stop(
    context: typer.Context,
    *,
    also_flatten: Annotated[bool, typer.Option("--flatten", help="Bring own shares to 0 first, then stop.")] = False,
    reason: ReasonOption = "",
    wait: WaitOption = None,
    yes: YesOption = False,
    confirm_shares: ConfirmOption = None,
    profile: HelperProfileOption = None,
    kill_hung: KillOption = False,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """No new order leaves; own working orders are cancelled and confirmed; the daemon exits."""
    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    given = Commanding(chosen, paths, reason, wait)
    if not also_flatten:
        return given.assert_one("stop")
    help_with = helper(paths, profile)
    shares = ask_before_flatten(chosen, paths, confirm_shares, yes=yes)
    # Flatten first: it outranks stop, and a daemon that saw the stop alone would be gone before the flatten.
    return given.flatten(shares, help_with, may_kill=kill_hung or yes, then_stop=True)


def pause(
    context: typer.Context,
    *,
    reason: ReasonOption = "",
    wait: WaitOption = None,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """No new hedge is sent; monitoring, self check and reconciliation go on."""
    chosen = settings(context, desk, root, as_json=as_json)
    return Commanding(chosen, chosen.existing_paths(), reason, wait).assert_one("pause")


def flatten(
    context: typer.Context,
    *,
    reason: ReasonOption = "",
    wait: WaitOption = None,
    yes: YesOption = False,
    confirm_shares: ConfirmOption = None,
    profile: HelperProfileOption = None,
    kill_hung: KillOption = False,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Stop hedging, cancel own orders, bring own hedge shares to target, verify; then the desk is paused.

    Where neither daemon nor supervisor runs, this command runs a daemon that flattens and leaves, shows its steps
    and waits (120 s unless --wait says otherwise): exit 0 when verified, 7 when not in time. A daemon that holds the
    desk and does not answer is killed first, after asking.
    """
    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    help_with = helper(paths, profile)
    shares = ask_before_flatten(chosen, paths, confirm_shares, yes=yes)
    return Commanding(chosen, paths, reason, wait).flatten(shares, help_with, may_kill=kill_hung or yes)


def resume(
    context: typer.Context,
    *,
    reason: ReasonOption = "",
    wait: WaitOption = None,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Remove pause, and only pause: a halt needs `reset`, a stop needs `start`."""
    chosen = settings(context, desk, root, as_json=as_json)
    return Commanding(chosen, chosen.existing_paths(), reason, wait).release("pause", "resume")


def start(
    context: typer.Context,
    *,
    reason: ReasonOption = "",
    wait: WaitOption = None,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Remove stop; the supervisor then starts the daemon. After a stop that a machine asserted it comes up paused."""
    from state.control import BY_SUPERVISOR

    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    given = Commanding(chosen, paths, reason, wait)
    standing = given.standing("stop")
    if standing is not None and standing.by == BY_SUPERVISOR:
        # Pause stands before the stop goes: between the two no hedge may leave.
        given.write("pause", reason=f"start after a stop by the supervisor{': ' + reason if reason else ''}")
        complain("bifrost: the stop was the supervisor's: the desk comes up paused; look why, then `bifrost resume`")
    return given.release("stop", "start")
