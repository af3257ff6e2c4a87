"""Records what the real writers do to the files under a folder, and ends them at any of their operations.

It stands between the code and the `os` module. Syncs are recorded, not executed (the model is stricter than any
disk); everything else is done for real, so that the code reads back what it wrote. Bytes that went past `os.write`
(a buffered or compressing writer) are noticed when their file is synced, renamed or closed.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest

import state.journal
from tests.faults.lossy_disk import Bound, Disk, Named, Operation, Resize, Sync, Write


class KilledError(BaseException):
    """The process is dead: not an Exception, so that nothing it would do on an error is done."""


class Recorder:
    """Patches `os` while it is entered. `before` is called ahead of every operation and may raise KilledError.

    The one rule: everything under `root` is changed only while it is entered; what lies there before is durable.
    """

    def __init__(self, root: Path, before: Callable[[Operation], None]) -> None:
        self.root = root
        self.disk = Disk()
        self._before = before
        self._patch = pytest.MonkeyPatch()
        self._nodes: dict[str, int] = {str(root): 0}
        self._live: dict[int, bytes] = {}
        self._descriptors: dict[int, str] = {}
        self._next_node = 1
        self.is_dead = False
        for path in sorted(root.rglob("*")):
            self._adopt(path)

    def __enter__(self) -> Self:
        self._real = {name: getattr(os, name) for name in _PATCHED}
        for name in _PATCHED:
            self._patch.setattr(os, name, getattr(self, f"_{name}"))
        self._patch.setattr(state.journal, "_sync_data", self._fdatasync)
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def revive(self) -> None:
        """Another process begins: what the dead one had open is closed."""
        for descriptor in list(self._descriptors):
            with suppress(OSError):
                self._real["close"](descriptor)
        self._descriptors.clear()
        self.is_dead = False

    def assert_faithful(self) -> None:
        """Nothing was missed: the model with everything pending settled is what lies in the folder."""
        for node in list(self.disk.pending):
            self.disk.do(Sync(node))
        (modelled,) = self.disk.crash_states(Bound())
        found = {
            str(path.relative_to(self.root)): None if path.is_dir() else path.read_bytes()
            for path in self.root.rglob("*")
        }
        assert modelled == found

    # --- the model's side ------------------------------------------------------------------------
    def _adopt(self, path: Path) -> None:
        node = self._new_node(path)
        self.disk.names[self._folder(path)][path.name] = node
        if path.is_dir():
            self.disk.names[node] = {}
        else:
            self._live[node] = self.disk.contents[node] = path.read_bytes()

    def _new_node(self, path: Any) -> int:
        node, self._next_node = self._next_node, self._next_node + 1
        self._nodes[os.fspath(path)] = node
        return node

    def _folder(self, path: Any) -> int:
        return self._nodes[os.path.dirname(os.fspath(path))]  # noqa: PTH120 - a path as the code gave it

    def _ours(self, path: Any) -> bool:
        return not isinstance(path, int) and os.fspath(path).startswith(f"{self.root}/")

    def _do(self, operation: Operation) -> None:
        self._die_if_dead()
        try:
            self._before(operation)
        except KilledError:
            self.is_dead = True
            raise
        self.disk.do(operation)

    def _die_if_dead(self) -> None:
        if self.is_dead:
            raise KilledError

    def _notice(self, path: str) -> None:
        """Record what reached a file past `os.write`."""
        node = self._nodes[path]
        now, known = Path(path).read_bytes(), self._live.get(node, b"")
        if now != known:
            assert now.startswith(known), "only appended bytes can be noticed late"
            self._do(Write(node, len(known), now[len(known) :]))
            self._live[node] = now

    # --- the code's side -------------------------------------------------------------------------
    def _open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        creates = self._ours(path) and flags & os.O_CREAT and not os.path.lexists(path)
        if creates:
            self._do(Named(self._folder(path), Path(path).name, self._next_node))
        descriptor: int = self._real["open"](path, flags, mode, **more)
        if creates:
            self._live[self._new_node(path)] = b""
        elif self._ours(path) and flags & os.O_TRUNC and self._live.get(self._nodes[os.fspath(path)]):
            self._resized(os.fspath(path), 0)
        if self._ours(path) or os.fspath(path) == str(self.root):
            self._descriptors[descriptor] = os.fspath(path)
        return descriptor

    def _write(self, descriptor: int, data: bytes) -> int:
        path = self._descriptors.get(descriptor)
        if path is not None:
            return self._append(path, bytes(data), descriptor)
        count: int = self._real["write"](descriptor, data)
        return count

    def _pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        path = self._descriptors.get(descriptor)
        if path is None:
            count: int = self._real["pwrite"](descriptor, data, offset)
            return count
        node = self._nodes[path]
        self._do(Write(node, offset, bytes(data)))
        count = self._real["pwrite"](descriptor, data, offset)
        self._live[node] = Path(path).read_bytes()
        return count

    def _append(self, path: str, data: bytes, descriptor: int) -> int:
        """Every file of ours is written at its end."""
        node = self._nodes[path]
        self._do(Write(node, len(self._live[node]), data))
        count: int = self._real["write"](descriptor, data)
        assert count == len(data)
        self._live[node] += data
        return count

    def _fsync(self, descriptor: int) -> None:
        path = self._descriptors.get(descriptor)
        if path is None:
            self._real["fsync"](descriptor)
            return
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            self._notice(path)
        self._do(Sync(self._nodes[path]))

    _fdatasync = _fsync

    def _ftruncate(self, descriptor: int, size: int) -> None:
        path = self._descriptors.get(descriptor)
        if path is not None:
            self._resized(path, size)
        self._real["ftruncate"](descriptor, size)

    def _resized(self, path: str, size: int) -> None:
        node = self._nodes[path]
        self._do(Resize(node, size))
        self._live[node] = self._live[node][:size].ljust(size, b"\0")

    def _posix_fallocate(self, descriptor: int, offset: int, size: int) -> None:
        path = self._descriptors.get(descriptor)
        if path is not None and offset + size > len(self._live[self._nodes[path]]):
            self._resized(path, offset + size)
        self._real["posix_fallocate"](descriptor, offset, size)

    def _close(self, descriptor: int) -> None:
        self._descriptors.pop(descriptor, None)
        self._real["close"](descriptor)

    def _replace(self, source: Any, target: Any) -> None:
        if self._ours(source):
            self._notice(os.fspath(source))
            node = self._nodes[os.fspath(source)]
            assert self._folder(source) == self._folder(target), "a rename across folders is not modelled"
            self._do(Named(self._folder(target), Path(target).name, node, was=Path(source).name))
            self._nodes[os.fspath(target)] = self._nodes.pop(os.fspath(source))
        self._real["replace"](source, target)

    _rename = _replace

    def _unlink(self, path: Any, **more: Any) -> None:
        self._die_if_dead()
        if self._ours(path) and os.path.lexists(path):
            self._do(Named(self._folder(path), Path(path).name, None))
            del self._nodes[os.fspath(path)]
        self._real["unlink"](path, **more)

    _remove = _unlink

    def _mkdir(self, path: Any, mode: int = 0o777, **more: Any) -> None:
        creates = self._ours(path) and not os.path.lexists(path) and os.path.dirname(os.fspath(path)) in self._nodes  # noqa: PTH120
        if creates:
            self._do(Named(self._folder(path), Path(path).name, self._next_node))
        self._real["mkdir"](path, mode, **more)
        if creates:
            self.disk.names[self._new_node(path)] = {}


_PATCHED = (
    "open",
    "write",
    "pwrite",
    "fsync",
    "fdatasync",
    "ftruncate",
    "posix_fallocate",
    "close",
    "replace",
    "rename",
    "unlink",
    "remove",
    "mkdir",
)
