"""What came of each decision moment of a run, as one number that two runs can be compared by. Pure; numpy throughout.

A **moment** is one `ts`. Its outcome is one of: nothing wanted, hedged, or wanted and refused by a rule (a rule, gate
or embargo by its name). A moment that only one of two runs has is `absent` in the other.
"""

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from state.statistics.run_tables import numbers, session_codes, word_codes

ABSENT = "no decision then"
IN_BAND = "nothing to hedge"
HEDGED = "hedged"
WANTED = "wanted, not sent"
"""Wanted and neither sent nor refused by name: an order is on its way."""
_FIXED = (ABSENT, IN_BAND, HEDGED, WANTED)


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """Columns over moments, by time. `code` indexes `words`; codes from `FIRST_RULE` on are refusals by that name."""

    ts_us: NDArray[np.int64]
    code: NDArray[np.int32]
    row: NDArray[np.int64]
    """The moment's row in the decision table."""
    session: NDArray[np.int32]
    words: tuple[str, ...]
    session_names: tuple[str, ...]


FIRST_RULE = len(_FIXED)


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive moments of one session with the same two outcomes."""

    first_us: int
    last_us: int
    session: str
    first: int
    """Which moment of either run it begins with, counted from 0: stretches that follow each other without a gap."""
    moments: int
    base: str
    """The outcome in the base run: one of the words above, or the refusing rule."""
    changed: str


def outcomes(decisions: pa.Table) -> Outcomes:
    """The outcome of each moment; of several rows of one moment the first counts, hedged before all."""
    times = numbers(decisions, "ts_us", np.int64)
    needed, hedged = (np.asarray(decisions.column(name).to_numpy(), dtype=bool) for name in ("needed", "hedged"))
    refused, rules = word_codes(decisions, "refused")
    code = np.where(needed, np.where(refused >= 0, refused + FIRST_RULE, 3), 1).astype(np.int32)
    code[hedged] = 2
    order = np.lexsort((np.arange(times.size), ~hedged, times))
    first = np.append(True, times[order][1:] != times[order][:-1]) if times.size else np.empty(0, bool)
    rows = order[first]
    place, names = session_codes(decisions)
    return Outcomes(
        ts_us=times[rows],
        code=code[rows],
        row=rows,
        session=place[rows].astype(np.int32),
        words=(*_FIXED, *rules),
        session_names=tuple(names),
    )


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs over the union of their moments; codes index the same `words`, rows are -1 where a run has none."""

    ts_us: NDArray[np.int64]
    base: NDArray[np.int32]
    changed: NDArray[np.int32]
    base_row: NDArray[np.int64]
    changed_row: NDArray[np.int64]
    session: NDArray[np.str_]
    words: tuple[str, ...]


def paired(base: Outcomes, changed: Outcomes) -> Pair:
    """Put the moments of two runs side by side."""
    words = tuple(dict.fromkeys((*base.words, *changed.words)))
    times = np.union1d(base.ts_us, changed.ts_us)
    codes, rows = [], []
    session = np.full(times.size, "", dtype="U10")
    for run in (base, changed):
        places = np.array([words.index(word) for word in run.words], dtype=np.int32)
        at = np.searchsorted(times, run.ts_us)
        code = np.zeros(times.size, dtype=np.int32)  # ABSENT
        row = np.full(times.size, -1, dtype=np.int64)
        code[at], row[at] = places[run.code], run.row
        if run.session_names:
            session[at] = np.array(run.session_names)[run.session]
        codes.append(code)
        rows.append(row)
    return Pair(
        ts_us=times,
        base=codes[0],
        changed=codes[1],
        base_row=rows[0],
        changed_row=rows[1],
        session=session,
        words=words,
    )


def differing(pair: Pair) -> tuple[Stretch, ...]:
    """Stretches of moments whose outcomes differ, in order of time."""
    if pair.ts_us.size == 0:
        return ()
    pairs = pair.base.astype(np.int64) * len(pair.words) + pair.changed
    cuts = np.flatnonzero((pairs[1:] != pairs[:-1]) | (pair.session[1:] != pair.session[:-1])) + 1
    starts = np.append(0, cuts)
    ends = np.append(cuts, pairs.size)
    other = pair.base[starts] != pair.changed[starts]
    return tuple(
        Stretch(
            first_us=int(pair.ts_us[start]),
            last_us=int(pair.ts_us[end - 1]),
            session=str(pair.session[start]),
            first=start,
            moments=end - start,
            base=pair.words[pair.base[start]],
            changed=pair.words[pair.changed[start]],
        )
        for start, end in zip(starts[other].tolist(), ends[other].tolist(), strict=True)
    )


def is_refusal(word: str) -> bool:
    """Whether an outcome is a rule's name."""
    return word not in _FIXED
