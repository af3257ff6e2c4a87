"""`maintain`: compress and remove what is old in a desk's folder, beside a running daemon."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.commanding import require_owner
from cli.errors import CommandError, ExitCode
from cli.maintain_report import Cached, Pass, as_object, intention, line_of, report
from cli.options import DeskOption, JsonOption, RootOption, Settings, settings
from cli.output import complain, say
from cli.progress import MIB, progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from state.layout import DeskPaths
    from state.maintenance import Plan, Rules, Step
    from state.records import Snapshot

INTERRUPTED = 130
_RUNBOOK = "docs/runbook.md#journal_damaged"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        "maintain",
        short_help="Compress and remove old files, rebuild caches",
        epilog="Example: ./bifrost maintain --desk demo --dry-run",
    )(maintain)


def maintain(
    context: typer.Context,
    *,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME|FILE",
            help="Whose `storage` section holds. Default: the profile that the desk's snapshot names.",
            show_default=False,
        ),
    ] = None,
    compress_after: Annotated[
        int | None,
        typer.Option(
            "--compress-after", min=0, max=36_500, metavar="DAYS", help="Instead of the profile's.", show_default=False
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            min=1,
            max=36_500,
            metavar="DAYS",
            help="Of journal and history, instead of the profile's.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Compress closed files, remove what is older than it is kept, and bring the query cache up to date.

    Safe beside a running desk and safe to interrupt: what is left is done by the next run. Journal segments are
    checked first; damage ends the run (exit 1) and nothing more is removed.
    """
    from state.maintenance import MaintenanceBusyError, clean, maintenance_lock
    from state.segments import JournalDamaged

    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    require_owner(paths)
    snapshot = _snapshot(paths)
    source, rules = _rules(profile, snapshot, compress_after, keep)
    try:
        if dry_run:
            run = Pass(source, rules, _plan(paths, rules, snapshot), dry_run=True)
            return report(chosen, paths, run, ExitCode.DONE)
        lock = maintenance_lock(paths)
        try:
            clean(paths)
            run = Pass(source, rules, _plan(paths, rules, snapshot), dry_run=False)
            return _carry_out(chosen, paths, run)
        finally:
            lock.release()
    except MaintenanceBusyError as error:
        raise CommandError(f"{error}; it is done when that one is", ExitCode.IN_USE) from error
    except JournalDamaged as error:
        raise CommandError(f"{chosen.desk}: {error}; nothing more was removed; see {_RUNBOOK}") from error
    except OSError as error:
        raise CommandError(f"{chosen.desk}: {error}; nothing is lost, run it again when that is mended") from error


def _snapshot(paths: "DeskPaths") -> "Snapshot | None":
    from state.snapshot import read_snapshot

    return read_snapshot(paths.snapshot).snapshot


def _rules(
    profile: str | None, snapshot: "Snapshot | None", compress_after: int | None, keep: int | None
) -> "tuple[str, Rules]":
    """Where the settings are from, in words, and the settings. Raises CommandError (2) for a bad `--profile`."""
    from cli.profile_commands import load
    from config.loader import ProfileError, load_profile, profile_names
    from config.schema import Storage
    from state.maintenance import Rules

    named = None if snapshot is None else snapshot.profile
    if profile is not None:
        source, storage = f"profile {profile}", load(profile).profile.storage
    elif named is not None and named in profile_names():
        try:
            source, storage = f"profile {named}, which the desk ran last", load_profile(named).profile.storage
        except ProfileError:
            source, storage = f"defaults (profile {named}, which the desk ran last, cannot be loaded)", Storage()
    elif named is not None:
        source, storage = (
            f"defaults (profile {named}, which the desk ran last, is not under config/profiles)",
            Storage(),
        )
    else:
        source, storage = "defaults (no snapshot names a profile)", Storage()
    return source, Rules(
        compress_after_days=storage.compress_after_days if compress_after is None else compress_after,
        keep_days=storage.keep_days if keep is None else keep,
        tape_keep_days=storage.tape_keep_days,
        tape_max_bytes=int(storage.tape_max_mib * MIB),
    )


def _plan(paths: "DeskPaths", rules: "Rules", snapshot: "Snapshot | None") -> "Plan":
    from daemon.runtime.clocks import wall_us
    from state.maintenance import plan

    running = None if snapshot is None or snapshot.daemon_state == "stopped" else snapshot.run_id
    return plan(paths, rules, wall_us=wall_us(), running_run_id=running)


def _carry_out(chosen: Settings, paths: "DeskPaths", run: Pass) -> int:
    """Every step in its order, then the cache; then the report, also of what was done before it ended early."""
    if not chosen.as_json:
        say(intention(chosen, run))
    code: int = ExitCode.FAILED
    outcome = "failed"
    try:
        _do_steps(chosen, paths, run)
        with progress_bar("query cache, segments (MiB)", quiet=chosen.as_json, unit=MIB) as progress:
            code = _build_cache(paths, run, progress)
        outcome = "done"
    except KeyboardInterrupt:
        count = f"{len(run.done)} of {len(run.plan.steps)} files"
        complain(f"bifrost: interrupted after {count}; nothing is lost, run the command again to go on")
        code, outcome, run.interrupted = INTERRUPTED, "interrupted", True
    finally:
        _audit(paths, run, outcome)
        if outcome == "failed" and run.done and not chosen.as_json:
            report(chosen, paths, run, code)
    return report(chosen, paths, run, code)


def _do_steps(chosen: Settings, paths: "DeskPaths", run: Pass) -> None:
    """A bar where a person looks, else a line per file."""
    with progress_bar("files", quiet=chosen.as_json) as progress:
        for number, step in enumerate(run.plan.steps, start=1):
            left = _do(chosen, paths, step)
            if left is not None:
                run.done.append(as_object(paths, step, left))
                if progress is None and not chosen.as_json:
                    complain(f"  {line_of(run.done[-1])}")
            if progress is not None:
                progress(number, len(run.plan.steps))


def _audit(paths: "DeskPaths", run: Pass, outcome: str) -> None:
    """Who removed and compressed how much; a pass that found nothing to do leaves no entry."""
    from cli.commanding import audit

    if run.done:
        counts = {action: sum(done["action"] == action for done in run.done) for action in ("remove", "compress")}
        audit(paths, "maintain", outcome, f"settings of {run.source}", data=counts)


def _do(chosen: Settings, paths: "DeskPaths", step: "Step") -> int | None:
    """Raises CommandError naming the file that the system refused."""
    from daemon.runtime.clocks import wall_us
    from state.maintenance import carry_out

    try:
        return carry_out(paths, step, wall_us=wall_us())
    except OSError as error:
        words = f"cannot {step.action} {step.path}: {error.strerror or error}"
        raise CommandError(f"{chosen.desk}: {words}; nothing is lost, run it again when that is mended") from error


def _build_cache(paths: "DeskPaths", run: Pass, progress: "Callable[[int, int], None] | None") -> int:
    """Bring the query cache up to date; exit code 1 where it met damaged segments."""
    from state.query import JournalIndex

    index = JournalIndex.of(paths)
    built = index.build(progress=progress)
    run.cache = Cached(segments=built.segments, busy=built.busy, problems=built.problems)
    return ExitCode.FAILED if index.status().problems else ExitCode.DONE
