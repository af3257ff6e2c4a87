"""What must be read before a run's figures: findings after which they are not what they look like. Pure."""

from collections.abc import Iterable

import msgspec

from state.runs.records import Finding, Summary, Trial

OVERSHADOWING = ("halted", "core_left", "never_hedged", "no_net_delta", "position_unexplained", "unknown_outcome")
"""Codes of `Finding`, worst first. The others tell of the data, or of single orders."""


class Caveat(msgspec.Struct, frozen=True, kw_only=True):
    """One such finding, and how much of the run it speaks of."""

    finding: Finding
    sessions: int
    """From the one in which it was met first to the last one, both counted."""
    of: int
    """Sessions of the run."""


def caveats(summary: Summary) -> tuple[Caveat, ...]:
    """Worst first; empty for a run whose figures mean what they say."""
    found = [each for each in summary.findings if each.code in OVERSHADOWING]
    found.sort(key=lambda each: OVERSHADOWING.index(each.code))
    return tuple(
        Caveat(
            finding=each,
            sessions=sum(day.day >= (each.first_ts or "")[:10] for day in summary.days),
            of=len(summary.days),
        )
        for each in found
    )


def caveat_text(caveat: Caveat) -> str:
    """One line of plain text: the code in capitals, since when, what, and how many sessions it concerns."""
    told = caveat.finding
    code = told.code.replace("_", " ").upper()
    if told.first_ts is None:
        return f"{code}: {told.text}"
    since = told.first_ts[:16].replace("T", " ")
    return f"{code} at {since} UTC, in session {caveat.of - caveat.sessions + 1:,} of {caveat.of:,}: {told.text}"


def halted_trials(trials: Iterable[Trial]) -> tuple[int, ...]:
    """Numbers of the cells in which a halt refused a hedge: their figures are partly of a desk that stood still."""
    return tuple(sorted({trial.number for trial in trials if trial.refused.get("halted")}))
