"""Which program lies here: the version of the project and, in a checkout, the commit."""

import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def version(checkout: Path = CHECKOUT) -> str:
    """`0.1.0+a80e1e5c1f23`; without a readable commit only the number, `unknown` without either."""
    number = _number(checkout / "pyproject.toml")
    commit = _commit(checkout / ".git")
    return number if commit is None else f"{number}+{commit[:12]}"


def _number(pyproject: Path) -> str:
    try:
        found = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["version"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"
    return str(found)


def _commit(git: Path) -> str | None:
    """The checked-out commit, read from git's own files: starting git would cost more than it tells."""
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return head
        reference = head.removeprefix("ref: ")
        loose = git / reference
        if loose.is_file():
            return loose.read_text(encoding="ascii").strip()
        for line in (git / "packed-refs").read_text(encoding="utf-8").splitlines():
            if line.endswith(f" {reference}"):
                return line.split(" ", 1)[0]
    except (OSError, UnicodeDecodeError):
        return None
    return None
