"""The days of a run, each as the desk's own history would state it at its end."""

from collections.abc import Sequence
from typing import Any

from daemon.backtest.schemas import EQUITY
from daemon.core.book import Book
from daemon.core.pnl_parts import pnl_parts
from state.statistics.digest import DayPart

_TS, _SESSION, _EQUITY, _DRAWDOWN = (
    EQUITY.names.index(name) - 1 for name in ("ts_us", "session", "equity_usd", "drawdown_pct")
)
"""Places in a row of the equity table, which begins with `ts_us`."""


class ClosedDays:
    """Session date -> what is known of it; a day that goes on is closed when the run ends."""

    def __init__(self) -> None:
        self.parts: dict[str, DayPart] = {}
        self.commissions_usd: dict[str, float] = {}
        self.modelled: dict[str, tuple[str, ...]] = {}
        """Legs held at the day's end whose mark was a model's value then: nobody quoted both sides of them."""

    def close(self, book: Book, equity: Sequence[tuple[Any, ...]]) -> None:
        """Keep the last word of the day that `book` still stands in; `equity` are the run's rows so far."""
        ledger, pnl = book.ledger, book.day.pnl
        rows = _newest_of(equity, ledger.day)
        self.parts[ledger.day] = DayPart(
            day=ledger.day,
            is_session=True,
            first_us=rows[0][_TS] if rows else book.ts_us,
            last_us=book.ts_us,
            minutes=len(rows),
            first_equity_usd=rows[0][_EQUITY] if rows else None,
            equity_usd=book.day.equity_usd,
            daily_pnl_usd=None if pnl is None else pnl.total_usd,
            drawdown_pct=max((row[_DRAWDOWN] for row in rows if row[_DRAWDOWN] is not None), default=None),
            parts=pnl_parts(book),
            traded_usd=ledger.traded_usd,
            hedges=ledger.hedges_today,
        )
        self.commissions_usd[ledger.day] = ledger.commission_usd
        self.modelled[ledger.day] = tuple(leg for leg in book.day.modelled if ledger.leg_quantities.get(leg))


def _newest_of(equity: Sequence[tuple[Any, ...]], day: str) -> list[tuple[Any, ...]]:
    """The day's minutes: they are the newest rows."""
    found: list[tuple[Any, ...]] = []
    for row in reversed(equity):
        if row[_SESSION] != day:
            break
        found.append(row)
    return found[::-1]
