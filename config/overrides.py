"""A profile with some of its keys changed: what a backtest's `--set`, a what-if and each cell of a sweep run with."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config.crosschecks import cross_check
from config.loader import PROFILES_DIR, LoadedProfile, ProfileError, load_profile, load_tree, merge, profile_hash
from config.validation import validate
from config.yaml_tree import Problem, UnreadableError, parse_profile_text

SET = Path("--set")
"""The file that a problem of an override names."""
_KEY = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*")


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """`gates.intent.hedge.cooldown_seconds=30` -> {that key: 30}; values are YAML. Raises ProfileError."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals or _KEY.fullmatch(key) is None:
            raise ProfileError(f"--set {pair!r}: write KEY=VALUE, like gates.intent.hedge.cooldown_seconds=30")
        if key in found:
            raise ProfileError(f"--set {key}: given twice")
        try:
            node, problems = parse_profile_text(f"value: {text}\n".encode(), SET)
        except UnreadableError:
            raise ProfileError(f"--set {key}: {text!r} is no value that YAML knows") from None
        if problems or not isinstance(node.value, dict) or "value" not in node.value:
            raise ProfileError(f"--set {key}: {text!r} is no value that YAML knows")
        found[key] = _plain(node.value["value"])
    return found


def _plain(node: Any) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child) for child in node.value]
    return node.value


def load_overridden(
    name_or_path: str, overrides: Mapping[str, Any], *, profiles_dir: Path = PROFILES_DIR
) -> LoadedProfile:
    """The profile with dotted keys replaced, checked as a whole; its hash is that of the changed profile.

    Raises ProfileError, one line for each problem: an unknown key (with the nearest one), a value out of bounds, a
    combination that contradicts itself.
    """
    if not overrides:
        return load_profile(name_or_path, profiles_dir=profiles_dir)
    loaded = load_profile(name_or_path, profiles_dir=profiles_dir)
    tree = load_tree(name_or_path, profiles_dir=profiles_dir)
    for key, value in overrides.items():
        over, problems = parse_profile_text(_nested(key, value).encode(), SET)
        if problems:
            raise ProfileError(list(problems))
        tree = merge(tree, over)
    profile, problems_found = validate(tree, loaded.profile.name)
    if profile is None:
        raise ProfileError(problems_found)
    faults = cross_check(profile)
    if faults:
        raise ProfileError([Problem(SET, 1, key, text) for key, text in faults])
    return LoadedProfile(profile=profile, path=loaded.path, hash=profile_hash(profile), sources=loaded.sources)


def _nested(key: str, value: Any) -> str:
    """`a.b.c` and 3 as YAML: one mapping inside the other."""
    whole: Any = value
    for part in reversed(key.split(".")):
        whole = {part: whole}
    return json.dumps(whole)
