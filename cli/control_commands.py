"""`stop`, `start`, `pause`, `resume`, `flatten`: the same three files as `touch` and `rm`, with receipts."""

from typing import Annotated

import typer

from cli.commanding import Commanding
from cli.flatten_question import ConfirmOption, ask_before_flatten
from cli.options import DeskOption, JsonOption, ReasonOption, RootOption, WaitOption, settings
from cli.output import complain

SUPERVISOR = "supervisor"
"""Who signs a stop that no human asserted."""
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask; needed where no terminal can be asked.")]


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
    shares = ask_before_flatten(chosen, paths, confirm_shares, yes=yes)
    # Flatten first: it outranks stop, and a daemon that saw the stop alone would be gone before the flatten.
    return given.assert_both(shares)


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
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Stop hedging, cancel own orders, bring own hedge shares to target, verify; then the desk is paused."""
    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    shares = ask_before_flatten(chosen, paths, confirm_shares, yes=yes)
    return Commanding(chosen, paths, reason, wait).assert_one("flatten", shares)


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
    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    given = Commanding(chosen, paths, reason, wait)
    standing = given.standing("stop")
    if standing is not None and standing.by == SUPERVISOR:
        # Pause stands before the stop goes: between the two no hedge may leave.
        given.write("pause", reason=f"start after a stop by the supervisor{': ' + reason if reason else ''}")
        complain("bifrost: the stop was the supervisor's: the desk comes up paused; look why, then `bifrost resume`")
    return given.release("stop", "start")
