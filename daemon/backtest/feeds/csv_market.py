"""The rows of a csv file as a market: a step a moment, within sessions, with standing quotes as for a recorded day."""

from datetime import date, timedelta
from pathlib import Path

from config.schema import Profile
from daemon.backtest.feeds.csv_blocks import CleanBlock
from daemon.backtest.feeds.csv_columns import LegColumns
from daemon.backtest.feeds.csv_rows import CsvRow
from daemon.backtest.feeds.csv_source import CsvSource, synthetic_spread_usd
from daemon.backtest.feeds.findings import LEVEL_CHANGE, Findings
from daemon.backtest.leap.columns import QuoteColumns
from daemon.core.events import Session
from daemon.venues.exchange_hours import sessions_between, sessions_from
from daemon.venues.feeds.errors import FeedError
from daemon.venues.feeds.lean_rows import Bar, Repairs, StandingQuote, stand_after
from daemon.venues.simulated.contracts import stock_contract
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote
from daemon.venues.simulated.option_values import implied, model_quote, with_model

SESSIONS_AHEAD = 6
GAP_US = 300_000_000
"""A longer silence within a session is a gap, unless the file's usual spacing is a fifth of it or more."""
_EMPTY = StandingQuote()
_CODES = {"empty_sides": "empty_side", "sentinels": "not_positive", "crossed": "crossed", "outlived": "outlived"}


class CsvMarket:
    """Implements `daemon.venues.simulated.model.Market`.

    A row earlier than the one above it is left out and counted: sorting would need the whole file in memory, and the
    moment has passed. Of several rows for one moment the last holds. Where a session's rows end before its close, the
    standing quotes are repeated at the close, so that the day ends for orders and expiring legs as well; of the last
    session only where the rows come within five minutes of it, for a file may end in the midst of a day.
    """

    def __init__(self, path: Path, profile: Profile, *, usual_us: int, model: bool) -> None:
        """`usual_us` is the usual spacing of rows. Raises FeedError."""
        self._profile = profile
        self._calendar = profile.underlying.calendar
        self._rate = profile.greeks.risk_free_rate
        self._model = model
        self.findings = Findings()
        self._gap_us = max(GAP_US, 5 * usual_us)
        self._source = CsvSource(path, profile, self.findings, gap_us=self._gap_us)
        self.lines, self.columns = self._source.lines, self._source.columns
        self._rows = iter(self._source)
        stock = stock_contract(profile.underlying.symbol)
        self.contracts: tuple[SimContract, ...] = (stock, *(leg.contract for leg in self.columns.legs))
        self.sessions: tuple[Session, ...] = ()
        self._session: Session | None = None
        self._at = 0
        """Of a block ahead: its row that comes next."""
        self._ahead: CsvRow | CleanBlock | None = next(self._rows, None)
        self._last_us = 0
        self._stock = _EMPTY
        self._quotes: list[StandingQuote] = [_EMPTY] * len(self.columns.legs)
        self._volatilities: list[float | None] = [None] * len(self.columns.legs)
        self._spot: float | None = None
        self._level: float | None = None
        for name in self.columns.unused:
            self.findings.add("unused_column", detail=name)
        for leg in self.columns.legs:
            if leg.bid is None and leg.volatility is None:
                self.findings.add("unquoted_leg", instrument=leg.contract.instrument)
        if self._ahead is None:
            raise FeedError(
                f"{path} has no row within a regular session of {self._calendar}: are the times in the right zone?"
            )
        first = self._ahead
        first_us = int(first.ts_us[0]) if isinstance(first, CleanBlock) else first.ts_us
        self.first_session = self._session_at(first_us)
        self.sessions = sessions_from(self.first_session.open_us, SESSIONS_AHEAD, self._calendar)

    def next_step(self) -> MarketStep | None:
        """The next moment. Raises FeedError where the file is damaged or says what cannot be."""
        ahead = self._ahead
        if ahead is None:
            if self.lines.is_cut_off:
                self.findings.add("cut_off")
                self.lines.is_cut_off = False
            return self._last_close()
        if isinstance(ahead, CleanBlock):
            ts_us, line = int(ahead.ts_us[self._at]), ahead.first_line + self._at
        else:
            ts_us, line = ahead.ts_us, ahead.line
        session = self._session_at(ts_us)
        if self._session is not None and session is not self._session and self._last_us < self._session.close_us:
            return self._close(self._session.close_us)
        if session is not self._session:
            self._enter(session, ts_us, line)
        else:
            self._note_silence(self._last_us, ts_us, f"before line {line}")
        self._last_us = ts_us
        if isinstance(ahead, CleanBlock):
            self._stand_at(ahead, self._at)
            self._price(ts_us, line)
            self._pass(ahead, 1)
        else:
            self._take(ahead)
            self._ahead = next(self._rows, None)
        return self._step(ts_us, is_open=ts_us < session.close_us)

    def upcoming(self) -> QuoteColumns | None:
        """The plain steps at hand (`daemon.backtest.leap.columns.ColumnarMarket`); None where the next is not plain."""
        block, at = self._ahead, self._at
        if not isinstance(block, CleanBlock) or self._level is not None:
            return None
        if self._session is None or not self._session.open_us <= block.ts_us[at] < self._session.close_us:
            return None
        if block.ts_us[at] - self._last_us > self._gap_us:
            return None
        last = None if block.last is None else block.last[at:]
        return QuoteColumns(block.ts_us[at:], block.bid[at:], block.ask[at:], last)

    def skip(self, count: int) -> None:
        """Pass over so many of them."""
        block = self._ahead
        if count == 0 or not isinstance(block, CleanBlock):
            return
        at = self._at + count - 1
        self._last_us = int(block.ts_us[at])
        self._stand_at(block, at)
        self._spot = float(block.bid[at] + block.ask[at]) / 2
        self._pass(block, count)

    def _pass(self, block: CleanBlock, count: int) -> None:
        self._at += count
        if self._at >= len(block.ts_us):
            self._at = 0
            self._ahead = next(self._rows, None)

    def _stand_at(self, block: CleanBlock, at: int) -> None:
        last = self._stock.last if block.last is None else float(block.last[at])
        self._stock = StandingQuote(bid=float(block.bid[at]), ask=float(block.ask[at]), last=last, fresh=True)

    def _session_at(self, ts_us: int) -> Session:
        found = self._source.session_at(ts_us)
        return self._session if self._session is not None and self._session.open_us == found.open_us else found

    def _enter(self, session: Session, ts_us: int, line: int) -> None:
        """Begin a session: nothing stands of the one before."""
        if self._session is not None:
            after = date.fromisoformat(self._session.date) + timedelta(days=1)
            before = date.fromisoformat(session.date) - timedelta(days=1)
            for missing in sessions_between(after, before, self._calendar) if after <= before else ():
                self.findings.add("missing_day", ts_us=missing.open_us, detail=missing.date)
        self._session = session
        self.sessions = sessions_from(session.open_us, SESSIONS_AHEAD, self._calendar)
        self._stock, self._level = _EMPTY, self._spot
        self._quotes = [_EMPTY] * len(self._quotes)
        self._note_silence(session.open_us, ts_us, f"from the open to line {line}")

    def _last_close(self) -> MarketStep | None:
        """The close of the last session, where the file's rows reach it."""
        session = self._session
        if session is None or not 0 < session.close_us - self._last_us <= GAP_US:
            return None
        return self._close(session.close_us)

    def _close(self, close_us: int) -> MarketStep:
        """End a session whose rows ended before it."""
        self._note_silence(self._last_us, close_us, "before the close")
        self._last_us = close_us
        return self._step(close_us, is_open=False)

    def _note_silence(self, since_us: int, until_us: int, where: str) -> None:
        if until_us - since_us > self._gap_us:
            minutes = (until_us - since_us) / 60_000_000
            self.findings.add("silence", ts_us=since_us, detail=f"{minutes:.0f} minutes {where}")

    def _take(self, row: CsvRow) -> None:
        symbol = self.contracts[0].instrument
        self._stock = self._stand(symbol, self._stock, row.stock, row.last, row)
        self._price(row.ts_us, row.line)
        for index, said in enumerate(row.legs):
            if isinstance(said, float):
                self._volatilities[index] = said
            elif said is not None:
                name = self.columns.legs[index].contract.instrument
                self._quotes[index] = self._stand(name, self._quotes[index], said, None, row)

    def _price(self, ts_us: int, line: int) -> None:
        """Take the mid, and compare a session's first one with the last of the session before."""
        bid, ask = self._stock.bid, self._stock.ask
        if bid is None or ask is None:
            return
        self._spot = (bid + ask) / 2
        if self._level is not None and abs(self._spot / self._level - 1) > LEVEL_CHANGE:
            detail = f"line {line}: {self._level:.2f} to {self._spot:.2f}"
            self.findings.add("price_level", instrument=self.contracts[0].instrument, ts_us=ts_us, detail=detail)
        self._level = None

    def _stand(
        self, instrument: str, before: StandingQuote, bar: Bar, last: float | None, row: CsvRow
    ) -> StandingQuote:
        repairs = Repairs()
        quote = stand_after(before, bar, before.last if last is None or not last > 0 else last, repairs)
        for name, code in _CODES.items():
            count = getattr(repairs, name)
            if count:
                detail = f"line {row.line}"
                self.findings.add(code, instrument=instrument, ts_us=row.ts_us, count=count, detail=detail)
        return quote

    def _step(self, ts_us: int, *, is_open: bool) -> MarketStep:
        stock = self._stock
        quotes = [
            SimQuote(
                instrument=self.contracts[0].instrument,
                bid=stock.bid,
                ask=stock.ask,
                last=stock.last,
                bid_size=stock.bid_size,
                ask_size=stock.ask_size,
            )
        ]
        for index, leg in enumerate(self.columns.legs):
            quote = self._option(index, leg, ts_us)
            if quote is not None:
                quotes.append(quote)
        return MarketStep(ts_us=ts_us, quotes=tuple(quotes), is_open=is_open)

    def _option(self, index: int, leg: LegColumns, ts_us: int) -> SimQuote | None:
        contract = leg.contract
        if leg.bid is not None:
            if contract.last_trade_us is not None and self._session_open_us() >= contract.last_trade_us:
                return SimQuote(instrument=contract.instrument, bid=None, ask=None)
            standing = self._quotes[index]
            quote = SimQuote(instrument=contract.instrument, bid=standing.bid, ask=standing.ask)
            if not self._model or self._spot is None:
                return quote
            if standing.bid is not None and standing.ask is not None:
                mid = (standing.bid + standing.ask) / 2
                found = implied(contract, ts_us, self._spot, mid, rate=self._rate)
                self._volatilities[index] = self._volatilities[index] if found is None else found
            volatility = self._volatilities[index]
            return with_model(quote, contract, ts_us, self._spot, volatility=volatility, rate=self._rate)
        volatility = self._volatilities[index]
        if leg.volatility is None:
            return None
        if volatility is None or self._spot is None:
            return SimQuote(instrument=contract.instrument, bid=None, ask=None)
        spread = synthetic_spread_usd(self._profile)
        return model_quote(contract, ts_us, self._spot, volatility, rate=self._rate, spread_usd=spread)

    def _session_open_us(self) -> int:
        return 0 if self._session is None else self._session.open_us
