"""The present in one file: the writer replaces it, a reader tolerates whatever it finds."""

import os
import stat
from pathlib import Path
from typing import Literal

import msgspec

from state.atomic import replace_file
from state.records import SCHEMA_VERSION, Snapshot
from state.times import us_from_iso
from state.undecodable import UNDECODABLE

_MAX_BYTES = 16 * 1024 * 1024


class _Schema(msgspec.Struct, frozen=True):
    schema: int


_schema_decoder = msgspec.json.Decoder(_Schema)
_snapshot_decoder = msgspec.json.Decoder(Snapshot)


class SnapshotRead(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot, or in one sentence why there is none and under which code of `state.reasons`."""

    snapshot: Snapshot | None = None
    problem: str | None = None
    reason: Literal["snapshot_missing", "snapshot_damaged"] | None = None


def write_snapshot(path: Path, snapshot: Snapshot, *, sync: bool) -> None:
    """Replace the snapshot; readers see the old or the new one whole. A number that is not finite becomes null.

    `sync` makes it survive a power cut (segment close, halt, exit). Raises OSError; the old one then stands.
    """
    replace_file(path, msgspec.json.encode(snapshot), sync=sync)


def read_snapshot(path: Path) -> SnapshotRead:
    """Read the present. Never raises for what is (not) there, and never touches it."""
    try:
        content = _read_regular(path)
    except FileNotFoundError:
        return SnapshotRead(problem=f"{path} does not exist: the daemon never wrote here", reason="snapshot_missing")
    except OSError as error:
        return SnapshotRead(problem=f"{path} cannot be read: {error}", reason="snapshot_damaged")
    try:
        schema = _schema_decoder.decode(content).schema
        if schema != SCHEMA_VERSION:
            return _damaged(path, f"has schema {schema}, this version reads {SCHEMA_VERSION}; update the older side")
        snapshot = _snapshot_decoder.decode(content)
        us_from_iso(snapshot.wall_ts)
        us_from_iso(snapshot.ts)
    except (ValueError, *UNDECODABLE) as error:
        return _damaged(path, f"is damaged ({len(content)} bytes): {error}")
    if snapshot.period_ms <= 0:
        return _damaged(path, f"is damaged: period_ms is {snapshot.period_ms}, must be positive")
    return SnapshotRead(snapshot=snapshot)


def _damaged(path: Path, what: str) -> SnapshotRead:
    return SnapshotRead(problem=f"{path} {what}", reason="snapshot_damaged")


def _read_regular(path: Path) -> bytes:
    """The bytes of a regular file; a pipe or device under that name must not hang the reader. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise OSError(f"larger than {_MAX_BYTES} bytes")
    return content
