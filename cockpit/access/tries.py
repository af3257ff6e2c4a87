"""How soon the next password may be tried. Pure: the time is given, in seconds of a clock that never jumps.

Each wrong try of an address, and of a user, doubles the pause before the next one, from 1 s to 60 s; nobody is ever
locked out for good, and a quarter of an hour without a wrong try forgets all of them.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

import msgspec

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
FORGET_AFTER_S: Final = 900.0
CAPACITY: Final = 4096
"""Keys that are remembered; the one whose last wrong try is longest ago makes room."""


class _Count(msgspec.Struct):
    wrong: int = 0
    last_s: float = 0.0
    next_s: float = 0.0


class Tries:
    """The wrong tries of some keys (addresses, users).

    The one rule: `take` before the password is looked at. It counts the try as wrong at once, so that a hundred
    tries in the same moment are one; `right` takes that back.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def wait_s(self, keys: Iterable[str], now_s: float) -> float:
        """Seconds until these keys may try; 0 when they may now."""
        counts = (self._found(key, now_s) for key in keys)
        return max((count.next_s - now_s for count in counts if count is not None), default=0.0)

    def take(self, keys: Iterable[str], now_s: float) -> float:
        """Begin a try, counted as wrong, and give 0; or the seconds to wait, and nothing is counted."""
        keys = tuple(keys)
        wait_s = self.wait_s(keys, now_s)
        if wait_s > 0:
            return wait_s
        for key in keys:
            count = self._found(key, now_s) or _Count()
            count.wrong += 1
            count.last_s = now_s
            count.next_s = now_s + min(FIRST_PAUSE_S * 2 ** (min(count.wrong, 30) - 1), LONGEST_PAUSE_S)
            self._counts[key] = count
            self._counts.move_to_end(key)
        while len(self._counts) > self._capacity:
            self._counts.popitem(last=False)
        return 0.0

    def right(self, keys: Iterable[str]) -> None:
        """The password was right: these keys begin anew."""
        for key in keys:
            self._counts.pop(key, None)

    def untried(self, keys: Iterable[str], now_s: float) -> None:
        """The try that was begun did not happen (the machine was busy): take it back, but pause a second."""
        for key in keys:
            count = self._counts.get(key)
            if count is not None:
                count.wrong = max(0, count.wrong - 1)
                count.next_s = now_s + FIRST_PAUSE_S

    def _found(self, key: str, now_s: float) -> _Count | None:
        count = self._counts.get(key)
        if count is not None and now_s - count.last_s >= FORGET_AFTER_S:
            del self._counts[key]
            return None
        return count
