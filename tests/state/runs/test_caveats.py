"""A run that stood still from its second day on must not look like a calm one."""

from state.runs.caveats import caveat_text, caveats, halted_trials
from state.runs.records import Finding, Trial
from tests.support.run_folders import summary

HALTED = Finding(code="halted", text="the desk halted", first_ts="2026-01-06T15:01:02.000000Z")


def test_what_overshadows_the_figures_comes_worst_first_and_the_rest_is_left_to_the_findings() -> None:
    never = Finding(code="never_hedged", text="none was ever sent", count=30)
    found = caveats(summary("one", findings=(Finding(code="gap", text="a gap"), never, HALTED)))
    assert [each.finding.code for each in found] == ["halted", "never_hedged"]
    assert (found[0].sessions, found[0].of) == (1, 2)
    assert caveat_text(found[0]) == "HALTED at 2026-01-06 15:01 UTC, in session 2 of 2: the desk halted"
    assert caveat_text(found[1]) == "NEVER HEDGED: none was ever sent"


def test_a_calm_run_has_none() -> None:
    assert caveats(summary("calm")) == ()


def test_cells_whose_desk_halted_are_named_once() -> None:
    def trial(number: int, **refused: int) -> Trial:
        return Trial(
            number=number, fold=None, sample="all", params={}, objective=1.0, figures=None, refused=dict(refused)
        )

    assert halted_trials([trial(2, halted=4), trial(0, cooldown=3), trial(2, halted=1), trial(1, halted=0)]) == (2,)
