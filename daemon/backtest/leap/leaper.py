"""Leaps of a player: between two steps of the core, over every tick that decides nothing."""

import math
from collections import Counter
from typing import Any, Protocol

from numpy.typing import NDArray

from config.schema import Profile
from daemon.backtest.leap.columns import ColumnarMarket, QuoteColumns
from daemon.backtest.leap.fixed import Fixed
from daemon.backtest.leap.kernel import leap
from daemon.backtest.leap.landing import Account, landed, notes_of
from daemon.backtest.leap.rows import LeapRows, buffers
from daemon.backtest.leap.state import FAR_US, WHYS, Standing, scratch
from daemon.backtest.leap.terms import Entry, Moments, entry
from daemon.backtest.player import Player
from daemon.core.book import Book

ROOM = 1 << 16
"""Rows of one set of buffers."""
_PROBE = "feed"
"""The key of the feed's probe among the timers."""


class LeapListener(Protocol):
    """Who writes down decision moments that come as columns."""

    def leapt(self, rows: LeapRows, after: Book) -> None:
        """So many moments have passed; `after` is the book at the last of them.

        Beside rows and notes a leap has no effects but transitions of the trading machine, which follow from the rows.
        """
        ...


class Leaper:
    """The one rule: call `leap` between two `player.advance()`, never inside one."""

    def __init__(self, player: Player, market: ColumnarMarket, profile: Profile, listener: LeapListener) -> None:
        self._player = player
        self._market = market
        self._fixed = Fixed(profile)
        self._listener = listener
        self._buffers = buffers(ROOM)
        self._row = 0
        self._room = scratch(len(profile.legs))
        self.quotes = 0
        """Quotes that were leapt over."""
        self.ends: Counter[str] = Counter()
        """Why leaps ended (`state.WHYS`), or that none could begin."""

    def leap(self) -> int:
        """Go over every quiet quote from here on; gives how many there were."""
        player = self._player
        block = self._market.upcoming() if player.is_idle else None
        if block is None or len(block.ts_us) == 0:
            return 0
        start = self._entry(player.book)
        if start is None:
            self.ends["no entry"] += 1
            return 0
        return self._go(start, block)

    def _go(self, start: Entry, block: QuoteColumns) -> int:
        if self._row + 2 > ROOM:
            self._buffers, self._row = buffers(ROOM), 0
        before = self._player.book
        now, taken, row, why = leap(
            _frozen(block.ts_us), _frozen(block.bid), _frozen(block.ask), 0,
            start.terms, start.legs, start.standing, self._room, self._buffers, self._row,
        )  # fmt: skip
        self.ends[WHYS[why]] += 1
        if now.quotes or now.probes:
            account = None if now.account_place < 0 else self._account_told(before, block, now)
            book = landed(before, start, now, self._room, last=_last(block, taken), account=account)
            self._land(book, now, taken)
            self._tell(start, now, row, book)
        return int(taken)

    def _entry(self, book: Book) -> Entry | None:
        legs = len(book.strategy.legs)
        if self._room.values.shape[1] != legs:
            self._room = scratch(legs)
        player = self._player
        probe_us, other_us = player.timers.due_us(_PROBE), player.timers.next_us_but(_PROBE)
        account_us = player.venue.account_told_us
        if account_us is None or player.venue.next_arrival_us() is not None:
            return None
        moments = Moments(
            account_us=account_us,
            probe_us=FAR_US if probe_us is None else probe_us,
            other_timer_us=FAR_US if other_us is None else other_us,
            clock_us=FAR_US // 2 if player.clock_every_us is None else player.clock_every_us,
        )
        return entry(self._fixed, book, self._room, moments)

    def _account_told(self, book: Book, block: QuoteColumns, now: Standing) -> Account:
        """What is known of the account once the venue has told its values for the last time in this leap."""
        bid, ask = float(block.bid[now.account_place]), float(block.ask[now.account_place])
        values_usd = self._player.venue.account_at(book.underlying, bid, ask, now.account_us)
        return Account({**book.account_values_usd, **values_usd}, now.account_us)

    def _tell(self, start: Entry, now: Standing, row: int, book: Book) -> None:
        """Hand over the rows, and what some of their moments have to tell."""
        rows = LeapRows(
            buffers=self._buffers,
            start=self._row,
            stop=row,
            session=start.session.date,
            daemon_state=book.daemon_state.value,
            own_shares=book.ledger.own_shares,
            events=now.quotes + now.probes + now.reports,
            notes=notes_of(start.terms, book, now, self._room) if now.notes else (),
        )
        self._row = row
        self._listener.leapt(rows, book)

    def _land(self, book: Book, now: Standing, taken: int) -> None:
        """Player, venue and market as the core's own steps would have left them."""
        player = self._player
        if taken:
            self._market.skip(taken - 1)
            player.venue.follow()
        if now.probes:
            player.timers.restart(_PROBE, self._fixed.probe_ms, now.probed_us, times=now.probes)
        player.time.market_stamp(now.ts_us)
        player.book = book
        self.quotes += taken


def _frozen(column: NDArray[Any]) -> NDArray[Any]:
    """A view that cannot be written to: the kernel is compiled once, for such columns."""
    view = column.view()
    view.flags.writeable = False
    return view


def _last(block: QuoteColumns, taken: int) -> float | None:
    """The last trade in the newest quote taken."""
    if block.last is None or taken == 0:
        return None
    last = float(block.last[taken - 1])
    return None if math.isnan(last) else last
