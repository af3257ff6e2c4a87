"""`bifrost up`: simulator (where the profile names one), supervised daemon and cockpit, ended together."""

import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.access_options import (
    AllowedHostOption,
    BehindProxyOption,
    HostOption,
    TlsCertOption,
    TlsKeyOption,
    access_options,
    as_words,
)
from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, ProfileOption, RootOption, settings
from cli.output import complain, say

if TYPE_CHECKING:
    from cli.children import Child, Children
    from config.loader import LoadedProfile
    from state.layout import DeskPaths

_POLL_S = 0.1
_GREEN_WITHIN_S = 20.0
"""A desk that is not green by then needs a word: a pause, foreign shares, a TWS that does not answer."""
_READY_WITHIN_S = 60.0
"""How long a simulator or cockpit may take to listen, on a slow machine's first start."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "up",
        short_help="Simulator, daemon and cockpit together; Ctrl-C ends all",
        epilog="Example: ./bifrost up --profile demo --port 8501",
    )(up)


def up(
    context: typer.Context,
    *,
    profile: ProfileOption = "demo",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The cockpit's; 0 takes a free one.")] = 8501,
    host: HostOption = "127.0.0.1",
    allowed_host: AllowedHostOption = None,
    behind_proxy: BehindProxyOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Put the desk's folder into the archive and start anew.")
    ] = False,
    faults: Annotated[
        Path | None,
        typer.Option(
            "--faults",
            metavar="FILE",
            help="The simulator's faults and acts, read again as they change.",
            show_default=False,
        ),
    ] = None,
    desk: DeskOption = None,
    root: RootOption = None,
) -> int:
    """Start everything and print the cockpit's address; Ctrl-C ends all of it within 5 s."""
    from cli.desk_lease import DeskLease
    from cli.profile_commands import load
    from cli.run_commands import desk_of

    loaded = load(profile)
    paths = desk_of(settings(context, desk, root), loaded.profile)
    if faults is not None and loaded.profile.simulator is None:
        raise CommandError(
            f"--faults {faults}: profile {profile} has no simulator that could obey it; leave it out", ExitCode.USAGE
        )
    given = access_options(allowed_host=allowed_host, behind_proxy=behind_proxy, tls_cert=tls_cert, tls_key=tls_key)
    with DeskLease(paths):
        _refuse_taken_port(host, port)
        _refuse_unsafe_listening(paths, host, given)
        archive_if_wanted(loaded, paths, fresh=fresh)
        return _Up(loaded, paths, ["--port", str(port), *as_words(host, given)], faults).run()


def _refuse_unsafe_listening(paths: "DeskPaths", host: str, given: dict[str, object]) -> None:
    """Raises CommandError (2) when the cockpit would refuse: better now than beside a desk that trades already."""
    from cockpit.access.settings import SettingsError, check_start
    from cockpit.access.users import UsersError
    from state.layout import CockpitPaths

    try:
        check_start(CockpitPaths(paths.root), host, given, cli="./bifrost {}")
    except (SettingsError, UsersError) as error:
        raise CommandError(f"the cockpit {error}", ExitCode.USAGE) from error


def _refuse_taken_port(host: str, port: int) -> None:
    """Raises CommandError (2) when somebody listens on the cockpit's port."""
    probe = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    except OSError as error:
        raise CommandError(
            f"port {port} of the cockpit cannot be had ({error.strerror}); end its owner or choose another: --port N",
            ExitCode.USAGE,
        ) from error
    finally:
        probe.close()


def archive_if_wanted(loaded: "LoadedProfile", paths: "DeskPaths", *, fresh: bool) -> Path | None:
    """Move the desk's folder to `_archive/` for `--fresh`, or when its replay has ended. Gives the new place."""
    from daemon.runtime.clocks import wall_us
    from daemon.simulator.persistence import FINISHED
    from state.times import iso_from_us

    simulated = loaded.profile.simulator
    finished = simulated is not None and simulated.replay is not None and (paths.simulator / FINISHED).exists()
    if not paths.exists() or not (fresh or finished):
        return None
    stamp = iso_from_us(wall_us()).replace(":", "").replace("-", "").replace(".", "-")
    target = paths.root / "_archive" / f"{paths.desk}-{stamp}"
    try:
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        paths.folder.rename(target)
    except OSError as error:
        raise CommandError(f"cannot archive {paths.folder}: {error.strerror}; check the folder's owner") from error
    say(f"archived: {target} ({'a fresh start was asked for' if fresh else 'its replay had ended'})")
    return target


class _Up:
    """One `up`. The one rule: whatever happens after the first child has started, `run` ends them all."""

    def __init__(
        self, loaded: "LoadedProfile", paths: "DeskPaths", cockpit_words: list[str], faults: Path | None = None
    ) -> None:
        self._loaded = loaded
        self._paths = paths
        self._cockpit_words = cockpit_words
        self._faults = faults
        self._asked_to_end: str | None = None

    def run(self) -> int:
        """Start, watch, end. The exit code is the supervisor's when it ended by itself, else 0 or what ending gave."""
        from cli.children import Children
        from cli.run_commands import python_path

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signalled)
        children = Children(os.environ | {"PYTHONPATH": python_path()}, self._paths.logs)
        code: int = ExitCode.FAILED
        try:
            self._paths.create()
            self._say_what_stands()
            supervisor = self._start(children)
            code = self._watch(children, supervisor)
        except OSError as error:
            complain(f"bifrost: cannot start: {error}")
        finally:
            killed = children.end_all(confirmed=self._daemon_has_stopped, orphan=self._daemon_pid)
            if killed:
                complain(f"bifrost: did not end in time and was killed: {', '.join(killed)}")
        if self._asked_to_end is not None:
            say(f"ended ({self._asked_to_end})")
        return code

    def _signalled(self, number: int, _frame: object) -> None:
        self._asked_to_end = signal.Signals(number).name

    def _start(self, children: "Children") -> "Child | None":
        """Simulator, supervisor, cockpit; None when told to end meanwhile. Raises CommandError, OSError."""
        from cli.run_commands import own_command

        words = own_command("supervise", self._loaded, self._paths)
        if self._loaded.profile.simulator is not None:
            port = self._start_simulator(children)
            if port is None:
                return None
            words += ["--ib-port", str(port)]
        supervisor = children.start("supervisor", words)
        desk = ["--desk", self._paths.desk, "--root", str(self._paths.root)]
        cockpit = children.start("cockpit", [sys.executable, "-P", "-m", "cli", "cockpit", *self._cockpit_words, *desk])
        if self._await(cockpit, lambda: _address(cockpit) is not None):
            for line in _said_by(cockpit):
                say(line)
            say(f"desk {self._paths.desk}: {self._paths.folder}   logs: {self._paths.logs}   Ctrl-C ends everything")
        return supervisor

    def _start_simulator(self, children: "Children") -> int | None:
        """Start it on a free port and learn which. Raises CommandError when it does not come up."""
        from cli.run_commands import own_command
        from daemon.simulator.persistence import PORT

        file = self._paths.simulator / PORT
        file.unlink(missing_ok=True)  # of a simulator that was killed
        words = own_command("simulator", self._loaded, self._paths)
        if self._faults is not None:
            words += ["--faults", str(self._faults.absolute())]
        child = children.start("simulator", [*words, "--port", "0"])
        if self._await(child, lambda: _port_in(file) is not None):
            return _port_in(file)
        if self._asked_to_end is not None:
            return None
        child.told = True
        raise CommandError(child.ending() if not child.is_running else "the simulator does not listen; see its log")

    def _await(self, child: "Child", ready: Callable[[], bool]) -> bool:
        """Wait until it is ready; False when it ended, time ran out or `up` was told to end."""
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline and child.is_running and self._asked_to_end is None:
            if ready():
                return True
            time.sleep(_POLL_S)
        return False

    def _watch(self, children: "Children", supervisor: "Child | None") -> int:
        """Say how the light is at first and when a child dies; return when it is over."""
        light_said = False
        started = time.monotonic()
        while supervisor is not None and self._asked_to_end is None:
            for child in children.newly_ended():
                complain(f"bifrost: {child.ending()}{self._again(child.name)}")
            if not supervisor.is_running:
                # Without a supervisor nothing trades and nothing would restart: better to end loudly than half.
                for child in children.newly_ended():  # it may have ended since the line above
                    complain(f"bifrost: {child.ending()}")
                code = supervisor.process.returncode
                return code if code > 0 else ExitCode.FAILED
            if not light_said:
                light_said = self._say_light(time.monotonic() - started)
            time.sleep(_POLL_S)
        return ExitCode.DONE

    def _again(self, name: str) -> str:
        """What brings a part back that nothing here restarts."""
        if name == "simulator":
            return "; there is no market until Ctrl-C here and `up` again"
        if name != "cockpit":
            return ""
        words = ["./bifrost", "cockpit", *self._cockpit_words, "--root", str(self._paths.root)]
        return f"; the desk goes on; in another shell: {shlex.join(words)}"

    def _say_light(self, waited_s: float) -> bool:
        """As soon as it is green; what else it is, once a start should be over. True when it was said."""
        from cli.desk_commands import look

        light = look(self._paths).light
        if light.state == "green":
            say(f"light: GREEN {light.word} after {waited_s:.0f} s")
            return True
        if waited_s < _GREEN_WITHIN_S:
            return False
        codes = ", ".join(reason.code for reason in light.reasons)
        say(f"light: {light.word} ({codes}); why, and what to do: ./bifrost status --desk {self._paths.desk}")
        return True

    def _say_what_stands(self) -> None:
        """A command that stands is obeyed from the start; the operator should hear why nothing moves."""
        from daemon.runtime.clocks import wall_us
        from state.control import read_control

        ends = {"stop": "start", "pause": "resume"}
        for name, found in read_control(self._paths.control, wall_us()).files.items():
            note = f" (by {found.by}: {found.reason})" if found.by else ""
            then = f"; end it with: ./bifrost {ends[name]} --desk {self._paths.desk}" if name in ends else ""
            say(f"control/{name} stands{note} and is obeyed{then}")

    def _daemon_has_stopped(self) -> bool:
        """Whether the daemon's last snapshot says that its orders are confirmed and nothing leaves any more."""
        from state.snapshot import read_snapshot

        snapshot = read_snapshot(self._paths.snapshot).snapshot
        return snapshot is not None and snapshot.daemon_state == "stopped"

    def _daemon_pid(self) -> int | None:
        from daemon.runtime.locks import desk_lock_path, holder_pid

        return holder_pid(desk_lock_path(self._paths.folder))


def _port_in(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _address(cockpit: "Child") -> str | None:
    """The address that the cockpit printed once it listens."""
    for line in _said_by(cockpit):
        if line.startswith("cockpit: http"):
            return line.removeprefix("cockpit: ").strip()
    return None


def _said_by(cockpit: "Child") -> list[str]:
    """Its lines about itself: the address, what it listens on and who may come in, told together."""
    return [line for line in cockpit.output().splitlines() if line.startswith("cockpit: ")]
