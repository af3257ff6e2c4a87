"""Days and longer periods: P&L, return, attribution, activity. What is missing is flagged, never passed over."""

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from state.records import PnlParts
from state.statistics.digest import DayPart
from state.statistics.measures import wear

Flag = Literal["partial", "gap", "by_equity", "unsampled", "restarted", "off_light"]
"""Why a day's figures are to be read with care:

- `partial`: nothing before the first sample says where the day began;
- `gap`: over five minutes, and three times what mostly lies between two samples, without any;
- `by_equity`: the writer states no P&L of the day; it is the change of its equity;
- `unsampled`: equity moved since the day before by more than the day's own P&L: days without samples lie between;
- `restarted`: more than one run wrote it;
- `off_light`: the light was not green for part of it.
"""
By = Literal["day", "week", "month"]
GAP_US = 5 * 60 * 1_000_000
NIGHT_US = 3 * 3600 * 1_000_000
"""A longer silence than this is the desk's rest (it was stopped), not a gap within its work."""
UNSAMPLED_USD = 0.05
"""What rounding to the cent may leave between two days."""
PARTS = ("delta_usd", "gamma_usd", "theta_usd", "vega_usd", "other_usd", "slippage_usd", "commission_usd")
COSTS = ("slippage_usd", "commission_usd")
"""The parts that are positive when paid: the P&L is the sum of the others minus these."""


class TradingDay(msgspec.Struct, frozen=True, kw_only=True):
    """One day. `pnl_usd` is net of commissions, None where nothing on file says it.

    `return_pct` is of the equity that the day began with; `parts` adds up to `pnl_usd` where the desk splits it.
    """

    day: str
    is_session: bool
    first_us: int
    last_us: int
    minutes: int
    pnl_usd: float | None
    return_pct: float | None
    equity_usd: float | None
    drawdown_pct: float | None
    parts: PnlParts | None
    traded_usd: float | None
    hedges: int | None
    closing_price: float | None = None
    """The underlying's newest price of the day, USD."""
    flags: tuple[Flag, ...] = ()


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Days of one ISO week or month taken together, or one day. `n` days have a P&L, `days` were sampled."""

    name: str
    """`2026-11-21`, `2026-W47`, `2026-11`."""
    first_day: str
    last_day: str
    days: int
    n: int
    won: int
    pnl_usd: float | None
    return_pct: float | None
    """Compounded over the days: product of (1 + r) - 1."""
    equity_usd: float | None
    parts: Mapping[str, float] | None
    """Sums of `PARTS` over the days that split their P&L (`split_days`); costs positive when paid."""
    split_days: int
    traded_usd: float | None
    hedges: int | None
    wear_per_10k: float | None
    """`measures.wear` over the days that state both P&L and volume (`wear_days`); None without volume."""
    wear_days: int
    flags: tuple[Flag, ...] = ()


def trading_days(parts: Mapping[str, DayPart]) -> tuple[TradingDay, ...]:
    """Days in order.

    A day's P&L is what the desk states at its last sample (`daily_pnl_usd`, since the previous session's closing
    mark). A writer that names no session, or states none, is read by the change of its equity.
    """
    found: list[TradingDay] = []
    equity_before: float | None = None
    for part in sorted(parts.values(), key=lambda part: part.day):
        day = _trading_day(part, equity_before)
        found.append(day)
        equity_before = equity_before if day.equity_usd is None else day.equity_usd
    return tuple(found)


def _trading_day(part: DayPart, equity_before: float | None) -> TradingDay:
    flags: list[Flag] = []
    change = None if part.equity_usd is None or equity_before is None else part.equity_usd - equity_before
    stated = part.daily_pnl_usd
    if stated is not None and (part.is_session or change is None):
        pnl: float | None = stated
        if change is not None and abs(change - stated) > UNSAMPLED_USD:
            flags.append("unsampled")
    elif change is not None:
        pnl = change
        flags.append("by_equity")
    elif part.equity_usd is not None and part.first_equity_usd is not None:
        pnl = part.equity_usd - part.first_equity_usd
        flags += ["by_equity", "partial"]
    else:
        pnl = None
    step_us = (part.last_us - part.first_us) / max(1, part.minutes - 1)
    if max(GAP_US, 3 * step_us) < part.widest_gap_us < NIGHT_US:
        flags.append("gap")
    if len(part.runs) > 1:
        flags.append("restarted")
    if part.not_green:
        flags.append("off_light")
    start = None if part.equity_usd is None or pnl is None else part.equity_usd - pnl
    return TradingDay(
        day=part.day,
        is_session=part.is_session,
        first_us=part.first_us,
        last_us=part.last_us,
        minutes=part.minutes,
        pnl_usd=None if pnl is None else round(pnl, 6),
        return_pct=None if pnl is None or start is None or start <= 0 else pnl / start * 100,
        equity_usd=part.equity_usd,
        drawdown_pct=part.drawdown_pct,
        parts=part.parts if part.parts is not None and part.parts.other_usd is not None else None,
        traded_usd=part.traded_usd,
        hedges=part.hedges,
        closing_price=part.underlying_price,
        flags=tuple(flags),
    )


def missing_weekdays(days: Sequence[TradingDay], holidays: Iterable[str] = ()) -> tuple[str, ...]:
    """Mondays to Fridays between the first and the last day without any sample, `holidays` aside, as ISO dates."""
    if not days:
        return ()
    known = {day.day for day in days} | set(holidays)
    first, last = (dt.date.fromisoformat(day.day) for day in (days[0], days[-1]))
    between = (first + dt.timedelta(days=number) for number in range((last - first).days + 1))
    return tuple(text for date in between if date.weekday() < 5 and (text := date.isoformat()) not in known)


def periods(days: Sequence[TradingDay], by: By) -> tuple[Period, ...]:
    """Days joined by day, ISO week (Monday to Sunday; ISO 8601) or calendar month, in order."""
    groups: dict[str, list[TradingDay]] = {}
    for day in days:
        groups.setdefault(period_name(day.day, by), []).append(day)
    return tuple(one_period(name, group) for name, group in groups.items())


def period_name(day: str, by: By) -> str:
    """`2026-11-21` -> itself, `2026-W47` or `2026-11`."""
    if by == "day":
        return day
    if by == "month":
        return day[:7]
    year, week, _ = dt.date.fromisoformat(day).isocalendar()
    return f"{year:04d}-W{week:02d}"


def one_period(name: str, days: Sequence[TradingDay]) -> Period:
    """Days, at least one and in order, taken together."""
    earned = [day.pnl_usd for day in days if day.pnl_usd is not None]
    returns = [day.return_pct for day in days if day.return_pct is not None]
    split = [day.parts for day in days if day.parts is not None]
    pairs = [(day.pnl_usd, day.traded_usd) for day in days if day.pnl_usd is not None and day.traded_usd is not None]
    traded = [day.traded_usd for day in days if day.traded_usd is not None]
    hedges = [day.hedges for day in days if day.hedges is not None]
    equity = [day.equity_usd for day in days if day.equity_usd is not None]
    worn = wear(pairs)
    return Period(
        name=name,
        first_day=days[0].day,
        last_day=days[-1].day,
        days=len(days),
        n=len(earned),
        won=sum(value > 0 for value in earned),
        pnl_usd=math.fsum(earned) if earned else None,
        return_pct=(math.prod(1 + each / 100 for each in returns) - 1) * 100 if returns else None,
        equity_usd=equity[-1] if equity else None,
        parts=attribution(split),
        split_days=len(split),
        traded_usd=math.fsum(traded) if traded else None,
        hedges=sum(hedges) if hedges else None,
        wear_per_10k=worn.value,
        wear_days=worn.n,
        flags=tuple(dict.fromkeys(flag for day in days for flag in day.flags)),
    )


def attribution(parts: Sequence[PnlParts], total_usd: float | None = None) -> dict[str, float] | None:
    """The sums of each of `PARTS`, USD; costs positive when paid. None without any.

    `total_usd` is these days' P&L, where the caller knows it otherwise than from the parts.

    delta + gamma + theta + vega + other - slippage - commission is the P&L of these days, to the cent: each part is
    rounded to one, and what that leaves goes to `other`.
    """
    if not parts:
        return None
    exact = {name: math.fsum(getattr(each, name) or 0.0 for each in parts) for name in PARTS}
    sums = {name: round(value, 2) for name, value in exact.items()}
    known = math.fsum(signed(name, value) for name, value in exact.items()) if total_usd is None else total_usd
    left = to_the_cent(known) - math.fsum(signed(name, value) for name, value in sums.items())
    return sums | {"other_usd": round(sums["other_usd"] + left, 2)}


def to_the_cent(usd: float) -> float:
    """Rounded; a sum that is half a cent but for the order of its addition is rounded as half a cent."""
    return round(round(usd, 6), 2)


def signed(name: str, value: float) -> float:
    """One of `PARTS` as it adds up to the P&L: a cost with its minus, and never a minus before zero."""
    return 0.0 - value if name in COSTS else value
