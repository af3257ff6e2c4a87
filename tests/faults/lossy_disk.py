"""What a disk may hold after a power cut: a model of files, names and what was synced, and every state it allows.

The rules are those that POSIX leaves, not those of one file system:

- Bytes that were written and not synced may be there, be cut short anywhere, or be there as zeros of full length.
  Writes to one file land in their order, whole pages of one write in any order.
- A name that was made, renamed or removed, and whose folder was not synced since, may be there or not; each such
  change by itself, whatever happened to the others and to the file's content. A rename is one change.
- What was synced stays. Syncing a file says nothing about its name.

How far it is enumerated (`Bound`): all combinations of the choices per file and per folder. Per folder every subset of
its changes. Per file a write is cut at a few places; where `every_byte_of` says so, at every byte too, with all else
that is pending kept. Above `names` pending changes of one folder, or `states` combinations at one moment, it fails
loudly instead of leaving any out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path

PAGE_BYTES = 4096

Tree = dict[str, bytes | None]
"""Path relative to the root → content, None for a folder."""

Choice = bytes | dict[str, int]
"""One possible content of a file, or one possible set of names of a folder (name → node)."""


@dataclass(frozen=True)
class Write:
    node: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Resize:
    node: int
    size: int


@dataclass(frozen=True)
class Named:
    """`name` in folder `node` now means `target`; None: it is gone. `was` is the name it had before (a rename)."""

    node: int
    name: str
    target: int | None
    was: str | None = None


@dataclass(frozen=True)
class Sync:
    node: int


Operation = Write | Resize | Named | Sync


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How far the states of one moment are enumerated."""

    every_byte_of: str = "-"
    """Files whose name ends so are cut at every byte, the others at a few."""
    names: int = 6
    states: int = 20_000


@dataclass
class Disk:
    """The durable part, and what is pending over it. Node 0 is the root folder; it always exists."""

    contents: dict[int, bytes] = field(default_factory=dict)
    names: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    pending: dict[int, list[Operation]] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    """The name that a file was made with."""

    def do(self, operation: Operation) -> None:
        """Carry out one operation; only a sync makes anything durable."""
        if isinstance(operation, Named) and operation.target is not None:
            self.labels.setdefault(operation.target, operation.name)
        if isinstance(operation, Sync):
            for each in self.pending.pop(operation.node, []):
                self._settle(each)
        else:
            self.pending.setdefault(operation.node, []).append(operation)

    def _settle(self, operation: Operation) -> None:
        if isinstance(operation, Named):
            self.names[operation.node] = _renamed(self.names.get(operation.node, {}), operation)
        else:
            self.contents[operation.node] = _changed(self.contents.get(operation.node, b""), operation)

    def crash_states(self, bound: Bound) -> Iterator[Tree]:
        """Every tree that may be found after a power cut now; equal ones may come more than once."""
        nodes = [node for node, operations in self.pending.items() if operations]
        coarse = [self._choices(node, bound) for node in nodes]
        count = prod(len(each) for each in coarse)
        assert count <= bound.states, f"{count} states at one moment: make the scenario smaller"
        for chosen in product(*coarse):
            yield self._found(nodes, chosen)
        for place, node in enumerate(nodes):
            if not self.labels.get(node, "").endswith(bound.every_byte_of) or node in self.names:
                continue
            for content in _content_choices(self.contents.get(node, b""), self.pending[node], every_byte=True):
                rest: list[Choice] = [each[-1] for each in coarse]
                rest[place] = content
                yield self._found(nodes, rest)

    def _found(self, nodes: list[int], chosen: Sequence[Choice]) -> Tree:
        contents, names = dict(self.contents), dict(self.names)
        for node, choice in zip(nodes, chosen, strict=True):
            if isinstance(choice, dict):
                names[node] = choice
            else:
                contents[node] = choice
        return dict(_tree(contents, names, 0, ""))

    def _choices(self, node: int, bound: Bound) -> Sequence[Choice]:
        """What a folder or a file may hold; the first: nothing of what is pending, the last: all of it."""
        operations = self.pending[node]
        if isinstance(operations[0], Named):
            changes = [each for each in operations if isinstance(each, Named)]
            return _name_choices(self.names.get(node, {}), changes, bound)
        return _content_choices(self.contents.get(node, b""), operations, every_byte=False)


def _tree(
    contents: dict[int, bytes], names: dict[int, dict[str, int]], node: int, prefix: str
) -> Iterator[tuple[str, bytes | None]]:
    for name, target in names.get(node, {}).items():
        path = prefix + name
        if target in names:
            yield path, None
            yield from _tree(contents, names, target, path + "/")
        else:
            yield path, contents.get(target, b"")


def _renamed(names: dict[str, int], change: Named) -> dict[str, int]:
    changed = {name: target for name, target in names.items() if name != change.name}
    if change.was is not None and changed.get(change.was) == change.target:
        del changed[change.was]
    if change.target is not None:
        changed[change.name] = change.target
    return changed


def _changed(content: bytes, operation: Operation) -> bytes:
    if isinstance(operation, Resize):
        return content[: operation.size].ljust(operation.size, b"\0")
    assert isinstance(operation, Write)
    padded = content.ljust(operation.offset, b"\0")
    return padded[: operation.offset] + operation.data + padded[operation.offset + len(operation.data) :]


def _name_choices(names: dict[str, int], changes: list[Named], bound: Bound) -> list[dict[str, int]]:
    assert len(changes) <= bound.names, f"{len(changes)} pending changes in one folder: make the scenario smaller"
    found = []
    for kept in product((False, True), repeat=len(changes)):
        state = names
        for change, is_kept in zip(changes, kept, strict=True):
            if is_kept:
                state = _renamed(state, change)
        if state not in found:
            found.append(state)
    return found


def _content_choices(content: bytes, operations: list[Operation], *, every_byte: bool) -> list[bytes]:
    found = [content]
    for operation in operations:
        if isinstance(operation, Write):
            found += _torn(content, operation, every_byte=every_byte)
        content = _changed(content, operation)
        found.append(content)
    return list(dict.fromkeys(reversed(found)))[::-1]


def _torn(content: bytes, write: Write, *, every_byte: bool) -> Iterator[bytes]:
    """One write cut short, cut short with zeros behind, and with pages missing from its middle."""
    size = len(write.data)
    for cut in range(size) if every_byte else sorted({1, size // 2, size - 1} & set(range(size))):
        yield _changed(content, Write(write.node, write.offset, write.data[:cut]))
    whole = _changed(content, write)
    extended = max(write.offset, len(content))
    for cut in (0, size // 2, size - 1):
        start = max(write.offset + cut, extended)
        yield whole[:start] + bytes(max(len(whole) - start, 0))
    for page in range(extended - extended % PAGE_BYTES, len(whole), PAGE_BYTES):
        start, end = max(page, extended), min(page + PAGE_BYTES, len(whole))
        yield whole[:start] + bytes(end - start) + whole[end:]


def materialise(tree: Tree, folder: Path) -> None:
    """Make real files of a tree."""
    for path, content in sorted(tree.items()):
        place = folder / path
        if content is None:
            place.mkdir()
        else:
            place.write_bytes(content)
