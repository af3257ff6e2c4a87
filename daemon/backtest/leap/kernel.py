"""The compiled loop of a leap: quote by quote and timer by timer, up to the first that is not quiet.

Each number is computed by the core's own functions, or by the same operations in the same order, so that the bits are
the same. What is kept differently here (rings of bucket sums as arrays, codes as numbers) is bookkeeping; that both
come to the same is what tests/backtest/leap shows. A stop leaves everything as it was before that quote or timer.
"""

# ruff: noqa: PLR0917 -- compiled functions take their numbers one by one

import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.firing import fired
from daemon.backtest.leap.state import END, FULL, NOTES, Legs, Notes, Records, Rows, Standing, Terms
from daemon.backtest.leap.ticking import ticked


def _leap(
    ts: NDArray[np.int64],
    bids: NDArray[np.float64],
    asks: NDArray[np.float64],
    one_terms: Records[Terms],
    legs: Legs,
    one_standing: Records[Standing],
    rings: NDArray[np.float64],
    values: NDArray[np.float64],
    work: NDArray[np.float64],
    notes: Notes,
    rows: Rows,
) -> int:
    """Go on from the standing, which moves with it, and say why it ended (`state.WHYS`).

    `one_terms` and `one_standing` hold one record each; `rings` to `notes` are the arrays of `Scratch`.
    """
    terms, now = one_terms[0], one_standing[0]
    first_row, capacity = now.row, rows.shape[0]
    why = END
    while why == END and now.place < ts.shape[0]:
        if now.row + 2 > capacity or now.notes + 2 > NOTES:
            return FULL
        place = now.place
        due_us, is_report = now.probe_due_us, False
        if now.report_due_us < due_us or (now.report_due_us == due_us and now.report_turn < now.probe_turn):
            due_us, is_report = now.report_due_us, True
        if due_us < ts[place]:
            why = fired(terms, legs, now, rings, values, notes, rows, due_us, first_row, is_report)
        else:
            why = ticked(
                terms, legs, now, rings, values, work, notes, rows, ts[place], bids[place], asks[place]
            )  # fmt: skip
    return int(why)


leap = compiled(_leap)
