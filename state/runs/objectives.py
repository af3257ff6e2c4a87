"""What a sweep can look for: every number of `records.Figures`, by its name."""

import typing
from functools import cache

import msgspec

from state.runs.records import AttributionUsd, Figures, RatioValue

_ADDED_UP = frozenset({"pnl_usd", "hedges", "shares_traded", "value_traded_usd", "slippage_usd", "won_days", "days"})
"""Figures that grow with the number of sessions; two stretches of different length compare by session."""


@cache
def objective_names() -> tuple[str, ...]:
    """Every name that `objective_of` takes: `pnl_usd`, `sharpe`, `attribution.gamma_usd`, ..."""
    names: list[str] = []
    for key, hint in typing.get_type_hints(Figures).items():
        if hint is AttributionUsd:
            names.extend(f"{key}.{part}" for part in AttributionUsd.__struct_fields__)
        else:
            names.append(key)
    return tuple(names)


def objective_of(figures: Figures | None, name: str) -> float | None:
    """The number behind the name (of a ratio its value); None where the run came to nothing or has too few days.

    Raises KeyError for a name that is none of `objective_names`.
    """
    if name not in objective_names():
        raise KeyError(name)
    value: object = figures
    for part in name.split("."):
        value = None if value is None else getattr(value, part)
    if isinstance(value, RatioValue):
        value = value.value
    return float(value) if isinstance(value, int | float) else None


def is_added_up(name: str) -> bool:
    """Whether the figure grows with the number of sessions, so that it must be divided by them to be compared."""
    return name in _ADDED_UP or name.startswith("attribution.")


def per_session(figures: Figures | None, name: str) -> float | None:
    """The objective as two stretches of different length can be compared by: by session where it adds up."""
    value = objective_of(figures, name)
    if value is None or figures is None or not is_added_up(name):
        return value
    return value / max(figures.days, 1)


class Better(msgspec.Struct, frozen=True, kw_only=True):
    """Which of two objectives is the better one."""

    maximise: bool

    def score(self, objective: float) -> float:
        """Larger is better, whatever is looked for."""
        return objective if self.maximise else -objective
