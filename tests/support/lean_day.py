"""A small but complete recorded day in Lean's folder format, generated from a seed, with everything odd planted in it.

Every planted oddity is counted, so that a test can compare the reader's `Repairs` number by number. The path moves
enough that a 10-lot straddle at the middle strike needs many hedges; the volatility behind the options is 0.35.
"""

import math
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

from config.schema import Leg
from daemon.core import black_scholes
from daemon.venues.exchange_hours import last_trade_us, session_of

MINUTE_MS = 60_000
OPEN_MS = 34_200_000
SENTINEL_DECI_CENTS = 1_999_999_900
SYMBOL = "ZQX"
DAY = date(2014, 9, 10)
EXPIRIES = ("20141018", "20141122")  # Saturdays, as monthly options were listed then
STRIKES = (47.5, 50.0, 52.5)
VOLATILITY = 0.35
RATE = 0.05
CROSSED_MINUTE = 33
SENTINEL_MINUTE = 47


@dataclass
class Planted:
    """What was put into the rows of one instrument."""

    rows: int = 0
    outside_session: int = 0
    empty_sides: int = 0
    sentinels: int = 0
    crossed: int = 0


@dataclass
class LeanDay:
    """Where the day is and what it holds."""

    folder: Path
    symbol: str
    day: date
    minutes: int
    legs: tuple[Leg, Leg]
    planted: dict[str, Planted] = field(default_factory=dict)

    @property
    def spec(self) -> str:
        return f"lean:{self.folder}:{self.symbol}:{self.day:%Y%m%d}"


def write_lean_day(
    folder: Path, *, seed: int = 11, symbol: str = SYMBOL, day: date = DAY, price: float = 50.0
) -> LeanDay:
    """Write equity quotes, equity trades and a dozen options of one session under `folder`."""
    random = np.random.Generator(np.random.PCG64(seed))
    session = session_of(day)
    assert session is not None, f"{day} is not a session day"
    minutes = (session.close_us - session.open_us) // 60_000_000
    deviation = 0.45 / math.sqrt(252 * 390)
    path = price * np.exp(np.cumsum(random.standard_normal(minutes) * deviation))
    expiry = date.fromisoformat(EXPIRIES[0]).isoformat()
    legs = (Leg(right="call", strike=50.0, expiry=expiry), Leg(right="put", strike=50.0, expiry=expiry))
    written = LeanDay(folder=folder, symbol=symbol, day=day, minutes=minutes, legs=legs)
    stock_folder = folder / "equity" / "usa" / "minute" / symbol.lower()
    option_folder = folder / "option" / "usa" / "minute" / symbol.lower()
    stock_folder.mkdir(parents=True, exist_ok=True)
    option_folder.mkdir(parents=True, exist_ok=True)
    stamp, low = f"{day:%Y%m%d}", symbol.lower()
    _zip(stock_folder / f"{stamp}_quote.zip", [(f"{stamp}_{low}_minute_quote.csv", _stock_rows(path, written))])
    _zip(stock_folder / f"{stamp}_trade.zip", [(f"{stamp}_{low}_minute_trade.csv", _trade_rows(path))])
    members = []
    for expiry in EXPIRIES:
        for strike in STRIKES:
            for right in ("C", "P"):
                word = "call" if right == "C" else "put"
                name = f"{stamp}_{low}_minute_quote_american_{word}_{round(strike * 10_000)}_{expiry}.csv"
                rows = _option_rows(path, (expiry, strike, right), session.open_us, written, random)
                members.append((name, rows))
    _zip(option_folder / f"{stamp}_quote_american.zip", members)
    return written


def _zip(path: Path, members: Iterable[tuple[str, list[str]]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in members:
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), "\n".join(rows) + "\n")


def _side(price: float | None, size: int) -> str:
    if price is None:
        return ",,,,"
    text = str(round(price * 10_000))
    return ",".join([text] * 4 + [str(size)])


def _row(label_ms: int, bid: float | None, ask: float | None) -> str:
    return f"{label_ms},{_side(bid, 300)},{_side(ask, 200)}"


def _stock_rows(path: "np.ndarray[tuple[int], np.dtype[np.float64]]", written: LeanDay) -> list[str]:
    planted = written.planted[written.symbol] = Planted()
    sentinel = SENTINEL_DECI_CENTS / 10_000
    rows = [
        _row(14_400_000, 30.0, sentinel),  # 04:00, wide and absurd
        _row(30_000_000, None, 51.0),
        _row(OPEN_MS - MINUTE_MS, 10.0, 90.0),  # 09:29: must not be carried into the session
    ]
    planted.outside_session = len(rows)
    for minute, price in enumerate(path):
        bid, ask = round(price - 0.01, 2), round(price + 0.01, 2)
        if minute == CROSSED_MINUTE:
            bid, ask = ask + 0.05, bid
            planted.crossed += 1
        if minute == SENTINEL_MINUTE:
            ask = sentinel
            planted.sentinels += 1
        planted.rows += 1
        rows.append(_row(OPEN_MS + minute * MINUTE_MS, bid, ask))
    close_ms = OPEN_MS + len(path) * MINUTE_MS
    rows.append(_row(close_ms, 1.0, 2.0))  # a row at the close belongs to nobody
    rows.append(_row(close_ms + 10 * MINUTE_MS, 1.0, 2.0))
    planted.outside_session += 2
    return rows


def _trade_rows(path: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[str]:
    rows = []
    for minute, price in enumerate(path):
        if minute % 5 != 3:
            text = str(round(round(float(price), 2) * 10_000))
            rows.append(f"{OPEN_MS + minute * MINUTE_MS},{text},{text},{text},{text},1200")
    return rows


def _option_rows(
    path: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    contract: tuple[str, float, str],
    open_us: int,
    written: LeanDay,
    random: np.random.Generator,
) -> list[str]:
    expiry, strike, right = contract
    side: black_scholes.Right = "C" if right == "C" else "P"
    planted = written.planted[f"{written.symbol} {expiry} {right} {strike:g}"] = Planted()
    end_us = last_trade_us(expiry)
    rows = []
    for minute, spot in enumerate(path):
        draw = float(random.random())
        if minute > 1 and draw < 0.08:
            continue  # no change in that minute
        years = black_scholes.years_between(open_us + (minute + 1) * 60_000_000, end_us)
        value = black_scholes.price(side, float(spot), strike, years, RATE, VOLATILITY)
        bid: float | None = max(round(value - 0.03, 2), 0.01)
        ask: float | None = max(round(value + 0.03, 2), 0.02)
        if minute < 2 or 0.08 <= draw < 0.16:
            ask = None  # also: the first two minutes have no ask
        elif draw < 0.24:
            bid = None
        elif minute == SENTINEL_MINUTE:
            bid = 0.0
            planted.sentinels += 1
        elif minute == CROSSED_MINUTE and bid is not None and ask is not None:
            bid, ask = ask, bid
            planted.crossed += 1
        planted.empty_sides += (bid is None) + (ask is None)
        planted.rows += 1
        rows.append(_row(OPEN_MS + minute * MINUTE_MS, bid, ask))
    rows.append(_row(OPEN_MS + len(path) * MINUTE_MS, 0.01, 900.0))
    planted.outside_session += 1
    return rows
