"""YAML as a tree that remembers where each value stands, so that every complaint can name a file and a line.

Only the plain part of YAML is taken: mappings, lists and scalars. Scalars are read as YAML 1.2 does (`true`/`false`
alone are truth values, so that the ticker `ON` stays a ticker; a day stays text; no base-60 numbers).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1_000_000
"""A profile is a page of text; more is a wrong file."""
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
}
_WHOLE = re.compile(r"[-+]?[0-9]+\Z")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"([-+]?\.inf|\.nan)\Z", re.IGNORECASE)
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a profile. `path` is the dotted key, empty for the file as a whole."""

    file: Path
    line: int
    path: str
    text: str
    column: int = 0
    """From 1; 0 where the line as a whole is meant."""

    def __str__(self) -> str:
        """`FILE:LINE: key.path: what is wrong; remedy` on one line."""
        key = f" {self.path}:" if self.path else ""
        return f"{self.file}:{self.line}:{key} {self.text}"


@dataclass(frozen=True)
class Node:
    """A value and its place. `value` is a dict of str -> Node, a list of Node, or a scalar."""

    value: Any
    file: Path
    line: int
    key_line: int
    """Where the key stands; complaints about a section point there."""
    column: int = 0
    key_column: int = 0


def plain(node: Node) -> Any:
    """The tree without its places."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


class UnreadableError(Exception):
    """Not a YAML mapping at all; `problem` says where and why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


@lru_cache(maxsize=16)  # by content: a page asks several times for the same text, and composing it is the cost
def parse_profile_text(data: bytes, file: Path) -> tuple[Node, tuple[Problem, ...]]:
    """The file's one mapping as a tree, and the keys and tags in it that are wrong. Raises UnreadableError.

    The tree is shared by all who ask: nobody changes it, `merge` makes new ones.
    """
    root = _compose(_decode(data, file), file)
    problems: list[Problem] = []
    tree = _read(root, file, "", root.start_mark, problems)
    if not isinstance(tree.value, dict):
        text = "the file must be a mapping of keys, such as `underlying:`"
        raise UnreadableError(Problem(file, tree.line, "", text, tree.column))
    return tree, tuple(problems)


def _decode(data: bytes, file: Path) -> str:
    if len(data) > MAX_BYTES:
        raise UnreadableError(Problem(file, 1, "", f"larger than {MAX_BYTES:,} bytes; this is not a profile"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise UnreadableError(Problem(file, line, "", "not UTF-8 text; save the file as UTF-8", column)) from error


def _compose(text: str, file: Path) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        aliases = [event for event in yaml.parse(text, Loader=yaml.SafeLoader) if isinstance(event, yaml.AliasEvent)]
    except yaml.MarkedYAMLError as error:
        raise UnreadableError(_syntax_problem(error, file)) from error
    except yaml.reader.ReaderError as error:
        problem = Problem(file, 1, "", f"a character that YAML forbids (position {error.position}); remove it")
        raise UnreadableError(problem) from error
    except RecursionError as error:
        raise UnreadableError(Problem(file, 1, "", "nested too deeply for a profile; flatten it")) from error
    if aliases:
        mark = aliases[0].start_mark
        line, column = (1, 0) if mark is None else (mark.line + 1, mark.column + 1)
        text = "an alias (*name) is not taken in a profile; write the value out"
        raise UnreadableError(Problem(file, line, "", text, column))
    if root is None:
        text = "empty; a profile needs at least underlying.symbol (or extends: NAME)"
        raise UnreadableError(Problem(file, 1, "", text))
    return root


def _syntax_problem(error: yaml.MarkedYAMLError, file: Path) -> Problem:
    mark: Any = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else 1
    column = mark.column + 1 if mark is not None else 0
    at_column = f" at column {column}" if column else ""
    what = error.problem or error.context or "cannot be read"
    hint = "; indent with spaces, not tabs" if "\\t" in what else ""
    return Problem(file, line, "", f"not valid YAML{at_column}: {what}{hint}", column)


def _read(node: yaml.Node, file: Path, path: str, key: yaml.Mark, problems: list[Problem]) -> Node:
    """`key` is where the key of this value stands."""
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if node.tag not in _PLAIN_TAGS:
        text = f"the tag {node.tag} is not taken in a profile; remove it"
        problems.append(Problem(file, line, path, text, column))
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = _read_mapping(node, file, path, problems)
    elif isinstance(node, yaml.SequenceNode):
        value = [
            _read(item, file, f"{path}[{index}]", item.start_mark, problems) for index, item in enumerate(node.value)
        ]
    else:
        value = _scalar(str(node.value), node.style if isinstance(node, yaml.ScalarNode) else None)
    return Node(value, file, line, key.line + 1, column, key.column + 1)


def _read_mapping(node: yaml.MappingNode, file: Path, path: str, problems: list[Problem]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for key_node, value_node in node.value:
        mark = key_node.start_mark
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(Problem(file, mark.line + 1, path, "a key must be a plain name", mark.column + 1))
            continue
        key = str(key_node.value)
        child_path = f"{path}.{key}" if path else key
        if key in found:
            text = f"given twice (first on line {found[key].key_line}); keep one"
            problems.append(Problem(file, mark.line + 1, child_path, text, mark.column + 1))
            continue
        found[key] = _read(value_node, file, child_path, mark, problems)
    return found


def _scalar(text: str, style: str | None) -> str | int | float | bool | None:
    if style is not None:  # quoted or block text is text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.match(text):
        return int(text) if len(text) < 20 else float(text)
    if _DECIMAL.match(text):
        return float(text)
    if _NOT_FINITE.match(text):
        return float(text.replace(".", ""))
    return text
