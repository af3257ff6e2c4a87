"""`--position`: what the account of a run over history starts with, and which of those words is wrong."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from config.loader import ProfileError
    from config.schema import Profile

KEY = "simulator.positions"
"""The key of a profile that `--position` takes the place of."""
_POSITION = re.compile(
    r"(?P<quantity>[-+]?\d+(\.\d+)?):(stock|(?P<right>call|put):(?P<strike>[\d.]+):(?P<expiry>[\d-]+))"
)
_PLACE = re.compile(re.escape(KEY) + r"\[(?P<index>\d+)\](\.(?P<key>\w+))?")


def parsed(text: str) -> dict[str, Any]:
    """`10:call:70:2014-07-19` or `100:stock` as an entry of `simulator.positions`. Raises CommandError (2)."""
    found = _POSITION.fullmatch(text)
    if found is None:
        raise CommandError(
            f"--position {text!r}: write QUANTITY:call|put:STRIKE:EXPIRY, like 10:call:70:2014-07-19, or 100:stock",
            ExitCode.USAGE,
        )
    quantity = float(found["quantity"])
    if found["right"] is None:
        return {"quantity": quantity}
    try:
        strike = float(found["strike"])
    except ValueError:
        raise CommandError(f"--position {text!r}: {found['strike']!r} is no strike", ExitCode.USAGE) from None
    return {"quantity": quantity, "right": found["right"], "strike": strike, "expiry": found["expiry"]}


def suggested(profile: "Profile") -> str:
    """The words that would give the account ten contracts of each of the profile's legs; empty without a leg."""
    return " ".join(f"--position 10:{leg.right}:{leg.strike:g}:{leg.expiry}" for leg in profile.legs)


def complaints(error: "ProfileError", given: Sequence[str], profile: "Profile") -> str:
    """The error with `--position` named where it is to blame, a line for each problem; `profile` without them."""
    lines = []
    for problem in error.problems:
        place = _PLACE.fullmatch(problem.path)
        if place is None or not given:  # `--set` may name that key, too
            lines.append(str(problem))
            continue
        text, key = given[int(place["index"])], place["key"]
        if key is not None:
            lines.append(f"--position {text!r}: {key}: {problem.text}")
        elif _is_of_a_leg(parsed(text), profile):
            lines.append(f"--position {text!r}: {problem.text}")
        else:
            lines.append(f"--position {text!r}: {problem.text}; legs of the profile are {_legs(profile)}")
    return "\n".join(lines) or str(error)


def _is_of_a_leg(position: dict[str, Any], profile: "Profile") -> bool:
    """Also for shares, which need no leg."""
    legs = {(leg.right, leg.strike, leg.expiry) for leg in profile.legs}
    return "right" not in position or (position["right"], position["strike"], position["expiry"]) in legs


def _legs(profile: "Profile") -> str:
    return ", ".join(f"{leg.right}:{leg.strike:g}:{leg.expiry}" for leg in profile.legs) or "none"
