"""`bifrost doctor`: what is wrong with a desk's files or with this machine, where, and how to mend it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, JsonOption, RootOption, Settings, settings
from cli.output import coloured, say, say_json, to_the_second

if TYPE_CHECKING:
    from state.doctor import Finding, Findings

_RANK = {"fault": 0, "warning": 1, "info": 2, "ok": 3}
_COLOUR = {"fault": "red", "warning": "yellow", "info": "bold", "ok": "green"}
_PATH_WIDTH = 34


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "doctor",
        short_help="What is wrong with a desk's files, or this machine",
        epilog="Example: ./bifrost doctor --desk mybot --watch 5",
    )(doctor)


def doctor(
    context: typer.Context,
    *,
    watch: Annotated[
        float, typer.Option("--watch", min=0.0, metavar="S", help="Look a second time after S seconds: does it live?")
    ] = 0.0,
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME|FILE", help="Without a desk: look for this profile's TWS as well.")
    ] = "demo",
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check a desk's files against docs/file-format.md; where no desk is yet, whether this machine can run one.

    Exit 0 without a fault, 1 with faults, 2 when there is no such desk. It reads and changes nothing.
    """
    from state.doctor import Findings

    chosen = settings(context, desk, root, as_json=as_json)
    findings = Findings()
    folder = chosen.root / chosen.desk
    if folder.is_dir():
        about, light = f"desk {chosen.desk} in {folder}", _examine(chosen, folder, watch, findings)
    elif chosen.explicit_desk is not None:
        chosen.existing_paths()
        raise CommandError(f"{folder} is no folder", ExitCode.USAGE)
    else:
        about, light = f"this machine (no desk {chosen.desk} yet)", ""
        _examine_machine(chosen, profile, findings)
    found = findings.all()
    code = ExitCode.FAILED if any(each.severity == "fault" for each in found) else ExitCode.DONE
    if chosen.as_json:
        counts = {severity: sum(each.severity == severity for each in found) for severity in _RANK}
        desk_name = chosen.desk if folder.is_dir() else None
        say_json({"desk": desk_name, "exit_code": int(code), **counts, "findings": found})
    else:
        _print(about, found, light)
    return code


def _examine(chosen: Settings, folder: Path, watch_s: float, findings: "Findings") -> str:
    """Look at the desk; its light in words, where its name allows one."""
    from cli.progress import progress_bar
    from daemon.runtime.clocks import wall_us
    from state.doctor import compare_snapshots, examine_desk
    from state.layout import DeskNameError
    from state.look import look_at
    from state.snapshot import read_snapshot

    try:
        with progress_bar("journal segments", quiet=chosen.as_json) as progress:
            first = examine_desk(folder, wall_us(), findings, progress=progress)
    except OSError as error:
        raise CommandError(f"{folder} cannot be read: {error.strerror}; let this user read it") from error
    if watch_s > 0 and first is not None:
        time.sleep(watch_s)
        second = read_snapshot(folder / "snapshot.json").snapshot
        if second is not None:
            compare_snapshots(first, second, watch_s * 1000, findings)
    try:
        return to_the_second(look_at(chosen.paths(), wall_us()).light.line)
    except (CommandError, DeskNameError):
        return ""


def _examine_machine(chosen: Settings, profile: str, findings: "Findings") -> None:
    from cli.first_run import examine_machine
    from cli.profile_commands import load
    from daemon.runtime.clocks import wall_us

    examine_machine(chosen.root, wall_us(), load(profile).profile, findings)


def _print(about: str, found: "tuple[Finding, ...]", light: str) -> None:
    """Faults first, each severity by file; then the light and the verdict, in a line each."""
    say(f"doctor: {about}")
    order = {path: place for place, path in enumerate(dict.fromkeys(each.path for each in found))}
    width = min(max((len(path) for path in order), default=0), _PATH_WIDTH)
    for each in sorted(found, key=lambda each: (_RANK[each.severity], order[each.path])):
        path = "the folder" if each.path == "." else each.path
        word = coloured(f"{each.severity:<7}", _COLOUR[each.severity])
        say(f"  {word}  {path:<{width}}  {_where(each)}{each.problem}")
        if each.remedy:
            say(f"           {'':<{width}}  mend: {each.remedy}")
    if light:
        say(f"the light says: {light}")
    say(f"verdict: {_verdict(found)}")


def _where(finding: "Finding") -> str:
    """`line 3, desk: `, with how many further lines are the same."""
    more = f" and {_count(finding.repeated, 'more line')}" if finding.repeated else ""
    line = f"line {finding.line}{more}" if finding.line else ""
    place = ", ".join(part for part in (line, finding.place) if part)
    return f"{place}: " if place else ""


def _verdict(found: "tuple[Finding, ...]") -> str:
    faults, warnings = (sum(each.severity == severity for each in found) for severity in ("fault", "warning"))
    if faults == 0:
        return "no fault" + (f", {_count(warnings, 'warning')}" if warnings else "")
    return f"{_count(faults, 'fault')}, {_count(warnings, 'warning')}; mend the faults from the top"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
