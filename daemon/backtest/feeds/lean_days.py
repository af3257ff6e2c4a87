"""One recorded day as steps of a market, and what was odd in it. The newest days stay in memory for the next run."""

import hashlib
from datetime import date
from functools import lru_cache
from pathlib import Path

import msgspec

from config.schema import Leg
from daemon.backtest.feeds.findings import Findings
from daemon.core.events import Session
from daemon.venues.feeds.lean import Absence, OptionKey, equity_file, load_day
from daemon.venues.feeds.lean_rows import Repairs, StandingQuote
from daemon.venues.simulated.model import MarketStep
from daemon.venues.simulated.recorded import RecordedMarket

GAP_MINUTES = 5
"""Stretches of more minutes than these without a row of the stock are a gap."""
_DAYS_KEPT = 32
"""Of half a megabyte each with four legs: a sweep over a month reads it once."""

_CODES = {
    "outside_session": "outside_session",
    "empty_sides": "empty_side",
    "sentinels": "sentinel",
    "crossed": "crossed",
    "outlived": "outlived",
    "out_of_order": "unsorted",
    "duplicates": "duplicate_ts",
    "minutes_without_bid": "no_bid",
    "minutes_without_ask": "no_ask",
}
"""Field of `Repairs` -> code of the finding."""


class DayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which day of what. `stamp` tells one state of the files from another."""

    folder: Path
    symbol: str
    day: date
    legs: tuple[Leg, ...]
    rate: float
    calendar: str
    model: bool
    stamp: tuple[tuple[str, int, int], ...] = ()


class DayRead(msgspec.Struct, frozen=True, kw_only=True):
    """A day as it was read."""

    session: Session
    steps: tuple[MarketStep, ...]
    digest: bytes
    """SHA-256 over what was read."""
    repairs: dict[str, Repairs]
    absent: dict[str, Absence]
    gap_minutes: int
    first_mid: float | None
    last_mid: float | None
    """Of the stock, the day's first and last."""


def read_day(request: DayRequest) -> DayRead:
    """The day, from memory where its files are as they were. Raises FeedError."""
    return _read(msgspec.structs.replace(request, stamp=_stamp(request)))


def _stamp(request: DayRequest) -> tuple[tuple[str, int, int], ...]:
    stock = equity_file(request.folder, request.symbol, request.day)
    options = request.folder / "option" / "usa" / "minute" / request.symbol.lower()
    paths = (*stock.parent.glob(f"{request.day:%Y%m%d}_*.zip"), *options.glob(f"{request.day:%Y%m%d}_*.zip"))
    found = []
    for path in sorted(paths):
        try:
            status = path.stat()
        except OSError:
            continue  # gone since it was listed: reading says so
        found.append((path.name, status.st_size, status.st_mtime_ns))
    return tuple(found)


@lru_cache(maxsize=_DAYS_KEPT)
def _read(request: DayRequest) -> DayRead:
    digest = hashlib.sha256()
    keys = tuple(
        OptionKey(expiry=leg.expiry.replace("-", ""), strike=leg.strike, right="C" if leg.right == "call" else "P")
        for leg in request.legs
    )
    recorded = load_day(
        request.folder,
        request.symbol,
        request.day,
        keys,
        calendar=request.calendar,
        allow_absent=True,
        digest=digest,
    )
    market = RecordedMarket(recorded, request.legs, rate=request.rate, calendar=request.calendar, model=request.model)
    mids = [(each.bid + each.ask) / 2 for each in recorded.underlying if each.bid is not None and each.ask is not None]
    return DayRead(
        session=recorded.session,
        steps=market.steps,
        digest=digest.digest(),
        repairs=recorded.repairs,
        absent=recorded.absent,
        gap_minutes=_gap_minutes(recorded.underlying),
        first_mid=mids[0] if mids else None,
        last_mid=mids[-1] if mids else None,
    )


def _gap_minutes(quotes: tuple[StandingQuote, ...]) -> int:
    """Minutes in stretches of more than `GAP_MINUTES` without a row."""
    total = run = 0
    for quote in (*quotes, StandingQuote(fresh=True)):
        if not quote.fresh:
            run += 1
            continue
        total += run if run > GAP_MINUTES else 0
        run = 0
    return total


def flag_day(read: DayRead, symbol: str, findings: Findings) -> None:
    """Put what the reader repaired into the findings."""
    open_us = read.session.open_us
    findings.add("gap", instrument=symbol, ts_us=open_us, count=read.gap_minutes)
    for instrument, code in read.absent.items():
        findings.add(code, instrument=instrument, ts_us=open_us)
    for instrument, repairs in read.repairs.items():
        if instrument in read.absent:
            continue
        for name, repaired in _CODES.items():
            count = getattr(repairs, name)
            findings.add(repaired, instrument=instrument, ts_us=open_us, count=count)
