"""A sweep's cells beside their neighbours, as a table, and out of sample: on fields small enough to reckon by hand."""

import itertools
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from state.runs.axes import place
from state.runs.heat_map import heat_map
from state.runs.neighbourhood import judge, ranked, recommend
from state.runs.objectives import is_added_up, objective_names, objective_of, per_session
from state.runs.records import Searched, SweepPlan, Trial
from state.runs.trials import cells
from state.runs.walk_forward import FoldError, fold_table, split, walk_forward
from tests.support.sweeping import made_figures, made_plan, made_trial

A = Searched(key="a", values=(10.0, 20.0, 40.0, 80.0, 160.0))
B = Searched(key="b", low=1.0, high=5.0, step=1.0)
FIELD = (
    (0, 0, 0, 0, 0),
    (0, 0, 0, 60, 60),
    (0, 90, 0, 60, 70),
    (0, 0, 0, 60, 60),
    (0, 0, 0, 0, 0),
)
"""Rows by b, columns by a: a lone 90, and a hill of about 60."""


def field_of(rows: Any, **changes: Any) -> tuple[SweepPlan, list[Trial]]:
    """A whole grid; the number of a cell is five times its a's place plus its b's."""
    trials = [
        made_trial(5 * x + y, None if rows[y][x] is None else float(rows[y][x]), {"a": a, "b": float(y + 1)})
        for (x, a), y in itertools.product(enumerate(A.values), range(5))
    ]
    return made_plan(A, B, **changes), trials


SPIKE, TOP = 5 * 1 + 2, 5 * 4 + 2


def test_a_lone_peak_is_a_spike_and_the_hill_is_taken_though_its_top_is_lower() -> None:
    plan, trials = field_of(FIELD)
    judged = {each.number: each for each in judge(plan, trials)}
    spike = judged[SPIKE]
    assert (spike.objective, len(spike.neighbours), spike.neighbour_mean, spike.neighbour_worst) == (90, 8, 0, 0)
    assert (spike.robust, spike.kept_pct, spike.word) == (0, 0, "spike")
    top = judged[TOP]
    assert sorted(top.neighbours) == [16, 17, 18, 21, 23]
    assert (top.neighbour_mean, top.neighbour_worst, top.robust, top.word) == (60, 60, 60, "plateau")
    assert top.kept_pct == pytest.approx(100 * 60 / 70)
    found = recommend(plan, judged.values())
    assert found is not None
    assert (found.best.number, found.robust.number) == (SPIKE, TOP)
    assert found.why == (
        "cell 7 is best by itself (90 pnl_usd), but a spike: its 8 neighbours average 0 and keep 0 % of its advantage; "
        "cell 22 (70) stands better (its 5 neighbours average 60, the worst 60)"
    )


def test_the_mirror_image_is_judged_alike() -> None:
    plan, trials = field_of([[-value for value in row] for row in FIELD], maximise=False)
    judged = {each.number: each for each in judge(plan, trials)}
    assert (judged[SPIKE].word, judged[SPIKE].kept_pct, judged[TOP].word) == ("spike", 0, "plateau")
    assert judged[TOP].neighbour_worst == -60
    found = recommend(plan, judged.values())
    assert found is not None
    assert (found.best.number, found.robust.number) == (SPIKE, TOP)


def test_a_cell_that_hardly_hedged_is_taken_with_a_word_of_warning() -> None:
    plan, trials = field_of(FIELD)
    for number, hedges in ((TOP, 3), (SPIKE, 4)):
        figures = made_figures(1.0, days=4, hedges=hedges)
        trials[number] = msgspec.structs.replace(trials[number], figures=figures)
    judged = {each.number: each for each in judge(plan, trials)}
    assert (judged[TOP].hedges, judged[TOP].sessions, judged[TOP].hardly_hedged) == (3, 4, True)
    assert not judged[SPIKE].hardly_hedged
    found = recommend(plan, judged.values())
    assert found is not None
    assert found.robust.number == TOP
    assert found.why.endswith(
        "; yet cell 22 sent 3 hedges in 4 sessions: hardly hedged, so what it earned is mostly the way the market went"
    )


def test_hedges_and_sessions_are_those_of_the_stretches_that_are_compared() -> None:
    plan = made_plan(A, folds=(("i0", "o0"), ("i1", "o1")))
    trials = [
        made_trial(0, 1.0, {"a": 10.0}, fold=fold, sample=sample, figures=made_figures(1.0, days=days, hedges=hedges))
        for fold, sample, days, hedges in ((0, "in", 4, 1), (1, "in", 5, 7), (0, "out", 2, 0), (1, "out", 2, 0))
    ]
    [cell] = judge(plan, trials)
    assert (cell.hedges, cell.sessions, cell.hardly_hedged) == (8, 9, True)


def test_a_poor_cell_among_good_ones_is_not_taken() -> None:
    rows = [[100] * 5 for _ in range(5)]
    rows[2][2] = -50
    plan, trials = field_of(rows)
    judged = judge(plan, trials)
    hole = next(each for each in judged if each.objective == -50)
    assert (hole.robust, hole.word) == (-50, "below")
    assert ranked(plan, judged)[-1] is hole
    assert {each.word for each in judged if each is not hole} <= {"plateau", "below"}


def test_failed_cells_take_no_part_and_one_cell_says_nothing() -> None:
    rows = [[None] * 5 for _ in range(5)]
    plan, trials = field_of(rows)
    assert {each.word for each in judge(plan, trials)} == {"failed"}
    assert recommend(plan, judge(plan, trials)) is None
    assert recommend(plan, judge(plan, [])) is None
    rows[0][0] = 5  # type: ignore[call-overload]
    plan, trials = field_of(rows)
    found = recommend(plan, judge(plan, trials))
    assert found is not None
    assert found.robust.word == "alone"
    assert "too few cells lie around" in found.why


def test_words_are_neighbours_only_of_the_same_word() -> None:
    words = Searched(key="w", values=("market", "limit"))
    plan = made_plan(A, words)
    trials = [
        made_trial(n, 1.0, {"a": a, "w": w}) for n, (a, w) in enumerate(itertools.product(A.values, words.values))
    ]
    judged = judge(plan, trials)
    assert judged[0].neighbours == (2,)
    assert judged[4].neighbours == (2, 6)


def test_drawn_cells_have_the_nearest_by_the_scale_they_are_searched_on() -> None:
    by_log = Searched(key="a", low=1.0, high=10_000.0, log=True)
    flat = Searched(key="b", low=0.0, high=1.0)
    plan = made_plan(by_log, flat, method="random")
    assert place(plan, {"a": 100.0, "b": 0.25}) == pytest.approx((0.5, 0.25))
    values = [1, 10, 100, 1000, 10_000, 3000, 30, 3]
    trials = [made_trial(n, float(n), {"a": float(a), "b": 0.5}) for n, a in enumerate(values)]
    first = judge(plan, trials)[0]
    assert first.neighbours == (7, 1, 6, 2, 3, 5), "2 x keys + 2 of them, nearest first"


def test_a_heat_map_has_the_median_over_other_keys_and_knows_its_cells() -> None:
    plan, trials = field_of(FIELD)
    table = heat_map(plan, trials, "a", "b")
    assert table.x_values == A.values
    assert table.y_values == (1, 2, 3, 4, 5)
    assert table.objective == FIELD
    assert table.numbers[2][1] == (SPIKE,)
    row = heat_map(plan, trials, "a")
    assert row.y_values == ()
    assert row.objective == ((0, 0, 0, 60, 60),)
    assert row.numbers[0][1] == (5, 6, 7, 8, 9)


def test_objectives_by_name() -> None:
    figures = made_figures(-12.5, days=5, sharpe=1.25)
    assert objective_of(figures, "pnl_usd") == -12.5
    assert objective_of(figures, "attribution.gamma_usd") == -25
    assert objective_of(figures, "sharpe") == 1.25
    assert objective_of(figures, "sortino") is None
    assert objective_of(None, "pnl_usd") is None
    assert per_session(figures, "pnl_usd") == -2.5
    assert per_session(figures, "sharpe") == 1.25
    assert not is_added_up("max_drawdown_usd")
    assert "hedges_per_session" in objective_names()
    with pytest.raises(KeyError):
        objective_of(figures, "profit")


DAYS = [date(2026, 1, 5) + timedelta(days=n) for n in range(11)]


def windows(folds: Any) -> list[tuple[int, int, int, int]]:
    """By place in DAYS, both ends included."""
    return [
        tuple(DAYS.index(day) for day in (f.inside.first, f.inside.last, f.outside.first, f.outside.last))  # type: ignore[misc]
        for f in folds
    ]


def test_folds_roll_or_stay_and_end_with_the_data() -> None:
    assert windows(walk_forward(DAYS, 3, ratio=2)) == [(0, 4, 5, 6), (3, 6, 7, 8), (5, 8, 9, 10)]
    assert windows(walk_forward(DAYS, 3, ratio=2, anchored=True)) == [(0, 4, 5, 6), (0, 6, 7, 8), (0, 8, 9, 10)]
    assert windows(walk_forward(DAYS[:5], 2, ratio=3)) == [(0, 2, 3, 3), (1, 3, 4, 4)]
    assert windows(split(DAYS, 70)) == [(0, 7, 8, 10)]


@pytest.mark.parametrize("folds", range(1, 6))
@pytest.mark.parametrize("ratio", range(1, 6))
@pytest.mark.parametrize("anchored", [False, True])
def test_no_fold_sees_its_own_future(folds: int, ratio: int, anchored: bool) -> None:
    cut = windows(walk_forward(DAYS, folds, ratio=ratio, anchored=anchored))
    assert len(cut) == folds
    assert cut[-1][3] == len(DAYS) - 1
    for first, last, begin, end in cut:
        assert first <= last < begin <= end
        assert begin == last + 1
        assert last - first + 1 >= ratio * (end - begin + 1)
    for (_, _, _, end), (_, _, begin, _) in itertools.pairwise(cut):
        assert begin == end + 1, "out-of-sample windows follow each other without a gap"


def test_too_few_sessions_say_how_many_are_needed() -> None:
    with pytest.raises(FoldError, match="at least 13 are needed"):
        walk_forward(DAYS, 10, ratio=3)
    with pytest.raises(FoldError, match="at least 1"):
        walk_forward(DAYS, 0)
    for share in (0, 1, 99, 100):
        with pytest.raises(FoldError, match="leaves one side without any"):
            split(DAYS, share)


def fold_trials(rows: Any) -> list[Trial]:
    """Rows of (fold, sample, number, P&L, sessions)."""
    return [
        made_trial(
            number, pnl, {"a": float(number)}, fold=fold, sample=sample,
            figures=None if pnl is None else made_figures(pnl, days=days),
        )
        for fold, sample, number, pnl, days in rows
    ]  # fmt: skip


def test_the_out_of_sample_table_by_hand() -> None:
    plan = made_plan(A, folds=(("i0", "o0"), ("i1", "o1")))
    trials = fold_trials([
        (0, "in", 0, 100.0, 4), (0, "in", 1, 80.0, 4), (0, "in", 2, None, 4),
        (0, "out", 0, 10.0, 2), (0, "out", 1, 30.0, 2), (0, "out", 2, 50.0, 2),
        (1, "in", 0, 10.0, 4), (1, "in", 1, 40.0, 4), (1, "out", 1, 25.0, 2),
    ])  # fmt: skip
    table = fold_table(plan, trials)
    first, second = table.rows
    assert (first.number, first.in_objective, first.out_objective, first.out_total) == (0, 25, 5, 10)
    assert (first.out_rank, first.cells, first.degradation_pct) == (3, 3, 80)
    assert (second.number, second.out_rank, second.cells, second.degradation_pct) == (1, 1, 1, -25)
    assert (table.out_sum, table.is_by_session) == (35, True)
    assert [cell.objective for cell in cells(plan, trials)] == [55, 60, None], "the mean over the folds, in sample only"
    nothing = fold_table(plan, [])
    assert nothing.out_sum is None
    assert [row.number for row in nothing.rows] == [None, None]
    assert fold_table(made_plan(A), trials).rows == ()


def test_the_smallest_is_chosen_where_that_is_looked_for() -> None:
    plan = made_plan(A, folds=(("i0", "o0"),), maximise=False, objective="max_drawdown_usd")
    trials = [
        made_trial(n, value, {"a": 1.0}, fold=0, sample=sample)
        for n, sample, value in [(0, "in", 10.0), (1, "in", 5.0), (0, "out", 2.0), (1, "out", 8.0)]
    ]
    [row] = fold_table(plan, trials).rows
    assert (row.number, row.out_rank, row.out_total) == (1, 2, 8)


def test_a_bayesian_split_shows_the_cells_of_the_last_fold() -> None:
    plan = made_plan(A, method="bayes", folds=(("i0", "o0"), ("i1", "o1")))
    trials = fold_trials([(0, "in", 0, 9.0, 1), (1, "in", 9, 4.0, 1), (1, "out", 9, 7.0, 1)])
    assert [(cell.number, cell.objective) for cell in cells(plan, trials)] == [(9, 4.0)]
