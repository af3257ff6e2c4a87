"""The book behind a leap: the kernel's numbers in the book's own words."""

import math
from typing import Any, NamedTuple

import msgspec

from daemon.backtest.leap.resting import STANDING
from daemon.backtest.leap.rows import REFUSALS, Note, unpacked
from daemon.backtest.leap.state import NOTED_CHECKPOINT, NOTED_REPORT, NOTED_SAMPLE, STATES, Scratch, Standing, Terms
from daemon.backtest.leap.terms import Entry
from daemon.core.attribution import Attribution, Point
from daemon.core.black_scholes import OptionGreeks
from daemon.core.book import Book, DayView, QuoteState
from daemon.core.pnl import DayPnl
from daemon.core.reconcile import forget_ended_orders
from daemon.core.step import Core
from daemon.core.turn import Turn
from daemon.strategies.gamma_scalper.market import MarketWindow
from daemon.strategies.gamma_scalper.scalper_state import LastBad, ScalperState

_replace = msgspec.structs.replace
_BAD_NAMES = {number: names for names, number in STANDING.items()}


class Told(NamedTuple):
    """What the venue told on the way."""

    values_usd: dict[str, float] | None
    """The account's values by the broker's tag, USD; None where they were not told."""
    positions: dict[str, float] | None
    """Instrument -> what the account holds, by the newest report; None where none came."""
    last: float | None
    """The last trade in the newest quote."""


def landed(  # noqa: PLR0917 -- a leap in, a book out
    core: Core, before: Book, start: Entry, now: Standing, room: Scratch, told: Told
) -> Book:
    """The book after a leap from `before`.

    Args:
        core: whose book it is.
        before: the book that the leap started from.
        start: what the kernel was told of it.
        now: what it gave back.
        room: its working memory, as it left it.
        told: by the venue.
    """
    changes: dict[str, Any] = {}
    if now.quotes:
        quote = QuoteState(
            bid=now.bid,
            ask=now.ask,
            last=told.last,
            halted=False,
            previous_close=before.quotes[before.underlying].previous_close,
            ts_us=now.quote_us,
        )
        changes["quotes"] = {**before.quotes, before.underlying: quote}
    if now.peak_usd != before.ledger.peak_equity_usd:
        changes["ledger"] = _replace(before.ledger, peak_equity_usd=now.peak_usd)
    if told.values_usd is not None:
        changes["account_values_usd"], changes["account_values_us"] = told.values_usd, now.account_us
    if told.positions is not None:
        changes["account_positions"] = told.positions
    book = _replace(
        before,
        ts_us=now.ts_us,
        strategy=_strategy(before.strategy, now, room),
        day=_day(before, start, now),
        feed_seen=now.feed_seen,
        **changes,
    )
    return _without_old_orders(core, book, now.reported_us) if now.reports and book.orders else book


def _without_old_orders(core: Core, book: Book, reported_us: int) -> Book:
    """The book after what a report at that moment forgets."""
    turn = Turn(core.profile, core.strategy, _replace(book, ts_us=reported_us))
    forget_ended_orders(turn)
    return _replace(book, orders=turn.book.orders) if turn.book.orders is not book.orders else book


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _strategy(before: ScalperState, now: Standing, room: Scratch) -> ScalperState:
    state = _replace(
        before,
        trading=STATES[now.trading],
        codes=unpacked(now.code),
        refused=REFUSALS[now.refused],
        last_bad=_last_bad(before.last_bad, now),
    )
    if now.quotes == 0:
        return state
    return _replace(
        state,
        market=_window(before.market, now, room),
        spot=now.mid,
        greeks=tuple([OptionGreeks(*values) for values in room.values[now.values].tolist()]),
        valued_us=now.valued_us,
    )


def _last_bad(before: LastBad, now: Standing) -> LastBad:
    standing = _BAD_NAMES[now.bad]
    if (standing, now.wide_us, now.extreme_us) == (before.standing, before.spread_wide, before.spread_extreme):
        return before
    return _replace(before, standing=standing, spread_wide=now.wide_us, spread_extreme=now.extreme_us)


def _window(before: MarketWindow, now: Standing, room: Scratch) -> MarketWindow:
    if now.bucket == before.bucket:
        return _replace(before, mid=now.mid, bucket_sum=now.bucket_sum)
    return _replace(
        before,
        mid=now.mid,
        bucket=now.bucket,
        bucket_sum=now.bucket_sum,
        earlier=tuple(room.rings[now.ring, 0, : now.buckets].tolist()),
        earlier_sum=now.earlier_sum,
        closes=tuple(room.rings[now.ring, 1, : now.closes].tolist()),
        path=now.path,
    )


def _day(before: Book, start: Entry, now: Standing) -> DayView:
    day, ledger = before.day, before.ledger
    times = {
        "sampled_minute": now.minute,
        "checkpoint_us": now.checkpoint_us,
        "written_peak_usd": _known(now.written_peak_usd),
    }
    if not now.quotes and not now.reports:
        return _replace(day, **times)
    legs = before.strategy.legs
    marks = {**day.marks, before.underlying: now.mid}
    for leg, mark in zip(legs, start.legs["mark"].tolist(), strict=True):
        marks[leg.instrument] = mark
    attribution = day.attribution
    if now.pointed:
        vegas = start.legs["point_vega"].tolist()
        held = [(leg, vega) for leg, vega in zip(legs, vegas, strict=True) if ledger.leg_quantities.get(leg.instrument)]
        attribution = Attribution(
            point=Point(
                ts_us=now.point_us,
                spot=now.point_spot,
                delta_shares=now.point_delta,
                gamma=now.point_gamma,
                theta_usd_year=now.point_theta,
                vegas={leg.instrument: vega for leg, vega in held},
                volatilities={leg.instrument: leg.volatility for leg, _ in held},
            ),
            delta_usd=now.delta_usd,
            gamma_usd=now.gamma_usd,
            theta_usd=now.theta_usd,
            vega_usd=day.attribution.vega_usd,
        )
    return _replace(
        day,
        marks=marks,
        pnl=DayPnl(
            realised_usd=ledger.realised_usd,
            unrealised_usd=now.unrealised_usd,
            legs_usd=now.legs_usd,
            commission_usd=ledger.commission_usd,
        ),
        equity_usd=now.equity_usd,
        drawdown_pct=now.drawdown_pct,
        attribution=attribution,
        **times,
    )


def notes_of(terms: Terms, book: Book, now: Standing, room: Scratch) -> tuple[Note, ...]:
    """What the noted moments of a leap tell; `book` is the one behind it."""
    vega_usd = book.day.attribution.vega_usd
    return tuple(
        [
            Note(
                ts_us=ts_us,
                is_report=bool(kinds & NOTED_REPORT),
                is_checkpoint=bool(kinds & NOTED_CHECKPOINT),
                is_sample=bool(kinds & NOTED_SAMPLE),
                spot=spot,
                pnl=DayPnl(
                    realised_usd=terms.realised_usd,
                    unrealised_usd=unrealised_usd,
                    legs_usd=legs_usd,
                    commission_usd=terms.commission_usd,
                ),
                equity_usd=equity_usd,
                drawdown_pct=drawdown_pct,
                attribution=Attribution(
                    delta_usd=delta_usd, gamma_usd=gamma_usd, theta_usd=theta_usd, vega_usd=vega_usd
                ),
                net_delta_shares=net,
            )
            for (
                ts_us, kinds, spot, unrealised_usd, legs_usd, equity_usd, drawdown_pct, delta_usd, gamma_usd, theta_usd,
                net,
            ) in room.notes[: now.notes].tolist()
        ]
    )  # fmt: skip
