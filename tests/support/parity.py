"""Replay parity of a desk's folder, in this process, by the profile that the test holds in its hand."""

from cli.replay_files import journal_from, run_tape
from config.schema import Profile
from daemon.backtest.parity_day import DayParity, compare_day
from daemon.backtest.parity_input import Day
from daemon.core.step import Core
from daemon.core.strategy import Strategy
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.layout import DeskPaths
from state.tape_at import TapePart, tape_parts

FOR_EVER = Day(since_us=0, until_us=1 << 62)


def parity_of(paths: DeskPaths, profile: Profile, strategy: Strategy | None = None) -> DayParity:
    """Every run whose tape lies there, against the whole journal."""
    core = Core(profile, GammaScalper(profile) if strategy is None else strategy)
    by_run: dict[str, list[TapePart]] = {}
    found = tape_parts(paths.tape)
    for part in found.parts:
        by_run.setdefault(part.checkpoint.run_id, []).append(part)
    problems = list(found.problems)
    tapes = {
        run_id: run_tape(sorted(parts, key=lambda part: part.checkpoint.tape_seq), core, problems)
        for run_id, parts in by_run.items()
    }
    result = compare_day(journal_from(paths, tapes), tapes, FOR_EVER) if tapes else DayParity()
    result.notes += problems
    return result


def told(found: DayParity) -> str:
    """What differs, for a message."""
    first = found.first_difference
    return f"{found.different} differences, first: {first}; not compared: {found.all_uncovered} {found.unwritten}"


def assert_parity(paths: DeskPaths, profile: Profile, strategy: Strategy | None = None) -> DayParity:
    """Every decision that the tape covers is reproduced; what a failed tape does not cover may be missing."""
    found = parity_of(paths, profile, strategy)
    assert not found.different, told(found)
    return found
