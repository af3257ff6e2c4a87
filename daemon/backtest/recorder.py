"""What a run leaves behind, written down as it goes: decision moments, minutes, fills, days and oddities.

A **decision moment** is one `ts` at which the strategy looked at the market. Several events may share it (the stock's
quote, the account's values, a report); its row is the first of them that sent a hedge, else the first that wanted one,
else the last. A moment that sends a second hedge (the rest of a capped one) has a second row.
"""

import math
from collections import Counter
from collections.abc import Callable

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from daemon.backtest.closed_days import ClosedDays
from daemon.backtest.exposure import Exposure
from daemon.backtest.leap.rows import LeapRows
from daemon.backtest.leapt_rows import LeaptRows
from daemon.backtest.leg_costs import LegCosts
from daemon.backtest.oddities import Oddities
from daemon.backtest.own_orders import OwnOrders
from daemon.backtest.schemas import EQUITY
from daemon.backtest.tables import NO_WORD, ROW_GROUP, DecisionColumns, Rows
from daemon.core.attribution import Parts, parts
from daemon.core.book import Book, DayView
from daemon.core.effects import AnyEffect, Exit, PlaceOrder, Record, Sample
from daemon.core.events import AnyEvent, Session
from daemon.core.ledger import Ledger
from daemon.core.step import Stepped
from daemon.core.strategy import Seen
from state.records import JournalType

_NAN = math.nan


class Recorder:
    """Implements `daemon.backtest.player.Listener`. The one rule: `finish` once, after the last event.

    `sink` takes the decision table's row groups as they fill up.
    """

    def __init__(self, sink: Callable[[pa.RecordBatch], None]) -> None:
        self.columns = DecisionColumns()
        self.exposure = Exposure()
        self.equity = Rows(EQUITY)
        self.orders = OwnOrders()
        self.closed = ClosedDays()
        self.legs = LegCosts()
        self.oddities = Oddities()
        self.new_refusals: Counter[str] = Counter()
        self.hedges = 0
        """Own orders that left."""
        self.events = 0
        self.first_us: int | None = None
        self.book: Book | None = None
        """The newest."""
        self.net_delta_shares: float | None = None
        self._sink = sink
        self._leapt = LeaptRows(self.columns)
        self._row_rank = 0
        self._row_us = -1
        self._session: Session | None = None

    # What happens

    def stepped(self, event: AnyEvent, before: Book, after: Stepped) -> None:  # noqa: ARG002 -- the protocol's shape
        """Write down what one event has changed."""
        book = self.book = after.book
        self.events += 1
        if self.first_us is None:
            self.first_us = book.ts_us
        if book.ledger is not before.ledger and book.ledger.day != before.ledger.day and before.ledger.day:
            self._close_day(before)
            self.legs.day_rolled()
        if book.ledger.leg_quantities is not before.ledger.leg_quantities:
            self.legs.moved(before, book)
        row = -1
        if after.decision is not None and after.decision.seen is not None:
            row = self._decided(book, after.decision.seen, hedged=after.decision.wish is not None)
        if after.effects:
            for effect in after.effects:
                self._note(effect, book, row)

    def finish(self) -> None:
        """Take in the last day, the last point of the equity curve, and hand the remaining rows over."""
        book = self.book
        if book is not None and book.ledger.day and book.day.pnl is not None:
            self._close_day(book)
        if len(self.columns):
            self._hand_over(len(self.columns))

    def unpriced(self) -> tuple[str, ...]:
        """What is held and never had a price."""
        book = self.book
        if book is None:
            return ()
        held = [leg for leg, _ in self.legs.held(book)]
        if book.ledger.own_shares != 0:
            held.append(book.underlying)
        return tuple(name for name in held if name not in book.day.marks)

    # Decisions

    def _decided(self, book: Book, seen: Seen, *, hedged: bool) -> int:
        """Append or amend the row of this moment; gives its number, -1 where an earlier row says more."""
        rank = 2 if hedged else 1 if seen.needed else 0
        columns = self.columns
        if book.ts_us == self._row_us and len(columns):
            if not hedged and (self._row_rank == 2 or rank < self._row_rank or self._row_rank == rank == 1):
                return -1
            if self._row_rank < 2:
                columns.drop_last()
        elif len(columns) >= ROW_GROUP:
            self._hand_over_finished(book)
        self._row_us, self._row_rank = book.ts_us, rank
        self.net_delta_shares = seen.net_delta_shares
        return self._append(book, seen)

    def _append(self, book: Book, seen: Seen) -> int:
        columns, net, spot = self.columns, seen.net_delta_shares, book.day.marks.get(book.underlying)
        words = columns.words
        session = self._session_now(book)
        return columns.add(
            book.ts_us,
            NO_WORD if session is None else words.numbers[session.date],
            _NAN if spot is None else spot,
            _NAN if net is None else net,
            book.ledger.own_shares,
            self.legs.value_usd(book),
            self.legs.cost_usd(book),
            words.numbers[seen.state_code],
            words.numbers[book.daemon_state.value],
            seen.needed,
            words.numbers[seen.refused],
            seen.measured,
            seen.limit,
        )

    def _row_of_close(self, book: Book) -> int:
        """The row of an order that no decision wished for, a flatten's: this moment's, or one of its own."""
        last = len(self.columns) - 1
        if last >= 0 and self._row_us == book.ts_us and last not in self.columns.orders:
            return last
        self._row_us = book.ts_us
        code = self.columns.last_code()
        seen = Seen(net_delta_shares=self.net_delta_shares, mid=None, state_code=code, needed=False)
        return self._append(book, seen)

    def leapt(self, rows: LeapRows, after: Book) -> None:
        """Write down decision moments that came as columns (`daemon.backtest.leap`); none of them sent anything."""
        self.book = after
        self.events += rows.events
        if len(rows):
            self._take_rows(rows, after)
        for note in rows.notes:
            if note.is_sample:
                day = DayView(
                    marks={after.underlying: note.spot},
                    pnl=note.pnl,
                    equity_usd=note.equity_usd,
                    drawdown_pct=note.drawdown_pct,
                    attribution=note.attribution,
                )
                self._sample(note.ts_us, after, day, note.net_delta_shares)

    def _take_rows(self, rows: LeapRows, after: Book) -> None:
        """Append them, a row group at a time, so that the groups are those of rows that come one by one."""
        start = rows.start
        while start < rows.stop:
            if len(self.columns) >= ROW_GROUP:
                self._hand_over_finished(after)
            stop = min(rows.stop, start + max(ROW_GROUP - len(self.columns), 1))
            part = msgspec.structs.replace(rows, start=start, stop=stop)
            self._row_us, self._row_rank, net = self._leapt.append(part, self.legs.cost_usd(after))
            start = stop
        self.net_delta_shares = None if math.isnan(net) else net

    def _session_now(self, book: Book) -> Session | None:
        session = self._session
        if session is None or not session.open_us <= book.ts_us < session.close_us:
            session = self._session = book.session_now()
        return session

    # Effects

    def _note(self, effect: AnyEffect, book: Book, row: int) -> None:
        if isinstance(effect, Record):
            handler = _RECORDS.get(effect.type)
            if handler is not None:
                handler(self, effect, book, row)
        elif isinstance(effect, Sample):
            if effect.kind == "minute":
                self._sample(book.ts_us, book, book.day, self.net_delta_shares)
        elif isinstance(effect, PlaceOrder):
            self.hedges += 1
            self.columns.orders[row if row >= 0 else self._row_of_close(book)] = self.orders.placed(effect)
            self._row_rank = 2  # a row with an order is amended no more
        elif isinstance(effect, Exit):
            self.oddities.note("core_left", effect.reason, book.ts_us)

    def _on_refused(self, record: Record, book: Book, row: int) -> None:
        reason = record.reason if record.reason is not None else "?"
        if record.status == "not_sent":
            self.oddities.note("orders_blocked", reason, book.ts_us)
            return
        self.new_refusals[reason] += 1
        if record.status == "refused_by_core" and row >= 0:
            self.columns.refuse(row, self.columns.words.numbers[reason])

    def _on_fill(self, record: Record, book: Book, row: int) -> None:  # noqa: ARG002 -- one shape for all
        self.orders.filled(record, book)

    def _on_commission(self, record: Record, book: Book, row: int) -> None:  # noqa: ARG002 -- one shape for all
        self.orders.paid(record)

    def _on_oddity(self, record: Record, book: Book, row: int) -> None:  # noqa: ARG002 -- one shape for all
        detail = None if record.data is None else record.data.get("detail")
        text = f"{record.reason}" if detail is None else f"{record.reason} ({detail})"
        self.oddities.note(_ODD[record.type], text, book.ts_us)

    # Minutes and days

    def _close_day(self, book: Book) -> None:
        """The day's last word: a minute's row is written before its last event is decided, the close is not."""
        rows = self.equity.rows
        if rows and rows[-1][0] == book.ts_us and book.day.pnl is not None:
            rows.pop()
        if not rows or rows[-1][0] != book.ts_us:
            self._sample(book.ts_us, book, book.day, self.net_delta_shares)
        self.closed.close(book, rows)

    def _sample(self, ts_us: int, book: Book, day: DayView, net_delta_shares: float | None) -> None:
        """A row of the equity curve: the ledger is the book's, the figures are those of `day`."""
        ledger = book.ledger
        split = day_parts(ledger, day)
        if day.pnl is None or split is None:
            return
        total = day.pnl.total_usd
        self.equity.rows.append(
            (
                ts_us,
                ledger.day or None,
                day.marks.get(book.underlying),
                day.equity_usd,
                ledger.earlier_pnl_usd + total,
                total,
                day.drawdown_pct,
                net_delta_shares,
                ledger.own_shares,
                split.delta_usd,
                split.gamma_usd,
                split.theta_usd,
                split.vega_usd,
                split.other_usd,
                split.slippage_usd,
                split.commission_usd,
                ledger.traded_usd,
                ledger.hedges_today,
            )
        )

    # Row groups

    def _hand_over_finished(self, book: Book) -> None:
        """Hand over what cannot change any more: everything before the oldest order that still works."""
        working = {order.order_ref for order in book.in_flight()}
        open_rows = [row for row, order in self.columns.orders.items() if order.order_ref in working]
        rows = min([len(self.columns), *open_rows])
        if rows > 0:
            self._hand_over(rows)

    def _hand_over(self, rows: int) -> None:
        self.exposure.count(self.columns, rows)
        gone = [order.order_ref for row, order in self.columns.orders.items() if row < rows]
        self._sink(self.columns.take(rows))
        self.orders.forget(gone)


_RECORDS: dict[JournalType, Callable[[Recorder, Record, Book, int], None]] = {
    JournalType.REFUSED: Recorder._on_refused,  # noqa: SLF001 -- the class's own table
    JournalType.FILL: Recorder._on_fill,  # noqa: SLF001
    JournalType.PARTIAL_FILL: Recorder._on_fill,  # noqa: SLF001
    JournalType.COMMISSION: Recorder._on_commission,  # noqa: SLF001
    JournalType.HALT: Recorder._on_oddity,  # noqa: SLF001
    JournalType.REJECTED: Recorder._on_oddity,  # noqa: SLF001
    JournalType.UNKNOWN_OUTCOME: Recorder._on_oddity,  # noqa: SLF001
    JournalType.CANCELLED: Recorder._on_oddity,  # noqa: SLF001
}
_ODD: dict[JournalType, str] = {
    JournalType.HALT: "halted",
    JournalType.REJECTED: "orders_rejected",
    JournalType.UNKNOWN_OUTCOME: "unknown_outcome",
    JournalType.CANCELLED: "orders_cancelled",
}


def day_parts(ledger: Ledger, day: DayView) -> Parts | None:
    """The day's P&L by where it came from, unrounded; None while anything held has no price."""
    pnl = day.pnl
    if pnl is None:
        return None
    return parts(
        day.attribution,
        stock_usd=pnl.stock_usd,
        legs_usd=pnl.legs_usd,
        slippage_usd=ledger.slippage_usd,
        commission_usd=pnl.commission_usd,
        restated_usd=ledger.restated_usd,
    )
