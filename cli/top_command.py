"""`bifrost top`: the Now page in a terminal, for SSH and for a machine without a browser."""

import os
import shutil
import sys
import time
from contextlib import redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.desk_commands import EXIT_OF_LIGHT
from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, RootOption, Settings, settings
from cli.output import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cockpit.reader import Reader
    from cockpit.terminal.frame import Size
    from cockpit.terminal.text import Line
    from state.layout import DeskPaths
    from state.light import LightState

PIPE_COLUMNS = 100
_OPERATIONS = 30
_ENDED_BY_SIGNAL = 128
_NOTICE_S = 15.0
_COMMANDS: dict[str, Literal["stop", "pause"]] = {"S": "stop", "P": "pause"}


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        "top",
        short_help="The Now page in a terminal (S stops, P pauses, q quits)",
        epilog="Example: ./bifrost top --desk demo   or from elsewhere: ssh -t MACHINE ./bifrost top",
    )(top)


def top(
    context: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="Print one frame; exit code as `status`.")] = False,
    every: Annotated[
        float, typer.Option("--every", min=0.2, max=60.0, metavar="S", help="How often to look again.")
    ] = 1.0,
    language: Annotated[
        str | None,
        typer.Option("--lang", metavar="en|zh", help="Default: as LANG says, else English.", show_default=False),
    ] = None,
    zone: Annotated[
        str, typer.Option("--tz", metavar="ZONE", help="utc, exchange, or a zone like Europe/Berlin.")
    ] = "utc",
    ascii_only: Annotated[bool, typer.Option("--ascii", help="No character beyond ASCII.")] = False,
    desk: DeskOption = None,
    root: RootOption = None,
) -> int:
    """The light and why, controls, key figures, legs, positions, orders and the last operations, looked at each second.

    Keys: q quits, S stops and P pauses at once (capitals; the same files and audit as the commands). Without a
    terminal, or with --once, one frame is printed: exit 0 green, 1 yellow, 2 red, 3 not live.
    """
    chosen = settings(context, desk, root)
    paths = chosen.existing_paths()
    plain = ascii_only or not speaks_utf8(os.environ)
    source = _Source(chosen, paths, _reader(language, zone, plain=plain), plain=plain)
    if once or not _has_terminal():
        return source.print_once()
    from termios import error as NoTerminal  # noqa: N812 - an error class with a lower-case name

    try:
        return _run(source, every)
    except NoTerminal as error:
        raise CommandError(f"this terminal cannot show a screen ({error}); use --once", ExitCode.USAGE) from error


def speaks_utf8(environment: "Mapping[str, str]") -> bool:
    """Whether the terminal shows more than ASCII, by what the locale's variables say.

    Python itself turns a plain C locale into LC_CTYPE=C.UTF-8, so that value alone says nothing of the terminal.
    """
    coerced = environment.get("LC_CTYPE") == "C.UTF-8"
    named = (environment.get("LC_ALL"), None if coerced else environment.get("LC_CTYPE"), environment.get("LANG"))
    decides = next((each for each in named if each), "")
    return "utf8" in decides.lower().replace("-", "")


def _reader(language: str | None, zone: str, *, plain: bool) -> "Reader":
    """For whom the texts are. Raises CommandError (2) for a language or zone that is not there."""
    from cockpit.language import LANGUAGES
    from cockpit.reader import Reader, zone_of

    asked = language
    if asked is None:
        locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
        asked = "zh" if locale.startswith("zh") and not plain else "en"
    known = next((each for each in LANGUAGES if each == asked), None)
    if known is None:
        raise CommandError(f"no language {asked!r}; there is: {', '.join(LANGUAGES)}", ExitCode.USAGE)
    if plain and known != "en":
        raise CommandError("this terminal takes ASCII only (see LANG), so the language must be en", ExitCode.USAGE)
    found = zone_of(zone, None)
    if found == "UTC" and zone.lower() != "utc":
        raise CommandError(f"no time zone {zone!r}; utc, exchange, or a name like Europe/Berlin", ExitCode.USAGE)
    return Reader(language=known, zone=found)


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


class _Source:
    """Looks at the desk and makes frames of it."""

    def __init__(self, chosen: Settings, paths: "DeskPaths", reader: "Reader", *, plain: bool) -> None:
        from cockpit.context import CockpitContext
        from cockpit.desk_view import DeskView
        from cockpit.recent_lines import RecentLines
        from state.query import ROUTINE
        from state.records import JournalType

        self._chosen, self._paths, self._reader, self._plain = chosen, paths, reader, plain
        context = CockpitContext(root=chosen.root, desk=chosen.desk, cli=chosen.shell_line())
        self._view: DeskView = DeskView(context, paths, reader)
        self._newest = RecentLines(paths.journal, frozenset(JournalType) - ROUTINE, _OPERATIONS)
        self.colour = not os.environ.get("NO_COLOR")

    def frame(self, size: "Size", *, notice: str = "", has_keys: bool = True) -> "tuple[tuple[Line, ...], LightState]":
        """The screen as it is now. Raises OSError where the desk cannot be looked at."""
        from cockpit.clock import wall_us
        from cockpit.terminal.frame import frame
        from cockpit.terminal.text import in_ascii
        from state.look import look_at

        now_us = wall_us()
        look = look_at(self._paths, now_us)
        page = self._view.built_from(look, now_us)
        lines = frame(
            page,
            look,
            self._newest.oldest_first()[::-1],
            size,
            self._reader,
            command=self._chosen.shell(),
            notice=notice,
            has_keys=has_keys,
        )
        return (in_ascii(lines) if self._plain else lines), look.light.state

    def print_once(self) -> int:
        """One frame without any control sequence, as wide as the terminal or COLUMNS; exit code as `status`."""
        from cockpit.terminal.frame import Size
        from cockpit.terminal.paint import bare

        width = shutil.get_terminal_size((PIPE_COLUMNS, 0)).columns
        try:
            lines, state = self.frame(Size(width, None), has_keys=False)
        except OSError as error:
            raise CommandError(
                f"cannot tell the state of {self._chosen.desk}: {error}", EXIT_OF_LIGHT["not_live"]
            ) from error
        say("\n".join(bare(line) for line in lines))
        return EXIT_OF_LIGHT[state]

    def command(self, key: str) -> str:
        """Give the command of a key, as `bifrost stop` or `bifrost pause` does; says in one line what became of it."""
        from cli.commanding import Commanding

        say_it = self._reader.say
        name = _COMMANDS[key]
        warnings = StringIO()
        try:
            with redirect_stderr(warnings):
                new = Commanding(self._chosen, self._paths, "from bifrost top", None).write(name)
        except CommandError as error:
            return say_it("top.failed", command=name, problem=str(error))
        told = say_it("top.asserted_now" if new else "top.stood_already", command=name)
        if self._look_state() == "not_live":
            told += f"; {say_it('top.not_live_now')}"
        warned = " ".join(warnings.getvalue().split())
        return f"{told}; {warned}" if warned else told

    def advice(self, key: str) -> str:
        """A small letter commands nothing: a key hit by mistake must not stop a desk."""
        return self._reader.say("top.capital_only", key=key, capital=key.upper())

    def trouble(self, error: OSError) -> str:
        """What is shown while the desk cannot be looked at."""
        return self._reader.say("top.cannot_read", problem=str(error))

    def _look_state(self) -> "LightState":
        from cockpit.clock import wall_us
        from state.look import look_at

        return look_at(self._paths, wall_us()).light.state


def _run(source: _Source, every_s: float) -> int:
    """Show frames until q or a signal. Ctrl-C is an ordinary end; any other signal gives 128 and its number."""
    import signal

    from cli.terminal import Screen
    from cockpit.terminal.frame import Size
    from cockpit.terminal.paint import painted

    notice, said_at = "", 0.0
    with Screen(sys.stdin.fileno(), sys.stdout.fileno()) as screen:
        while screen.ended is None:
            started = time.monotonic()
            if notice and started - said_at > _NOTICE_S:
                notice = ""
            try:
                size = Size(*screen.size())
                try:
                    lines, _ = source.frame(size, notice=notice)
                    shown = [painted(line, colour=source.colour) for line in lines]
                except OSError as error:
                    shown = [source.trouble(error)]
                screen.show(shown)
                keys = screen.wait(every_s - (time.monotonic() - started))
            except (EOFError, OSError):
                return ExitCode.DONE  # the terminal is gone, and with it who looked
            for key in keys:
                if key in ("q", "Q"):
                    return ExitCode.DONE
                if key == "\x0c":
                    screen.redraw()
                elif key in _COMMANDS:
                    notice, said_at = source.command(key), time.monotonic()
                elif key.upper() in _COMMANDS:
                    notice, said_at = source.advice(key), time.monotonic()
        ended = screen.ended
    return ExitCode.DONE if ended == signal.SIGINT else _ENDED_BY_SIGNAL + ended
