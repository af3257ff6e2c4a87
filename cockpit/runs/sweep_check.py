"""What a page is told of a sweep before it is started: faults by field, how much work it is, each key's bounds."""

import os
from pathlib import Path
from typing import Any

from cockpit import wording
from cockpit.profiles.view import meaning
from cockpit.reader import Reader
from cockpit.runs import sweep_pace
from cockpit.runs.sweep_orders import Checked, KeyOrder, SweepOrder, checked
from config.keys import Key, effective_keys
from config.loader import ProfileError, profile_names
from config.overrides import parse_overrides
from config.searchable import SearchKeyError, searchable

_A_FEW_SECONDS = 10.0


def answer(order: SweepOrder, root: Path, reader: Reader) -> dict[str, Any]:
    """`faults` in the order of the form, `line` of cells and time, `notes` for each searched key."""
    found = checked(order)
    keys = _keys_of(order.profile)
    return {
        "faults": [
            {"field": fault.field, "text": fault.said(reader), "missing": fault.is_missing} for fault in found.faults
        ],
        "line": _line(order, found, root, reader),
        "notes": [_note(each, keys, reader) for each in order.search],
    }


def cores() -> int:
    """Those that a sweep started here would use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _keys_of(profile: str) -> dict[str, Key]:
    if profile not in profile_names():
        return {}
    try:
        return {key.path: key for key in effective_keys(profile)}
    except ProfileError:
        return {}


def _note(told: KeyOrder, keys: dict[str, Key], reader: Reader) -> str:
    """What a key means, what it may be, and what the profile says."""
    key = keys.get(told.key)
    if key is not None:
        return reader.say(
            "sweeps.form.key_note", meaning=meaning(key, reader), bounds=reader.phrase(key.bounds), value=key.value
        )
    try:
        return reader.phrase(searchable(told.key).bounds)
    except SearchKeyError:
        return ""


def _line(order: SweepOrder, found: Checked, root: Path, reader: Reader) -> str:
    if found.cells is None or found.trials is None:
        return reader.say("sweeps.form.no_cells")
    if found.folds:
        work = reader.say(
            "sweeps.form.folded", cells=f"{found.cells:,d}", n=2 * found.folds, trials=f"{found.trials:,d}"
        )
    else:
        work = reader.say("sweeps.form.cells", cells=f"{found.cells:,d}")
    seconds = sweep_pace.seconds_of(
        root,
        spec=order.data,
        profile=order.profile,
        changed=_changed(order),
        cells=found.cells,
        folds=found.folds,
        workers=cores(),
    )
    return f"{work} · {_time(seconds, reader)}"


def _changed(order: SweepOrder) -> dict[str, Any]:
    try:
        return parse_overrides([line for line in order.overrides if line.strip()])
    except ProfileError:
        return {}


def _time(seconds: float | None, reader: Reader) -> str:
    if seconds is None:
        return reader.say("sweeps.form.time_unknown")
    if seconds < _A_FEW_SECONDS:
        return reader.say("sweeps.form.time_short")
    return reader.say("sweeps.form.time", time=wording.age(seconds * 1000), n=cores())
