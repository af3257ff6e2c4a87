"""Answers about the past: bars of the minutes that this market has shown, and its sessions."""

import re

from daemon.core.events import Session as TradingSession
from daemon.simulator import outgoing
from daemon.simulator.bar_history import MINUTE_US, SERIES, Bar, Series
from daemon.simulator.codec import Values, flag, integer
from daemon.simulator.contracts import WIRE_ZONE, api_moment_us, api_time, new_york
from daemon.simulator.gateway import Gateway
from daemon.simulator.market_requests import one_contract
from daemon.simulator.serving import INVALID_REQUEST, Handler
from daemon.simulator.sessions import Session
from daemon.simulator.transport import WireError

NO_HISTORY = 162
DAY_US = 86_400_000_000
_EPOCH_SECONDS = 2
"""formatDate 2: seconds since the epoch instead of New York time."""

_UNITS_US = {"S": 1_000_000, "D": DAY_US, "W": 7 * DAY_US, "M": 31 * DAY_US, "Y": 366 * DAY_US}
_BAR_UNITS_US = {"min": MINUTE_US, "mins": MINUTE_US, "hour": 60 * MINUTE_US, "hours": 60 * MINUTE_US, "day": DAY_US}


def historical_data(gateway: Gateway, session: Session, values: Values) -> None:
    """20: bars of a minute or longer, or the sessions (whatToShow SCHEDULE); error 162 where there are none."""
    req_id = integer(values, "req_id")
    contract = one_contract(gateway, session, req_id, values)
    if contract is None:
        return
    until_us = api_moment_us(values["end"]) if values["end"] else gateway.exchange.now_us + 1
    since_us = until_us - _duration_us(values["duration"])
    if flag(values, "keep_up_to_date"):
        gateway.error(session, req_id, INVALID_REQUEST, "Error validating request: the simulator's bars do not go on")
        return
    if values["what_to_show"] == "SCHEDULE":
        _say_schedule(gateway, session, req_id, since_us, until_us)
        return
    bar_us = _bar_us(values["bar_size"])
    series = _series(values["what_to_show"])
    bars = gateway.history.bars(contract.instrument, series, since_us=since_us, until_us=until_us, bar_us=bar_us)
    if not bars:
        text = f"Historical Market Data Service error message:HMDS query returned no data: {contract.symbol}@SMART"
        gateway.error(session, req_id, NO_HISTORY, text)
        return
    form = integer(values, "format_date")
    session.say(
        outgoing.HISTORICAL_DATA.frame(
            req_id=req_id,
            start=api_time(since_us),
            end=api_time(until_us),
            bars=[_row(bar, form, daily=bar_us >= DAY_US) for bar in bars],
        )
    )


def cancel_historical_data(_gateway: Gateway, _session: Session, values: Values) -> None:
    """25: every question is answered at once, so there is nothing to cancel. Raises WireError."""
    integer(values, "req_id")


def _row(bar: Bar, form: int, *, daily: bool) -> tuple[object, ...]:
    """Date, open, high, low, close, volume, weighted average, count; nobody has counted volume here (-1)."""
    when = f"{new_york(bar.start_us):%Y%m%d}" if daily else api_time(bar.start_us)
    if form == _EPOCH_SECONDS and not daily:
        when = str(bar.start_us // 1_000_000)
    return when, bar.open, bar.high, bar.low, bar.close, -1, -1, bar.quotes


def _say_schedule(gateway: Gateway, session: Session, req_id: int, since_us: int, until_us: int) -> None:
    found: list[TradingSession] = [
        trading
        for trading in gateway.exchange.market.sessions
        if since_us <= trading.close_us and trading.open_us < until_us
    ]
    rows = [
        (_schedule_moment(trading.open_us), _schedule_moment(trading.close_us), trading.date.replace("-", ""))
        for trading in found
    ]
    session.say(
        outgoing.HISTORICAL_SCHEDULE.frame(
            req_id=req_id,
            start=rows[0][0] if rows else "",
            end=rows[-1][1] if rows else "",
            time_zone=WIRE_ZONE,
            sessions=rows,
        )
    )


def _schedule_moment(time_us: int) -> str:
    return f"{new_york(time_us):%Y%m%d-%H:%M:%S}"


def _duration_us(words: str) -> int:
    """`3600 S`, `2 D`, `1 W`, ... Raises WireError."""
    found = re.fullmatch(r"(\d+) ([SDWMY])", words)
    if found is None:
        raise WireError(f"the duration {words!r} is not like 3600 S or 2 D")
    return int(found[1]) * _UNITS_US[found[2]]


def _bar_us(words: str) -> int:
    """`1 min`, `5 mins`, `1 hour`, `1 day`. Raises WireError: the market's past is kept in minutes."""
    found = re.fullmatch(r"(\d+) (\w+)", words)
    if found is None or found[2] not in _BAR_UNITS_US or int(found[1]) == 0:
        raise WireError(f"the bar size {words!r} is not like 1 min, 1 hour or 1 day (nothing shorter is kept)")
    return int(found[1]) * _BAR_UNITS_US[found[2]]


def _series(words: str) -> Series:
    for series in SERIES:
        if words == series:
            return series
    raise WireError(f"there is no historical data of the kind {words!r}; there is {', '.join(SERIES)} and SCHEDULE")


HISTORY_HANDLERS: dict[str, Handler] = {
    "reqHistoricalData": historical_data,
    "cancelHistoricalData": cancel_historical_data,
}
