"""The composition roots: each command chooses its parts (clock, venue, strategy, market) and runs them.

Live, paper and replay differ here and nowhere below.
"""

import os
import sys
from collections.abc import Sequence
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
)
from cli.errors import CommandError, ExitCode
from cli.options import CHECKOUT, DeskOption, ProfileOption, RootOption, Settings, settings

if TYPE_CHECKING:
    from config.loader import LoadedProfile
    from config.schema import Profile
    from daemon.runtime.clocks import Clock
    from state.layout import DeskPaths

IbPortOption = Annotated[
    int | None,
    typer.Option("--ib-port", min=1, max=65535, help="Instead of the profile's ib.port.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "daemon", short_help="The daemon in the foreground", epilog="Example: ./bifrost daemon --profile paper"
    )(daemon)
    app.command(
        "supervise",
        short_help="The daemon, restarted after crashes",
        epilog="Example: ./bifrost supervise --profile paper",
    )(supervise)
    app.command(
        "simulator",
        short_help="The TWS stand-in",
        epilog="Example: ./bifrost simulator --profile recorded_day --port 7497 --speed 60",
    )(simulator)
    app.command(
        "cockpit",
        short_help="The pages: monitoring and control",
        epilog="Example: ./bifrost cockpit --desk demo --port 8501",
    )(cockpit)


def desk_of(chosen: Settings, profile: "Profile") -> "DeskPaths":
    """The desk that a profile runs as: the profile's own, unless `--desk` names another."""
    named = chosen.explicit_desk if chosen.explicit_desk is not None else profile.desk_name
    return Settings(desk=named, root=chosen.root, as_json=chosen.as_json, explicit_desk=named).paths()


def daemon(
    context: typer.Context,
    *,
    profile: ProfileOption,
    ib_port: IbPortOption = None,
    flatten_only: Annotated[
        bool, typer.Option("--flatten-only", hidden=True, help="Carry out an asserted flatten, then leave.")
    ] = False,
    desk: DeskOption = None,
    root: RootOption = None,
) -> int:
    """Run the daemon in the foreground until it is stopped.

    Exit codes: 0 stopped, 1 crash, 2 cannot run, 3 stop stands, 4 desk, account or client id in use,
    5 journal damaged, 6 stop not confirmed.
    """
    from cli.profile_commands import load
    from daemon.runtime.signals import remember_stop_signals

    remember_stop_signals()
    loaded = load(profile)  # a bad profile is said at once: the parts below take seconds to import

    from config.version import version
    from daemon.core.step import Core
    from daemon.runtime.app import run_daemon
    from daemon.strategies.gamma_scalper.strategy import GammaScalper
    from daemon.venues.ib.venue import IbVenue

    chosen = with_port(loaded.profile, ib_port)
    return run_daemon(
        profile=chosen,
        profile_hash=loaded.hash,
        version=version(),
        paths=desk_of(settings(context, desk, root), chosen),
        core=Core(chosen, GammaScalper(chosen)),
        venue_factory=lambda clock, own_prefix: IbVenue(chosen, clock, own_prefix),
        clock=_clock(chosen),
        flatten_only=flatten_only,
        profile_path=str(loaded.path.absolute()),
    )


def _clock(profile: "Profile") -> "Clock":
    """A simulated market carries its own time and begins at a session's open; a real one has the machine's clock.

    Raises CommandError (2) for an exchange calendar that nobody knows.
    """
    from daemon.runtime.clocks import MarketClock, WallClock, wall_us

    if profile.simulator is None:
        return WallClock()
    from daemon.simulator.market_choice import market_opening_us
    from daemon.venues.exchange_hours import HoursError
    from daemon.venues.feeds.errors import FeedError

    try:
        return MarketClock(market_opening_us(profile, base=CHECKOUT, wall_us=wall_us()))
    except (FeedError, HoursError) as error:
        raise CommandError(f"profile {profile.name}: {error}", ExitCode.USAGE) from error


def supervise(
    context: typer.Context,
    *,
    profile: ProfileOption,
    ib_port: IbPortOption = None,
    desk: DeskOption = None,
    root: RootOption = None,
) -> int:
    """Keep one daemon running: restart it after a crash, stay up while `stop` stands, start it when it is removed."""
    from cli.profile_commands import load
    from daemon.runtime.signals import remember_stop_signals

    remember_stop_signals()
    from daemon.runtime.supervisor import run_supervisor

    loaded = load(profile)
    paths = desk_of(settings(context, desk, root), loaded.profile)
    # The daemon runs from the checkout's modules, whatever the folder this was started in.
    os.environ["PYTHONPATH"] = python_path()
    return run_supervisor(daemon_command(loaded, paths, ib_port), paths)


def simulator(
    context: typer.Context,
    *,
    profile: ProfileOption = "demo",
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="0 takes a free one. Default: ib.port.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of the made-up market.", show_default=False)
    ] = None,
    speed: Annotated[float | None, typer.Option("--speed", help="Market seconds a second.", show_default=False)] = None,
    replay: Annotated[
        str | None, typer.Option("--replay", metavar="SPEC", help="lean:DIR:SYMBOL:YYYYMMDD.", show_default=False)
    ] = None,
    faults: Annotated[
        Path | None,
        typer.Option(
            "--faults", metavar="FILE", help="Faults and acts, read again when the file changes.", show_default=False
        ),
    ] = None,
    desk: DeskOption = None,
    root: RootOption = None,
) -> int:
    """The TWS stand-in: serves the IB API on 127.0.0.1 with a made-up market or a recorded day."""
    from cli.profile_commands import load

    chosen = simulated_market(load(profile).profile, seed=seed, speed=speed, replay=replay)

    from daemon.simulator.app import SimulatorOptions, run_simulator

    paths = desk_of(settings(context, desk, root), chosen)
    options = SimulatorOptions(
        folder=paths.simulator,
        base=CHECKOUT,
        port=chosen.ib.port if port is None else port,
        faults=faults,
        log_path=paths.logs / "simulator.jsonl",
    )
    return run_simulator(chosen, options)


def cockpit(
    context: typer.Context,
    *,
    host: HostOption = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8501,
    allowed_host: AllowedHostOption = None,
    behind_proxy: BehindProxyOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    desk: DeskOption = None,
    root: RootOption = None,
) -> int:
    """Serve the cockpit's pages for every desk under the root; to this machine only, unless told otherwise.

    docs/security.md says how to reach it from the home network.
    """
    chosen = settings(context, desk, root)
    paths = chosen.paths()
    if not chosen.root.is_dir():
        raise CommandError(
            f"no folder {chosen.root}: there is no desk to show; start one (./bifrost up) or name --root",
            ExitCode.USAGE,
        )
    from cockpit.server import serve

    given = access_options(allowed_host=allowed_host, behind_proxy=behind_proxy, tls_cert=tls_cert, tls_key=tls_key)
    return serve(root=chosen.root, desk=paths.desk, host=host, port=port, options=given)


def with_port(profile: "Profile", ib_port: int | None) -> "Profile":
    """The profile with another port: what `up` learned from the simulator that it started."""
    import msgspec

    if ib_port is None:
        return profile
    return msgspec.structs.replace(profile, ib=msgspec.structs.replace(profile.ib, port=ib_port))


def simulated_market(
    profile: "Profile", *, seed: int | None = None, speed: float | None = None, replay: str | None = None
) -> "Profile":
    """The profile with another market; a relative folder on the command line starts at the working directory.

    Raises CommandError (2) when what was given is out of bounds or does not fit the profile.
    """
    import msgspec

    from config.crosschecks import cross_check
    from config.schema import Profile

    if profile.simulator is None:
        raise CommandError(f"the profile {profile.name} has no simulator section; try --profile demo", ExitCode.USAGE)
    changes: dict[str, object] = {}
    if seed is not None:
        changes["seed"] = seed
    if speed is not None:
        changes["speed"] = speed
    if replay is not None:
        changes["replay"] = _absolute_spec(replay)
    content = msgspec.to_builtins(profile)
    content["simulator"] |= changes
    try:
        changed = msgspec.convert(content, Profile)
    except msgspec.ValidationError as error:
        raise CommandError(f"simulator: {error}", ExitCode.USAGE) from error
    complaints = cross_check(changed)
    if complaints:
        raise CommandError("\n".join(f"{path}: {text}" for path, text in complaints), ExitCode.USAGE)
    return changed


def _absolute_spec(spec: str) -> str:
    kind, _, rest = spec.partition(":")
    parts = rest.rsplit(":", 2)
    if kind != "lean" or len(parts) != 3:
        return spec  # the check of the profile says what is wrong
    return ":".join([kind, str(Path(parts[0]).absolute()), *parts[1:]])


def daemon_command(loaded: "LoadedProfile", paths: "DeskPaths", ib_port: int | None) -> Sequence[str]:
    """The command line of the daemon of a desk."""
    return [*own_command("daemon", loaded, paths), *([] if ib_port is None else ["--ib-port", str(ib_port)])]


def own_command(name: str, loaded: "LoadedProfile", paths: "DeskPaths") -> list[str]:
    """One of our commands as a process of its own, independent of the working directory."""
    words = ["--profile", str(loaded.path.absolute()), "--desk", paths.desk, "--root", str(paths.root)]
    return [sys.executable, "-P", "-m", "cli", name, *words]


def python_path() -> str:
    """PYTHONPATH for our own processes: the checkout first."""
    given = os.environ.get("PYTHONPATH", "")
    others = [part for part in given.split(os.pathsep) if part and part != str(CHECKOUT)]
    return os.pathsep.join([str(CHECKOUT), *others])
