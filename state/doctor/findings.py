"""What the doctor says about one place: how bad, where, what is wrong, how to mend it."""

from collections import Counter
from typing import Literal

import msgspec

Severity = Literal["fault", "warning", "info", "ok"]
"""Against the contract; allowed and yet hardly meant; good to know; looked at and right."""

LISTED_PER_FILE = 20
"""A file that is wrong in every line must not fill the screen, or the memory."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. `path` is relative to the desk's folder (or names what was looked at), `place` lies within it."""

    severity: Severity
    path: str
    problem: str
    remedy: str = ""
    line: int = 0
    """The first line of the file with this problem; 0 where a file or folder is meant as a whole."""
    place: str = ""
    """The member, like `self_check.status`."""
    repeated: int = 0
    """How many further lines have the same problem at the same member."""


class Findings:
    """Collects findings in the order found; of one path at most `LISTED_PER_FILE` different ones of a severity."""

    def __init__(self) -> None:
        self._listed: dict[tuple[str, Severity, str, str], Finding] = {}
        self._repeated: Counter[tuple[str, Severity, str, str]] = Counter()
        self._different: Counter[tuple[str, Severity]] = Counter()

    def fault(self, path: str, problem: str, remedy: str, *, line: int = 0, place: str = "") -> None:
        """Something that does not hold what the contract says."""
        self._add(Finding(severity="fault", path=path, line=line, place=place, problem=problem, remedy=remedy))

    def warning(self, path: str, problem: str, remedy: str, *, line: int = 0, place: str = "") -> None:
        """Something that is allowed and yet hardly meant."""
        self._add(Finding(severity="warning", path=path, line=line, place=place, problem=problem, remedy=remedy))

    def info(self, path: str, problem: str, remedy: str = "", *, place: str = "") -> None:
        """Something that is allowed and worth knowing."""
        self._add(Finding(severity="info", path=path, place=place, problem=problem, remedy=remedy))

    def ok(self, path: str, what: str) -> None:
        """Something that was looked at and holds; left out where `path`, or anything in it, has a fault."""
        faulty = (name for name, severity in self._different if severity == "fault")
        if not any(name == path or name.startswith(f"{path}/") for name in faulty):
            self._add(Finding(severity="ok", path=path, problem=what))

    def _add(self, finding: Finding) -> None:
        key = (finding.path, finding.severity, finding.place, finding.problem)
        if key in self._listed:
            self._repeated[key] += 1
            return
        self._different[key[:2]] += 1
        if self._different[key[:2]] <= LISTED_PER_FILE:
            self._listed[key] = finding

    def all(self) -> tuple[Finding, ...]:
        """Everything, and for each file that had more than was listed, how many more."""
        listed = [
            msgspec.structs.replace(finding, repeated=self._repeated[key]) for key, finding in self._listed.items()
        ]
        more = [
            Finding(
                severity=severity,
                path=path,
                problem=f"and {count - LISTED_PER_FILE} more that are not listed",
                remedy="mend those above first, then look again",
            )
            for (path, severity), count in self._different.items()
            if count > LISTED_PER_FILE
        ]
        return (*listed, *more)
