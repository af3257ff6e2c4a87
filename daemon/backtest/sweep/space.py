"""What is searched: every `--search`, as the plan of a sweep holds it."""

from collections.abc import Sequence

import msgspec

from config.search_space import EXAMPLES, SpaceError, parse_axis
from state.runs.axes import axis
from state.runs.records import Searched


def parse_search(pairs: Sequence[str], *, needs_steps: bool) -> tuple[Searched, ...]:
    """The keys in the order given. `needs_steps`: a grid cannot walk a continuous key. Raises SpaceError."""
    if not pairs:
        raise SpaceError(f"nothing is searched: give --search KEY=LOW:HIGH:STEP, such as {EXAMPLES}")
    found: list[Searched] = []
    for pair in pairs:
        searched = Searched(**msgspec.structs.asdict(parse_axis(pair)))
        if searched.key in {each.key for each in found}:
            raise SpaceError(f"--search {searched.key}: given twice")
        if needs_steps and not axis(searched):
            raise SpaceError(
                f"--search {searched.key}: a grid needs a step: {searched.key}={searched.low:g}:{searched.high:g}:STEP"
                + (":log" if searched.log else "")
                + "; or search with --method random or bayes"
            )
        found.append(searched)
    return tuple(found)
