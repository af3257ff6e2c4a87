"""What the page of a sweep says of its cells: how often each hedged, and how many folds a sum holds."""

import msgspec
import pytest

from cockpit.reader import Reader
from cockpit.runs import sweep_advice, sweep_tables
from cockpit.runs.sweep_reading import SweepSeen
from cockpit.tables import Table
from state.runs.neighbourhood import judge, recommend
from state.runs.records import Searched, SweepPlan, Trial
from state.runs.trials import cells
from tests.support.sweeping import made_figures, made_plan, made_trial

EN, ZH = Reader(), Reader(language="zh", zone="Asia/Shanghai")
KEY = "gates.intent.hedge.cooldown_seconds"


def sweep(plan: SweepPlan, *trials: Trial) -> SweepSeen:
    judged = judge(plan, trials)
    return SweepSeen(plan=plan, trials=trials, cells=cells(plan, trials), judged=judged, advice=recommend(plan, judged))


def cell_of(table: Table, key: str, column: str) -> str:
    (row,) = [row for row in table.rows if row.key == key]
    return row.cells[[each.name for each in table.columns].index(column)]


@pytest.fixture
def plan() -> SweepPlan:
    return made_plan(Searched(key=KEY, values=(30, 60, 90)))


def test_hedges_stand_beside_each_cell_and_hardly_any_is_flagged(plan: SweepPlan) -> None:
    told = sweep(
        plan,
        *(
            made_trial(number, pnl, {KEY: (30, 60, 90)[number]}, figures=made_figures(pnl, days=10, hedges=hedges))
            for number, (pnl, hedges) in enumerate([(10.0, 1200), (12.0, 10), (14.0, 9)])
        ),
    )
    table = sweep_tables.cells_table(told, EN)
    assert [cell_of(table, key, "hedges") for key in "012"] == ["1,200", "10", "9"]
    assert [row.tone for row in table.rows] == ["warn", None, None]
    assert "hardly hedged" in cell_of(table, "2", "word")
    assert "hardly" not in cell_of(table, "1", "word")
    assert told.advice is not None
    assert not told.advice.robust.hardly_hedged
    assert "hardly" not in sweep_advice.sentence(told, EN)
    advice = {row.key: row.cells for row in sweep_advice.table(told, EN).rows}
    assert advice[" hedges"] == ("Hedges", "9", "10")
    assert advice[" sessions"] == ("Sessions", "10", "10")


def test_the_advice_says_it_where_the_cell_to_take_hardly_hedged(plan: SweepPlan) -> None:
    told = sweep(
        plan,
        *(
            made_trial(number, 5.0, {KEY: value}, figures=made_figures(5.0, days=4, hedges=3))
            for number, value in enumerate((30, 60, 90))
        ),
    )
    words = "sent only 3 hedges in 4 sessions: what it earned is mostly the way the market went"
    assert words in sweep_advice.sentence(told, EN)
    assert "4 个交易日中只对冲了 3 次" in sweep_advice.sentence(told, ZH)


@pytest.mark.parametrize(
    ("objective", "english", "chinese"),
    [
        ("pnl_usd", "sum out of sample, 1 of 2 folds: 7.00", "1 / 2 折"),
        ("max_drawdown_usd", "mean out of sample, 1 of 2 folds: 7.00", "样本外均值"),
    ],
)
def test_what_came_out_of_sample_says_of_how_many_folds(
    plan: SweepPlan, objective: str, english: str, chinese: str
) -> None:
    split = msgspec.structs.replace(plan, objective=objective, folds=(("i0", "o0"), ("i1", "o1")))
    told = sweep(
        split,
        made_trial(0, 9.0, {KEY: 30}, fold=0, sample="in"),
        made_trial(0, 7.0, {KEY: 30}, fold=0, sample="out"),
        made_trial(0, 9.0, {KEY: 30}, fold=1, sample="in"),
    )
    assert sweep_tables.folds_table(told, EN).aside == english
    assert chinese in sweep_tables.folds_table(told, ZH).aside
    assert sweep_tables.folds_table(sweep(split), EN).aside == ""
