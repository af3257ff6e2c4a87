"""The users of the cockpit: `<root>/_cockpit/users.json`, mode 0600 in a folder of mode 0700, owned by who runs it.

A file that others could read or change is not believed: anybody might have put himself in. The error says which
command mends it.
"""

import hashlib
import os
import re
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import filelock
import msgspec

from cockpit.access.actor import ROLES, Role
from cockpit.access.passwords import is_hash
from state.atomic import replace_file
from state.layout import CockpitPaths
from state.undecodable import UNDECODABLE

SCHEMA: Final = 1
MAX_USERS: Final = 64
_MAX_BYTES: Final = 256 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,30}")
_LOCK_TIMEOUT_S = 5.0


class UsersError(Exception):
    """The file cannot be believed, or not be written; the text names the remedy."""


class User(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One who may log in."""

    name: str
    role: Role
    password_hash: str = msgspec.field(name="argon2id")
    changed_at: str
    """When the password or the role was last set, ISO-8601 UTC."""

    @property
    def print(self) -> str:
        """Changes when anything of the user does: his sessions end then."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int
    users: tuple[User, ...]


Users = dict[str, User]
"""Name -> user."""


def check_name(name: str) -> str:
    """Give a user's name back. Raises UsersError saying what a name may be."""
    if _NAME.fullmatch(name) is None:
        raise UsersError(
            f"user {name!r}: a name is 1 to 31 of letters, digits and . _ @ -, starting with a letter or a digit"
        )
    return name


def read_users(paths: CockpitPaths) -> Users:
    """Everybody who may log in; nobody when there is no file. Raises UsersError."""
    try:
        descriptor = os.open(paths.users, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as error:
        if paths.users.is_symlink():
            raise UsersError(f"{paths.users} is a symbolic link; put the file itself there") from error
        raise UsersError(f"{paths.users} cannot be read: {error.strerror}") from error
    try:
        _check_private(paths, os.fstat(descriptor))
        content = os.read(descriptor, _MAX_BYTES + 1)
    except OSError as error:
        raise UsersError(f"{paths.users} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    return _decoded(paths.users, content)


def _check_private(paths: CockpitPaths, file: os.stat_result) -> None:
    """Raises UsersError when somebody else owns, or could read or change, the file or its folder."""
    check_folder(paths)
    if not stat.S_ISREG(file.st_mode):
        raise UsersError(f"{paths.users} is no plain file; move away what is there")
    check_private(paths.users, file)


def check_folder(paths: CockpitPaths) -> None:
    """Raises UsersError when the cockpit's folder is there and is not ours alone."""
    try:
        found = paths.folder.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsersError(f"{paths.folder} cannot be read: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise UsersError(f"{paths.folder} is no plain folder; move away what is there")
    check_private(paths.folder, found)


def check_private(path: Path, found: os.stat_result) -> None:
    """Raises UsersError, with the command that mends it, when others own, or may read or change, a file or folder."""
    if found.st_uid != os.geteuid():
        raise UsersError(
            f"{path} belongs to another user of this machine, so it is not believed: "
            f"sudo chown {os.geteuid()} {shlex.quote(str(path))}"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        wanted = 700 if stat.S_ISDIR(found.st_mode) else 600
        raise UsersError(
            f"{path} has mode {stat.S_IMODE(found.st_mode):o}, so others might have read or changed it: "
            f"chmod {wanted} {shlex.quote(str(path))}"
        )


def _decoded(path: Path, content: bytes) -> Users:
    remedy = "put it back from a backup, or remove it and set the passwords anew (./bifrost passwd NAME)"
    try:
        file = msgspec.json.decode(content, type=_File)
        users = {check_name(user.name): user for user in file.users}
    except (UsersError, *UNDECODABLE) as error:
        raise UsersError(f"{path} is damaged or not of this version: {error}; {remedy}") from error
    if file.schema != SCHEMA or len(users) != len(file.users) or not all(is_hash(u.password_hash) for u in file.users):
        raise UsersError(f"{path}: schema, names or hashes are not of this version; {remedy}")
    return users


def write_users(paths: CockpitPaths, users: Users) -> None:
    """Replace the file; it survives a power cut. Raises UsersError."""
    if len(users) > MAX_USERS:
        raise UsersError(f"at most {MAX_USERS} users; remove one: ./bifrost passwd NAME --remove")
    content = msgspec.json.format(
        msgspec.json.encode(_File(schema=SCHEMA, users=tuple(users[name] for name in sorted(users)))), indent=2
    )
    try:
        paths.create()
        check_folder(paths)
        replace_file(paths.users, content + b"\n", sync=True, mode=0o600)
    except OSError as error:
        raise UsersError(f"{paths.users} cannot be written: {error.strerror}") from error


@contextmanager
def changing(paths: CockpitPaths) -> Iterator[None]:
    """Hold the file against another `passwd` from reading it until writing it. Raises UsersError."""
    lock = filelock.FileLock(paths.folder / ".users.lock", timeout=_LOCK_TIMEOUT_S)
    try:
        paths.create()
        check_folder(paths)
        lock.acquire()
    except filelock.Timeout as error:
        raise UsersError(f"another command has held {paths.users} for {_LOCK_TIMEOUT_S:g} s; try again") from error
    except OSError as error:
        raise UsersError(f"{paths.folder} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def operators(users: Users) -> list[str]:
    """The names of those who may act."""
    return sorted(name for name, user in users.items() if user.role == ROLES[-1])


class UsersFile:
    """The file as a running server sees it: read again whenever it changes."""

    def __init__(self, paths: CockpitPaths) -> None:
        self.paths = paths
        self._seen: object = None
        self._users: Users = {}
        self._error: UsersError | None = None

    def current(self) -> Users:
        """Who may log in now. Raises UsersError. Cheap: two looks at the file's status."""
        now = (_status(self.paths.folder), _status(self.paths.users))
        if now != self._seen:
            try:
                self._users, self._error = read_users(self.paths), None
            except UsersError as error:
                self._error = error
            self._seen = now
        if self._error is not None:
            raise self._error
        return self._users


def _status(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):  # its content changes often; only whose it is matters
        return found.st_mode, found.st_uid
    return found.st_mode, found.st_uid, found.st_mtime_ns, found.st_ino, found.st_size
