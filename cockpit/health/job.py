"""A long look at a desk's files, in a process of its own: `python -P -m cockpit.health.job KIND FOLDER`.

Says how far it is on stdout, a line of JSON a step, and leaves its outcome in the desk's `cache/`, from where every
page shows it, also after the cockpit was started again.
"""

import os
import sys
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from cockpit.clock import wall_us
from state.atomic import replace_file
from state.doctor import Finding, Findings, examine_desk
from state.layout import DeskPaths
from state.snapshot import read_snapshot
from state.times import iso_from_us
from state.undecodable import UNDECODABLE
from state.verification import Verification, verify

Kind = Literal["verify", "doctor"]
KINDS: Final[tuple[Kind, ...]] = ("verify", "doctor")
_NICE: Final = 15


class Step(msgspec.Struct, frozen=True):
    """How far it is: so many of so many segments, of the record named."""

    record: str
    done: int
    total: int


class Failed(msgspec.Struct, frozen=True):
    """The last word of a look that could not be finished."""

    problem: str


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `verify`: of both chains, every byte read between the two times."""

    began: str
    ended: str
    journal: Verification
    audit: Verification


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `doctor`."""

    began: str
    ended: str
    findings: tuple[Finding, ...]


_Outcome = TypeVar("_Outcome", Verified, Examined)


def outcome_file(paths: DeskPaths, kind: Kind) -> Path:
    """Where the outcome of the last look lies."""
    return paths.cache / f"health-{kind}.json"


def last_verified(paths: DeskPaths) -> Verified | None:
    """The last outcome; None where there is none that can be read."""
    return _read(outcome_file(paths, "verify"), Verified)


def last_examined(paths: DeskPaths) -> Examined | None:
    """Likewise."""
    return _read(outcome_file(paths, "doctor"), Examined)


def main(arguments: list[str]) -> int:
    """Look once. Ends when nobody listens any more."""
    kind, folder = arguments[0], Path(arguments[1])
    os.nice(_NICE)
    paths = DeskPaths(folder.parent, folder.name)
    try:
        outcome = _verify(paths) if kind == "verify" else _examine(paths)
    except BrokenPipeError:
        sys.stdout = None  # or Python would complain about it once more at its end
        return 1
    except OSError as error:
        return _fail(f"{error.filename or folder}: {error.strerror}")
    try:
        paths.cache.mkdir(mode=0o750, exist_ok=True)
        replace_file(outcome_file(paths, "verify" if kind == "verify" else "doctor"), outcome, sync=False)
    except OSError as error:
        return _fail(f"the outcome cannot be kept in {paths.cache}: {error.strerror}")
    return 0


def _fail(problem: str) -> int:
    sys.stdout.buffer.write(msgspec.json.encode(Failed(problem)) + b"\n")
    sys.stdout.buffer.flush()
    return 1


def _verify(paths: DeskPaths) -> bytes:
    began = iso_from_us(wall_us())
    # The snapshot first: the journal may have grown since, but must never be shorter than what it remembers.
    snapshot = read_snapshot(paths.snapshot).snapshot
    anchor = None
    if snapshot is not None and snapshot.journal_seq is not None and snapshot.journal_hash is not None:
        anchor = (snapshot.journal_seq, snapshot.journal_hash)
    journal = verify(paths.journal, anchor=anchor, progress=lambda done, total: _tell("journal", done, total))
    audit = verify(paths.audit, progress=lambda done, total: _tell("audit", done, total))
    return msgspec.json.encode(Verified(began=began, ended=iso_from_us(wall_us()), journal=journal, audit=audit))


def _examine(paths: DeskPaths) -> bytes:
    began = iso_from_us(wall_us())
    findings = Findings()
    examine_desk(paths.folder, wall_us(), findings, progress=lambda done, total: _tell("journal", done, total))
    return msgspec.json.encode(Examined(began=began, ended=iso_from_us(wall_us()), findings=findings.all()))


def _tell(record: str, done: int, total: int) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(Step(record, done, total)) + b"\n")
    sys.stdout.buffer.flush()


def _read(file: Path, kind: type[_Outcome]) -> _Outcome | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, *UNDECODABLE):
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
