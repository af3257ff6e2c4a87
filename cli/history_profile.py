"""The profile of a run over history: the named one with `--set` and `--position` in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cli import opening_positions
from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from config.loader import LoadedProfile
    from config.schema import Profile


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
