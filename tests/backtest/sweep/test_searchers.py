"""Which cells are asked for: all of them, new ones only, the same ones again, and better ones as more is known."""

from collections.abc import Mapping
from typing import Any

import pytest

from daemon.backtest.sweep.bayesian import STARTUP_CELLS, Bayesian
from daemon.backtest.sweep.searchers import Asked, Grid, Random, Searcher
from daemon.backtest.sweep.space import parse_search
from state.runs.records import SweepPlan
from tests.support.sweeping import COOLDOWN, COUNT, ORDER_TYPE, made_plan


def plan(*search: str, method: str = "random", **changes: Any) -> SweepPlan:
    return made_plan(*parse_search(search, needs_steps=method == "grid"), method=method, **changes)


def asked(searcher: Searcher) -> list[Asked]:
    return list(iter(searcher.ask, None))


def hill(params: Mapping[str, Any]) -> float:
    """Best at a cooldown of 60 and 30 hedges."""
    return -abs(params[COOLDOWN] - 60) - abs(params[COUNT] - 30)


def climb(searcher: Searcher, cells: int) -> list[tuple[Asked, float]]:
    """Ask and tell one by one."""
    found = []
    for _ in range(cells):
        cell = searcher.ask()
        if cell is None:
            break
        searcher.tell(cell.number, hill(cell.params))
        found.append((cell, hill(cell.params)))
    return found


def test_a_grid_is_every_cell_once_with_the_last_key_turning_fastest() -> None:
    cells = asked(Grid(plan(f"{COUNT}=1:3", f"{ORDER_TYPE}=market,limit", method="grid")))
    assert [(cell.number, *cell.params.values()) for cell in cells] == [
        (0, 1, "market"), (1, 1, "limit"), (2, 2, "market"), (3, 2, "limit"), (4, 3, "market"), (5, 3, "limit"),
    ]  # fmt: skip


def test_draws_are_new_within_bounds_and_the_seed_s() -> None:
    wanted = plan(f"{COOLDOWN}=10:1000:log", f"{COUNT}=5:10", trials=40, seed=4)
    cells = asked(Random(wanted))
    assert len({tuple(cell.params.values()) for cell in cells}) == len(cells) == 40
    assert all(10 <= cell.params[COOLDOWN] <= 1000 and cell.params[COUNT] in range(5, 11) for cell in cells)
    assert sum(cell.params[COOLDOWN] < 100 for cell in cells) in range(10, 31), "by logarithm, half lie below 100"
    assert asked(Random(wanted)) == cells
    assert asked(Random(plan(f"{COOLDOWN}=10:1000:log", f"{COUNT}=5:10", trials=40, seed=5))) != cells


@pytest.mark.parametrize("kind", [Random, Bayesian])
def test_a_small_space_is_used_up_and_no_cell_is_tried_twice(kind: type[Random] | type[Bayesian]) -> None:
    searcher = kind(plan(f"{COUNT}=1:3", f"{ORDER_TYPE}=market,limit", trials=50))
    cells = asked(searcher)
    assert searcher.total == len(cells) == 6
    assert len({tuple(cell.params.values()) for cell in cells}) == 6
    assert searcher.ask() is None


def test_a_bayesian_search_climbs() -> None:
    found = climb(Bayesian(plan(f"{COOLDOWN}=10:120", f"{COUNT}=1:100", method="bayes", trials=60)), 60)
    drawn = max(value for _, value in found[:STARTUP_CELLS])
    later = [value for _, value in found[40:]]
    assert max(later) > drawn
    assert sum(later) / 20 > sum(value for _, value in found[:STARTUP_CELLS]) / STARTUP_CELLS


@pytest.mark.parametrize("cut", [3, STARTUP_CELLS, 17])
def test_a_bayesian_search_that_goes_on_is_the_uninterrupted_one(cut: int) -> None:
    wanted = plan(f"{COOLDOWN}=10:120", f"{COUNT}=1:300:1", f"{ORDER_TYPE}=market,limit", method="bayes", trials=25)
    whole = climb(Bayesian(wanted), 25)
    again = Bayesian(wanted)
    for cell, value in whole[:cut]:
        assert again.known(cell.number, cell.params, value)
    assert climb(again, 25) == whole[cut:]


def test_bayesian_cells_under_way_are_not_asked_twice_and_failed_ones_are_learnt_from() -> None:
    searcher = Bayesian(plan(f"{COOLDOWN}=10:120", f"{COUNT}=1:300:1", method="bayes", trials=30))
    for _ in range(5):
        several = [cell for cell in (searcher.ask() for _ in range(4)) if cell is not None]
        assert len({tuple(cell.params.values()) for cell in several}) == 4
        for cell in several:
            searcher.tell(cell.number, None if cell.params[COOLDOWN] > 60 else hill(cell.params))
    rest = [cell.params[COOLDOWN] for cell in asked(searcher)]
    assert len(rest) == 10
    assert sum(cooldown <= 60 for cooldown in rest) > len(rest) / 2


def test_numbers_begin_where_they_are_told_to() -> None:
    wanted = plan(f"{COUNT}=1:30", method="bayes", trials=4)
    assert [cell.number for cell in asked(Bayesian(wanted, 8))] == [8, 9, 10, 11]
    assert [cell.number for cell in asked(Random(wanted, 8))] == [8, 9, 10, 11]
