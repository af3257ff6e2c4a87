"""A profile from a sweep's cell, with the evidence for it written above."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from config.loader import PROFILES_DIR, LoadedProfile, load_profile, load_tree
from config.overrides import load_overridden
from config.searchable import SearchKeyError, searchable
from config.yaml_tree import plain
from daemon.backtest.sweep.evidence import evidence
from state.atomic import replace_file, sync_folder
from state.runs.neighbourhood import judge
from state.runs.records import SweepPlan, Trial

_SUFFIXES = (".yaml", ".yml")


class MadeProfileError(Exception):
    """The profile cannot be written. One line with the remedy."""


def profile_path(name_or_path: str, profiles_dir: Path = PROFILES_DIR) -> Path:
    """Where `--as` says: a name under config/profiles/, or the path of a YAML file."""
    if "/" in name_or_path or name_or_path.endswith(_SUFFIXES):
        return Path(name_or_path)
    return profiles_dir / f"{name_or_path}.yaml"


def make_profile(
    plan: SweepPlan,
    trials: Sequence[Trial],
    number: int,
    path: Path,
    *,
    desk: str,
    force: bool = False,
    profiles_dir: Path = PROFILES_DIR,
) -> LoadedProfile:
    """Write the profile of one cell and load it. An existing file stays unless `force`; never is there half a file.

    Raises MadeProfileError, ProfileError (the cell makes no profile: nothing is written).
    """
    judged = {each.number: each for each in judge(plan, trials)}
    if number not in judged:
        known = f"0 to {max(judged)}" if judged else "none yet"
        raise MadeProfileError(f"sweep {plan.run_id} has no cell {number} to choose; its cells are {known}")
    if judged[number].word == "failed":
        problem = next((trial.problem for trial in trials if trial.number == number and trial.problem), "no figures")
        raise MadeProfileError(f"cell {number} came to no result ({problem}); choose another")
    if path.suffix not in _SUFFIXES:
        raise MadeProfileError(f"{path}: a profile's file ends in .yaml")
    if path.exists() and not force:
        raise MadeProfileError(f"{path} exists: choose another --as, or overwrite it with --force")
    comment = "".join(f"# {line}".rstrip() + "\n" for line in evidence(plan, trials, judged, number))
    keys = _keys(plan, judged[number].params, desk, profiles_dir)
    return _written(
        path, comment + "\n" + yaml.safe_dump(keys, sort_keys=False, allow_unicode=True), force, profiles_dir
    )


def _keys(plan: SweepPlan, params: dict[str, Any], desk: str, profiles_dir: Path) -> dict[str, Any]:
    """What the file says: the base profile, the desk, and every decision's key that the cell or a --set changed."""
    base = _base(plan, profiles_dir)
    found: dict[str, Any]
    if base.resolve().parent == profiles_dir.resolve():
        found = {"extends": base.stem, "desk": desk}
    else:  # `extends` takes names only
        found = {"desk": desk} | plain(load_tree(str(base), profiles_dir=profiles_dir)) | {"desk": desk}
    for key, value in {**plan.profile.overrides, **params}.items():
        if _is_a_decisions(key):
            _put(found, key.split("."), value)
    return found


def _base(plan: SweepPlan, profiles_dir: Path) -> Path:
    """The sweep's profile, which must still be the one that was searched."""
    base = Path(plan.profile.path or "")
    if not base.is_file():
        raise MadeProfileError(f"{base}: the sweep's profile is gone; put it back to make another from it")
    if load_overridden(str(base), plan.profile.overrides, profiles_dir=profiles_dir).hash != plan.profile.hash:
        raise MadeProfileError(
            f"{base} has changed since sweep {plan.run_id}: its cells say nothing of it; sweep again"
        )
    return base


def _is_a_decisions(key: str) -> bool:
    """Positions, account and market of the run are not the profile's that is made."""
    try:
        searchable(key)
    except SearchKeyError:
        return False
    return True


def _put(section: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        below = section.get(part)
        section[part] = below = dict(below) if isinstance(below, dict) else {}
        section = below
    section[path[-1]] = value


def _written(path: Path, text: str, force: bool, profiles_dir: Path) -> LoadedProfile:
    """Under another name first: what cannot be loaded never gets the profile's."""
    temporary = path.with_name(f".{path.stem}-{os.getpid()}.tmp.yaml")
    try:
        replace_file(temporary, text.encode(), sync=False, mode=0o644)
        load_profile(str(temporary.absolute()), profiles_dir=profiles_dir)
        if force:
            temporary.replace(path)
        else:
            os.link(temporary, path)  # refuses where a file has come into being meanwhile
        sync_folder(path.parent)
    except OSError as error:
        raise MadeProfileError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return load_profile(str(path.absolute()), profiles_dir=profiles_dir)
