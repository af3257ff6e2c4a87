"""Tables, figures, key figures, the flatten preview: pure builders over records."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit import figures, light_view, now_view, wording
from cockpit.reader import Reader
from state.control import AssertedCommand, ControlRead
from state.light import Light, light
from state.records import (
    SCHEMA_VERSION,
    HistorySample,
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


def history(count: int, **more: Any) -> list[HistorySample]:
    return [
        HistorySample(
            schema=1, kind="minute", desk="demo", run_id="r", ts=iso_from_us(minute * 60_000_000),
            wall_ts=iso_from_us(minute * 60_000_000), equity_usd=100_000 + (minute * 37) % 1000,
            drawdown_pct=0.5, **more,
        )
        for minute in range(count)
    ]  # fmt: skip


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


def test_the_figure_says_what_will_appear_while_it_is_empty() -> None:
    assert "./bifrost up" in figures.equity([], drawdown_limit_pct=6.0, reader=Reader())["empty"]


def test_the_figure_keeps_zoom_draws_the_limit_and_asks_no_colour_of_its_own() -> None:
    figure = figures.equity(history(30), drawdown_limit_pct=6.0, reader=Reader())
    assert figure["layout"]["uirevision"] == "keep"
    assert figure["layout"]["shapes"][0]["y0"] == -6.0
    assert figure["layout"]["annotations"][0]["text"].startswith("drawdown limit")
    assert figure["data"][1]["y"][0] == -0.5
    assert not re.search(r"#[0-9a-fA-F]{3}|rgb", msgspec.json.encode(figure).decode())


def test_samples_that_run_backwards_are_put_in_order() -> None:
    x = figures.equity(list(reversed(history(50))), drawdown_limit_pct=None, reader=Reader())["data"][0]["x"]
    assert x == sorted(x)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4000), st.integers(3, 900))
def test_thinning_keeps_the_ends_and_the_extremes(count: int, most: int) -> None:
    samples = history(count)
    kept = figures.thin(samples, most)
    equities = [sample.equity_usd for sample in samples if sample.equity_usd is not None]
    shown = [sample.equity_usd for sample in kept if sample.equity_usd is not None]
    assert (kept[0], kept[-1]) == (samples[0], samples[-1])
    assert (min(shown), max(shown)) == (min(equities), max(equities))
    assert len(kept) <= max(most, count if count <= most else 0) + 4
    assert [sample.ts for sample in kept] == sorted(sample.ts for sample in kept)

