"""The rows of Lean's minute files: parsing, the regular session, and the standing quote of every minute."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from daemon.core.events import Session
from daemon.venues.feeds.errors import FeedError, NoRowsError
from daemon.venues.feeds.zips import Digest, read_member
from state.times import us_from_datetime

MINUTE_US = 60_000_000
SENTINEL_USD = 199_999.99
"""At and above this a price is the recording's word for "none"."""

_DECI_CENTS = 10_000.0
_QUOTE_FIELDS = 11
_TRADE_FIELDS = 6
_ZONE = ZoneInfo("America/New_York")


class Repairs(msgspec.Struct, kw_only=True):
    """What was found and put right in the rows of one instrument, counted by row, side or minute."""

    rows: int = 0
    """Rows of the regular session."""
    outside_session: int = 0
    """Rows labelled before the open or at or after the close: dropped."""
    empty_sides: int = 0
    """Sides that a row left empty: they keep their last value."""
    sentinels: int = 0
    """Sides at a sentinel or not positive: no quote until the next row."""
    crossed: int = 0
    """Rows with bid above ask: both sides are no quote until the next row."""
    outlived: int = 0
    """Sides kept from an earlier row that a newer opposite side has crossed: no quote."""
    out_of_order: int = 0
    """Rows labelled before the row above them: sorted into place."""
    duplicates: int = 0
    """Rows for a minute that has one already: the later row of the file holds."""
    minutes_without_bid: int = 0
    minutes_without_ask: int = 0

    def __str__(self) -> str:
        """Everything that is not zero, in one line."""
        found = [f"{name} {count}" for name in self.__struct_fields__ if (count := getattr(self, name)) != 0]
        return ", ".join(found)


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """The closing values of one row. None: the row left that side empty. Prices USD, sizes in units."""

    label_us: int
    bid: float | None
    ask: float | None
    bid_size: float = 0.0
    ask_size: float = 0.0


class StandingQuote(msgspec.Struct, frozen=True, kw_only=True):
    """What stood when a minute ended. A side without a quote is None; prices USD."""

    bid: float | None = None
    ask: float | None = None
    bid_size: float = 0.0
    ask_size: float = 0.0
    last: float | None = None
    fresh: bool = False
    """Whether this minute had a row of its own."""


def read_bars(
    path: Path, member: str | None, session: Session, *, trades: bool = False, digest: Digest | None = None
) -> tuple[list[Bar], Repairs]:
    """The regular session's rows of one file in time order; trade bars come with bid == ask == close.

    Raises FeedError on a malformed row (naming its line), NoRowsError on a file without any row of the session.
    `digest` is given what was read.
    """
    repairs = Repairs()
    midnight_us = _wall_midnight_us(session)
    bars: list[Bar] = []
    name = str(path) if member is None else f"{path} ({member})"
    for number, line in enumerate(read_member(path, member, digest=digest).splitlines(), start=1):
        if not line.strip():
            continue
        bar = _bar(line, midnight_us, f"{name} line {number}", trades=trades)
        if not session.open_us <= bar.label_us < session.close_us:
            repairs.outside_session += 1
            continue
        repairs.rows += 1
        if bars and bar.label_us < bars[-1].label_us:
            repairs.out_of_order += 1
        bars.append(bar)
    if not bars and not trades:
        raise NoRowsError(f"{name} has no row of the regular session of {session.date}")
    if repairs.out_of_order:
        bars.sort(key=lambda row: row.label_us)
    repairs.duplicates = len(bars) - len({bar.label_us // MINUTE_US for bar in bars})
    return bars, repairs


def stand(
    bars: list[Bar], session: Session, repairs: Repairs, *, trades: list[Bar] | None = None
) -> tuple[tuple[StandingQuote, ...], Repairs]:
    """The standing quote at the end of every minute of the session; `repairs` goes on counting."""
    by_end = {bar.label_us // MINUTE_US * MINUTE_US + MINUTE_US: bar for bar in bars}
    last_by_end = {bar.label_us // MINUTE_US * MINUTE_US + MINUTE_US: bar.bid for bar in trades or ()}
    quote, last = StandingQuote(), None
    standing: list[StandingQuote] = []
    for end_us in range(session.open_us + MINUTE_US, session.close_us + 1, MINUTE_US):
        bar = by_end.get(end_us)
        traded = last_by_end.get(end_us)
        if traded is not None and 0 < traded < SENTINEL_USD:
            last = traded
        quote = _repeat(quote, last) if bar is None else stand_after(quote, bar, last, repairs)
        repairs.minutes_without_bid += quote.bid is None
        repairs.minutes_without_ask += quote.ask is None
        standing.append(quote)
    return tuple(standing), repairs


def _repeat(quote: StandingQuote, last: float | None) -> StandingQuote:
    return StandingQuote(
        bid=quote.bid, ask=quote.ask, bid_size=quote.bid_size, ask_size=quote.ask_size, last=last, fresh=False
    )


def stand_after(before: StandingQuote, bar: Bar, last: float | None, repairs: Repairs) -> StandingQuote:
    """The standing quote once a row has come; what it left empty, and what is no quote, is counted."""
    bid, ask = _price(bar.bid, before.bid, repairs), _price(bar.ask, before.ask, repairs)
    if bid is not None and ask is not None and bid > ask:
        if bar.bid is not None and bar.ask is not None:
            repairs.crossed += 1
            bid = ask = None
        else:
            # One side is older than the other: the newer one has moved through it, so the older is gone.
            repairs.outlived += 1
            bid, ask = (None, ask) if bar.bid is None else (bid, None)
    bid_size = before.bid_size if bar.bid is None else bar.bid_size
    ask_size = before.ask_size if bar.ask is None else bar.ask_size
    return StandingQuote(
        bid=bid,
        ask=ask,
        bid_size=0.0 if bid is None else bid_size,
        ask_size=0.0 if ask is None else ask_size,
        last=last,
        fresh=True,
    )


def _price(price: float | None, before: float | None, repairs: Repairs) -> float | None:
    if price is None:
        repairs.empty_sides += 1
        return before
    if not 0 < price < SENTINEL_USD:
        repairs.sentinels += 1
        return None
    return price


def _bar(line: str, midnight_us: int, place: str, *, trades: bool) -> Bar:
    fields = line.split(",")
    expected = _TRADE_FIELDS if trades else _QUOTE_FIELDS
    if len(fields) != expected:
        raise FeedError(f"{place}: {len(fields)} fields, expected {expected}")
    try:
        label_us = midnight_us + int(fields[0]) * 1000
        if trades:
            close = _dollars(fields[4])
            return Bar(label_us=label_us, bid=close, ask=close)
        return Bar(
            label_us=label_us,
            bid=_dollars(fields[4]),
            ask=_dollars(fields[9]),
            bid_size=_size(fields[5]),
            ask_size=_size(fields[10]),
        )
    except ValueError as error:
        raise FeedError(f"{place}: {error}") from None


def _dollars(text: str) -> float | None:
    return float(text) / _DECI_CENTS if text.strip() else None


def _size(text: str) -> float:
    return float(text) if text.strip() else 0.0


def _wall_midnight_us(session: Session) -> int:
    """The moment from which wall-clock milliseconds count: noon minus twelve hours, right on clock-change days too."""
    day = datetime.fromtimestamp(session.open_us // 1_000_000, tz=UTC).astimezone(_ZONE).date()
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=_ZONE).astimezone(UTC)
    return us_from_datetime(noon - timedelta(hours=12))
