"""Reading what strace wrote: the calls of a traced process in the order in which they were entered and completed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_LINE = re.compile(r"(?P<pid>\d+)\s+(?P<rest>.*)")
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<rest>.*)")
_RESULT = re.compile(r"\)\s*= (?P<result>-?\d+|0x[0-9a-f]+|\?)(?P<note>.*)$")
_FILE = re.compile(r"\d+<(?P<path>[^>]*)>")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One moment of one call. `result` is None where it did not complete at this line, or never."""

    moment: Literal["entered", "completed", "both"]
    pid: int
    name: str
    arguments: str
    result: int | None

    @property
    def path(self) -> str:
        """What the first argument's descriptor is open on, by `strace -y`; empty where it is no descriptor."""
        found = _FILE.match(self.arguments)
        return "" if found is None else found.group("path")

    @property
    def has_entered(self) -> bool:
        """Whether the call begins here."""
        return self.moment != "completed"

    @property
    def has_completed(self) -> bool:
        """Whether the call has returned without an error here."""
        return self.moment != "entered" and self.result is not None and self.result >= 0


def read_calls(log: Path) -> list[Call]:
    """The calls in `log` (written by `strace -f -y -o log`), one or two moments each, in the kernel's order."""
    return list(_calls(log.read_text(errors="replace").splitlines()))


def _calls(lines: list[str]) -> Iterator[Call]:
    unfinished: dict[tuple[int, str], str] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        pid, rest = int(match.group("pid")), match.group("rest")
        resumed = _RESUMED.match(rest)
        if resumed is not None:
            name = resumed.group("name")
            arguments = unfinished.pop((pid, name), "") + resumed.group("rest")
            yield Call(moment="completed", pid=pid, name=name, arguments=arguments, result=_result(arguments))
            continue
        call = _CALL.match(rest)
        if call is None:
            continue  # a signal or an exit
        name, arguments = call.group("name"), call.group("rest")
        if arguments.endswith("<unfinished ...>"):
            arguments = arguments.removesuffix("<unfinished ...>")
            unfinished[pid, name] = arguments
            yield Call(moment="entered", pid=pid, name=name, arguments=arguments, result=None)
        else:
            yield Call(moment="both", pid=pid, name=name, arguments=arguments, result=_result(arguments))


def _result(arguments: str) -> int | None:
    found = _RESULT.search(arguments)
    return None if found is None or found.group("result") == "?" else int(found.group("result"), 0)
