"""What must be read before the figures of `whatif`: whose fills they are, what they hide, and what was odd."""

from collections import Counter
from collections.abc import Sequence

from cli.backtest_text import model_text
from cli.output import coloured, say
from cli.plain_tables import wrapped
from state.runs.caveats import OVERSHADOWING, caveat_text, caveats
from state.runs.records import Summary

Named = tuple[str, Summary]
"""A run under the name that its column has."""


def print_grounds(runs: Sequence[Named]) -> None:
    """Lines below the question: the model of the venue, each run's caveats, and the oddities by code."""
    told = f"every column is a backtest, the unchanged one too: {model_text(runs[0][1].venue)}"
    _say(f"{told}; what a desk has earned itself: bifrost stats")
    for name, line in warnings(runs):
        _say(f"{name}: {line}", "yellow")
    odd = [(name, _odd(summary)) for name, summary in runs]
    if all(each == odd[0][1] for _, each in odd):
        odd = [("in every run", odd[0][1])]
    for name, each in odd:
        if each:
            _say(f"odd, {name}: {each} (--json, or bifrost backtest, tells of each)")


def warnings(runs: Sequence[Named]) -> list[tuple[str, str]]:
    """Run and line, for each finding after which a run's figures are not what they look like."""
    return [(name, caveat_text(each)) for name, summary in runs for each in caveats(summary)]


def _odd(summary: Summary) -> str:
    counts: Counter[str] = Counter()
    for finding in summary.findings:
        if finding.code not in OVERSHADOWING:
            counts[finding.code] += finding.count
    return ", ".join(f"{code} {count:,}" for code, count in counts.items())


def _say(line: str, colour: str | None = None) -> None:
    for each in wrapped(line):
        say(each if colour is None else coloured(each, colour))
