"""Tables of the present and of the journal: pure builders over records."""

from typing import Any

import msgspec
import pytest

from cockpit import tables, wording
from cockpit.language import LANGUAGES
from cockpit.reader import EXCHANGE, Reader
from cockpit.tables import Table
from state.query import Count, Counted
from state.records import (
    SCHEMA_VERSION,
    Check,
    InstrumentQuote,
    JournalLine,
    JournalType,
    SelfCheck,
    Snapshot,
    WorkingOrder,
)
from tests.support.desk_player import DeskPlayer

BARE = Snapshot(
    schema=SCHEMA_VERSION, desk="demo", run_id="r", pid=1, seq=1, ts="2014-06-05T14:00:00.000000Z",
    wall_ts="2026-11-21T14:00:00.000000Z", period_ms=1000, daemon_state="running", self_check=SelfCheck(status="ok"),
)  # fmt: skip
ENGLISH = Reader()


def cell(table: Table, row: str, column: str) -> str:
    """The text at a row's key and a column's name."""
    (found,) = [each for each in table.rows if each.key == row]
    return found.cells[[each.name for each in table.columns].index(column)]


def test_another_desks_strategy_is_left_alone() -> None:
    stranger = msgspec.structs.replace(BARE, strategy={"name": "market maker", "quotes": 3})
    assert tables.strategy_state(stranger) is None
    shown = tables.present(stranger, ENGLISH)
    assert (shown["legs"].rows, shown["legs"].empty) == ((), "This desk tells of no option legs.")
    assert shown["delta"].rows == ()


def test_every_row_has_a_cell_per_column_in_every_language(player: DeskPlayer) -> None:
    player.working = (
        WorkingOrder(order_ref="a", instrument="TWX", side="SELL", quantity=5, filled=0, status="working", own=True),
    )
    snapshot = msgspec.structs.replace(player.write(), account_summary={"NetLiquidation": 1.0, "Cushion": 0.4})
    lines = [player.record(JournalType.FILL), player.record(JournalType.HALT, quantity=1.0, unit="share")]
    for language in LANGUAGES:
        reader = Reader(language=language)
        journal = tables.journal(lines, reader, title="", aside="", empty="")
        for table in (*tables.present(snapshot, reader).values(), journal):
            assert table.rows
            assert all(len(row.cells) == len(table.columns) for row in table.rows)
            keys = [row.key for row in table.rows]
            assert len(set(keys)) == len(keys)
        assert all(not table.rows and table.empty for table in tables.present(None, reader).values())


def test_the_days_pnl_adds_up_in_its_row(player: DeskPlayer) -> None:
    snapshot = player.write()
    table = tables.present(snapshot, ENGLISH)["day_pnl"]
    figures = [float(text.replace(",", "").replace("\N{MINUS SIGN}", "-")) for text in table.rows[0].cells]
    total, *parts, wear = figures
    assert [column.name for column in table.columns][6:8] == ["slippage", "commission"]
    assert round(sum(parts), 2) == total == 1046.3
    assert wear == -18.4
    unpriced = msgspec.structs.replace(snapshot, pnl_parts=None)
    assert tables.present(unpriced, ENGLISH)["day_pnl"].rows == ()
    assert snapshot.pnl_parts is not None
    of_another_bot = msgspec.structs.replace(snapshot.pnl_parts, other_usd=None)
    shown = tables.present(msgspec.structs.replace(snapshot, pnl_parts=of_another_bot), ENGLISH)
    assert shown["day_pnl"].rows == ()


def test_numbers_stand_right_and_foreign_is_told_apart(player: DeskPlayer) -> None:
    table = tables.present(player.write(), ENGLISH)["positions"]
    assert [column.align for column in table.columns] == ["left"] + ["right"] * 5
    assert {row.cells[0]: row.tone for row in table.rows}["IBM"] == "foreign"
    assert {row.cells[0]: row.tone for row in table.rows}["TWX"] is None


def with_book(own: float, foreign: float, traded: float | None, *checks: Check) -> Snapshot:
    counters = None if traded is None else {"foreign_traded_shares": traded}
    return msgspec.structs.replace(
        BARE, own_shares=own, foreign_shares=foreign, counters=counters,
        self_check=SelfCheck(status="ok", checks=checks),
    )  # fmt: skip


def number(text: str) -> float:
    return float(text.replace(",", "").replace("\N{MINUS SIGN}", "-"))


@pytest.mark.parametrize(("own", "foreign", "traded"), [(240.0, 100.0, -40.0), (-12.0, 0.0, 0.0), (0.0, 7.0, 7.0)])
def test_own_acknowledged_and_others_executions_add_up_to_the_account(
    own: float, foreign: float, traded: float
) -> None:
    table = tables.present(with_book(own, foreign, traded), ENGLISH)["book"]
    parts = [number(cell(table, name, "quantity")) for name in ("own", "acknowledged", "others")]
    assert sum(parts) == number(cell(table, "account", "quantity")) == own + foreign
    assert "add up" in table.aside


def test_foreign_shares_that_nobody_acknowledged_or_explained_are_never_called_so() -> None:
    failed = Check(name="foreign_shares", ok=False, severity="yellow", measured=100.0, reason="foreign_unacknowledged")
    table = tables.present(with_book(240.0, 100.0, 0.0, failed), ENGLISH)["book"]
    assert [row.key for row in table.rows] == ["own", "unacknowledged", "account"]
    assert {row.key: row.tone for row in table.rows}["unacknowledged"] == "warn"
    jumped = Check(
        name="positions", ok=False, severity="red", measured="TWX 130 instead of 100", reason="position_unexplained"
    )
    table = tables.present(with_book(240.0, 100.0, 0.0, jumped), ENGLISH)["book"]
    assert {row.key: row.tone for row in table.rows}["unexplained"] == "bad"
    assert "TWX 130 instead of 100" in table.aside


def test_the_account_says_whose_it_is_how_old_its_values_are_and_keeps_tags_it_does_not_know() -> None:
    snapshot = msgspec.structs.replace(
        BARE, account="DU7", account_kind="simulated", account_summary_age_ms=4200.0,
        account_summary={"Zeta": 1.5, "InitMarginReq": 10.0, "NetLiquidation": 1234567.891},
    )  # fmt: skip
    table = tables.present(snapshot, ENGLISH)["account"]
    assert [row.key for row in table.rows] == ["NetLiquidation", "InitMarginReq", "Zeta"]
    assert cell(table, "NetLiquidation", "value") == "1,234,567.89"
    assert cell(table, "Zeta", "item") == "Zeta"
    assert table.aside == "DU7 · SIMULATED · values of the broker, 4.2 s old at the last snapshot · n = 3"


def leg_snapshot(**more: Any) -> Snapshot:
    leg = {"instrument": "TWX 20140719 C 70", "right": "C", "strike": 70.0, "expiry": "2014-07-19", **more}
    machine = {"trading_state": "ARMED", "hedge_state": "EXEC_IDLE", "state_code": "O1", "words": ""}
    return msgspec.structs.replace(BARE, strategy={"name": "gamma_scalper", **machine, "legs": [leg]})


@pytest.mark.parametrize(
    ("source", "shown"), [("fixed", "profile"), ("implied", "its quote"), ("ib", "IB's model"), (None, wording.DASH)]
)
def test_each_leg_says_where_its_volatility_comes_from_and_whether_it_was_adopted(
    source: str | None, shown: str
) -> None:
    table = tables.present(leg_snapshot(volatility_source=source, adopted=source == "ib"), ENGLISH)["legs"]
    assert cell(table, "TWX 20140719 C 70", "source") == shown
    assert ("(adopted)" in table.rows[0].cells[0]) is (source == "ib")


def test_each_legs_price_says_by_what_it_was_made_and_how_old_its_quote_is() -> None:
    name = "TWX 20140719 C 70"
    quote = InstrumentQuote(symbol=name, kind="option", bid=2.1, ask=2.15, quote_age_ms=61_000.0)
    quoted = msgspec.structs.replace(leg_snapshot(price=2.125), instruments=(quote,))
    shown = tables.present(quoted, ENGLISH)
    assert cell(shown["legs_full"], name, "price") == "2.125\nits quote, 61 s"
    assert [cell(shown["underlying"], name, column) for column in ("bid", "ask", "age")] == ["2.100", "2.150", "61 s"]
    modelled = msgspec.structs.replace(quoted, counters={"modelled_marks": [name]})
    assert cell(tables.present(modelled, ENGLISH)["legs_full"], name, "price") == "2.125\nmodel, 61 s"
    assert cell(tables.present(leg_snapshot(), ENGLISH)["legs_full"], name, "price") == wording.DASH


def test_vega_is_shown_per_point_of_volatility() -> None:
    """The file's is per 1.00, a hundred points."""
    table = tables.present(leg_snapshot(vega=51_373.2), ENGLISH)["legs_full"]
    assert cell(table, "TWX 20140719 C 70", "vega") == "513.7"
    assert table.columns[-1].unit == "USD per vol point"


def test_a_sum_of_deltas_that_leaves_a_leg_out_is_no_sum() -> None:
    whole = leg_snapshot(quantity=10.0, delta_shares=531.4)
    assert cell(tables.present(whole, ENGLISH)["delta"], "options", "delta") == "+531.4"
    assert cell(tables.present(leg_snapshot(quantity=10.0), ENGLISH)["delta"], "options", "delta") == wording.DASH


# --- the journal ---


def line(kind: JournalType = JournalType.FILL, **more: Any) -> JournalLine:
    ts = "2014-06-05T14:31:07.123456Z"
    return JournalLine(seq=1, ts=ts, wall_ts=ts, type=kind, desk="d", run_id="r", **more)


def test_lines_are_shown_with_their_units_and_their_zone() -> None:
    filled = line(quantity=1.0, unit="share", price=70.125)
    table = tables.journal([filled], ENGLISH, title="", aside="", empty="")
    assert {"2014-06-05 14:31:07.123Z", "1 share", "70.1250"} <= set(table.rows[0].cells)
    assert table.columns[0].unit == "UTC"
    table = tables.journal([filled], Reader(zone=EXCHANGE), title="", aside="", empty="")
    assert "2014-06-05 10:31:07.123 EDT" in table.rows[0].cells
    assert table.columns[0].unit == "New York"


def test_a_refusal_tells_the_numbers_of_the_rules_that_refused() -> None:
    rules = {
        "cooldown": {"ok": False, "measured": 22.4, "limit": 60.0, "unit": "s"},
        "max_position": {"ok": True, "measured": 1.0, "limit": 2.0, "unit": "shares"},
        "min_price_move": {"ok": False, "measured": 0.1, "limit": 0.2, "unit": "%", "waived": True},
    }
    refused = line(JournalType.REFUSED, reason="cooldown", data={"rules": rules})
    assert tables.what_and_why(refused, ENGLISH) == "cooldown 22.4, limit 60 s"
    assert tables.what_and_why(msgspec.structs.replace(refused, data=rules), ENGLISH) == "cooldown 22.4, limit 60 s"


@pytest.mark.parametrize(
    ("kind", "tone"),
    [
        (JournalType.REJECTED, "bad"),
        (JournalType.HALT, "bad"),
        (JournalType.REPAIRED, "warn"),
        (JournalType.REFUSED, None),
        (JournalType.FILL, None),
        (JournalType.INTENT, None),
    ],
)
def test_only_what_went_wrong_has_a_colour(kind: JournalType, tone: str | None) -> None:
    assert tables.tone_of(kind) == tone


def test_counts_are_a_table_with_the_whole_in_its_head() -> None:
    counts = (Count(key=("fill",), count=1200, quantity=30.0), Count(key=(None,), count=5))
    table = tables.counts(Counted(counts=counts), "reason", ENGLISH, quantity=False)
    assert [column.name for column in table.columns] == ["group", "count"]
    assert [row.cells for row in table.rows] == [("fill", "1,200"), (wording.DASH, "5")]
    assert table.aside == "n = 1,205 operations in 2 groups"
    by_day = tables.counts(Counted(counts=()), "day", Reader(zone=EXCHANGE), quantity=True)
    assert by_day.columns[0].unit == "UTC"
    assert [column.name for column in by_day.columns] == ["group", "count", "quantity"]
