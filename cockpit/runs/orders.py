"""What an operator may have started from a page, as the words of a command; checked before any process begins.

Words go to the child as a list, never through a shell, and every value stands behind its option's `=`: none of them
can become an option. What the data holds the child says itself, in one line.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from cockpit.reader import Reader
from config.loader import LoadedProfile, ProfileError, profile_names
from config.overrides import load_overridden, parse_overrides

SPEC: Final = re.compile(r"(lean|csv|tape|synthetic):[^\x00-\x1f\x7f]{1,1000}")
_PROFILE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
MOST_SET: Final = 64
_LONGEST_TITLE: Final = 120


class OrderError(Exception):
    """It cannot be started so. `code` is a key of `backtests.refused`; `detail` a line of the loader.

    `field` is the form's field that it is about; empty where it is about none.
    """

    def __init__(self, code: str, detail: str = "", *, field: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail, self.field = code, detail, field

    def said(self, reader: Reader) -> str:
        """In the reader's language."""
        return reader.say(f"backtests.refused.{self.code}", detail=reader.phrase(self.detail))


class BacktestOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A backtest as a page asks for it. `overrides` are lines like `gates.intent.hedge.cooldown_seconds=30`."""

    profile: str
    data: str
    title: str = ""
    overrides: tuple[str, ...] = ()


def words_of(order: BacktestOrder, root: Path, run_id: str) -> list[str]:
    """`backtest --profile=demo --data=… --name=… --root=…`. Raises OrderError."""
    data, title = data_of(order.data), title_of(order.title)
    changed, _ = loaded_with(order.profile, order.overrides)
    words = ["backtest", f"--profile={order.profile}", f"--data={data}", *(f"--set={each}" for each in changed)]
    return [*words, *([f"--title={title}"] if title else []), f"--name={run_id}", f"--root={root}"]


def run_id_of(profile: str, at_iso: str) -> str:
    """The folder of a run that is started at a moment: `20140605-143107-demo`."""
    digits = "".join(letter for letter in at_iso[:19] if letter.isdigit())
    return f"{digits[:8]}-{digits[8:14]}-{profile}"[:80]


def data_of(text: str) -> str:
    """A spec that may be handed to a command. Raises OrderError."""
    data = text.strip()
    if SPEC.fullmatch(data) is None:
        raise OrderError("data", field="data")
    return data


def title_of(text: str) -> str:
    """One line for people. Raises OrderError."""
    title = " ".join(text.split())
    if len(title) > _LONGEST_TITLE or not title.isprintable():
        raise OrderError("title", field="title")
    return title


def loaded_with(profile: str, told: Sequence[str]) -> tuple[list[str], LoadedProfile]:
    """The lines that change keys, and the profile with them. Raises OrderError, also where it holds no position.

    A profile is named, never a path: what lies elsewhere on the disk is nobody's to try.
    """
    if profile not in profile_names():
        raise OrderError("profile", field="profile")
    lines = [line.strip() for line in told if line.strip()]
    if len(lines) > MOST_SET:
        raise OrderError("overrides", f"n > {MOST_SET}", field="overrides")
    try:
        loaded = load_overridden(profile, parse_overrides(lines))
    except ProfileError as error:
        raise OrderError("overrides", _told_by(error)[:600], field="overrides") from error
    if loaded.profile.simulator is None or not loaded.profile.simulator.positions:
        raise OrderError("no_positions", profile, field="profile")
    return lines, loaded


def _told_by(error: ProfileError) -> str:
    """What the profile's checks say, without the place: a line of a form has no file."""
    return " · ".join(f"{each.path}: {each.text}" for each in error.problems) or str(error)


def make_profile_words(run_id: str, trial: int, name: str, root: Path) -> list[str]:
    """`sweep make-profile RUN --trial=N --as=NAME`. Raises OrderError."""
    if _PROFILE_NAME.fullmatch(name) is None:
        raise OrderError("profile_name", field="name")
    if name in profile_names():
        raise OrderError("profile_exists", name, field="name")
    return ["sweep", "make-profile", run_id, f"--trial={trial}", f"--as={name}", f"--root={root}"]
