"""What a Chinese reader's page says, put together from a desk's files: no English is left in it, whatever the state."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from cockpit.context import CockpitContext
from cockpit.desk_view import DeskView
from cockpit.reader import EXCHANGE, Reader
from cockpit.tables import journal
from state.query import Filter, newest
from tests.support.chinese import left_over_english
from tests.support.desk_player import DeskPlayer, Mood, wall_us

READER = Reader(language="zh", zone=EXCHANGE)
CODES = {
    # members of the page that hold codes, addresses, names and commands, not texts
    *("account", "align", "code", "desk", "feeds", "history_version", "href", "key", "kind"),
    *("name", "severity", "shell", "state", "tone", "x"),
}
OF_THE_FILES = re.compile(
    r"""Watching\ TWX.* | net\ delta\ .* | 201:\ Order\ rejected.*     # the player's own sentences, and the venue's
    | running | profile\ recorded_day
    | ([+\d]+\ )?(TWX|IBM)(\ \d{8}\ [CP]\d+)? | [\dT]+-\d+-\d+ | .*\ E[SD]T  # instruments, order ids, times
    """,
    re.VERBOSE,
)


def said(value: Any) -> Iterator[str]:
    """Every text of a plain value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in CODES:
                yield from said(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from said(each)


def left_over(value: Any) -> dict[str, list[str]]:
    texts = {text for text in said(value) if not OF_THE_FILES.fullmatch(text)}
    return {text: words for text in texts if (words := left_over_english(text))}


def page(player: DeskPlayer) -> Any:
    context = CockpitContext(root=player.paths.root, desk="demo")
    return msgspec.to_builtins(DeskView(context, player.paths, READER).build(wall_us()))


@pytest.mark.parametrize("mood", get_args(Mood))
def test_the_now_page_is_chinese_in_every_mood(player: DeskPlayer, mood: Mood) -> None:
    player.mood = mood
    player.write()
    shown = page(player)
    assert shown["light"]["reasons"] or mood == "green"
    assert left_over(shown) == {}


@pytest.mark.parametrize("command", ["pause", "flatten", "stop"])
def test_a_page_with_a_command_is_chinese(player: DeskPlayer, command: str) -> None:
    (player.paths.control / command).touch()
    player.tick()
    assert left_over(page(player)) == {}


def test_a_page_of_a_dead_desk_is_chinese(player: DeskPlayer) -> None:
    player.write(age_s=60)
    assert left_over(page(player)) == {}
    player.paths.snapshot.unlink()
    assert left_over(page(player)) == {}


def test_the_journals_table_is_chinese(player: DeskPlayer) -> None:
    player.tell_a_day()
    table = journal(newest(player.paths.journal, Filter(), 200), READER, title="", aside="", empty="")
    assert len(table.rows) > 15
    assert left_over(msgspec.to_builtins(table)) == {}
