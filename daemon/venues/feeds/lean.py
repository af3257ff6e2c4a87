"""Recorded days in QuantConnect Lean's folder format, read into standing quotes, one per minute.

    DIR/equity/usa/minute/<symbol>/<YYYYMMDD>_quote.zip           bid and ask bars of the stock
    DIR/equity/usa/minute/<symbol>/<YYYYMMDD>_trade.zip           trade bars (may be absent: then there is no last)
    DIR/option/usa/minute/<symbol>/<YYYYMMDD>_quote_<style>.zip   one file per contract: call|put, strike, expiry

A row's label is the start of its minute in milliseconds since New York midnight; the bar is known, and becomes a
quote, at label + 60 s. Only the regular session counts: rows labelled before the open or at or after the close (half
days by the calendar) are dropped, and nothing is carried over from before the open. A minute without a row repeats
the standing quote. A missing side keeps its last value; a sentinel or a crossed quote is no quote.
What was repaired is counted in `Repairs`, never silent.
"""

import re
from datetime import date
from pathlib import Path
from typing import Literal

import msgspec

from daemon.core.events import Session
from daemon.core.instruments import option_id
from daemon.venues.exchange_hours import NEW_YORK, session_of
from daemon.venues.feeds.errors import FeedError, NoRowsError, NotRecordedError
from daemon.venues.feeds.lean_rows import MINUTE_US, Bar, Repairs, StandingQuote, read_bars, stand
from daemon.venues.feeds.zips import Digest, member_names

_MEMBER = re.compile(r"^\d{8}_.+_minute_quote_[a-z]+_(call|put)_(\d+)_(\d{8})\.csv$")
_DECI_CENTS = 10_000.0
Absence = Literal["no_quotes", "not_recorded"]
"""A contract without a row in the regular session, or without a file."""

_NEAR = 5
"""How many existing contracts an error about a missing one names."""


class OptionKey(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One option contract as the recording names it; `expiry` is YYYYMMDD, `strike` USD."""

    expiry: str
    strike: float
    right: str
    """C or P."""

    def instrument(self, symbol: str) -> str:
        """Our id, like `TWX 20140719 C 70`."""
        return option_id(symbol, self.expiry, self.right, self.strike)


class LeanSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`lean:DIR:SYMBOL:YYYYMMDD[-YYYYMMDD]`, taken apart; a single day has first == last."""

    folder: Path
    symbol: str
    first: date
    last: date


class RecordedDay(msgspec.Struct, frozen=True, kw_only=True):
    """One regular session: for every minute that ended, the standing quote of the stock and of each leg asked for."""

    symbol: str
    session: Session
    times_us: tuple[int, ...]
    """open + 60 s, ..., close."""
    underlying: tuple[StandingQuote, ...]
    options: dict[OptionKey, tuple[StandingQuote, ...]]
    repairs: dict[str, Repairs]
    """instrument -> what was dropped or repaired in its rows."""
    absent: dict[str, Absence] = {}
    """Option that was asked for and has no row that day -> why; its quotes are empty."""


def parse_lean_spec(spec: str, *, base: Path | None = None) -> LeanSpec:
    """Take a spec apart; a relative DIR is relative to `base` (default: the working directory). Raises FeedError."""
    form = "lean:DIR:SYMBOL:YYYYMMDD or lean:DIR:SYMBOL:YYYYMMDD-YYYYMMDD"
    head, _, rest = spec.partition(":")
    parts = rest.rsplit(":", 2)
    if head != "lean" or len(parts) != 3 or not all(parts):
        raise FeedError(f"{spec!r} is not a recorded market: write {form}")
    folder, symbol, days = parts
    first_text, dash, last_text = days.partition("-")
    first = _day(first_text, spec, form)
    last = _day(last_text, spec, form) if dash else first
    if last < first:
        raise FeedError(f"{spec!r} ends before it begins: write {form}")
    path = Path(folder).expanduser()
    return LeanSpec(folder=path if base is None else base / path, symbol=symbol.upper(), first=first, last=last)


def _day(text: str, spec: str, form: str) -> date:
    if re.fullmatch(r"\d{8}", text) is None:
        raise FeedError(f"{spec!r} has the odd day {text!r}: write {form}")
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise FeedError(f"{spec!r} has the day {text!r}, which is not in the calendar: write {form}") from None


def recorded_contracts(folder: Path, symbol: str, day: date) -> tuple[OptionKey, ...]:
    """Every option contract that was recorded on a day, sorted. Raises FeedError when there are no option quotes."""
    return tuple(sorted(_members(_option_file(folder, symbol, day))))


def equity_file(folder: Path, symbol: str, day: date) -> Path:
    """Where the stock's quotes of a day lie, or would lie."""
    return folder / "equity" / "usa" / "minute" / symbol.lower() / f"{day:%Y%m%d}_quote.zip"


def recorded_days(folder: Path, symbol: str) -> tuple[str, ...]:
    """The days YYYYMMDD of which the stock's quotes were recorded, in order; empty without the folder."""
    found = equity_file(folder, symbol, date.min).parent.glob("*_quote.zip")
    return tuple(sorted(path.name[:8] for path in found if re.fullmatch(r"\d{8}_quote\.zip", path.name)))


def load_day(
    folder: Path,
    symbol: str,
    day: date,
    legs: tuple[OptionKey, ...] = (),
    *,
    calendar: str = NEW_YORK,
    allow_absent: bool = False,
    digest: Digest | None = None,
) -> RecordedDay:
    """Read the regular session of one day: the stock and the legs asked for, nothing else.

    Raises FeedError, one line that names the file: no session that day, a missing folder, file or leg, a damaged
    archive, a malformed row, or a file without a single row of the regular session. With `allow_absent` a leg that
    was not recorded, or has no row, is put into `absent` instead. `digest` is given what was read.
    """
    session = session_of(day, calendar)
    if session is None:
        raise FeedError(f"{day:%Y%m%d} is not a trading day of {calendar}: pick another day for {symbol}")
    quote_file = _equity_file(folder, symbol, day)
    trade_file = quote_file.with_name(f"{day:%Y%m%d}_trade.zip")
    bars, repairs = read_bars(quote_file, None, session, digest=digest)
    trades: list[Bar] = []
    if trade_file.exists():
        trades, _ = read_bars(trade_file, None, session, trades=True, digest=digest)
    stock_quotes, stock_repairs = stand(bars, session, repairs, trades=trades)
    counted = {symbol: stock_repairs}
    options: dict[OptionKey, tuple[StandingQuote, ...]] = {}
    absent: dict[str, Absence] = {}
    members: dict[OptionKey, str] | None = None
    for leg in legs:
        try:
            option_file = _option_file(folder, symbol, day)
            members = _members(option_file) if members is None else members
            member = _member_of(leg, members, symbol, option_file)
            bars, repairs = read_bars(option_file, member, session, digest=digest)
        except (NotRecordedError, NoRowsError) as error:
            if not allow_absent:
                raise
            absent[leg.instrument(symbol)] = "no_quotes" if isinstance(error, NoRowsError) else "not_recorded"
            bars, repairs = [], Repairs()
        options[leg], counted[leg.instrument(symbol)] = stand(bars, session, repairs)
    times = tuple(range(session.open_us + MINUTE_US, session.close_us + 1, MINUTE_US))
    return RecordedDay(
        symbol=symbol,
        session=session,
        times_us=times,
        underlying=stock_quotes,
        options=options,
        repairs=counted,
        absent=absent,
    )


def _days_apart(first: str, second: str) -> int:
    """Calendar days between two days YYYYMMDD; an odd one is far from everything."""
    try:
        return abs((date.fromisoformat(first) - date.fromisoformat(second)).days)
    except ValueError:
        return date.max.toordinal()


def _equity_file(folder: Path, symbol: str, day: date) -> Path:
    path = equity_file(folder, symbol, day)
    if not folder.is_dir():
        raise FeedError(f"no folder {folder}: it must hold equity/ and option/ in Lean's format")
    if not path.parent.is_dir():
        raise FeedError(f"no folder {path.parent}: {symbol} was not recorded in minutes")
    if not path.exists():
        raise FeedError(f"no file {path}: days recorded nearby: {days_nearby(folder, symbol, day)}")
    return path


def days_nearby(folder: Path, symbol: str, day: date) -> str:
    """The recorded days nearest to one, for an error message."""
    wanted = f"{day:%Y%m%d}"
    near = sorted(recorded_days(folder, symbol), key=lambda text: (_days_apart(text, wanted), text))[:_NEAR]
    return ", ".join(sorted(near)) if near else "none"


def _option_file(folder: Path, symbol: str, day: date) -> Path:
    option_folder = folder / "option" / "usa" / "minute" / symbol.lower()
    found = sorted(option_folder.glob(f"{day:%Y%m%d}_quote_*.zip"))
    if not found:
        raise NotRecordedError(
            f"no file {option_folder / f'{day:%Y%m%d}_quote_american.zip'}: no options were recorded"
        )
    return found[0]


def _members(path: Path) -> dict[OptionKey, str]:
    members: dict[OptionKey, str] = {}
    for name in member_names(path):
        matched = _MEMBER.match(name)
        if matched is not None:
            right, strike, expiry = matched.groups()
            members[OptionKey(expiry=expiry, strike=int(strike) / _DECI_CENTS, right=right[0].upper())] = name
    return members


def _member_of(leg: OptionKey, members: dict[OptionKey, str], symbol: str, path: Path) -> str:
    if leg in members:
        return members[leg]

    def distance(other: OptionKey) -> tuple[bool, int, float, OptionKey]:
        return (other.right != leg.right, _days_apart(other.expiry, leg.expiry), abs(other.strike - leg.strike), other)

    near = ", ".join(key.instrument(symbol) for key in sorted(members, key=distance)[:_NEAR])
    raise NotRecordedError(f"no option {leg.instrument(symbol)} in {path}: nearest are {near or 'none'}")
