"""Passwords: what a good one is, and argon2id.

64 MiB and three passes (RFC 9106's second recommendation, in one lane): about 0.15 s of one core for each try. A flood
of tries gets one lane and one waiting room of the machine; a try from the machine itself has a lane of its own.
"""

import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 256
_MIN_DIFFERENT: Final = 5
_WAITING_ROOM: Final = 4
_hasher = PasswordHasher(
    time_cost=3, memory_cost=64 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID, encoding="utf-8"
)


def complaint(name: str, password: str) -> str | None:
    """Why a password is not taken for `name`; None for one that is."""
    text = _same_form(password)
    if len(text) < MIN_LENGTH:
        return (
            f"a password has at least {MIN_LENGTH} characters (this one has {len(text)}): a few words are easy to type"
        )
    if len(text) > MAX_LENGTH:
        return f"a password has at most {MAX_LENGTH} characters"
    if text.casefold() == name.casefold():
        return "the user's own name is no password"
    if len(set(text)) < _MIN_DIFFERENT:
        return f"a password has at least {_MIN_DIFFERENT} different characters"
    return None


def hashed(password: str) -> str:
    """The argon2id hash with its salt and its parameters, one line."""
    return _hasher.hash(_same_form(password))


def matches(password_hash: str | None, password: str) -> bool:
    """Whether a password belongs to a hash. None (a user who does not exist) costs as much and never matches."""
    if len(password) > 2 * MAX_LENGTH:
        password = ""
    known = password_hash is not None
    try:
        verified = _hasher.verify(password_hash if password_hash is not None else _decoy(), _same_form(password))
    except (VerificationError, InvalidHashError):
        return False
    return verified and known


def is_hash(text: str) -> bool:
    """Whether a text is an argon2id hash."""
    return text.startswith("$argon2id$")


def prepare() -> None:
    """Make the hash that stands for users who do not exist, so that not even the first of them takes longer."""
    _decoy()


@cache
def _decoy() -> str:
    return _hasher.hash("nobody has this password")


def _same_form(password: str) -> str:
    """One form of characters that keyboards compose differently."""
    return unicodedata.normalize("NFKC", password)


class BusyError(Exception):
    """Too many tries wait already."""


class _Lane:
    """One thread, and a waiting room that is closed when full."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"passwords-{name}")
        self._lock = threading.Lock()
        self._inside = 0

    def submit(self, work: Callable[[], bool]) -> Future[bool]:
        with self._lock:
            if self._inside > _WAITING_ROOM:
                raise BusyError
            self._inside += 1
        future = self._pool.submit(work)
        future.add_done_callback(self._leave)
        return future

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _future: Future[bool]) -> None:
        with self._lock:
            self._inside -= 1


class PasswordWork:
    """Does the tries: never more than one for the network and one for this machine at a time (128 MiB together)."""

    def __init__(self) -> None:
        self._near, self._far = _Lane("near"), _Lane("far")

    def try_one(self, password_hash: str | None, password: str, *, near: bool) -> Future[bool]:
        """Begin a try; `near` when it comes from this machine. Raises BusyError."""
        lane = self._near if near else self._far
        return lane.submit(lambda: matches(password_hash, password))

    def close(self) -> None:
        """End the threads; a try that runs is not waited for."""
        self._near.close()
        self._far.close()
