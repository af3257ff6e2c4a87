"""What the commands over history share: the profile with its changes, the model of the venue, priority, run names."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import opening_positions
from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from config.loader import LoadedProfile
    from config.schema import Profile
    from state.runs.records import VenueModel

INTERRUPTED = 130
NICE = 15
_WORD = re.compile(r"[^A-Za-z0-9_.-]+")

DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="SPEC",
        help="lean:DIR:SYMBOL:YYYYMMDD[-YYYYMMDD], csv:FILE, tape:PATH or synthetic:SEED[:SESSIONS[:YYYY-MM-DD]].",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Another value for a key of the profile; may repeat.", show_default=False
    ),
]
PositionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--position",
        metavar="QUANTITY:call|put:STRIKE:EXPIRY",
        help="What the account starts with, instead of simulator.positions; QUANTITY:stock are shares. May repeat.",
        show_default=False,
    ),
]
SlippageOption = Annotated[
    float | None,
    typer.Option(
        "--slippage-bps", min=0, max=1_000, metavar="BPS", help="Market orders: worse than the touch by this. [0]"
    ),
]
ExtraSpreadOption = Annotated[
    float | None,
    typer.Option("--extra-spread-usd", min=0, max=1_000, metavar="USD", help="Added to the stock's quoted spread. [0]"),
]
LatencyOption = Annotated[
    float | None,
    typer.Option("--latency-ms", min=0, max=3_600_000, metavar="MS", help="From the decision to the exchange. [0]"),
]
SlicesOption = Annotated[
    float | None,
    typer.Option(
        "--partial-fill-shares",
        min=1,
        max=1e9,
        metavar="SHARES",
        help="Orders fill in slices of at most so many. [whole]",
    ),
]
EachStepOption = Annotated[
    bool | None,
    typer.Option("--partial-fill-each-step", help="One slice each market step, not all at once.", show_default=False),
]
ShareCommissionOption = Annotated[
    float | None,
    typer.Option("--commission-usd-share", min=0, max=1_000, metavar="USD", help="Commission of each share. [0.005]"),
]
MinimumCommissionOption = Annotated[
    float | None,
    typer.Option("--commission-minimum-usd", min=0, max=1_000, metavar="USD", help="Least commission of an order. [1]"),
]
TitleOption = Annotated[str, typer.Option("--title", metavar="TEXT", help="For people, in lists and reports.")]
PriorityOption = Annotated[
    str,
    typer.Option("--priority", metavar="normal|low", help="low leaves the processor to whoever else wants it."),
]


def load_for_history(
    name_or_path: str, sets: Sequence[str] | None, positions: Sequence[str] | None = None
) -> "tuple[LoadedProfile, dict[str, Any]]":
    """The profile to run over history, and what differs from its file (dotted key -> value).

    A profile for a real account has no simulated one: naming positions gives it that, and takes account and host out
    of it, which a run over history has no use for. Raises CommandError (2), a line for each problem.
    """
    from config.loader import ProfileError, load_profile
    from config.overrides import load_overridden, parse_overrides

    try:
        overrides = parse_overrides(sets or ())
        plain = load_profile(name_or_path).profile
    except ProfileError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    if positions:
        if plain.simulator is None:
            away = {"live": False, "ib.account": None, "ib.host": "127.0.0.1"}
            overrides = {key: value for key, value in away.items() if _differs(plain, key, value)} | overrides
        overrides[opening_positions.KEY] = [opening_positions.parsed(text) for text in positions]
    try:
        loaded = load_overridden(name_or_path, overrides)
    except ProfileError as error:
        raise CommandError(opening_positions.complaints(error, positions or (), plain), ExitCode.USAGE) from error
    if loaded.profile.simulator is None or not loaded.profile.simulator.positions:
        raise CommandError(
            f"{loaded.path}: the profile says no simulator.positions, and a run must know what it starts with; say so "
            f"like this: {opening_positions.suggested(loaded.profile) or '--position 10:call:100:2026-06-19'}",
            ExitCode.USAGE,
        )
    return loaded, overrides


def _differs(profile: "Profile", key: str, value: object) -> bool:
    found: Any = profile
    for part in key.split("."):
        found = getattr(found, part)
    return bool(found != value)


def venue_model(profile: "Profile", **asked: float | None) -> "VenueModel":
    """The profile's simulated venue, with what was asked for (None: not) in its place."""
    import msgspec

    from daemon.backtest.assembly import model_of

    return msgspec.structs.replace(
        model_of(profile), **{key: value for key, value in asked.items() if value is not None}
    )


def take_priority(priority: str) -> None:
    """`low` gives way to every other process. Raises CommandError (2) for another word."""
    import os

    if priority not in ("low", "normal"):
        raise CommandError(f"--priority {priority!r}: low or normal", ExitCode.USAGE)
    if priority == "low":
        os.nice(NICE)


def new_run_id(folder: Path, words: str) -> str:
    """`20261121-141502-recorded_day`, with a number behind it where that is taken in `folder`."""
    from daemon.backtest.run_folder import wall_us
    from state.times import iso_from_us

    stamp = iso_from_us(wall_us())[:19].replace("-", "").replace(":", "").replace("T", "-")
    name = f"{stamp}-{_WORD.sub('-', words)}"[:72]
    found, number = name, 2
    while (folder / found).exists():
        found, number = f"{name}-{number}", number + 1
    return found


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: what there is so far is kept."""
    import signal

    # What SIGINT calls already: the default handler, which raises KeyboardInterrupt.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
