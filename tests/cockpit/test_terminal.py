"""The terminal's page as a pure value: it fits every screen, and the most important comes first."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.context import CockpitContext
from cockpit.desk_view import DeskView
from cockpit.now_view import NowView
from cockpit.reader import Reader
from cockpit.recent_lines import RecentLines
from cockpit.tables import Column, Row, Table
from cockpit.terminal.frame import Size, frame
from cockpit.terminal.grid import grid
from cockpit.terminal.paint import bare, painted
from cockpit.terminal.text import Line, Span, clean, clip, in_ascii, line, pad, width_of, wrap
from state.control import assert_command
from state.look import Look, look_at
from state.records import JournalLine, JournalType
from state.times import iso_from_us
from tests.support.desk_player import DeskPlayer, wall_us

ENGLISH, CHINESE = Reader(), Reader(language="zh")


class Seen(msgspec.Struct):
    """What a frame is made of."""

    view: NowView
    look: Look
    lines: list[JournalLine]

    def drawn(self, width: int, height: int | None, reader: Reader = ENGLISH, **more: object) -> tuple[Line, ...]:
        size = Size(width, height)
        return frame(self.view, self.look, self.lines, size, reader, command="./bifrost", **more)  # type: ignore[arg-type]

    def text(self, width: int = 80, height: int | None = 24, reader: Reader = ENGLISH, **more: object) -> list[str]:
        return [bare(each) for each in self.drawn(width, height, reader, **more)]


def seen(player: DeskPlayer, reader: Reader = ENGLISH, *, late_s: float = 0, cli: str = "./bifrost {}") -> Seen:
    now_us = wall_us() + int(late_s * 1e6)
    look = look_at(player.paths, now_us)
    context = CockpitContext(root=player.paths.root, desk="demo", cli=cli)
    view = DeskView(context, player.paths, reader).built_from(look, now_us)
    recent = RecentLines(player.paths.journal, frozenset(JournalType), 30)
    return Seen(view, look, list(recent.oldest_first())[::-1])


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Red, paused, with a day's operations: everything that the page can have to say at once."""
    player = DeskPlayer(tmp_path_factory.mktemp("state") / "var")
    player.mood = "red"
    player.tell_a_day()
    assert_command(player.paths.control, "pause", by="anna", reason="lunch", at=iso_from_us(wall_us()))
    player.tick()
    player.close()
    return seen(player)


@given(width=st.integers(1, 200), height=st.integers(1, 70), chinese=st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_frame_is_larger_than_its_screen(busy: Seen, width: int, height: int, chinese: bool) -> None:
    drawn = busy.drawn(width, height, CHINESE if chinese else ENGLISH)
    assert len(drawn) <= height
    assert all(width_of(each) <= max(width, 20) for each in drawn)


def test_what_matters_most_is_on_the_smallest_screen(busy: Seen) -> None:
    text = busy.text(80, 12)
    assert "RED" in text[0]
    assert "STALE" in text[0]
    assert "SIMULATED DU" in text[0]
    assert any("stale" in each and "limit 5.0 s" in each for each in text)
    assert any("PAUSED by anna" in each and "lunch" in each for each in text)
    assert any(each.startswith("q quit") for each in text)
    assert any(each.startswith("No room for: ") and "positions" in each for each in text)


def test_an_ordinary_screen_has_every_key_figure(busy: Seen) -> None:
    text = "\n".join(busy.text(80, 24))
    for label in ("Equity", "Drawdown", "Net delta", "Hedges today"):
        assert label in text


def test_a_command_in_a_sentence_reaches_this_desk_from_here(player: DeskPlayer) -> None:
    player.stopped = True
    player.write()
    old = seen(player, cli="./bifrost {} --root /srv/desks")
    text = " ".join(" ".join(old.text(100, None)).split())
    assert "Run ./bifrost --desk demo --root /srv/desks start, or" in text


def test_a_large_screen_leaves_nothing_out(busy: Seen) -> None:
    text = "\n".join(busy.text(200, 70))
    assert "No room" not in text
    for word in ("Net delta", "Option legs", "Working orders", "Positions", "Last operations", "IBM", "run started"):
        assert word in text


def test_a_frame_for_a_pipe_has_no_end_and_no_keys(busy: Seen) -> None:
    text = busy.text(100, None, has_keys=False)
    assert "more lines" not in "\n".join(text)
    assert not any("q quit" in each for each in text)
    assert "resume | start | flatten" in text[-1]


def test_old_data_is_never_shown_as_live(player: DeskPlayer) -> None:
    fresh, old = seen(player), seen(player, late_s=3600)
    assert "GREEN" in fresh.text()[0]
    text = old.text()
    assert "NOT LIVE" in text[0]
    assert any("everything below is 60 min old" in each for each in text)
    figures = next(each for each in old.drawn(80, 24) if bare(each).startswith("Net delta"))
    assert {span.style for span in figures} == {"dim"}


def test_of_a_stopped_desk_nobody_hears_that_no_command_stands(player: DeskPlayer) -> None:
    assert any("No command stands" in each for each in seen(player).text(100, None))
    at = iso_from_us(wall_us())
    assert_command(player.paths.control, "stop", by="anna", reason="night", at=at)
    player.tick()
    text = seen(player, late_s=60).text(100, None)
    assert not any("No command stands" in each for each in text)


def test_a_desk_that_never_ran_shows_no_figure(tmp_path: Path) -> None:
    from state.layout import DeskPaths

    paths = DeskPaths(tmp_path / "var", "demo")
    paths.create()
    now_us = wall_us()
    look = look_at(paths, now_us)
    view = DeskView(CockpitContext(root=paths.root, desk="demo"), paths, ENGLISH).built_from(look, now_us)
    text = "\n".join(Seen(view, look, []).text(100, 40))
    assert "NOT LIVE" in text
    assert "no data at all" in text
    assert "GREEN" not in text


def test_without_utf8_every_character_is_ascii(busy: Seen) -> None:
    shown = in_ascii(busy.drawn(80, 40))
    assert all(bare(each).isascii() for each in shown)
    assert bare(shown[0]).strip().startswith("# RED")


def test_without_colour_the_word_and_the_shape_still_say_it(busy: Seen) -> None:
    lead = busy.drawn(80, 24)[0]
    assert "\x1b[1;97;41m" in painted(lead, colour=True)
    plain = painted(lead, colour=False)
    assert "■ RED" in plain
    for colour in (*range(30, 38), *range(40, 48), *range(90, 108)):
        assert f";{colour}m" not in plain
        assert f"[{colour}m" not in plain


@given(st.text(st.characters(max_codepoint=0x2100) | st.sampled_from("\x1b\r\n\x9b\u202e\u2066"), max_size=60))
def test_what_others_wrote_cannot_move_the_cursor(text: str) -> None:
    shown = clean(text)
    assert len(shown) == len(text)
    controls = {
        *range(0x20),
        *range(0x7F, 0xA0),
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
    }
    assert not controls & {ord(each) for each in shown}


@given(st.text(max_size=80), st.integers(1, 40))
def test_cut_padded_and_broken_text_keeps_its_width(text: str, width: int) -> None:
    told = clean(text)
    assert width_of(clip(line(told), width)) <= width
    assert width_of(pad(told, width)) == width
    assert all(width_of(each) <= max(2, width) for each in wrap(told, width, most=3))


def test_a_narrow_table_keeps_the_columns_that_were_asked_for() -> None:
    columns = tuple(Column(name=name, label=name) for name in ("one", "two", "three", "reason"))
    table = Table(title="t", columns=columns, rows=(Row(cells=("1", "2", "3", "why " * 20)),), empty="")
    head = bare(grid(table, 30, first=("three", "reason"), stretch="reason")[0]).split()
    assert head[0] == "one"
    assert head[-2:] == ["three", "reason"]
    assert all(width_of(each) <= 30 for each in grid(table, 30, first=("three", "reason"), stretch="reason"))


def test_a_span_without_text_is_left_out() -> None:
    assert line("", Span("x", "bold")) == (Span("x", "bold"),)
