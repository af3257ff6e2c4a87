"""The operator's part at an expiry, where nobody sits at the desk.

Live, a leg that expires leaves the account overnight without an execution, and shares may have come for it: the desk
blocks (`position_unexplained`, `leg_settlement`) until the operator has looked and said `bifrost book adopt` (the
shares of an exercise or assignment are hedged with) or `acknowledge` (nothing came, or it is none of the desk's).
A run over history says the same, once for each settlement, with the numbers that the core's own explanation names:

    exercise, assignment   adopt as many shares as came or went
    expiry                 acknowledge the foreign shares as they are (also where exercised shares cancel out)
    anything else          nothing: the desk stays blocked, and the run's findings say so

Where no leg is left, the own shares that are left hedge nothing: they are closed with a flatten when the market opens
again, after which the desk stands paused, as live. Where the data ends before, they stay, and the findings say so.

Also once, at the start: shares of the underlying that the simulated account opens with are acknowledged as foreign,
because a new desk hedges nothing before that. Profiles that want them hedged declare no such position.
"""

from typing import Literal

from daemon.backtest.player import Player
from daemon.core.book import Book
from daemon.core.events import BookRequest, Clock, Control, ControlFile
from daemon.core.instruments import TOLERANCE
from daemon.core.ledger import expected_position
from state.runs.records import Finding
from state.times import iso_from_us

BY = "backtest"


class Settlement:
    """Answers for the operator. The one rule: `look` after every `advance`, when all that the step said is decided."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._requests = 0
        self._unsettled: frozenset[str] = frozenset()
        self._over: Book | None = None
        """As it was when no leg was left."""
        self._is_closed = False

    def findings(self) -> tuple[Finding, ...]:
        """What was settled, and what could not be; complete once the run has ended."""
        if self._over is None:
            return tuple(self._found)
        own = self._over.ledger.own_shares
        rest = "no own share is left"
        if own != 0:
            rest = f"the {own:+g} own shares are closed with a flatten"
            if not self._is_closed:
                rest = f"the data ends before the {own:+g} own shares can be closed"
        text = f"all legs have been settled: nothing is hedged from here on, {rest}"
        return (*self._found, _finding("no_legs_left", text, rest, self._over, None))

    def look(self, player: Player) -> None:
        """Settle what waits for the operator, if anything does."""
        book = player.book
        if book.unexplained:
            self._settle(player)
        elif book.ledger.foreign_acknowledged is None and book.reconciled:
            self._open(player)
        if self._over is not None and not self._is_closed and player.book.session_now() is not None:
            self._close(player)

    def _open(self, player: Player) -> None:
        book = player.book
        foreign, price = book.foreign_shares, book.day.marks.get(book.underlying)
        if abs(foreign) <= TOLERANCE or price is None:
            return
        self._request(player, "acknowledge", foreign, "shares that the simulated account opens with")
        if player.book.ledger.foreign_acknowledged is not None:
            detail = f"{foreign:+g} {book.underlying}"
            text = f"{detail} of simulator.positions are foreign: shown, and not hedged with"
            self._add("foreign_shares", text, detail, book, book.underlying)

    def _settle(self, player: Player) -> None:
        before = player.book
        explanation = before.explanation
        if explanation is None or explanation.cause not in ("exercise", "assignment", "expiry"):
            self._cannot(before, "no execution explains it" if explanation is None else explanation.text)
            return
        jump = _jump(before)
        if abs(jump) <= TOLERANCE:
            self._request(player, "acknowledge", before.foreign_shares, explanation.text)
        else:
            self._request(player, "adopt", jump, explanation.text)
        if player.book.unexplained:
            self._cannot(before, f"{explanation.text}, and the desk would not book it")
            return
        # As live the clock ticks on at night: the day's result is that of what is left.
        player.emit(Clock(ts_us=player.time.now_us()))
        player.drain()
        for leg, held in before.ledger.leg_quantities.items():
            left = held - player.book.ledger.leg_quantities.get(leg, 0.0)
            if left != 0:
                words = _words(before, leg, left, exercised=leg in explanation.exercised)
                self._add("expired_inside", words, words, before, leg)
        if self._over is None and not any(held != 0 for held in player.book.ledger.leg_quantities.values()):
            self._over = player.book

    def _request(self, player: Player, command: Literal["adopt", "acknowledge"], shares: float, reason: str) -> None:
        self._requests += 1
        player.emit(
            BookRequest(
                ts_us=player.time.now_us(),
                request_id=f"settlement-{self._requests}",
                command=command,
                shares=shares,
                by=BY,
                reason=reason,
                age_ms=0.0,
            )
        )
        player.drain()

    def _cannot(self, book: Book, why: str) -> None:
        """Said once for each set of instruments, not at every step that it lasts."""
        stuck = frozenset(book.unexplained)
        if stuck != self._unsettled:
            self._unsettled = stuck
            names = ", ".join(sorted(stuck))
            text = f"{names} changed and could not be settled: {why}; nothing is hedged from here on"
            self._add("position_unexplained", text, f"{names}: {why}", book, None)

    def _close(self, player: Player) -> None:
        """With no leg left there is nothing to hedge: what is left of the hedge is closed, as the runbook says."""
        self._is_closed = True
        if player.book.ledger.own_shares != 0:
            now_us = player.time.now_us()
            flatten = ControlFile(name="flatten", since_us=now_us, age_ms=0.0, by=BY, reason="all legs are settled")
            player.emit(Control(ts_us=now_us, files=(flatten,)))
            player.drain()

    def _add(self, code: str, text: str, detail: str, book: Book, instrument: str | None) -> None:
        self._found.append(_finding(code, text, detail, book, instrument))


def _finding(code: str, text: str, detail: str, book: Book, instrument: str | None) -> Finding:
    return Finding(code=code, text=text, instrument=instrument, first_ts=iso_from_us(book.ts_us), detail=detail)


def _jump(book: Book) -> float:
    """Shares of the stock by which the account differs from what the ledger expects."""
    expected = expected_position(book.ledger, book.underlying, is_underlying=True)
    return 0.0 if expected is None else book.account_positions.get(book.underlying, 0.0) - expected


def _words(book: Book, leg: str, contracts: float, *, exercised: bool) -> str:
    """`10 contracts exercised at 70, TWX last at 71.23: 1.23 a share, +1000 TWX`."""
    quote, spec = book.quotes.get(book.underlying), book.specs[leg]
    close = None if quote is None else quote.previous_close
    at = "" if close is None else f", {book.underlying} last at {close:.4f}"
    if not exercised or spec.strike is None:
        return f"{contracts:+g} contracts expired worthless{at}"
    side = 1.0 if spec.right == "C" else -1.0
    shares = side * contracts * spec.multiplier
    worth = "" if close is None else f": worth {side * (close - spec.strike):.4f} USD a share"
    verb = "exercised" if contracts > 0 else "assigned"
    return f"{contracts:+g} contracts {verb} at {spec.strike:g}{at}{worth}, {shares:+g} {book.underlying}"
