"""The rows of a csv file as a market: a step a moment, within sessions, with standing quotes as for a recorded day."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from config.schema import Profile
from daemon.backtest.feeds.csv_columns import Columns, LegColumns, parse_header
from daemon.backtest.feeds.csv_lines import CsvLines
from daemon.backtest.feeds.csv_rows import CsvRow, RowReader
from daemon.backtest.feeds.findings import LEVEL_CHANGE, Findings
from daemon.backtest.feeds.one_way import OneWayMarket
from daemon.core.events import Session
from daemon.venues.exchange_hours import HoursError, sessions_between, sessions_from
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


class CsvMarket(OneWayMarket):
    """Implements `daemon.venues.simulated.model.Market`.

    A row earlier than the one above it is left out and counted: sorting would need the whole file in memory, and the
    moment has passed. Of several rows for one moment the last holds. Where a session's rows end before its close, the
    standing quotes are repeated at the close, so that the day ends for orders as well.
    """

    def __init__(self, path: Path, profile: Profile, *, usual_us: int, model: bool) -> None:
        """`usual_us` is the usual spacing of rows. Raises FeedError."""
        self._profile = profile
        self._calendar = profile.underlying.calendar
        self._rate = profile.greeks.risk_free_rate
        self._model = model
        self._gap_us = max(GAP_US, 5 * usual_us)
        self.lines = CsvLines(path)
        self.findings = Findings()
        try:
            self.columns, self._reader = open_rows(self.lines, profile)
        except FeedError:
            self.lines.close()
            raise
        self._rows = self._merged()
        stock = stock_contract(profile.underlying.symbol)
        self.contracts: tuple[SimContract, ...] = (stock, *(leg.contract for leg in self.columns.legs))
        self.sessions: tuple[Session, ...] = ()
        self._session: Session | None = None
        self._near: Session | None = None
        self._ahead: CsvRow | None = next(self._rows, None)
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
        self.first_session = self._session_at(self._ahead.ts_us)
        self.sessions = sessions_from(self.first_session.open_us, SESSIONS_AHEAD, self._calendar)

    def next_step(self) -> MarketStep | None:
        """The next moment. Raises FeedError where the file is damaged or says what cannot be."""
        row = self._ahead
        if row is None:
            if self.lines.is_cut_off:
                self.findings.add("cut_off")
                self.lines.is_cut_off = False
            return None
        session = self._session_at(row.ts_us)
        if self._session is not None and session is not self._session and self._last_us < self._session.close_us:
            return self._close(self._session.close_us)
        if session is not self._session:
            self._enter(session, row)
        else:
            self._note_silence(self._last_us, row.ts_us, f"before line {row.line}")
        self._last_us = row.ts_us
        self._take(row)
        self._ahead = next(self._rows, None)
        return self._step(row.ts_us, is_open=row.ts_us < session.close_us)

    def _merged(self) -> Iterator[CsvRow]:
        """Rows of sessions in strictly ascending order; the file is closed behind the last one."""
        try:
            yield from self._ascending()
        except HoursError as error:
            raise FeedError(f"{self.lines.place()}: {error}") from None
        finally:
            self.lines.close()

    def _ascending(self) -> Iterator[CsvRow]:
        waiting: CsvRow | None = None
        for line, fields in self.lines:
            row = self._reader.row(line, fields)
            if waiting is not None and row.ts_us < waiting.ts_us:
                self.findings.add("late_row", ts_us=row.ts_us, detail=f"line {line}")
                continue
            session = self._session_at(row.ts_us)
            if not session.open_us <= row.ts_us <= session.close_us:
                self.findings.add("outside_session", ts_us=row.ts_us, detail=f"line {line}")
                continue
            if waiting is not None and row.ts_us == waiting.ts_us:
                self.findings.add("duplicate_ts", ts_us=row.ts_us, detail=f"line {line}")
            elif waiting is not None:
                yield waiting
            waiting = row
        if waiting is not None:
            yield waiting

    def _session_at(self, ts_us: int) -> Session:
        """The session that a moment lies in, its close included, or the next one."""
        near = self._near
        if near is None or not near.open_us <= ts_us <= near.close_us:
            # One microsecond back: at the very close it is still that session.
            near = self._near = sessions_from(ts_us - 1, 1, self._calendar)[0]
        if self._session is not None and self._session.open_us == near.open_us:
            return self._session
        return near

    def _enter(self, session: Session, row: CsvRow) -> None:
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
        self._note_silence(session.open_us, row.ts_us, f"from the open to line {row.line}")

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
        bid, ask = self._stock.bid, self._stock.ask
        if bid is not None and ask is not None:
            self._spot = (bid + ask) / 2
            if self._level is not None and abs(self._spot / self._level - 1) > LEVEL_CHANGE:
                detail = f"line {row.line}: {self._level:.2f} to {self._spot:.2f}"
                self.findings.add("price_level", instrument=symbol, ts_us=row.ts_us, detail=detail)
            self._level = None
        for index, said in enumerate(row.legs):
            if isinstance(said, float):
                self._volatilities[index] = said
            elif said is not None:
                name = self.columns.legs[index].contract.instrument
                self._quotes[index] = self._stand(name, self._quotes[index], said, None, row)

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


def synthetic_spread_usd(profile: Profile) -> float:
    """What stands for a spread where the file has none."""
    return 0.02 if profile.simulator is None else profile.simulator.synthetic.spread_usd


def open_rows(lines: CsvLines, profile: Profile) -> tuple[Columns, RowReader]:
    """Read the header; the iterator then goes on behind it. Raises FeedError."""
    for _, names in lines:
        place = lines.place()
        if len(names) == 1:
            for other, word in ((";", "semicolons"), ("\t", "tabs")):
                if other in names[0]:
                    raise FeedError(f"{place}: the columns are separated by {word}; use commas")
        columns = parse_header(names, profile, place)
        spread = synthetic_spread_usd(profile)
        return columns, RowReader(columns, names, spread_usd=spread, place=str(lines.path))
    raise FeedError(f"{lines.path} is empty: it needs a header like timestamp,bid,ask")
