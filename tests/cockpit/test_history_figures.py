"""The equity curve and the figures of the History page: pure builders over a view of the store."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit import history_csv, history_tables
from cockpit.equity import (
    MAX_POINTS,
    RANGES,
    Range,
    equity_figure,
    equity_patch,
    since_us,
    thin,
    times,
    width_of,
)
from cockpit.history_figures import FIGURES
from cockpit.history_store import HistoryStore, HistoryView
from cockpit.history_summary import Summary
from cockpit.language import LANGUAGES
from cockpit.reader import EXCHANGE, Reader
from state.layout import DeskPaths
from state.records import JournalType
from state.statistics.digest import Curve, DayPart, Digest
from tests.support.desk_files import make_journal, make_line
from tests.support.year_of_history import write_year

START_US = 1_780_000_000_000_000 // 60_000_000 * 60_000_000
MINUTE_US = 60_000_000
LIMITS = {"daily_loss_usd": 500.0, "max_daily_hedge_count": 30.0, "drawdown_pct": 6.0}


def curve_of(equity: list[float], *, step_us: int = MINUTE_US) -> Curve:
    ts_us = START_US + np.arange(len(equity), dtype=np.int64) * step_us
    return Curve(ts_us, np.array(equity), np.full(len(equity), 0.5, dtype=np.float32))


def view_of(curve: Curve) -> HistoryView:
    day = DayPart(day="2026-05-28", is_session=False, first_us=START_US, last_us=int(curve.ts_us[-1]))
    return HistoryView(version=1, curve=curve, days={day.day: day})


def bumpy(count: int) -> list[float]:
    return [100_000 + (number * 37) % 1000 for number in range(count)]


def test_an_empty_curve_says_what_will_appear_and_by_which_command() -> None:
    figure = equity_figure(HistoryView(), Reader(), drawdown_limit_pct=6.0, start="./bifrost up --desk x")
    assert "./bifrost up --desk x" in figure.empty
    assert figure.data == ()


def test_the_curve_draws_its_limit_and_asks_no_colour_of_its_own() -> None:
    figure = equity_figure(view_of(curve_of(bumpy(30))), Reader(), drawdown_limit_pct=6.0)
    assert figure.layout["shapes"][0]["y0"] == -6.0
    assert figure.layout["annotations"][0]["text"].startswith("drawdown limit")
    assert figure.data[1]["y"][0] == -0.5
    assert "99,9" not in figure.alt
    assert "equity 100,073.00 USD" in figure.alt
    assert not re.search(r"#[0-9a-fA-F]{3}|rgb", msgspec.json.encode(figure).decode())


def test_a_silence_is_a_gap_in_the_line() -> None:
    ts_us = START_US + np.array([0, 1, 2, 600, 601], dtype=np.int64) * MINUTE_US
    view = view_of(Curve(ts_us, np.arange(5.0), np.zeros(5, dtype=np.float32)))
    y = equity_figure(view, Reader(), drawdown_limit_pct=None).data[0]["y"]
    assert y == [0.0, 1.0, 2.0, None, 3.0, 4.0]


def test_a_desk_that_samples_seldom_has_a_line_all_the_same() -> None:
    figure = equity_figure(view_of(curve_of(bumpy(20), step_us=15 * MINUTE_US)), Reader(), drawdown_limit_pct=None)
    assert None not in figure.data[0]["y"]
    assert figure.gap_ms == 45 * 60_000


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9000), st.sampled_from([MINUTE_US, 7_000_000, 3_600_000_000]))
def test_thinning_keeps_the_end_and_the_extremes_and_fits_a_screen(count: int, step_us: int) -> None:
    curve = curve_of(bumpy(count), step_us=step_us)
    kept = thin(curve, width_of(curve))
    assert kept.ts_us[-1] == curve.ts_us[-1]
    assert (kept.equity_usd.min(), kept.equity_usd.max()) == (curve.equity_usd.min(), curve.equity_usd.max())
    assert len(kept.ts_us) <= MAX_POINTS
    assert bool(np.all(np.diff(kept.ts_us) > 0))
    assert set(kept.ts_us.tolist()) <= set(curve.ts_us.tolist())


def applied(figure: Any, answer: Any) -> list[tuple[list[str], list[float | None]]]:
    """What the browser does with a patch."""
    found = []
    for trace, fresh in zip(figure.data, answer["patch"]["data"], strict=True):
        keep = [number for number, x in enumerate(trace["x"]) if x < answer["patch"]["from"]]
        found.append(([trace["x"][at] for at in keep] + fresh["x"], [trace["y"][at] for at in keep] + fresh["y"]))
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7000), st.integers(0, 40))
def test_a_patched_curve_is_the_whole_one(known: int, more: int) -> None:
    whole = curve_of(bumpy(known + more))
    before = Curve(whole.ts_us[:known], whole.equity_usd[:known], whole.drawdown_pct[:known])
    old = equity_figure(view_of(before), Reader(), drawdown_limit_pct=None)
    patch = equity_patch(
        view_of(whole), Reader(), span="all", base=old.base, known_us=old.newest_us or 0, drawdown_limit_pct=None
    )
    now = equity_figure(view_of(whole), Reader(), drawdown_limit_pct=None)
    if patch is None:
        assert now.base != old.base, "only another width of points asks for the whole figure"
        return
    assert applied(old, patch) == [(trace["x"], trace["y"]) for trace in now.data]
    assert patch["newest_us"] == now.newest_us
    if width_of(whole) == MINUTE_US:
        assert len(patch["patch"]["data"][0]["x"]) == more + 1


def test_a_patch_is_refused_where_it_would_not_fit() -> None:
    view = view_of(curve_of(bumpy(5)))
    base = equity_figure(view, Reader(), drawdown_limit_pct=None).base
    newest = int(view.curve.ts_us[-1])
    ask = {"span": "all", "base": base, "known_us": newest, "drawdown_limit_pct": None}
    assert equity_patch(view, Reader(), **ask) is not None
    assert equity_patch(view, Reader(), **{**ask, "base": "1d:60000000:0"}) is None
    assert equity_patch(view, Reader(), **{**ask, "known_us": newest + 1}) is None
    assert equity_patch(HistoryView(), Reader(), **ask) is None


def test_times_are_the_readers_over_the_change_of_the_clocks() -> None:
    moments = [1_793_509_200_000_000, 1_793_512_800_000_000, 1_793_516_400_000_000]  # 2026-11-01, 05 to 07 h UTC
    shown = times(moments, Reader(zone=EXCHANGE))
    assert shown == ["2026-11-01T01:00:00.000", "2026-11-01T01:00:00.000", "2026-11-01T02:00:00.000"]
    assert times(moments[:1], Reader()) == ["2026-11-01T05:00:00.000"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> HistoryStore:
    paths = DeskPaths(tmp_path_factory.mktemp("history"), "demo")
    write_year(paths, days=30, samples=30 * 6, operations=30 * 60)
    made = HistoryStore(paths)
    made.look(wait_s=60)
    assert made.is_read()
    return made


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_sentence_a_twin_and_no_colour_in_each_language(store: HistoryStore, name: str) -> None:
    for language in LANGUAGES:
        figure = FIGURES[name](Summary(store, store.view, "all"), Reader(language=language), LIMITS)
        encoded = msgspec.json.encode(figure).decode()
        assert figure.empty == ""
        assert figure.alt
        assert figure.table is not None
        assert figure.table["rows"]
        assert all(len(row["cells"]) == len(figure.table["columns"]) for row in figure.table["rows"])
        assert not re.search(r"#[0-9a-fA-F]{6}|rgb|NaN|Infinity", encoded)
        assert json.loads(encoded)["layout"]["uirevision"] == "all"


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_of_nothing_says_what_will_appear(name: str, tmp_path: Path) -> None:
    store = HistoryStore(DeskPaths(tmp_path, "demo"))
    view = store.look(wait_s=30)
    figure = FIGURES[name](Summary(store, view, "all"), Reader(), {})
    assert figure.empty.endswith(".")
    assert figure.data == ()


def test_a_desk_with_equity_alone_shows_what_it_has(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "plain")
    paths.history.mkdir(parents=True)
    lines = [
        f'{{"schema":1,"kind":"minute","desk":"plain","run_id":"r","ts":"2026-11-{day}T15:0{at}:00.000000Z",'
        f'"wall_ts":"2026-11-{day}T15:00:00.000000Z","equity_usd":{1000 + day + at}}}\n'
        for day in (16, 17)
        for at in range(3)
    ]
    (paths.history / "20261116.jsonl").write_text("".join(lines[:3]))
    (paths.history / "20261117.jsonl").write_text("".join(lines[3:]))
    store = HistoryStore(paths)
    summary = Summary(store, store.look(wait_s=30), "all")
    assert [day.pnl_usd for day in summary.days] == [2.0, 1.0]
    assert FIGURES["attribution"](summary, Reader(), {}).empty
    assert FIGURES["daily"](summary, Reader(), {}).empty == ""
    flags = history_tables.period_table(summary.by("day"), Reader(), by="day").rows[0].cells[-1]
    assert flags == "taken from the change of equity"


def test_attribution_bars_add_up_to_the_line(store: HistoryStore) -> None:
    figure = FIGURES["attribution"](Summary(store, store.view, "all"), Reader(), {})
    *parts, line = figure.data
    for at, total in enumerate(line["y"]):
        assert sum(part["y"][at] for part in parts) == pytest.approx(total, abs=0.005)


def test_a_range_takes_the_newest_days_whole(store: HistoryStore) -> None:
    assert since_us(store.view, "all") == 0
    for span, back in RANGES.items():
        days = Summary(store, store.view, span).days
        if back is not None and back < 40:
            assert 0 < len(days) <= back
            assert days[-1].day == next(reversed(store.view.days))
            assert since_us(store.view, span) == days[0].first_us


@pytest.mark.parametrize("name", history_csv.CSV)
def test_every_csv_is_plain_numbers_under_names_with_units(store: HistoryStore, name: str) -> None:
    span: Range = "all"
    head, *rows = history_csv.as_csv(name, Summary(store, store.view, span)).splitlines()
    assert rows
    assert all(re.fullmatch(r"[a-z0-9_]+", field) for field in head.split(","))
    assert not any(text in " ".join(rows) for text in ("nan", "None", "\N{MINUS SIGN}"))


def test_a_csv_gives_no_formula_to_a_spreadsheet(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "demo")
    writer = make_journal(paths.journal, 1)
    writer.append([make_line(2, JournalType.REFUSED, reason="=cmd()")])
    writer.close()
    store = HistoryStore(paths)
    view = store.look(wait_s=30)
    assert "'=cmd()" in history_csv.as_csv("refusals", Summary(store, view, "all"))


def test_the_key_figures_have_their_n(store: HistoryStore) -> None:
    rows = {
        row.cells[0]: row.cells for row in history_tables.key_figures(Summary(store, store.view, "all"), Reader()).rows
    }
    assert rows["Days won"][2] == "30"
    low, high = rows["Days won, 95 % interval"][1].removesuffix(" %").split(" … ")
    assert float(low) < float(rows["Days won"][1].removesuffix(" %")) < float(high)
    assert rows["Sharpe ratio, annualised"][1] != "needs 20 days"
    few = history_tables.key_figures(Summary(store, store.view, "1w"), Reader())
    assert {row.cells[0]: row.cells[1] for row in few.rows}["Sharpe ratio, annualised"] == "needs 20 days"


def test_a_digest_of_a_thousand_days_is_small() -> None:
    made = Digest()
    assert made.ts_us.itemsize + made.equity_usd.itemsize + made.drawdown_pct.itemsize == 20
