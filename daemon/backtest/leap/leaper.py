"""Leaps of a player: between two steps of the core, over every tick that decides nothing."""

import math
from collections import Counter
from typing import Any, Protocol

import msgspec
from numpy.typing import NDArray

from config.schema import Profile
from daemon.backtest.leap.columns import ColumnarMarket, QuoteColumns
from daemon.backtest.leap.fixed import Fixed
from daemon.backtest.leap.kernel import leap
from daemon.backtest.leap.landing import Told, landed, notes_of
from daemon.backtest.leap.resting import reports_quietly
from daemon.backtest.leap.rows import LeapRows, buffer
from daemon.backtest.leap.state import FAR_US, WHYS, Standing, Terms, records_of
from daemon.backtest.leap.terms import Entrance, Entry, Moments
from daemon.backtest.player import Player
from daemon.core.book import Book

ROOM = 1 << 16
"""Rows of one leap at most."""
_PROBE, _REPORT = "feed", "reconcile"
"""The keys of the feed's probe and the account's periodic report among the timers."""
_BOTH, _PROBE_ALONE = frozenset({_PROBE, _REPORT}), frozenset({_PROBE})
_NEVER = (FAR_US, 0)


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
        self._entrance = Entrance(Fixed(profile), len(profile.legs))
        self._listener = listener
        self._buffer = buffer(ROOM)
        self._terms, self._standing = records_of(Terms, 1), records_of(Standing, 1)
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
        moments = self._moments(player.book)
        start = None if moments is None else self._entrance.entry(player.book, moments)
        if start is None:
            self.ends["no entry"] += 1
            return 0
        return self._go(start, block)

    def _moments(self, book: Book) -> Moments | None:
        """What the player expects; None while an order is on its way."""
        player, timers = self._player, self._player.timers
        account_us = player.venue.account_told_us
        if account_us is None or player.venue.next_arrival_us() is not None:
            return None
        taken = _BOTH if reports_quietly(book) else _PROBE_ALONE
        probe_us, probe_turn = timers.due(_PROBE) or _NEVER
        report_us, report_turn = (timers.due(_REPORT) if taken is _BOTH else None) or _NEVER
        other_us = timers.next_us_but(taken)
        return Moments(
            account_us=account_us,
            probe_us=probe_us,
            probe_turn=probe_turn,
            report_us=report_us,
            report_turn=report_turn,
            turns=timers.turns,
            other_timer_us=FAR_US if other_us is None else other_us,
            clock_us=FAR_US // 2 if player.clock_every_us is None else player.clock_every_us,
        )

    def _go(self, start: Entry, block: QuoteColumns) -> int:
        before, room = self._player.book, self._entrance.room
        self._terms[0] = start.terms
        self._standing[0] = msgspec.structs.astuple(start.standing)
        why = leap(
            _frozen(block.ts_us), _frozen(block.bid), _frozen(block.ask),
            self._terms, start.legs, self._standing, *room, self._buffer,
        )  # fmt: skip
        self.ends[WHYS[why]] += 1
        now = Standing(*self._standing[0].item())
        if now.quotes or now.probes or now.reports:
            book = landed(self._player.core, before, start, now, room, self._told(before, block, now))
            self._land(book, now)
            self._tell(start, now, book)
        return now.quotes

    def _told(self, book: Book, block: QuoteColumns, now: Standing) -> Told:
        """What the core has heard of the venue in this leap."""
        venue, values_usd = self._player.venue, None
        if now.account_tellings:
            bid, ask = float(block.bid[now.account_place]), float(block.ask[now.account_place])
            told_usd = venue.account_at(book.underlying, bid, ask, now.account_us)
            values_usd = {**book.account_values_usd, **told_usd}
        return Told(
            values_usd=values_usd,
            positions=venue.positions_told() if now.reports else None,
            last=_last(block, now.quotes),
        )

    def _tell(self, start: Entry, now: Standing, book: Book) -> None:
        """Hand over the rows, and what some of their moments have to tell."""
        rows = LeapRows(
            buffer=self._buffer,
            start=0,
            stop=now.row,
            session=start.session.date,
            daemon_state=book.daemon_state.value,
            own_shares=book.ledger.own_shares,
            events=now.quotes + now.probes + 2 * now.reports + now.account_tellings,
            notes=notes_of(start.terms, book, now, self._entrance.room) if now.notes else (),
        )
        self._listener.leapt(rows, book)

    def _land(self, book: Book, now: Standing) -> None:
        """Player, venue and market as the core's own steps would have left them."""
        player = self._player
        if now.quotes:
            self._market.skip(now.quotes - 1)
            player.venue.follow()
        if now.probes:
            player.timers.put(_PROBE, now.probe_due_us, now.probe_turn)
        if now.reports:
            player.timers.put(_REPORT, now.report_due_us, now.report_turn)
        player.time.market_stamp(now.ts_us)
        player.book = book
        self.quotes += now.quotes


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
