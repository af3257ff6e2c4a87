"""Tables, figures, key figures, the flatten preview: pure builders over records."""

import msgspec
import pytest

from cockpit import light_view, now_view, wording
from cockpit.reader import Reader
from state.control import AssertedCommand, ControlRead
from state.light import Light, light
from state.records import (
    SCHEMA_VERSION,
    SelfCheck,
    Snapshot,
)
from state.times import iso_from_us
from tests.support.desk_player import DeskPlayer

GREEN = Light(state="green", word="OK", age_ms=100, oldest_ms=3000)
BARE = Snapshot(
    schema=SCHEMA_VERSION, desk="demo", run_id="r", pid=1, seq=1, ts="2014-06-05T14:00:00.000000Z",
    wall_ts="2026-11-21T14:00:00.000000Z", period_ms=1000, daemon_state="running", self_check=SelfCheck(status="ok"),
)  # fmt: skip


def view(snapshot: Snapshot | None, light: Light = GREEN, control: ControlRead | None = None) -> now_view.NowView:
    return now_view.build(
        snapshot,
        light,
        control or ControlRead(),
        desk="demo",
        now_us=0,
        receipts=(),
        history_version="",
        reader=Reader(),
    )


def test_a_snapshot_with_only_what_any_desk_must_write_shows_dashes() -> None:
    shown = view(BARE)
    assert [tile.value for tile in shown.tiles] == [wording.DASH] * 4
    assert shown.mode.word == "ACCOUNT UNKNOWN"
    assert all(table.rows == () and table.empty for table in shown.tables.values())
    assert msgspec.json.encode(shown)


def test_a_command_in_a_sentence_names_the_desk_of_the_page() -> None:
    verdict = light(BARE, ControlRead(files={"pause": AssertedCommand(name="pause", since_us=0, age_ms=0)}), 0)
    shown = light_view.shown_light(BARE, verdict, desk="second", now_iso=iso_from_us(0), reader=Reader())
    paused = next(reason for reason in shown.reasons if reason.code == "paused")
    assert "./bifrost --desk second resume" in paused.text


def test_the_key_figures_carry_their_limits(player: DeskPlayer) -> None:
    tiles = {tile.name: tile for tile in view(player.write()).tiles}
    assert "limit" in tiles["drawdown"].note
    assert tiles["net_delta"].value == "+3.2"
    assert tiles["net_delta"].note.startswith("hedged from ±25 · limit ±500")
    assert tiles["hedges"].note == "limit 50 · 10 held back"


@pytest.mark.parametrize(
    ("used", "tone"), [(1.0, "calm"), (5.09, "calm"), (5.1, "warn"), (6.0, "alarm"), (9.0, "alarm")]
)
def test_a_used_up_limit_colours_its_tile(player: DeskPlayer, used: float, tone: str) -> None:
    snapshot = player.write()
    limits = tuple(
        msgspec.structs.replace(limit, used=used) if limit.name == "drawdown_pct" else limit
        for limit in snapshot.limits
    )
    tiles = {tile.name: tile for tile in view(msgspec.structs.replace(snapshot, limits=limits)).tiles}
    assert tiles["drawdown"].tone == tone
