"""Roughly how long a sweep will take, by what earlier runs took. Pure but for the store's files."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cockpit.runs.store import store
from cockpit.runs.sweep_reading import seen
from state.runs.folder import sweep_paths
from state.runs.reading import RunLook
from state.runs.walk_forward import IN_SAMPLE_WINDOWS

_MADE_UP = re.compile(r"synthetic:\d{1,18}:(\d{1,5})(:[\d-]+)?")
_LOOKED_AT = 20
"""Newest finished runs of each kind that are asked; of sweeps, which hold many trials, a tenth."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What one run over history took."""

    spec: str
    profile: str
    market: dict[str, Any]
    """Keys of `simulator` that the run changed."""
    sessions: int
    seconds_each: float
    """A session, of one trial on one core."""


def sessions_of(spec: str) -> int | None:
    """How many sessions a spec names by itself; None where only its data knows."""
    found = _MADE_UP.fullmatch(spec.strip())
    return None if found is None else int(found[1]) or None


def seconds_of(
    root: Path, *, spec: str, profile: str, changed: Mapping[str, Any], cells: int, folds: int, workers: int
) -> float | None:
    """Of so many cells over that data; None where nothing like it has run.

    The pace is that of the newest run of this profile over the same data, else over data of the same kind. Keys of
    `simulator` that were `changed` must be the same: they say how many moments a made-up session has. Under a
    walk-forward with as many windows in sample as is usual each fold plays its window and the ones before it.
    """
    scheme, market = spec.partition(":")[0], _market(changed)
    found = [each for each in _paces(root, profile) if each.spec.partition(":")[0] == scheme and each.market == market]
    same = [each for each in found if is_same(spec, each.spec)]
    pace = next(iter((*same, *found)), None)
    sessions = sessions_of(spec) or next((each.sessions for each in same), None)
    if pace is None or sessions is None:
        return None
    played = sessions
    if folds:
        played = folds * (IN_SAMPLE_WINDOWS + 1) * (sessions // (folds + IN_SAMPLE_WINDOWS))
    return cells * played * pace.seconds_each / max(1, min(workers, cells))


def is_same(asked: str, spec: str) -> bool:
    """Whether a run's spec is what was asked for: a run holds folders absolute, and a first day where none was said."""
    scheme, _, rest = asked.strip().partition(":")
    theirs, _, whole = spec.partition(":")
    return scheme == theirs and (whole == rest or whole.startswith(f"{rest}:") or whole.endswith(f"/{rest}"))


def _paces(root: Path, profile: str) -> Iterable[Pace]:
    """Of the profile's newest finished runs."""
    done = [run for run in store.all(root, "backtest") if run.standing == "finished"][:_LOOKED_AT]
    searched = [run for run in store.all(root, "sweep") if run.standing == "finished"][: _LOOKED_AT // 10]
    found = [
        pace
        for run in sorted((*done, *searched), key=lambda run: run.created_ts, reverse=True)
        if (pace := _pace(root, run)) is not None
    ]
    return [pace for pace in found if pace.profile == profile]


def _pace(root: Path, run: RunLook) -> Pace | None:
    told = run.summary if run.summary is not None else run.plan
    seconds, sessions = _took(root, run)
    if told is None or sessions <= 0 or seconds <= 0:
        return None
    return Pace(
        spec=told.data.spec,
        profile=told.profile.name,
        market=_market(told.profile.overrides),
        sessions=told.data.sessions,
        seconds_each=seconds / sessions,
    )


def _market(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in overrides.items() if key.startswith("simulator.")}


def _took(root: Path, run: RunLook) -> tuple[float, int]:
    """Seconds of one core, and the sessions that were played in them."""
    if run.summary is not None:
        return run.summary.seconds, run.summary.data.sessions
    if run.plan is None:
        return 0.0, 0
    ended = [each for each in seen(sweep_paths(root, run.run_id), run.plan).trials if each.figures is not None]
    return sum(each.seconds for each in ended), sum(each.figures.days for each in ended if each.figures is not None)
