"""Where a desk's files lie. Nothing here reads or writes content."""

import re
from dataclasses import dataclass
from pathlib import Path

_DESK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")


class DeskNameError(ValueError):
    """A desk's name that cannot be a folder of ours."""


def check_desk_name(desk: str) -> str:
    """Give the name back, or raise DeskNameError saying what a name may be."""
    if desk.startswith("_"):
        raise DeskNameError(f"desk {desk!r}: names that start with _ are reserved; choose another")
    if _DESK_NAME.fullmatch(desk) is None:
        raise DeskNameError(
            f"desk {desk!r}: a desk's name is 1 to 31 of a-z, 0-9, - and _, starting with a letter or digit"
        )
    return desk


@dataclass(frozen=True)
class DeskPaths:
    """The folder `root/desk` and everything in it. Raises DeskNameError for a name that is no desk's."""

    root: Path
    desk: str

    def __post_init__(self) -> None:
        check_desk_name(self.desk)

    @property
    def folder(self) -> Path:
        """The desk's own folder."""
        return self.root / self.desk

    @property
    def snapshot(self) -> Path:
        """The present, one file."""
        return self.folder / "snapshot.json"

    @property
    def journal(self) -> Path:
        """Operations, in segments."""
        return self.folder / "journal"

    @property
    def salvaging(self) -> Path:
        """A new journal that a salvage prepares. While it is there, a salvage was cut short."""
        return self.folder / "journal.salvaging"

    @property
    def history(self) -> Path:
        """Samples, a file per day."""
        return self.folder / "history"

    @property
    def tape(self) -> Path:
        """The events that the core consumed."""
        return self.folder / "tape"

    @property
    def control(self) -> Path:
        """The operator's three files."""
        return self.folder / "control"

    @property
    def requests(self) -> Path:
        """The operator's one-time requests."""
        return self.control / "requests"

    @property
    def audit(self) -> Path:
        """Who did what."""
        return self.folder / "audit"

    @property
    def logs(self) -> Path:
        """Structured logs of each process."""
        return self.folder / "logs"

    @property
    def reports(self) -> Path:
        """Daily reports."""
        return self.folder / "reports"

    @property
    def simulator(self) -> Path:
        """The simulator's book and market clock."""
        return self.folder / "simulator"

    @property
    def cache(self) -> Path:
        """What the reading side keeps to answer faster; it may be deleted at any time."""
        return self.folder / "cache"

    def exists(self) -> bool:
        """Whether the desk has a folder, that is, was ever started."""
        return self.folder.is_dir()

    def create(self) -> None:
        """Make the folders that a daemon needs, readable by the group. Raises OSError where that is not allowed."""
        self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        for folder in (self.journal, self.history, self.tape, self.control, self.requests, self.audit, self.logs):
            folder.mkdir(mode=0o750, exist_ok=True)


def desks(root: Path) -> tuple[str, ...]:
    """The names of the desks under `root`, sorted; empty when there is no such folder."""
    if not root.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in root.iterdir() if entry.is_dir() and _DESK_NAME.fullmatch(entry.name)))


COCKPIT_FOLDER = "_cockpit"
"""Beside the desks' folders; its name is none that a desk could have."""


@dataclass(frozen=True)
class CockpitPaths:
    """What belongs to the cockpit of a root and to no desk."""

    root: Path

    @property
    def folder(self) -> Path:
        """Nobody else's business: mode 0700."""
        return self.root / COCKPIT_FOLDER

    @property
    def users(self) -> Path:
        """Who may log in, with the passwords' hashes."""
        return self.folder / "users.json"

    @property
    def settings(self) -> Path:
        """Where the cockpit listens and how long sessions last; may be missing."""
        return self.folder / "settings.toml"

    @property
    def audit(self) -> Path:
        """Who came in, and who was refused."""
        return self.folder / "audit"

    def create(self) -> None:
        """Make the folder, for its owner only. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
