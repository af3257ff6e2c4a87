"""`salvage`: the operator's way out of a damaged journal, up to a desk that can be flattened."""

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commanding import require_owner
from cli.control_commands import YesOption
from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, JsonOption, RootOption, Settings, settings
from cli.output import complain, say, say_json, to_the_second
from cli.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.runtime.salvage import Plan
    from state.layout import DeskPaths
    from state.salvage import Salvaged

ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides: a person's name.")]
WhyOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the journal and the audit.")]
BROKER_KNOWS = (
    "The broker's executions since then are booked when the daemon connects; executions of earlier days that it no "
    "longer lists stay unknown. Compare with TWS before you flatten or reset."
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "salvage",
        short_help="Begin a new journal with what a damaged one still proves",
        epilog="Example: ./bifrost salvage --desk demo --by anna --reason 'bad sector, see verify'",
    )(salvage)


def salvage(
    context: typer.Context,
    *,
    by: ByOption,
    reason: WhyOption,
    yes: YesOption = False,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Keep a damaged journal whole aside, and begin a new one with the last ledger that verifies; the desk is halted.

    Cut short at any moment, it is run again and finishes. Nothing is ever deleted, nothing is traded.
    """
    if not by.strip() or not reason.strip():
        raise CommandError("salvage needs a person and a reason: --by NAME --reason TEXT", ExitCode.USAGE)
    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    require_owner(paths)
    with _desk_to_itself(paths), _plain_errors(chosen):
        return _Salvage(chosen, paths, by.strip(), reason.strip()).run(yes=yes)


class _Salvage:
    """One operator's salvage of one desk, whose daemon does not run."""

    def __init__(self, chosen: Settings, paths: "DeskPaths", by: str, why: str) -> None:
        self._chosen = chosen
        self._paths = paths
        self._by = by
        self._why = why

    def run(self, *, yes: bool) -> int:
        """Finish an earlier one, or plan, ask and do."""
        from daemon.runtime.clocks import wall_us
        from daemon.runtime.salvage import carry_out, finish_earlier, plan_salvage

        done = finish_earlier(self._paths)
        if done is not None:
            complain(f"{self._chosen.desk}: an earlier salvage was cut short; it is finished now")
            return self._tell(done, "finished")
        now_us = wall_us()
        with progress_bar("journal segments", quiet=self._chosen.as_json) as progress:
            plan = plan_salvage(self._paths, wall_us=now_us, progress=progress)
        self._show(plan)
        if not yes:
            self._ask()
        return self._tell(carry_out(self._paths, plan, by=self._by, why=self._why, wall_us=now_us), "salvaged")

    def _show(self, plan: "Plan") -> None:
        """Everything that the operator decides on, also where JSON is wanted: that goes to stdout, this to stderr."""
        complain(f"  damage         {plan.damage.problem}")
        first, last = plan.remains.lines[0], plan.last
        since = f"a checkpoint at seq {first.seq} ({to_the_second(first.ts)})"
        complain(f"  holds          {since} and on, up to seq {last.seq} ({to_the_second(last.ts)})")
        complain(f"  left out       {plan.remains.lines_left_out} lines since then, which nothing vouches for")
        complain(f"  own shares     {plan.ledger.own_shares:+g} by what holds{_witness(plan)}")
        complain(f"  set aside      {self._paths.journal} whole, as {plan.kept_in}")
        complain(f"  afterwards     the desk is halted (journal_salvaged). {BROKER_KNOWS}")

    def _ask(self) -> None:
        if not sys.stdin.isatty():
            raise CommandError("salvage needs a terminal to confirm at, or --yes", ExitCode.USAGE)
        try:
            answer = input(f"Salvage {self._chosen.desk}? y/N: ")
        except EOFError:
            answer = ""
        if answer.strip().lower() not in ("y", "yes"):
            raise CommandError("not confirmed; nothing was done")

    def _tell(self, done: "Salvaged", outcome: str) -> int:
        from cli.commanding import audit

        facts: dict[str, Any] = done.repaired.data if done.repaired.data is not None else {}
        audit(self._paths, "salvage", outcome, self._why, by=self._by, data=facts)
        shell = self._chosen.shell()
        if self._chosen.as_json:
            say_json({"desk": self._chosen.desk, "exit_code": 0, "outcome": outcome, **facts})
            return ExitCode.DONE
        say(
            f"{self._chosen.desk}: {outcome}: own {facts.get('own_shares', 0):+g} shares, halted (journal_salvaged); "
            f"the damaged journal is kept in {done.kept}"
        )
        say(f"  next: start the daemon ({shell} up --profile P, or supervise), then {shell} status")
        say(f"  then: {shell} flatten --confirm-shares N, or {shell} reset --by NAME --reason TEXT")
        return ExitCode.DONE


def _witness(plan: "Plan") -> str:
    """The last snapshot's word, which may be newer than what holds."""
    if plan.snapshot_own_shares is None or plan.snapshot_ts is None:
        return ""
    return f"; the last snapshot said {plan.snapshot_own_shares:+g} ({to_the_second(plan.snapshot_ts)})"


@contextmanager
def _desk_to_itself(paths: "DeskPaths") -> "Iterator[None]":
    """The daemon's own lock, and maintain's. Raises CommandError (4) while a daemon or maintain has the desk."""
    from daemon.runtime.locks import Locks, LockTakenError, desk_lock_path
    from state.maintenance import MaintenanceBusyError, maintenance_lock

    locks = Locks()
    try:
        locks.take(desk_lock_path(paths.folder), f"desk {paths.desk} (a daemon)")
        # What removes segments by their names must not go on over the journal that takes this one's place.
        maintaining = maintenance_lock(paths)
    except LockTakenError as error:
        raise CommandError(f"{error}; a journal that is being written is not salvaged", ExitCode.IN_USE) from error
    except MaintenanceBusyError as error:
        locks.release_all()
        raise CommandError(f"{error}; run this again when that one is done", ExitCode.IN_USE) from error
    except OSError as error:
        locks.release_all()
        raise CommandError(f"cannot write the desk's folder {paths.folder}: {error}; check its owner") from error
    try:
        yield
    finally:
        maintaining.release()
        locks.release_all()


@contextmanager
def _plain_errors(chosen: Settings) -> "Iterator[None]":
    from daemon.runtime.salvage import CannotSalvageError

    try:
        yield
    except CannotSalvageError as error:
        raise CommandError(f"{chosen.desk}: {error}") from error
    except OSError as error:
        raise CommandError(
            f"{chosen.desk}: {error}; check the disk and the folder's owner, then run this again: nothing is lost"
        ) from error
