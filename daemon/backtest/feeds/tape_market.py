"""The prices that a daemon recorded, as a market: quotes and sessions of its tapes, in the order of time.

What the broker said of orders, executions and positions is no market data: this run has its own exchange and account.
A quote that came while the exchange had halted trading has no sides here, so that nothing fills on it.
"""

import hashlib
from collections.abc import Iterator

import msgspec

from config.schema import Profile
from daemon.backtest.feeds.asked import option_contracts
from daemon.backtest.feeds.findings import Findings
from daemon.backtest.feeds.tape_files import RecordedTape
from daemon.core.events import OptionQuote, Quote, Session, Sessions
from daemon.venues.exchange_hours import sessions_from
from daemon.venues.simulated.contracts import stock_contract
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote
from state.tape import TapeError, read_events

GAP_US = 60_000_000
"""A longer silence of the tapes within a session is flagged: the daemon was down, or the link was."""
SESSIONS_AHEAD = 6

_Told = Quote | OptionQuote | Sessions
_told = msgspec.json.Decoder(_Told)


class _Tag(msgspec.Struct):
    event: str


_tag = msgspec.json.Decoder(_Tag)
_WANTED = frozenset({"quote", "option_quote", "sessions"})


class TapeMarket:
    """Implements `daemon.venues.simulated.model.Market`; a step is everything that was quoted at one `ts`."""

    def __init__(self, tapes: list[RecordedTape], profile: Profile, findings: Findings) -> None:
        self._tapes = tapes
        self._calendar = profile.underlying.calendar
        self.contracts: tuple[SimContract, ...] = (
            stock_contract(profile.underlying.symbol),
            *option_contracts(profile),
        )
        self._names = frozenset(contract.instrument for contract in self.contracts)
        self.findings = findings
        self.digest = hashlib.sha256()
        self.sessions: tuple[Session, ...] = ()
        self._read_bytes = 0
        self._all_bytes = max(1, sum(tape.size_bytes for tape in tapes))
        self._file_bytes = 0
        self._events = self._told_in_order()
        self._ahead: Quote | OptionQuote | None
        self._pending: tuple[Session, ...] | None = None
        self._last_us = 0
        self._was_open = False
        self._advance()
        self.first_us: int | None = self._ahead.ts_us if self._ahead is not None else None

    def done(self) -> float:
        """0 to 1, by bytes of events."""
        return 1.0 if self._ahead is None else min(1.0, (self._read_bytes + self._file_bytes) / self._all_bytes)

    def next_step(self) -> MarketStep | None:
        """Everything quoted at the next moment."""
        first = self._ahead
        if first is None:
            return None
        ts_us = first.ts_us
        close_us = self._passed_close(ts_us)
        if close_us is not None:
            # The recording stopped before the session's end, and the day ends all the same.
            self._was_open, self._last_us = False, close_us
            return MarketStep(ts_us=close_us, quotes=(), is_open=False)
        if self._pending is not None:
            self.sessions, self._pending = self._pending, None
        if not self.sessions or self.sessions[-1].close_us <= ts_us:
            self.sessions = sessions_from(ts_us, SESSIONS_AHEAD, self._calendar)
        session = self._session_at(ts_us)
        if session is not None and self._was_open and ts_us - self._last_us > GAP_US:
            seconds = (ts_us - self._last_us) / 1e6
            self.findings.add("tape_gap", ts_us=self._last_us, detail=f"{seconds:.0f} s")
        newest: dict[str, SimQuote] = {}
        while self._ahead is not None and self._ahead.ts_us == ts_us:
            newest.pop(self._ahead.instrument, None)
            newest[self._ahead.instrument] = self._quote(self._ahead)
            self._advance()
        self._last_us, self._was_open = ts_us, session is not None
        return MarketStep(ts_us=ts_us, quotes=tuple(newest.values()), is_open=session is not None)

    def _session_at(self, ts_us: int) -> Session | None:
        return next((each for each in self.sessions if each.open_us <= ts_us < each.close_us), None)

    def _passed_close(self, ts_us: int) -> int | None:
        """The close that lies between the newest step, in an open market, and this moment."""
        session = self._session_at(self._last_us) if self._was_open else None
        return session.close_us if session is not None and session.close_us < ts_us else None

    def _quote(self, told: Quote | OptionQuote) -> SimQuote:
        if isinstance(told, OptionQuote):
            return SimQuote(
                instrument=told.instrument,
                bid=told.bid,
                ask=told.ask,
                last=told.last,
                model_volatility=told.model_volatility,
                model_delta=told.model_delta,
            )
        if told.halted:
            self.findings.add("trading_halt", instrument=told.instrument, ts_us=told.ts_us)
            return SimQuote(instrument=told.instrument, bid=None, ask=None, last=told.last)
        if told.delayed:
            self.findings.add("delayed", instrument=told.instrument, ts_us=told.ts_us)
        return SimQuote(
            instrument=told.instrument,
            bid=told.bid,
            ask=told.ask,
            last=told.last,
            bid_size=told.bid_size or 0.0,
            ask_size=told.ask_size or 0.0,
        )

    def _advance(self) -> None:
        """The next quote of an instrument of ours; sessions told on the way hold from its step on."""
        for told in self._events:
            if isinstance(told, Sessions):
                self._pending = told.sessions or self._pending
            elif told.instrument not in self._names:
                self.findings.add("unused_instrument", ts_us=told.ts_us, detail=told.instrument)
            else:
                if told.refused:
                    self.findings.add("refused", instrument=told.instrument, ts_us=told.ts_us, detail=told.refused[0])
                self._ahead = told
                return
        self._ahead = None

    def _told_in_order(self) -> Iterator[_Told]:
        """What the tapes say, in ascending order of time; what a later tape repeats is left out."""
        newest_us = 0
        for tape in self._tapes:
            for told in self._told_by(tape):
                if told.ts_us < newest_us and not isinstance(told, Sessions):
                    self.findings.add("overlap", ts_us=told.ts_us, detail=tape.path.name)
                    continue
                newest_us = max(newest_us, told.ts_us)
                yield told
            self._read_bytes += tape.size_bytes
            self._file_bytes = 0

    def _told_by(self, tape: RecordedTape) -> Iterator[_Told]:
        """The whole part of one file; a damaged or unfinished rest is a finding."""

        def torn(size: int) -> None:
            self.findings.add("torn_tape", detail=f"{tape.path.name}, {size} bytes")

        try:
            for line in read_events(tape.path, torn=torn):
                raw = bytes(line.event)
                self._file_bytes += len(raw)
                if _tag.decode(raw).event not in _WANTED:
                    continue
                self.digest.update(raw)
                yield _told.decode(raw)
        except TapeError as error:
            self.findings.add("damaged_tape", detail=str(error))
        except msgspec.MsgspecError as error:
            self.findings.add("damaged_tape", detail=f"{tape.path.name}: not an event of this program's: {error}")
