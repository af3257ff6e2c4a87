"""Tables, figures, key figures, the flatten preview: pure builders over records."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit import figures, flatten_preview, journal_view, now_view, tables, wording
from cockpit.reader import Reader
from state.control import AssertedCommand, ControlRead
from state.light import Light, light
from state.query import ROUTINE, Filter, JournalIndex, newest
from state.records import (
    SCHEMA_VERSION,
    Check,
    HistorySample,
    InstrumentQuote,
    JournalLine,
    JournalType,
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
    shown = now_view.shown_light(BARE, verdict, desk="second", now_iso=iso_from_us(0), reader=Reader())
    paused = next(reason for reason in shown.reasons if reason.code == "paused")
    assert "./bifrost --desk second resume" in paused.text


def test_another_desks_strategy_is_left_alone() -> None:
    assert tables.strategy_state(msgspec.structs.replace(BARE, strategy={"name": "market maker", "quotes": 3})) is None


def test_every_row_has_a_cell_per_column(player: DeskPlayer) -> None:
    shown = view(player.write())
    lines = [player.record(JournalType.FILL), player.record(JournalType.HALT, quantity=1.0, unit="share")]
    journal = tables.journal(lines, title="", aside="", empty="")
    for table in (*shown.tables.values(), journal):
        assert table.rows or table.title == "Working orders"
        assert all(len(row.cells) == len(table.columns) for row in table.rows)


def test_the_days_pnl_adds_up_in_its_row(player: DeskPlayer) -> None:
    snapshot = player.write()
    table = view(snapshot).tables["day_pnl"]
    figures = [float(cell.replace(",", "").replace("\N{MINUS SIGN}", "-")) for cell in table.rows[0].cells]
    total, *parts, wear = figures
    assert [column.name for column in table.columns][6:8] == ["slippage", "commission"]
    assert round(sum(parts), 2) == total == 1046.3
    assert wear == -18.4
    unpriced = msgspec.structs.replace(snapshot, pnl_parts=None)
    assert view(unpriced).tables["day_pnl"].rows == ()
    assert snapshot.pnl_parts is not None
    of_another_bot = msgspec.structs.replace(snapshot.pnl_parts, other_usd=None)
    assert view(msgspec.structs.replace(snapshot, pnl_parts=of_another_bot)).tables["day_pnl"].rows == ()


def test_why_is_asked_for_a_lines_own_time() -> None:
    words = journal_view.why_words("2014-06-05T14:03:00.000000Z", "demo")
    assert words == "why --desk demo --at 2014-06-05T14:03:00.000000Z"


def test_numbers_stand_right_and_foreign_is_told_apart(player: DeskPlayer) -> None:
    table = view(player.write()).tables["positions"]
    assert [column.align for column in table.columns] == ["left"] + ["right"] * 5
    assert {row.cells[0]: row.tone for row in table.rows}["IBM"] == "foreign"
    assert {row.cells[0]: row.tone for row in table.rows}["TWX"] is None


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


def test_a_refusal_tells_the_numbers_of_the_rules_that_refused(player: DeskPlayer) -> None:
    rules = {
        "cooldown": {"ok": False, "measured": 22.4, "limit": 60.0, "unit": "s"},
        "max_position": {"ok": True, "measured": 1.0, "limit": 2.0, "unit": "shares"},
        "min_price_move": {"ok": False, "measured": 0.1, "limit": 0.2, "unit": "%", "waived": True},
    }
    line = player.record(JournalType.REFUSED, reason="cooldown", data={"rules": rules})
    assert tables.what_and_why(line) == "cooldown 22.4, limit 60 s"
    assert tables.what_and_why(msgspec.structs.replace(line, data=rules)) == "cooldown 22.4, limit 60 s"


@pytest.mark.parametrize(
    ("kind", "tone"),
    [
        (JournalType.REJECTED, "bad"),
        (JournalType.REFUSED, "warn"),
        (JournalType.FILL, "good"),
        (JournalType.INTENT, None),
    ],
)
def test_what_went_wrong_is_emphasised(kind: JournalType, tone: str | None) -> None:
    assert tables.tone_of(kind) == tone


def asked(types: tuple[str, ...] = (), newest_us: int | None = None, **values: str) -> journal_view.Asked:
    return journal_view.ask(values, types, newest_us=newest_us)


def test_filters_come_from_the_address() -> None:
    found = asked(("fill", "refused"), since="2014-06-05 14:30", until="2014-06-05", intent="r-4", limit="200")
    assert found.wanted == Filter(
        since_us=journal_view.parse_time("2014-06-05T14:30:00Z"),
        until_us=journal_view.parse_time("2014-06-05"),
        types=frozenset({JournalType.FILL, JournalType.REFUSED}),
        intent_id="r-4",
    )
    assert found.limit == 200


def test_a_span_counts_back_from_the_newest_operation() -> None:
    assert asked(newest_us=10_000_000_000, span="1 h").wanted.since_us == 6_400_000_000
    assert asked(newest_us=None, span="1 h").wanted.since_us is None


@pytest.mark.parametrize("text", ["soon", "2014-13-05", "2014-06-05 25:00", "5.6.2014"])
def test_an_odd_time_is_a_sentence(text: str) -> None:
    found = asked(since=text)
    assert found.wanted.since_us is None
    assert len(found.problems) == 1
    assert text in found.problems[0]


def test_odd_values_in_the_address_do_no_harm() -> None:
    found = asked(("fil",), limit="-1; drop", span="?")
    assert found.limit == journal_view.LIMITS[0]
    assert found.problems == ("type: there is no 'fil'",)


def test_the_shell_twin_asks_the_same() -> None:
    found = asked(("refused", "fill"), since="2014-06-05 14:30", intent="r-4")
    words = journal_view.cli_words(found, "demo")
    assert words == "ops --desk demo --since 2014-06-05T14:30:00Z --type fill --type refused --intent r-4 --limit 50"
    assert journal_view.cli_words(asked(()), "demo") == "ops --desk demo --limit 50"
    shown = journal_view.ask({"routine": "yes"}, (), newest_us=None)
    assert journal_view.cli_words(shown, "demo") == "ops --desk demo --all --limit 50"


def test_routine_lines_are_left_out_and_counted_unless_asked_for(player: DeskPlayer) -> None:
    player.tell_a_day()
    player.record(JournalType.TRANSITION, status="ARMED", reason="in_band")
    player.record(JournalType.LEDGER_CHECKPOINT, status="checkpoint")
    index = JournalIndex.of(player.paths)
    every = journal_view.look_up(index, journal_view.ask({"routine": "yes"}, (), newest_us=None)).lines
    found = journal_view.look_up(index, journal_view.ask({}, (), newest_us=None))
    routine = [line for line in every if line.type in ROUTINE]
    assert len(routine) == 2
    assert found.lines == tuple(line for line in every if line.type not in ROUTINE)
    assert found.left_out == len(routine)


def test_counts_are_a_table_with_the_whole_in_its_head(player: DeskPlayer) -> None:
    player.tell_a_day()
    found = asked(count="type", side="BUY")
    assert found.count_by == "type"
    assert found.wanted.side == "BUY"
    counted = JournalIndex.of(player.paths).count_by(found.wanted, ("type",))
    table = tables.counts(counted, "type", quantity=False)
    assert [column.name for column in table.columns] == ["group", "count"]
    assert [row.cells[0] for row in table.rows] == sorted(row.cells[0] for row in table.rows)
    total = sum(int(row.cells[1]) for row in table.rows)
    assert table.aside == f"{total} operations in {len(table.rows)} groups"
    assert total == len(newest(player.paths.journal, found.wanted, 1000))
    assert journal_view.cli_words(found, "demo") == "ops --desk demo --side BUY --count-by type"


def test_lines_are_shown_with_their_units() -> None:
    line = JournalLine(
        seq=1, ts="2014-06-05T14:31:07.123456Z", wall_ts="2014-06-05T14:31:07.123456Z", type=JournalType.FILL, desk="d",
        run_id="r", quantity=1.0, unit="share", price=70.125,
    )  # fmt: skip
    (row,) = tables.journal([line], title="", aside="", empty="").rows
    assert "2014-06-05 14:31:07.123" in row.cells
    assert "1 share" in row.cells
    assert "70.1250" in row.cells


@pytest.mark.parametrize(
    ("source", "shown"), [("fixed", "profile"), ("implied", "its quote"), ("ib", "IB's model"), (None, wording.DASH)]
)
def test_each_leg_says_where_its_volatility_comes_from_and_whether_it_was_adopted(
    source: str | None, shown: str
) -> None:
    leg = {
        "instrument": "TWX 20140719 C 70", "right": "C", "strike": 70.0, "expiry": "2014-07-19",
        "volatility_source": source, "adopted": source == "ib",
    }  # fmt: skip
    machine = {"trading_state": "ARMED", "hedge_state": "EXEC_IDLE", "state_code": "O1", "words": ""}
    snapshot = msgspec.structs.replace(BARE, strategy={"name": "gamma_scalper", **machine, "legs": [leg]})
    cells = tables.legs(snapshot).rows[0].cells
    assert cells[[column.name for column in tables.LEG_COLUMNS].index("source")] == shown
    assert ("(adopted)" in cells[0]) is (source == "ib")
