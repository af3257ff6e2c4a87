"""`stop`, `start`, `pause`, `resume`, `flatten`: the same three files as `touch` and `rm`, with receipts."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commanding import Commanding
from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, JsonOption, ReasonOption, RootOption, Settings, WaitOption, settings
from cli.output import complain

if TYPE_CHECKING:
    from state.layout import DeskPaths

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
    _confirm_flatten(chosen, paths, yes=yes)
    # Flatten first: it outranks stop, and a daemon that saw the stop alone would be gone before the flatten.
    return given.assert_both()


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
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Stop hedging, cancel own orders, bring own hedge shares to target, verify; then the desk is paused."""
    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    _confirm_flatten(chosen, paths, yes=yes)
    return Commanding(chosen, paths, reason, wait).assert_one("flatten")


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


def _confirm_flatten(chosen: Settings, paths: "DeskPaths", *, yes: bool) -> None:
    """Say what will happen and ask for the desk's name; `--yes` skips the question, not the words."""
    complain(f"flatten {chosen.desk}: {_preview(paths)}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("flatten needs a terminal to confirm at, or --yes", ExitCode.USAGE)
    try:
        typed = input(f"Type {chosen.desk} to flatten: ")
    except EOFError:
        typed = ""
    if typed.strip() != chosen.desk:
        raise CommandError("not confirmed; nothing was done", ExitCode.FAILED)


def _preview(paths: "DeskPaths") -> str:
    """What a flatten would do, from the newest snapshot."""
    from cli.desk_commands import look

    seen = look(paths)
    snapshot = seen.snapshot
    if snapshot is None or snapshot.own_shares is None:
        return "own shares are not known now (no readable snapshot); the daemon sizes it from its own ledger"
    age = "" if seen.light.age_ms is None else f" ({seen.light.age_ms / 1000:.1f} s ago)"
    # A desk that does not name a target flattens to none.
    target = 0.0 if snapshot.flatten_target_shares is None else snapshot.flatten_target_shares
    words = f"own {snapshot.own_shares:+g} shares{age} are brought to {target:g}"
    greeks = (snapshot.strategy or {}).get("greeks")
    net = greeks.get("net_delta_shares") if isinstance(greeks, dict) else None
    if isinstance(net, int | float):
        words += f"; a net delta of {net - snapshot.own_shares + target:+.1f} shares stays open"
    if snapshot.foreign_shares:
        words += f"; {snapshot.foreign_shares:+g} foreign shares stay untouched"
    return f"{words}; then the desk is paused"
