"""A sweep as a page asks for it: what is wrong beside which field, how much work it is, and the command's own words."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

import config.search_space
from cockpit.reader import Reader
from cockpit.runs import forms, sweep_check, sweep_orders, sweep_pace
from cockpit.runs.orders import OrderError
from cockpit.runs.sweep_orders import KeyOrder, SweepOrder, SweepRefusedError, checked
from config.searchable import searchable_keys
from state.runs.records import DataInfo
from tests.support.chinese import left_over_english
from tests.support.run_folders import COOLDOWN, THRESHOLD, summary, write_summary, write_sweep

ROOT = Path("/r")
EN, ZH = Reader(), Reader(language="zh")
COUNT, KIND = "gates.guard.risk.max_daily_hedge_count", "execution.order_type"
BY_STEP = KeyOrder(key=COOLDOWN, low="30", high="120", step="30")


def order(*keys: KeyOrder, **words: Any) -> SweepOrder:
    return SweepOrder(**{"profile": "demo", "data": "synthetic:1:5", "search": keys or (BY_STEP,), **words})


def one(key: str = COOLDOWN, **parts: Any) -> SweepOrder:
    return order(KeyOrder(key=key, **parts))


def test_an_order_becomes_the_words_of_the_command() -> None:
    keys = (
        BY_STEP,
        KeyOrder(key=THRESHOLD, how="factor", low="5", high="20", step="2"),
        KeyOrder(key=KIND, how="values", values="market, limit"),
    )
    told = order(
        *keys,
        method="bayes",
        trials="9",
        objective="sharpe",
        aim="least",
        folds="2",
        title="--root=/etc  x",
        overrides=("gates.guard.risk.max_daily_hedge_count=7", ""),
    )
    assert sweep_orders.words_of(told, ROOT, "s1") == [
        "sweep", "run", "--profile=demo", "--data=synthetic:1:5", f"--search={COOLDOWN}=30:120:30",
        f"--search={THRESHOLD}=5:20:2:log", f"--search={KIND}=market, limit", "--method=bayes", "--trials=9",
        "--objective=sharpe", "--minimise", "--walk-forward=2", "--set=gates.guard.risk.max_daily_hedge_count=7",
        "--title=--root=/etc x", "--name=s1", "--root=/r",
    ]  # fmt: skip
    assert "--trials=9" not in sweep_orders.words_of(order(trials="9"), ROOT, "s1")  # a grid has its own number


@pytest.mark.parametrize(
    ("told", "field", "code"),
    [
        (order(profile="../etc"), "profile", "profile"),
        (order(profile="paper"), "profile", "no_positions"),
        (order(data="/etc/passwd"), "data", "data"),
        (order(title="a\x1b[31m"), "title", "title"),
        (order(overrides=("no_such.key=1",)), "overrides", "overrides"),
        (order(overrides=(f"{COOLDOWN}=5",)), "search.0.key", "set_and_searched"),
        (order(BY_STEP, BY_STEP), "search.1.key", "key_twice"),
        (order(*(KeyOrder(key=key, how="values", values="1") for key in searchable_keys()[:5])), "search", "keys"),
        (one("simulator.synthetic.seed", low="1", high="2"), "search.0.key", "key"),
        (one("--help", low="1", high="2"), "search.0.key", "key"),
        (one(high="2", step="1"), "search.0.low", "missing"),
        (one(low="1", high="2"), "search.0.step", "missing"),
        (one(low="1", high="2x", step="1"), "search.0.high", "number"),
        (one(low="1", high="2\n3", step="1"), "search.0.high", "number"),
        (one(low="-1", high="2", step="1"), "search.0.low", "bounds"),
        (one("greeks.risk_free_rate", low="0", high="2", step="1"), "search.0.high", "bounds"),
        (one(low="3", high="2", step="1"), "search.0.high", "order"),
        (one(low="1", high="2", step="0"), "search.0.step", "step"),
        (one(low="1", high="2", step="1", how="factor"), "search.0.step", "factor"),
        (one(low="0", high="2", step="2", how="factor"), "search.0.low", "log_low"),
        (one(low="0", high="1e9", step="0.001"), "search.0.step", "many"),
        (one(COUNT, low="1", high="9", step="1.5"), "search.0.step", "whole"),
        (one(COUNT, low="1", high="100000"), "search.0.step", "no_step"),
        (one(KIND, low="1", high="2", step="1"), "search.0.key", "choice"),
        (one(KIND, how="values", values="market, limt"), "search.0.values", "bounds"),
        (one(how="values", values="30, 30"), "search.0.values", "twice"),
        (one(how="values", values="[1"), "search.0.values", "list"),
        (one(how="values", values="1" * 301), "search.0.values", "list"),
        (order(method="random", trials="0"), "trials", "count"),
        (order(folds="two"), "folds", "count"),
        (order(folds="3"), "folds", "too_few_sessions"),
        (order(objective="luck"), "objective", "objective"),
        (one(COUNT, low="1", high="9000"), "search", ""),
        (one(low="1", high="30000", step="1"), "search.0.step", "many"),
        (order(*(KeyOrder(key=key, low="1", high="150", step="1") for key in (COOLDOWN, COUNT))), "search", "too_many"),
    ],
)
def test_a_fault_stands_beside_its_field_in_either_language(told: SweepOrder, field: str, code: str) -> None:
    faults = checked(told).faults
    if not code:
        assert faults == ()
        return
    assert [(each.field, each.code) for each in faults] == [(field, code)]
    assert faults[0].said(EN)
    if code not in ("profile", "data", "overrides", "no_positions"):  # which name what is typed
        assert left_over_english(faults[0].said(ZH).replace("market, limit", "")) == []
    with pytest.raises(SweepRefusedError) as refused:
        sweep_orders.words_of(told, ROOT, "s1")
    assert isinstance(refused.value, OrderError)
    assert refused.value.field == field
    assert "1" in refused.value.said(ZH)


def test_every_fault_of_a_search_has_its_words() -> None:
    codes = set(re.findall(r'code="(\w+)"', Path(config.search_space.__file__).read_text("utf-8")))
    codes |= {"factor", "step"}
    assert len(codes) > 8
    assert {code for code in codes if ZH.words.find(f"sweeps.refused.{code}") is None} == set()


def test_faults_come_in_the_order_of_the_form() -> None:
    told = order(BY_STEP, KeyOrder(key="x"), data="x", folds="x", title="\x1b", overrides=("x",))
    fields = [each.field for each in checked(told).faults]
    assert fields == ["data", "search.1.key", "folds", "title", "overrides"]


def test_what_is_still_empty_is_told_apart() -> None:
    empty, wrong = checked(order(BY_STEP, KeyOrder(key=THRESHOLD, high="x"))).faults[0], checked(order(folds="x"))
    assert (empty.field, empty.is_missing) == ("search.1.low", True)
    assert not wrong.faults[0].is_missing


@pytest.mark.parametrize(
    ("told", "cells", "trials"),
    [
        (order(), 4, 4),
        (order(BY_STEP, KeyOrder(key=KIND, how="values", values="market,limit")), 8, 8),
        (order(folds="2"), 4, 16),
        (order(method="random"), 4, 4),
        (order(method="bayes", trials="3"), 3, 3),
        (one(low="1", high="2").__class__(profile="demo", data="synthetic:1:5", method="random",
                                         search=(KeyOrder(key=COOLDOWN, low="1", high="2"),)), 64, 64),
        (one(low="1"), None, None),
    ],
)  # fmt: skip
def test_how_many_cells_that_makes(told: SweepOrder, cells: int | None, trials: int | None) -> None:
    found = checked(told)
    assert (found.cells, found.trials) == (cells, trials)


def test_how_long_is_told_by_what_has_run(tmp_path: Path) -> None:
    def seconds(**words: Any) -> float | None:
        asked: dict[str, Any] = {"spec": "synthetic:1:4", "profile": "demo", "changed": {COOLDOWN: 5}, "cells": 10}
        return sweep_pace.seconds_of(tmp_path, **{**asked, "folds": 0, "workers": 2, **words})

    assert seconds() is None
    write_summary(tmp_path, summary("run", seconds=3.0))  # two sessions
    assert seconds() == pytest.approx(10 * 4 * 1.5 / 2)
    assert seconds(cells=1) == pytest.approx(4 * 1.5)  # on one core, however many there are
    assert seconds(spec="synthetic:9:5", folds=2) == pytest.approx(10 * 2 * 4 * 1 * 1.5 / 2)
    assert seconds(profile="other") is None
    assert seconds(changed={"simulator.synthetic.step_s": 60}) is None  # another number of moments
    assert seconds(spec="csv:a.csv") is None
    data = DataInfo(spec="csv:/home/anna/a.csv", description="", hash="", sessions=8)
    write_summary(tmp_path, summary("file", data=data, seconds=4.0))
    assert seconds(spec="csv:a.csv") == pytest.approx(10 * 8 * 0.5 / 2)
    assert seconds(spec="csv:b.csv") is None  # nobody knows how long it is
    write_sweep(tmp_path, "grid")  # trials that took no time tell nothing
    assert seconds() == pytest.approx(10 * 4 * 1.5 / 2)


def test_a_page_is_told_faults_work_and_bounds(tmp_path: Path) -> None:
    write_summary(tmp_path, summary("run", seconds=300.0))
    told = sweep_check.answer(order(folds="2"), tmp_path, EN)
    assert told["faults"] == []
    assert told["line"].startswith("4 cells, each on 4 stretches of the data: 16 trials · about ")
    (note,) = told["notes"]
    assert "a number ≥ 0 (seconds)" in note
    assert note.endswith("the profile says 30.")
    chinese = sweep_check.answer(order(folds="2"), tmp_path, ZH)
    assert left_over_english(chinese["line"] + chinese["notes"][0]) == []
    wrong = sweep_check.answer(order(KeyOrder(key="nothing")), tmp_path, EN)
    assert wrong["faults"][0]["field"] == "search.0.key"
    assert wrong["notes"] == [""]
    assert sweep_check.answer(order(profile="../etc"), tmp_path, EN)["notes"] == ["a number ≥ 0 (seconds)"]


@pytest.mark.parametrize("reader", [EN, ZH], ids=["en", "zh"])
def test_the_form_offers_every_key_and_begins_with_a_sweep_that_could_start(reader: Reader) -> None:
    form = forms.sweep(reader, ["demo", "paper"], "./bifrost {}")
    fields = {field["name"]: field for field in form["fields"]}
    keys = [key for _, found in fields["search"]["sections"] for key, *_ in found]
    assert tuple(keys) == searchable_keys()
    begins = {name: field["value"] for name, field in fields.items() if field.get("value") and name != "search"}
    told = msgspec.convert({**begins, "search": fields["search"]["value"]}, SweepOrder)
    assert set(fields) == set(SweepOrder.__struct_fields__)
    assert checked(told).faults == ()
    assert fields["search"]["value"][0]["key"] == COOLDOWN
