"""A password is tried: when it may be, what the try costs, and what a wrong one makes the next one wait."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Literal

import msgspec

from cockpit.access.actor import AccessError, TooManyTries, WrongPassword
from cockpit.access.addresses import guess_key
from cockpit.access.passwords import BusyError, PasswordWork
from cockpit.access.record import GateRecord
from cockpit.access.tries import Tries
from cockpit.access.users import User, Users, UsersError, UsersFile

Purpose = Literal["login", "confirm"]
_KNOWN: Final = 256
_HERE: Final = "loopback"


class Trying(msgspec.Struct, frozen=True, kw_only=True):
    """A try under way. `future` gives whether the password belongs to the name's hash."""

    purpose: Purpose
    name: str
    address: str | None
    keys: tuple[str, ...]
    user: User | None
    future: "Future[bool]"


class PasswordCheck:
    """The one rule: `begin`, wait for the future in your own way, then `settle`. Safe from several threads."""

    def __init__(
        self, users: UsersFile, record: GateRecord, *, wall: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self._users, self._record, self._wall, self._monotonic = users, record, wall, monotonic
        self._lock = threading.Lock()
        self._tries: dict[Purpose, Tries] = {"login": Tries(), "confirm": Tries()}
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._work = PasswordWork()

    def close(self) -> None:
        """End the threads that hash."""
        self._work.close()

    def begin(
        self, purpose: Purpose, name: str, password: str, address: str | None, *, also: tuple[str, ...] = ()
    ) -> Trying:
        """Begin a try, counted under name, address and `also`. Raises TooManyTries; AccessError without users."""
        users, where = self._believed(address), guess_key(address)
        tries, keys = self._tries[purpose], (*also, *self._keys(name, where))
        with self._lock:
            wait_s = tries.take(keys, self._monotonic())
        if wait_s > 0:
            self._refused("password not tried: too soon", name, address)
            raise TooManyTries("access.too_soon", wait=_seconds(wait_s))
        user = users.get(name)
        try:
            known = None if user is None else user.password_hash
            future = self._work.try_one(known, password, near=where == _HERE)
        except BusyError as error:
            with self._lock:
                tries.untried(keys, self._monotonic())
            self._refused("password not tried: busy", name, address)
            raise TooManyTries("access.busy") from error
        return Trying(purpose=purpose, name=name, address=address, keys=keys, user=user, future=future)

    def settle(self, trying: Trying, *, right: bool) -> User:
        """The user whose password it was. Raises WrongPassword."""
        tries = self._tries[trying.purpose]
        with self._lock:
            if right and trying.user is not None:
                tries.right(trying.keys)
                return trying.user
            wait_s = tries.wait_s(trying.keys, self._monotonic())
        self._refused(f"{trying.purpose} failed", trying.name, trying.address)
        raise WrongPassword(f"access.wrong_{trying.purpose}", wait=_seconds(wait_s))

    def remember(self, name: str, address: str | None) -> None:
        """This user has logged in from there."""
        with self._lock:
            self._known[name, guess_key(address)] = None
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)

    def _keys(self, name: str, where: str) -> tuple[str, ...]:
        """Under what a wrong try is counted.

        Nobody elsewhere can slow down who sits at the machine itself, and a stranger's guesses at a name do not slow
        down the address from which its owner has logged in before.
        """
        if where == _HERE:
            return (f"here {name}",)
        if (name, where) in self._known:
            return (f"address {where}",)
        return f"address {where}", f"user {name}"

    def _believed(self, address: str | None) -> Users:
        try:
            return self._users.current()
        except UsersError as error:
            self._refused(f"login impossible: {error}", "", address)
            if guess_key(address) == _HERE:
                raise AccessError("access.users_not_believed", problem=str(error)) from error
            raise AccessError("access.users_not_believed_elsewhere") from error

    def _refused(self, kind: str, name: str, address: str | None) -> None:
        self._record.refused(kind, address=address, by=name, now_us=self._wall())


def _seconds(wait_s: float) -> str:
    """Whole seconds, rounded up: whoever waits that long may try."""
    return str(max(1, int(-(-wait_s // 1))))
