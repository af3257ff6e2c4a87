"""Profiles from YAML: found by name or path, joined with what they extend, checked as a whole, hashed.

`load_profile` is the one way in. Every problem of a profile is collected before it refuses, so that the operator
mends a file once.
"""

import difflib
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import msgspec

from config.crosschecks import cross_check
from config.schema import DeskName, Profile
from config.validation import validate
from config.yaml_tree import Node, Problem, UnreadableError, parse_profile_text

PROFILES_DIR = Path(__file__).parent / "profiles"
_SUFFIXES = (".yaml", ".yml")
_NOT_INHERITED = ("extends", "desk")
"""`desk` names one folder of one daemon: a variant that inherited it would write into its parent's book."""


class ProfileError(Exception):
    """A profile that cannot be used. `str()` is one clear line per problem."""

    def __init__(self, problems: list[Problem] | str) -> None:
        self.problems: tuple[Problem, ...] = () if isinstance(problems, str) else tuple(problems)
        super().__init__(problems if isinstance(problems, str) else "\n".join(str(problem) for problem in problems))


class LoadedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A validated profile and where it came from."""

    profile: Profile
    path: Path
    hash: str
    """SHA-256 of the canonical JSON of the effective profile: equal hashes mean equal behaviour."""
    sources: tuple[Path, ...]
    """The file itself, then what it extends, in order."""


def load_profile(name_or_path: str, *, profiles_dir: Path = PROFILES_DIR) -> LoadedProfile:
    """Load by name (under `profiles_dir`) or by path (it holds a slash or ends in .yaml). Raises ProfileError."""
    path = _find(name_or_path, profiles_dir)
    tree, sources = _effective_tree(path, profiles_dir)
    profile, problems = validate(tree, path.stem)
    if profile is None:
        raise ProfileError(problems)
    problems = [_problem_at(tree, key, text) for key, text in [*_desk_name_faults(profile), *cross_check(profile)]]
    if problems:
        raise ProfileError(problems)
    return LoadedProfile(profile=profile, path=path, hash=profile_hash(profile), sources=sources)


def load_tree(name_or_path: str, *, profiles_dir: Path = PROFILES_DIR) -> Node:
    """The effective keys of a profile with the file and line of each, unchecked. Raises ProfileError."""
    return _effective_tree(_find(name_or_path, profiles_dir), profiles_dir)[0]


def profile_names(profiles_dir: Path = PROFILES_DIR) -> list[str]:
    """The names that `load_profile` takes, sorted. A missing folder holds none."""
    return sorted(path.stem for path in profiles_dir.glob("*.yaml"))


def profile_hash(profile: Profile) -> str:
    """SHA-256 (hex) of the profile as JSON with sorted keys; every default is written out."""
    return hashlib.sha256(msgspec.json.encode(profile, order="sorted")).hexdigest()


def merge(base: Node, over: Node) -> Node:
    """`over` laid upon `base`: mappings are joined key by key, everything else (lists too) is replaced."""
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    joined = dict(base.value)
    for key, child in over.value.items():
        joined[key] = merge(joined[key], child) if key in joined else child
    return replace(over, value=joined)


def _find(name_or_path: str, profiles_dir: Path) -> Path:
    if "/" in name_or_path or name_or_path.endswith(_SUFFIXES):
        path = Path(name_or_path)
        if not path.is_file():
            raise ProfileError(f"{path}: no such profile file; `bifrost profile list` shows the names that exist")
        return path
    path = profiles_dir / f"{name_or_path}.yaml"
    if not path.is_file():
        raise ProfileError(_no_such_name(name_or_path, profiles_dir))
    return path


def _no_such_name(name: str, profiles_dir: Path) -> str:
    names = profile_names(profiles_dir)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names) if names else 'none'}"
    return f"no profile named {name!r} in {profiles_dir}; {hint}"


def _read(path: Path) -> Node:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read ({error.strerror}); check the file and its permissions") from error
    try:
        tree, problems = parse_profile_text(data, path)
    except UnreadableError as error:
        raise ProfileError([error.problem]) from error
    if problems:
        raise ProfileError(list(problems))
    if "name" in tree.value:
        at = tree.value["name"]
        text = "the name is the file's name; remove this line"
        raise ProfileError([Problem(path, at.key_line, "name", text, at.key_column)])
    return tree


def _effective_tree(path: Path, profiles_dir: Path) -> tuple[Node, tuple[Path, ...]]:
    """The file merged over everything it extends, and all files that took part."""
    chain: list[Node] = []
    sources: list[Path] = []
    current: Path | None = path
    while current is not None:
        tree = _read(current)
        chain.append(tree)
        sources.append(current)
        current = _base_of(tree, sources, profiles_dir)
    effective = chain[-1]
    for over in reversed(chain[:-1]):
        inherited = {key: child for key, child in effective.value.items() if key not in _NOT_INHERITED}
        effective = merge(replace(effective, value=inherited), over)
    keys = {key: child for key, child in effective.value.items() if key != "extends"}
    return replace(effective, value=keys), tuple(sources)


def _base_of(tree: Node, sources: list[Path], profiles_dir: Path) -> Path | None:
    """The file that `extends` names, or None. Raises ProfileError on a bad name or a circle."""
    node = tree.value.get("extends")
    if node is None:
        return None
    name = node.value
    if not isinstance(name, str) or "/" in name or not name:
        text = "must be the name of one profile, such as `extends: demo`"
        raise ProfileError([Problem(node.file, node.line, "extends", text, node.column)])
    base = profiles_dir / f"{name}.yaml"
    if not base.is_file():
        raise ProfileError([Problem(node.file, node.line, "extends", _no_such_name(name, profiles_dir), node.column)])
    if any(base.resolve() == source.resolve() for source in sources):
        circle = " -> ".join([*(source.stem for source in sources), name])
        raise ProfileError(
            [Problem(node.file, node.line, "extends", f"goes in a circle: {circle}; remove one", node.column)]
        )
    return base


def _desk_name_faults(profile: Profile) -> list[tuple[str, str]]:
    if profile.desk_name.startswith("_"):
        return [("desk", f"{profile.desk_name!r}: names that start with _ are reserved; set desk: to another name")]
    try:
        msgspec.convert(profile.desk_name, DeskName)
    except msgspec.ValidationError:
        return [("desk", f"the file's name {profile.name!r} cannot name a desk; set desk: (a-z, 0-9, _ and -)")]
    return []


def _problem_at(tree: Node, path: str, text: str) -> Problem:
    """Point at the key, or at the nearest section that the files do hold when the key stands at its default."""
    node = tree
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(node.value, dict) and part in node.value:
            node = node.value[part]
        elif isinstance(node.value, list) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
        else:
            break
    return Problem(node.file, node.key_line, path, text, node.key_column)
