"""Fields to text and back, driven by tables: the language in which `incoming` and `outgoing` are written.

Every field is text ended by a zero byte. A field list is one string of names; `name=default` may be left out by
whoever sends. A request's parts that depend on earlier fields are `When` and `Repeat` steps.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from daemon.simulator.transport import WireError, framed

SERVER_VERSION = 178
"""The newest that clients offer; the simulator can be asked to be a 176 too."""
UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INTEGER = "2147483647"

Values = dict[str, Any]
"""A request's fields by name: text, or a list of such for a repeated part."""


def text(value: object) -> str:
    """One field as TWS writes it: whole numbers without a fraction, unset numbers as the largest double."""
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    return _number(float(value)) if isinstance(value, float) else str(value)  # a subclass, such as numpy's


def _number(value: float) -> str:
    word = repr(value)
    if word[-2:] == ".0":
        return word[:-2]
    if word[-1] in "fn":  # inf and nan
        return "Infinite" if value == math.inf else UNSET_DOUBLE
    return word


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: lambda value: value.replace("\0", " "),
    float: _number,
    int: str,
    bool: lambda value: "1" if value else "0",
    type(None): lambda _value: "",
}


class Outgoing:
    """One kind of message to the client: its number, its version where it has one, and its field list."""

    def __init__(self, msg_id: int, fields: str, *, version: int | None = None) -> None:
        self.msg_id = msg_id
        self._head = f"{msg_id}" if version is None else f"{msg_id}\0{version}"
        self._words = tuple(_Word(word) for word in fields.split())
        self._by_version: dict[int, tuple[tuple[str, str | None], ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The fields after number and version at the newest server version, in their order on the wire."""
        return tuple(name for name, _ in self._fields(SERVER_VERSION))

    def frame(self, server_version: int = SERVER_VERSION, /, **values: object) -> bytes:
        """The framed message. Raises TypeError on a wrong field.

        A tuple is written as its length and its items, a list of rows as its length and the items of all rows.
        """
        parts = [self._head]
        taken = 0
        for name, default in self._fields(server_version):
            if name not in values:
                if default is None:
                    raise TypeError(f"message {self.msg_id} needs the field {name}")
                parts.append(default)
                continue
            taken += 1
            value = values[name]
            if isinstance(value, tuple):
                parts.append(str(len(value)))
                parts.extend(text(item) for item in value)
            elif isinstance(value, list):
                parts.append(str(len(value)))
                parts.extend(text(item) for row in value for item in row)
            else:
                parts.append(text(value))
        if taken < len(values):
            unknown = set(values) - {name for name, _ in self._fields(server_version)}
            raise TypeError(f"message {self.msg_id} has no field {', '.join(unknown)}")
        parts.append("")
        return framed("\0".join(parts).encode())

    def row(self, *words: str) -> bytes:
        """The framed message of a field list that is the same for every server, each field as text in its place.

        The short way for messages that come in thousands: what several of them repeat is made text once. Raises
        TypeError on a wrong count.
        """
        if len(words) != len(self._words):
            raise TypeError(f"message {self.msg_id} has {len(self._words)} fields, not {len(words)}")
        return framed("\0".join((self._head, *words, "")).encode())

    def _fields(self, server_version: int) -> tuple[tuple[str, str | None], ...]:
        """(name, default) of every field that a server of this version says; without a default it must be given."""
        found = self._by_version.get(server_version)
        if found is None:
            found = tuple((word.name, word.default) for word in self._words if word.is_said_by(server_version))
            self._by_version[server_version] = found
        return found


_ANY_VERSION = 1_000_000
_WORD = re.compile(r"(?P<name>\w+)(?:<(?P<below>\d+)|>=(?P<since>\d+))?(?:=(?P<default>.*))?")


class _Word:
    """One word of a field list: `name` or `name=default`, and which servers say it (`name<177=`, `name>=178=`)."""

    def __init__(self, word: str) -> None:
        found = _WORD.fullmatch(word)
        if found is None:
            raise ValueError(f"{word!r} is no field of a message")
        self.name: str = found["name"]
        self.default: str | None = found["default"]
        self._below = int(found["below"] or _ANY_VERSION)
        self._since = int(found["since"] or 0)

    def is_said_by(self, server_version: int) -> bool:
        """Whether a server of this version has the field."""
        return self._since <= server_version < self._below


class Take(msgspec.Struct, frozen=True):
    """Read these fields, one after another."""

    names: tuple[str, ...]


class When(msgspec.Struct, frozen=True):
    """Read the steps only if the fields so far say that they are there."""

    test: Callable[[Values], bool]
    steps: tuple["Step", ...]


class Repeat(msgspec.Struct, frozen=True):
    """Read a count, then that many groups, into a list under `name`."""

    name: str
    steps: tuple["Step", ...]


class Rest(msgspec.Struct, frozen=True):
    """Read whatever is left into a list under `name`."""

    name: str


Step = Take | When | Repeat | Rest


def take(names: str) -> Take:
    """`take("version req_id")`: a field list as one string."""
    return Take(tuple(names.split()))


def parse(fields: list[str], steps: tuple[Step, ...]) -> Values:
    """A request's fields by name. Raises WireError when there are too few or too many of them."""
    values: Values = {}
    remaining = iter(fields)
    _walk(remaining, steps, values)
    surplus = sum(1 for _ in remaining)
    if surplus:
        raise WireError(f"{surplus} fields more than expected")
    return values


def _walk(remaining: Iterator[str], steps: tuple[Step, ...], values: Values) -> None:
    for step in steps:
        if isinstance(step, Take):
            for name in step.names:
                values[name] = _next(remaining, name)
        elif isinstance(step, When):
            if step.test(values):
                _walk(remaining, step.steps, values)
        elif isinstance(step, Repeat):
            groups: list[Values] = []
            values[step.name] = groups
            for _ in range(integer({step.name: _next(remaining, step.name)}, step.name)):
                group: Values = {}
                _walk(remaining, step.steps, group)
                groups.append(group)
        else:
            values[step.name] = list(remaining)


def _next(remaining: Iterator[str], name: str) -> str:
    try:
        return next(remaining)
    except StopIteration:
        raise WireError(f"the field {name} is missing") from None


def integer(values: Mapping[str, Any], name: str) -> int:
    """A whole number; empty means 0, as in the API. Raises WireError."""
    word = values[name]
    try:
        return int(word) if word else 0
    except ValueError:
        raise WireError(f"{name} is {word!r}, not a whole number") from None


def number(values: Mapping[str, Any], name: str) -> float | None:
    """A number, None when it is empty or unset. Raises WireError when it is no number or not finite."""
    word = values[name]
    if word in ("", UNSET_DOUBLE):
        return None
    try:
        value = float(word)
    except ValueError:
        raise WireError(f"{name} is {word!r}, not a number") from None
    if not math.isfinite(value):
        raise WireError(f"{name} is {word!r}, not a finite number")
    return value


def flag(values: Mapping[str, Any], name: str) -> bool:
    """A yes or no: `1` or `0`, empty means no."""
    return integer(values, name) != 0
