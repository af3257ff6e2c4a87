"""What an operator is shown and asked before a flatten: what it would do, and the number that a desk may need."""

import math
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError, ExitCode
from cli.output import complain

if TYPE_CHECKING:
    from cli.options import Settings
    from state.layout import DeskPaths
    from state.look import Look
    from state.records import Snapshot

ConfirmOption = Annotated[
    float | None,
    typer.Option(
        "--confirm-shares",
        metavar="N",
        help="Own shares, with their sign: needed after a salvage, and when the account contradicts the book.",
        show_default=False,
    ),
]


def ask_before_flatten(chosen: "Settings", paths: "DeskPaths", confirmed: float | None, *, yes: bool) -> float | None:
    """Say what will happen, ask where a terminal is there, and give the number to confirm, if any.

    `yes` skips the question, not the words, and never stands for a number. Raises CommandError.
    """
    from cli.desk_commands import look

    if confirmed is not None and not math.isfinite(confirmed):
        raise CommandError(f"--confirm-shares must be a finite number, not {confirmed}", ExitCode.USAGE)
    seen = look(paths)
    _refuse_damaged(chosen, paths, seen.snapshot)
    complain(f"flatten {chosen.desk}: {_preview(seen)}")
    if seen.snapshot is not None and seen.snapshot.flatten_choices_shares:
        complain(f"flatten {chosen.desk}: {_claims(seen.snapshot)}")
        if confirmed is None:
            return _typed_number(chosen)
    if not yes:
        _ask_name(chosen)
    return confirmed


def _refuse_damaged(chosen: "Settings", paths: "DeskPaths", snapshot: "Snapshot | None") -> None:
    """A flatten that no daemon can come to obey would only grow stale."""
    if paths.salvaging.exists() or (snapshot is not None and "journal_damaged" in _reasons(snapshot)):
        raise CommandError(
            f"{chosen.desk}: the journal is damaged, so no daemon starts (exit 5) to flatten; first run "
            f"{chosen.shell()} salvage --by NAME --reason TEXT"
        )


def _reasons(snapshot: "Snapshot") -> set[str | None]:
    return {check.reason for check in snapshot.self_check.checks if not check.ok}


def _typed_number(chosen: "Settings") -> float:
    if not sys.stdin.isatty():
        raise CommandError(
            f"this flatten needs its number: {chosen.shell()} flatten --confirm-shares N", ExitCode.USAGE
        )
    try:
        typed = input("Type the own shares to close, with their sign: ")
        number = float(typed)
    except (EOFError, ValueError):
        raise CommandError("no number was typed; nothing was done") from None
    if not math.isfinite(number):
        raise CommandError("that is no number of shares; nothing was done")
    return number


def _ask_name(chosen: "Settings") -> None:
    if not sys.stdin.isatty():
        raise CommandError("flatten needs a terminal to confirm at, or --yes", ExitCode.USAGE)
    try:
        typed = input(f"Type {chosen.desk} to flatten: ")
    except EOFError:
        typed = ""
    if typed.strip() != chosen.desk:
        raise CommandError("not confirmed; nothing was done")


def _preview(seen: "Look") -> str:
    """What a flatten would do, from the newest snapshot."""
    snapshot = seen.snapshot
    if snapshot is None or snapshot.own_shares is None:
        why = "no readable snapshot" if snapshot is None else "the snapshot does not tell them"
        return f"own shares are not known now ({why}); the daemon sizes it from its own ledger"
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


def _claims(snapshot: "Snapshot") -> str:
    """The numbers of which one must be confirmed, as the desk last saw them."""
    choices = " or ".join(f"{number:+g}" for number in snapshot.flatten_choices_shares)
    account = ""
    if snapshot.own_shares is not None and snapshot.foreign_shares is not None:
        account = f"; the account holds {snapshot.own_shares + snapshot.foreign_shares:+g} in all"
    return f"this desk needs the number of own shares: {choices} by book or account{account}; compare with TWS"
