"""`lean:DIR:SYMBOL:YYYYMMDD[-YYYYMMDD]`: recorded days in Lean's folder format, one after the other.

A day is read, stepped and dropped. Nothing is carried from one day's quotes to the next: each begins with its own first
rows, and what stands over night is what the core itself remembers. Days without a session are no days; a session day
without a recording is a finding, and the run goes on over it.
"""

import hashlib
from datetime import date
from pathlib import Path

from config.schema import Leg, Profile
from daemon.backtest.feeds.asked import asked_legs, option_contracts, refuse_expired, wants_model
from daemon.backtest.feeds.findings import LEVEL_CHANGE, Findings
from daemon.backtest.feeds.lean_days import DayRead, DayRequest, flag_day, read_day
from daemon.backtest.feeds.spec import Spec
from daemon.core.events import Session
from daemon.venues.exchange_hours import sessions_between, sessions_from
from daemon.venues.feeds.errors import FeedError
from daemon.venues.feeds.lean import LeanSpec, OptionKey, days_nearby, equity_file, load_day, parse_lean_spec
from daemon.venues.simulated.contracts import stock_contract
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote
from state.runs.records import Finding

SESSIONS_AHEAD = 6
"""How many sessions the core is told at a time."""


class LeanFeed:
    """Implements `daemon.backtest.feeds.feed.Feed`."""

    clock_every_ms: int | None = None

    def __init__(self, spec: Spec, profile: Profile, *, base: Path) -> None:
        """Raises FeedError: an odd spec, another symbol, missing folders, files or legs, a leg that is over."""
        asked = parse_lean_spec(spec.text, base=base)
        folder = asked.folder.resolve()
        if asked.symbol != profile.underlying.symbol:
            raise FeedError(
                f"{spec.text!r} is of {asked.symbol}, the profile's underlying is {profile.underlying.symbol}: "
                "change one of them"
            )
        self._profile = profile
        self._folder = folder
        self._days, self._missing = _days(asked, folder, spec, profile.underlying.calendar)
        first, last = self._days[0], self._days[-1]
        span = f"{asked.first:%Y%m%d}" if asked.first == asked.last else f"{asked.first:%Y%m%d}-{asked.last:%Y%m%d}"
        self.spec = f"lean:{folder}:{asked.symbol}:{span}{spec.cut or ''}"
        days = "1 session" if len(self._days) == 1 else f"{len(self._days)} sessions"
        when = f"{first}" if first == last else f"{first} to {last}"
        legs = len(asked_legs(profile))
        self.description = f"{asked.symbol} {when}, {days}, minute bars, {legs} option legs, recorded"
        self.rewind()
        self.market.refuse_what_is_over(self.spec)

    def rewind(self) -> None:
        """As the protocol says."""
        self.market = RecordedDays(self._profile, self._folder, self._days, self._missing)

    @property
    def data_hash(self) -> str:
        """SHA-256 over the digests of the days read so far."""
        return self.market.digest.hexdigest()

    def findings(self) -> tuple[Finding, ...]:
        """As the protocol says."""
        return self.market.findings.rows()

    def done(self) -> float:
        """0 to 1, by steps within a day."""
        return self.market.done()


class RecordedDays:
    """The days as one market. The one rule: `sessions` are those of the newest step."""

    def __init__(self, profile: Profile, folder: Path, days: tuple[date, ...], missing: tuple[Session, ...]) -> None:
        """Reads the first day. Raises FeedError."""
        self._profile = profile
        self._folder = folder
        self._days = days
        self._legs = asked_legs(profile)
        options = option_contracts(profile)
        self._contract_of = dict(zip(self._legs, options, strict=True))
        self.contracts: tuple[SimContract, ...] = (stock_contract(profile.underlying.symbol), *options)
        self.findings = Findings()
        self.digest = hashlib.sha256()
        for session in missing:
            self.findings.add("missing_day", ts_us=session.open_us, detail=session.date)
        self._number = -1
        self._next = 0
        self._last_mid: float | None = None
        self._steps: tuple[MarketStep, ...] = ()
        self.sessions: tuple[Session, ...] = ()
        self._enter()
        for leg in self._legs:
            name = self._contract_of[leg].instrument
            if self._read.absent.get(name) == "not_recorded":
                # On its first day that is a misspelt leg: the reader's own error names those that there are.
                load_day(folder, profile.underlying.symbol, days[0], (_key(leg),), calendar=profile.underlying.calendar)

    def refuse_what_is_over(self, spec: str) -> None:
        """Raises FeedError where a leg had stopped trading before the first day."""
        refuse_expired(self.contracts, self._read.session.open_us, self._days[0], spec)

    def done(self) -> float:
        """0 to 1."""
        within = self._next / len(self._steps) if self._steps else 1.0
        return min(1.0, (self._number + within) / len(self._days))

    def next_step(self) -> MarketStep | None:
        """The next minute, or the first one of the next recorded day. Raises FeedError where its files are damaged."""
        if self._next >= len(self._steps):
            if self._number + 1 >= len(self._days):
                return None
            self._enter()
        self._next += 1
        return self._steps[self._next - 1]

    def _enter(self) -> None:
        """Make the next day the running one."""
        self._number += 1
        day = self._days[self._number]
        open_us = sessions_between(day, day, self._profile.underlying.calendar)[0].open_us
        over = [each for each in self._contract_of.values() if each.last_trade_us and each.last_trade_us <= open_us]
        read = self._load(day, tuple(leg for leg in self._legs if self._contract_of[leg] not in over))
        self._read: DayRead = read
        self._flag(read)
        self.digest.update(read.digest)
        self.sessions = sessions_from(read.session.open_us, SESSIONS_AHEAD, self._profile.underlying.calendar)
        self._steps, self._next = read.steps, 0
        if over:
            # What has stopped trading is quoted no more: said once a day, with its first step.
            gone = tuple(SimQuote(instrument=each.instrument, bid=None, ask=None) for each in over)
            first = read.steps[0]
            opening = MarketStep(ts_us=first.ts_us, quotes=(*first.quotes, *gone), is_open=first.is_open)
            self._steps = (opening, *read.steps[1:])

    def _load(self, day: date, legs: tuple[Leg, ...]) -> DayRead:
        return read_day(
            DayRequest(
                folder=self._folder,
                symbol=self._profile.underlying.symbol,
                day=day,
                legs=legs,
                rate=self._profile.greeks.risk_free_rate,
                calendar=self._profile.underlying.calendar,
                model=wants_model(self._profile),
            )
        )

    def _flag(self, read: DayRead) -> None:
        symbol = self._profile.underlying.symbol
        flag_day(read, symbol, self.findings)
        before, now = self._last_mid, read.first_mid
        if before is not None and now is not None and abs(now / before - 1) > LEVEL_CHANGE:
            detail = f"{read.session.date}: {before:.2f} to {now:.2f}, a factor of {now / before:.4g}"
            self.findings.add("price_level", instrument=symbol, ts_us=read.session.open_us, detail=detail)
        self._last_mid = read.last_mid if read.last_mid is not None else before


def _key(leg: Leg) -> OptionKey:
    return OptionKey(expiry=leg.expiry.replace("-", ""), strike=leg.strike, right="C" if leg.right == "call" else "P")


def _days(asked: LeanSpec, folder: Path, spec: Spec, calendar: str) -> tuple[tuple[date, ...], tuple[Session, ...]]:
    """The recorded session days of the range, and the sessions without a recording."""
    if not folder.is_dir():
        raise FeedError(f"no folder {folder}: it must hold equity/ and option/ in Lean's format")
    sessions = sessions_between(asked.first, asked.last, calendar)
    if not sessions:
        raise FeedError(
            f"{spec.text!r} holds no trading day of {calendar}: days recorded nearby: "
            f"{days_nearby(folder, asked.symbol, asked.first)}"
        )
    found, missing = [], []
    for session in sessions:
        day = date.fromisoformat(session.date)
        if equity_file(folder, asked.symbol, day).exists():
            found.append((day, session))
        else:
            missing.append(session)
    for end in (sessions[0], sessions[-1]):
        if end in missing:
            path = equity_file(folder, asked.symbol, date.fromisoformat(end.date))
            near = days_nearby(folder, asked.symbol, date.fromisoformat(end.date))
            raise FeedError(f"no file {path}: the range must begin and end on recorded days, nearby are: {near}")
    if spec.cut is not None:
        found = [(day, session) for day, session in found if spec.cut.holds(day)]
        missing = [each for each in missing if spec.cut.holds(date.fromisoformat(each.date))]
    if not found:
        raise FeedError(f"{spec.text!r} has no recorded day within {spec.cut}: write days of its range")
    return tuple(day for day, _ in found), tuple(missing)


def lean_days(spec: Spec, profile: Profile, *, base: Path) -> tuple[date, ...]:
    """The recorded session days that a spec names. Raises FeedError."""
    asked = parse_lean_spec(spec.text, base=base)
    return _days(asked, asked.folder.resolve(), spec, profile.underlying.calendar)[0]
