"""How the rows of leaps come into the decision table: as columns, with their codes and refusals as words."""

import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.rows import CODES, REFUSALS, Columns, LeapRows, unpacked
from daemon.backtest.tables import DecisionColumns

_UNSEEN = -2


class LeaptRows:
    """Remembers which word stands for which code and refusal of a leap."""

    def __init__(self, columns: DecisionColumns) -> None:
        self._columns = columns
        self._code_words = np.full(CODES, _UNSEEN, np.int32)
        self._refusal_words = np.full(len(REFUSALS), _UNSEEN, np.int32)

    def append(self, rows: LeapRows, option_cost_usd: float) -> tuple[int, int, float]:
        """Append them (at least one); gives the last one's time, whether it wanted a hedge, and its net delta."""
        found, numbers = rows.columns(), self._columns.words.numbers
        codes, refusals = self._words_of(rows, found)
        self._columns.extend(
            len(rows),
            {
                "ts_us": found.ts_us,
                "session": numbers[rows.session],
                "spot": found.spot,
                "net_delta_shares": found.net_delta_shares,
                "own_shares": rows.own_shares,
                "option_value_usd": found.option_value_usd,
                "option_cost_usd": option_cost_usd,
                "state_code": codes,
                "daemon_state": numbers[rows.daemon_state],
                "needed": found.needed,
                "refused": refusals,
                "measured": found.measured,
                "limit": found.limit,
            },
        )
        return int(found.ts_us[-1]), int(found.needed[-1]), float(found.net_delta_shares[-1])

    def _words_of(self, rows: LeapRows, found: Columns) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The numbers of the words of codes and refusals."""
        numbers = self._columns.words.numbers
        codes, refusals = self._code_words[found.code], self._refusal_words[found.refused]
        is_known = rows.session in numbers and rows.daemon_state in numbers
        if is_known and codes.min() != _UNSEEN and refusals.min() != _UNSEEN:
            return codes, refusals
        self._learn(rows, found)
        return self._code_words[found.code], self._refusal_words[found.refused]

    def _learn(self, rows: LeapRows, found: Columns) -> None:
        """Number words that are new in the order in which row after row would have brought them."""
        numbers = self._columns.words.numbers
        news: list[tuple[int, int, str | None, int]] = [(0, 0, rows.session, -1), (0, 2, rows.daemon_state, -1)]
        for order, known, values in ((1, self._code_words, found.code), (3, self._refusal_words, found.refused)):
            unseen = np.flatnonzero(known[values] == _UNSEEN)
            for value in dict.fromkeys(values[unseen].tolist()):
                text = unpacked(value).text if order == 1 else REFUSALS[value]
                news.append((int(np.argmax(values == value)), order, text, value))
        for _, order, text, value in sorted(news, key=lambda each: each[:2]):
            number = numbers[text]
            if order == 1:
                self._code_words[value] = number
            elif order == 3:
                self._refusal_words[value] = number
