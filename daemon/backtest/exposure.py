"""Sums over decision moments: what is said of a whole run without its table."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.backtest.tables import NO_WORD, DecisionColumns


class Exposure(msgspec.Struct, kw_only=True):
    """Sums over decision moments, for what is said of a whole run."""

    moments: int = 0
    needed: int = 0
    hedged: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    refused_in: Counter[str] = msgspec.field(default_factory=Counter)
    """Session -> refused moments in it."""
    known: int = 0
    """Moments with a net delta."""
    abs_delta_sum: float = 0.0
    abs_delta_most: float = 0.0
    abs_own_most: float = 0.0
    states: Counter[str] = msgspec.field(default_factory=Counter)
    """State code -> moments of open sessions with a known delta."""

    def count(self, columns: DecisionColumns, rows: int) -> None:
        """Take in the oldest `rows`, before they are handed over."""
        texts = columns.words.texts
        delta, own = columns.column("net_delta_shares", rows), columns.column("own_shares", rows)
        known = ~np.isnan(delta)
        self.moments += rows
        self.needed += int(np.count_nonzero(columns.column("needed", rows)))
        self.hedged += sum(row < rows for row in columns.orders)
        self.known += int(np.count_nonzero(known))
        self.abs_delta_sum += float(np.abs(delta[known]).sum())
        self.abs_delta_most = max(self.abs_delta_most, float(np.abs(delta[known]).max(initial=0.0)))
        self.abs_own_most = max(self.abs_own_most, float(np.abs(own).max(initial=0.0)))
        refused = columns.column("refused", rows)
        self.refused.update(_counted(refused[refused != NO_WORD], texts))
        session = columns.column("session", rows)
        self.refused_in.update(_counted(session[(refused != NO_WORD) & (session != NO_WORD)], texts))
        inside = known & (session != NO_WORD)
        self.states.update(_counted(columns.column("state_code", rows)[inside], texts))


def _counted(numbers: NDArray[Any], texts: list[str]) -> dict[str, int]:
    counts = np.bincount(numbers, minlength=len(texts)) if numbers.size else ()
    return {texts[number]: int(count) for number, count in enumerate(counts) if count}
