"""Which folder this cockpit looks at. Set once per process, before the first page runs."""

from pathlib import Path

import msgspec

from state.layout import DeskNameError, DeskPaths, desks


class CockpitContext(msgspec.Struct, frozen=True, kw_only=True):
    """The state root and the desk that is shown when the address names none."""

    root: Path
    desk: str
    cli: str = "./bifrost {}"
    """How the shell twin of a command is written; `{}` takes the command's words."""

    def shell(self, words: str) -> str:
        """`stop --desk demo` -> the whole command line."""
        return self.cli.format(words)

    def beginning(self, desk: str) -> str:
        """How every command about a desk may begin, for sentences that name commands: `./bifrost --desk demo `."""
        program, _, options = self.cli.format("").strip().partition(" ")
        return " ".join(part for part in (program, "--desk", desk, options.strip()) if part) + " "


class UnknownDeskError(LookupError):
    """The address names a desk that has no folder; the message lists those that have one."""


_current: list[CockpitContext] = []


def configure(context: CockpitContext) -> None:
    """Set the process's context. Streamlit runs its script in this same process, so one is enough."""
    _current[:] = [context]


def current() -> CockpitContext:
    """The process's context. Raises RuntimeError when `configure` was never called."""
    if not _current:
        raise RuntimeError("the cockpit was not configured; start it with `./bifrost cockpit`")
    return _current[0]


def desk_paths(context: CockpitContext, wanted: str | None) -> DeskPaths:
    """The folder of the desk that the address names, or of the default one.

    The default desk may be missing still (the daemon makes it); any other must exist.
    Raises UnknownDeskError with the names that would work.
    """
    name = context.desk if wanted is None or wanted == "" else wanted
    try:
        paths = DeskPaths(context.root, name)
    except DeskNameError as error:
        raise UnknownDeskError(str(error)) from error
    if name == context.desk or paths.exists():
        return paths
    known = ", ".join(desks(context.root))
    raise UnknownDeskError(f"no desk named {name!r} here; there is: {known or 'none yet'}")
