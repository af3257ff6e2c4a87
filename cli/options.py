"""The options that every command shares, taken before or after the command's name."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from state.layout import DeskPaths

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_DESK = "demo"

DeskOption = Annotated[
    str | None,
    typer.Option("--desk", metavar="NAME", help="The desk. Default: $BIFROST_DESK, else demo.", show_default=False),
]
RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="Where the desks' folders lie. Default: $BIFROST_ROOT, else var/ beside the launcher.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the journal and the audit.")]
WaitOption = Annotated[
    float | None,
    typer.Option(
        "--wait",
        min=0.0,
        metavar="S",
        help="Wait up to S seconds for the daemon's receipt: exit 0 when done, 7 when not done in time.",
        show_default=False,
    ),
]
ProfileOption = Annotated[
    str,
    typer.Option("--profile", metavar="NAME|FILE", help="A name under config/profiles/, or the path of a YAML file."),
]


@dataclass(frozen=True)
class Settings:
    """Where a command looks. What stands after the command wins over what stands before it, then the environment."""

    desk: str
    root: Path
    as_json: bool
    explicit_desk: str | None
    """What `--desk` said, if anything: the commands that run a profile otherwise take the profile's desk."""

    def paths(self) -> "DeskPaths":
        """The desk's folder, which need not exist. Raises CommandError (2) for a name that is no desk's."""
        from state.layout import DeskNameError, DeskPaths

        try:
            return DeskPaths(self.root, self.desk)
        except DeskNameError as error:
            raise CommandError(str(error), ExitCode.USAGE) from error

    def shell(self) -> str:
        """`./bifrost`, with the options that a further command about this desk needs when typed here."""
        import shlex

        words = ["./bifrost"]
        if self.desk != (os.environ.get("BIFROST_DESK") or DEFAULT_DESK):
            words += ["--desk", self.desk]
        if self.root != default_root().absolute():
            words += ["--root", str(self.root)]
        return shlex.join(words)

    def shell_line(self) -> str:
        """A command line for any desk of this root, typed here: its words take the place of the braces."""
        import shlex

        if self.root == default_root().absolute():
            return "./bifrost {}"
        return f"./bifrost {{}} --root {shlex.quote(str(self.root)).replace('{', '{{').replace('}', '}}')}"

    def existing_paths(self) -> "DeskPaths":
        """The folder of a desk that was started before. Raises CommandError (2) when there is none."""
        from state.layout import desks

        paths = self.paths()
        if not paths.exists():
            known = ", ".join(desks(self.root))
            there = f"desks there: {known}" if known else "no desk was ever started there"
            raise CommandError(
                f"no desk {self.desk!r} under {self.root} ({there}); name one with --desk, another root with --root, "
                "or start it: ./bifrost up --profile P",
                ExitCode.USAGE,
            )
        return paths


def store_globals(context: typer.Context, desk: str | None, root: Path | None, *, as_json: bool) -> None:
    """Keep what stood before the command's name."""
    context.obj = {"desk": desk, "root": root, "json": as_json}


def settings(
    context: typer.Context, desk: str | None = None, root: Path | None = None, *, as_json: bool = False
) -> Settings:
    """Join the options before and after the command's name with the environment and the defaults."""
    before = context.obj if isinstance(context.obj, dict) else {}
    explicit = desk if desk is not None else before.get("desk")
    named = explicit if explicit is not None else os.environ.get("BIFROST_DESK")
    where = root if root is not None else before.get("root")
    return Settings(
        desk=named or DEFAULT_DESK,
        root=(where if where is not None else default_root()).absolute(),
        as_json=as_json or bool(before.get("json", False)),
        explicit_desk=explicit,
    )


def default_root() -> Path:
    """`$BIFROST_ROOT`, or `var/` beside the launcher, which stands in the checkout."""
    given = os.environ.get("BIFROST_ROOT")
    if given:
        return Path(given)
    launcher = os.environ.get("BIFROST_LAUNCHER")
    return (Path(launcher).parent if launcher else CHECKOUT) / "var"
