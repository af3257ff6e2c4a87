"""The operator's files: a name in `control/` is the command, its presence asserts it, its removal releases it.

Reading is as forgiving as obeying must be: whatever lies there under the name of a command counts. Writing is
atomic, so that nobody ever reads half a note.
"""

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from state.atomic import write_all
from state.records import ControlNote, OperatorRequest
from state.undecodable import UNDECODABLE

Command = Literal["stop", "pause", "flatten"]
COMMANDS: tuple[Command, ...] = get_args(Command)
BY_SUPERVISOR: Final = "supervisor"
"""Who signs a stop that no human asserted."""

_KNOWN_NAMES = frozenset((*COMMANDS, "requests"))
_MAX_NOTE_BYTES = 64 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_note_decoder = msgspec.json.Decoder(ControlNote)
_request_decoder = msgspec.json.Decoder(OperatorRequest)


class ControlError(Exception):
    """A control file could not be written or removed; the text says what to do."""


class AssertedCommand(msgspec.Struct, frozen=True, kw_only=True):
    """One asserted command. `readable` is false when the content is neither empty nor a note."""

    name: Command
    since_us: int
    """Wall clock: the file's mtime."""
    age_ms: float
    """Negative when the mtime lies in the future."""
    readable: bool = True
    id: str | None = None
    by: str | None = None
    reason: str | None = None
    at: str | None = None
    shares: float | None = None
    """Own shares that the operator confirms; only a flatten's counts."""


class ControlRead(msgspec.Struct, frozen=True, kw_only=True):
    """One look at `control/`. `files` is keyed by the command; `readable` false means the folder is (= pause)."""

    files: dict[Command, AssertedCommand] = {}
    unknown_names: tuple[str, ...] = ()
    readable: bool = True
    problem: str | None = None


class RequestRead(msgspec.Struct, frozen=True, kw_only=True):
    """One file in `control/requests/`: the request, or in one sentence what is wrong with it."""

    name: str
    age_ms: float
    request: OperatorRequest | None = None
    problem: str | None = None


def read_control(folder: Path, now_us: int) -> ControlRead:
    """Look at the folder. `now_us` is the machine's wall clock, as are file times. Never raises for what is there.

    The three names are looked up one by one as well: a folder that may be entered but not listed still commands.
    """
    files: dict[Command, AssertedCommand] = {}
    problem = None
    names: list[str] = []
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError as error:
        problem = f"{folder} cannot be read: {error}"
    for name in COMMANDS:
        found = _read_command(folder, name, now_us)
        if found is not None:
            files[name] = found
    unknown = tuple(sorted(shown_name(name) for name in names if name not in _KNOWN_NAMES and not _is_ignored(name)))
    return ControlRead(files=files, unknown_names=unknown, readable=problem is None, problem=problem)


def shown_name(name: str) -> str:
    """A file's name as it can be journaled and shown: bytes that are no UTF-8 are written out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def assert_command(
    folder: Path,
    name: Command,
    *,
    by: str,
    reason: str,
    at: str,
    command_id: str | None = None,
    shares: float | None = None,
) -> bool:
    """Assert a command with a note; `at` is ISO text. True when it was not asserted before.

    `shares` is the number that a flatten may need confirmed.

    An asserted stop or pause keeps its note (who came first); an asserted flatten is renewed, for one that has
    grown stale starts only when touched again. Raises ControlError.
    """
    note = ControlNote(id=command_id or secrets.token_hex(8), by=by, reason=reason, at=at, shares=shares)
    target = folder / name
    temporary = folder / f".{name}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        folder.mkdir(mode=0o750, exist_ok=True)
        _write_new(temporary, msgspec.json.encode(note))
        try:
            return _publish(temporary, target, renew=name == "flatten")
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
    except OSError as error:
        raise ControlError(f"cannot assert {name}: {error}; as a last resort: touch {target}") from error


def release_command(folder: Path, name: Command) -> bool:
    """Take a command back; true when it was asserted. Raises ControlError, also for a folder that is not empty."""
    target = folder / name
    try:
        if stat.S_ISDIR(target.lstat().st_mode):
            target.rmdir()
        else:
            target.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ControlError(f"cannot release {name}: {error}; remove {target} by hand") from error
    return True


def write_request(folder: Path, request: OperatorRequest) -> Path:
    """Leave a request in `control/requests/` (`folder`) under its id. Raises ControlError, also for a taken id."""
    if _REQUEST_ID.fullmatch(request.id) is None:
        raise ControlError(f"request id {request.id!r}: 1 to 64 letters, digits, _ . and -, not starting with a dot")
    target = folder / f"{request.id}.json"
    temporary = folder / f".{request.id}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        folder.mkdir(mode=0o750, exist_ok=True)
        _write_new(temporary, msgspec.json.encode(request))
        try:
            if not _publish(temporary, target, renew=False):
                raise ControlError(f"request {request.id} was already made")
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
    except OSError as error:
        raise ControlError(f"cannot leave a request in {folder}: {error}") from error
    return target


def read_requests(folder: Path, now_us: int) -> tuple[RequestRead, ...]:
    """The waiting requests, oldest first; empty when there is no folder. `now_us` is the wall clock.

    Ages come from the file's mtime, not from what the request says about itself. Raises nothing for odd files:
    they come back with a problem, to be journaled as refused and removed.
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not _is_ignored(entry.name))
    except OSError:
        return ()
    found = []
    for name in names:
        content, status = _look(folder / name)
        if status is None:
            continue
        age_ms = (now_us - status.st_mtime_ns // 1000) / 1000
        found.append((status.st_mtime_ns, name, _parse_request(name, content, age_ms)))
    return tuple(read for _, _, read in sorted(found, key=lambda item: item[:2]))


def remove_request(folder: Path, name: str) -> None:
    """Remove a consumed request by its file name; one that is gone is fine. Raises ControlError."""
    target = folder / name
    try:
        if stat.S_ISDIR(target.lstat().st_mode):
            target.rmdir()
        else:
            target.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ControlError(f"cannot remove request {name}: {error}; remove {target} by hand") from error


def _parse_request(name: str, content: bytes | None, age_ms: float) -> RequestRead:
    if content is None:
        problem = f"request {shown_name(name)}: not a readable regular file"
        return RequestRead(name=name, age_ms=age_ms, problem=problem)
    try:
        request = _request_decoder.decode(content)
    except UNDECODABLE as error:
        return RequestRead(name=name, age_ms=age_ms, problem=f"request {shown_name(name)}: {error}")
    if name != f"{request.id}.json":
        problem = f"request {shown_name(name)}: its id {request.id!r} is another"
        return RequestRead(name=name, age_ms=age_ms, problem=problem)
    return RequestRead(name=name, age_ms=age_ms, request=request)


def _read_command(folder: Path, name: Command, now_us: int) -> AssertedCommand | None:
    content, status = _look(folder / name)
    if status is None:
        return None
    since_us = status.st_mtime_ns // 1000
    note = None if content is None else _parse_note(content)
    return AssertedCommand(
        name=name,
        since_us=since_us,
        age_ms=(now_us - since_us) / 1000,
        readable=note is not None,
        id=note.id if note else None,
        by=note.by if note else None,
        reason=note.reason if note else None,
        at=note.at if note else None,
        shares=note.shares if note else None,
    )


def _parse_note(content: bytes) -> ControlNote | None:
    """A note; an empty one for nothing or white space; None for anything else."""
    if not content.strip():
        return ControlNote()
    try:
        return _note_decoder.decode(content)
    except UNDECODABLE:
        return None


def _look(path: Path) -> tuple[bytes | None, os.stat_result | None]:
    """Content and status of whatever has this name; content None unless a regular file of a sane size is readable.

    A name whose status may not be read (a folder without the right to enter) counts as not there: the folder
    itself is then reported as unreadable, which is a pause.
    """
    try:
        status = path.lstat()
    except OSError:
        return None, None
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_NOTE_BYTES:
        return None, status
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None, None
    except OSError:
        return None, status
    with os.fdopen(descriptor, "rb") as file:
        try:
            return file.read(_MAX_NOTE_BYTES), status
        except OSError:
            return None, status


def _is_ignored(name: str) -> bool:
    """What editors and atomic writers leave beside a file."""
    return name.startswith(".") or name.endswith("~")


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        write_all(descriptor, content)
    finally:
        os.close(descriptor)


def _publish(temporary: Path, target: Path, *, renew: bool) -> bool:
    """Give the finished file its name; true when the name was free.

    A hard link, not a rename, so that an existing name is never overwritten unawares and a watcher sees a
    creation. A renewal ends with a touch, which a watcher sees as well.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        if renew:
            with suppress(IsADirectoryError):
                temporary.replace(target)
            os.utime(target)
        return False
    except OSError:
        # A file system without hard links: the rename may overwrite, which asserts the command all the same.
        free = not os.path.lexists(target)
        temporary.replace(target)
        os.utime(target)
        return free
    return True
