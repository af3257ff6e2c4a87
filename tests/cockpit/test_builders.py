"""Tables, figures, key figures, the flatten preview: pure builders over records."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit import figures, flatten_preview, light_view, now_view, wording
from cockpit.reader import Reader
from state.control import AssertedCommand, ControlRead
from state.light import Light, light
from state.records import (
    SCHEMA_VERSION,
    Check,
    HistorySample,
    InstrumentQuote,
    SelfCheck,
    SessionState,
    Snapshot,
    WorkingOrder,
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


@pytest.mark.parametrize(
    ("state", "asserted", "daemon", "enabled", "dead"),
    [
        ("green", (), "running", {"stop", "pause", "flatten"}, False),
        ("yellow", ("pause",), "running", {"stop", "resume", "flatten"}, False),
        ("yellow", ("stop",), "stopping", {"pause", "flatten"}, False),
        ("yellow", ("flatten",), "running", {"stop", "pause"}, False),
        ("not_live", ("stop",), "stopped", {"start", "flatten"}, False),
        ("not_live", (), "running", set(), True),
    ],
)
def test_only_commands_that_make_sense_can_be_given(  # noqa: PLR0917 -- pytest passes them by name
    player: DeskPlayer, state: Any, asserted: tuple[Any, ...], daemon: str, enabled: set[str], dead: bool
) -> None:
    snapshot = msgspec.structs.replace(player.write(), daemon_state=daemon)
    control = ControlRead(files={name: AssertedCommand(name=name, since_us=0, age_ms=0) for name in asserted})
    controls = view(snapshot, Light(state=state, word="?"), control).controls
    assert {name for name, button in controls.buttons.items() if button.enabled} == enabled
    assert controls.dead is dead


def test_the_flatten_plan_sells_own_shares_only(player: DeskPlayer) -> None:
    player.working = (
        WorkingOrder(order_ref="a", instrument="TWX", side="SELL", quantity=5, filled=0, status="working", own=True),
        WorkingOrder(order_ref=None, instrument="TWX", side="BUY", quantity=7, filled=0, status="working", own=False),
    )
    plan = flatten_preview.preview(player.write(), Reader())
    assert (plan.side, plan.quantity_shares) == ("SELL", 240.0)
    assert plan.cost_usd == pytest.approx(240 * 0.01)
    assert plan.residual_delta_shares == pytest.approx(3.2 - 240)
    assert plan.orders_to_cancel == ("SELL 5 TWX (working)",)
    player.own_shares = -12.0
    assert flatten_preview.preview(player.write(), Reader()).identity == ("BUY", 12.0)
    player.own_shares = 0.0
    assert flatten_preview.preview(player.write(), Reader()).identity == (None, 0.0)


def test_the_flatten_plan_goes_to_the_target_that_the_desk_names(player: DeskPlayer) -> None:
    plan = flatten_preview.preview(msgspec.structs.replace(player.write(), flatten_target_shares=236.0), Reader())
    assert plan.identity == ("SELL", 4.0)
    assert plan.residual_delta_shares == pytest.approx(3.2 - 4)
    assert dict(flatten_preview.rows(plan))["Own shares"].endswith("→ 236")


def test_the_flatten_plan_of_an_unknown_book_says_unknown() -> None:
    rows = dict(flatten_preview.rows(flatten_preview.preview(BARE, Reader())))
    assert rows["Order"].startswith("unknown")
    quoteless = msgspec.structs.replace(
        BARE, own_shares=10.0, instruments=(InstrumentQuote(symbol="TWX", kind="stock"),)
    )
    assert wording.DASH in dict(flatten_preview.rows(flatten_preview.preview(quoteless, Reader())))["Estimated"]


def test_a_flatten_that_needs_a_number_takes_one_of_the_desks_and_no_other() -> None:
    assert flatten_preview.question(BARE) is None
    asked = msgspec.structs.replace(BARE, flatten_choices_shares=(-100.0, -130.0))
    assert f"{wording.shares(-100.0, signed=True)} or " in str(flatten_preview.question(asked))
    assert flatten_preview.confirmed(asked, "-130") == -130
    many = msgspec.structs.replace(BARE, flatten_choices_shares=(-1300.0,))
    assert flatten_preview.confirmed(many, wording.shares(-1300.0, signed=True)) == -1300
    assert [flatten_preview.confirmed(asked, typed) for typed in ("", "100", "-99", "FLATTEN", "nan", "inf")] == [
        None
    ] * 6


def test_a_damaged_journal_refuses_a_flatten_before_it_is_asked() -> None:
    assert flatten_preview.refusal(BARE) is None
    damaged = Check(name="journal", ok=False, severity="red", reason="journal_damaged")
    told = msgspec.structs.replace(BARE, self_check=SelfCheck(status="blocked", checks=(damaged,)))
    assert "salvage" in str(flatten_preview.refusal(told))


def test_a_closed_market_is_known_to_the_plan() -> None:
    closed = msgspec.structs.replace(BARE, session=SessionState(is_open=False, until="2014-06-06T13:30:00.000000Z"))
    assert flatten_preview.preview(closed, Reader()).market_open is False


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

