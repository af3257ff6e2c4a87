"""The profile that a recorded run had: what the journal's `run_started` says, and the file as it lies there now."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from config.loader import LoadedProfile
    from state.query import JournalIndex


@dataclass(frozen=True)
class RunProfile:
    """A profile, and what is known of the run that it is meant for."""

    loaded: "LoadedProfile"
    recorded_hash: str | None
    """None where the journal no longer says."""
    version: str | None
    """Of the program that ran."""

    @property
    def is_that_of_the_run(self) -> bool:
        """Whether nothing says that the file has changed since."""
        return self.recorded_hash is None or self.recorded_hash == self.loaded.hash


def profile_of_run(index: "JournalIndex", run_id: str, asked: str | None) -> RunProfile:
    """`asked` where it is given, else the file that the run was started with. Raises CommandError (2)."""
    from cli.profile_commands import load
    from state.query import Filter
    from state.records import JournalType

    lines = index.newest(Filter(run_id=run_id, types=frozenset({JournalType.RUN_STARTED})), 1).lines
    data = lines[0].data if lines and lines[0].data is not None else {}
    name, path = data.get("profile"), data.get("profile_path")
    known = path if isinstance(path, str) and Path(path).exists() else name
    if asked is None and not isinstance(known, str):
        line = f"the journal no longer says which profile run {run_id} had"
        raise CommandError(f"{line}; name it with --profile", ExitCode.USAGE)
    try:
        loaded = load(asked if asked is not None else str(known))
    except CommandError as error:
        line = f"the profile cannot be read ({error}); name that run's with --profile"
        raise CommandError(line, ExitCode.USAGE) from error
    recorded, version = data.get("profile_hash"), data.get("version")
    return RunProfile(
        loaded=loaded,
        recorded_hash=recorded if isinstance(recorded, str) else None,
        version=version if isinstance(version, str) else None,
    )


def require_symbol(chosen: "LoadedProfile", run_id: str, underlying: str) -> None:
    """The profile must be of the stock that the run hedged. Raises CommandError (2)."""
    profile = chosen.profile
    if underlying != profile.underlying.symbol:
        line = f"run {run_id} hedged {underlying}, but profile {profile.name} is of {profile.underlying.symbol}"
        raise CommandError(f"{line}; name that run's with --profile", ExitCode.USAGE)
