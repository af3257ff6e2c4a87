"""The book as the snapshot shows it. Pure: files, process ids and wall time are the runtime's to add."""

from typing import Any, Literal

from config.schema import Profile
from daemon.core.book import Book, QuoteState
from daemon.core.consent import choices
from daemon.core.flatten_size import target_shares
from daemon.core.ledger import foreign_traded
from daemon.core.pnl import leg_usd
from daemon.core.pnl_parts import pnl_parts
from daemon.core.posture import posture
from daemon.core.self_check import self_check
from daemon.core.step import Core
from daemon.core.strategy import Strategy
from state.records import (
    ControlMark,
    InstrumentQuote,
    Limit,
    Position,
    SessionState,
    WorkingOrder,
)
from state.times import iso_from_us


def present(core: Core, book: Book) -> dict[str, Any]:
    """Snapshot fields by name; the runtime adds schema, pid, seq, wall_ts, profile, version, journal head, latency."""
    profile, strategy = core.profile, core.strategy
    option_delta = strategy.option_delta_shares(book.strategy, book)
    day = book.day
    return {
        "desk": book.desk,
        "run_id": book.run_id,
        "ts": iso_from_us(book.ts_us),
        "daemon_state": book.daemon_state.value,
        "self_check": self_check(profile, strategy, book),
        "account": book.link.account,
        "account_kind": book.link.account_kind,
        "link_state": book.link.state,
        "session": _session(book),
        "posture": posture(book.ledger, profile.control),
        "instruments": _quotes(strategy, book),
        "own_shares": book.ledger.own_shares,
        "target_shares": None if option_delta is None else profile.execution.target_shares - option_delta,
        "flatten_target_shares": target_shares(profile, strategy, book),
        "flatten_choices_shares": choices(book),
        "foreign_shares": book.foreign_shares if book.synced_once else None,
        "account_net_delta_shares": _account_net_delta(strategy, book, option_delta),
        "positions": _positions(strategy, book),
        "working_orders": _working_orders(book),
        "equity_usd": _cents(day.equity_usd),
        "daily_pnl_usd": None if day.pnl is None else _cents(day.pnl.total_usd),
        "drawdown_pct": None if day.drawdown_pct is None else round(day.drawdown_pct, 4),
        "pnl_parts": pnl_parts(book),
        "account_summary": dict(book.account_values_usd) if book.account_values_usd else None,
        "account_summary_age_ms": None
        if book.account_values_us is None
        else (book.ts_us - book.account_values_us) / 1000,
        "counters": _counters(book),
        "limits": (*_limits(profile, book), *strategy.limits(book.strategy, book)),
        "control": _control(book),
        "strategy": strategy.present(book.strategy, book),
    }


def _cents(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _account_net_delta(strategy: Strategy, book: Book, option_delta: float | None) -> float | None:
    """Every share and every option of the underlying in the account, whoever manages it; None where one is unknown."""
    others = strategy.other_option_delta_shares(book.strategy, book)
    if not book.synced_once or option_delta is None or others is None:
        return None
    return book.account_positions.get(book.underlying, 0.0) + option_delta + others


def _session(book: Book) -> SessionState:
    now = book.session_now()
    if now is not None:
        return SessionState(is_open=True, until=iso_from_us(now.close_us), session_date=now.date)
    upcoming = book.next_session()
    if upcoming is None:
        return SessionState(is_open=False)
    return SessionState(is_open=False, until=iso_from_us(upcoming.open_us), session_date=upcoming.date)


def _quotes(strategy: Strategy, book: Book) -> tuple[InstrumentQuote, ...]:
    shown = []
    kinds: list[tuple[str, Literal["stock", "option"]]] = [(book.underlying, "stock")]
    legs = strategy.legs(book.strategy, book)
    kinds += [(leg, "option") for leg in legs]
    # Options of the account that are no legs: held, so their price belongs to the present.
    kinds += [
        (name, "option")
        for name, spec in book.specs.items()
        if spec.kind == "option" and name not in legs and book.account_positions.get(name, 0.0) != 0
    ]
    for instrument, kind in kinds:
        quote = book.quotes.get(instrument, QuoteState())
        spread = quote.spread_pct
        shown.append(
            InstrumentQuote(
                symbol=instrument,
                kind=kind,
                bid=quote.bid,
                ask=quote.ask,
                last=quote.last,
                spread_pct=None if spread is None else round(spread, 4),
                quote_age_ms=(book.ts_us - quote.ts_us) / 1000 if quote.ts_us else None,
            )
        )
    return tuple(shown)


def _positions(strategy: Strategy, book: Book) -> tuple[Position, ...]:
    if not book.synced_once:
        return ()
    legs = strategy.legs(book.strategy, book)
    names = dict.fromkeys((book.underlying, *legs, *book.account_positions))
    shown = (_position(book, name, is_leg=name in legs) for name in names)
    return tuple(position for position in shown if position.own != 0 or position.foreign != 0)


def _position(book: Book, instrument: str, *, is_leg: bool) -> Position:
    held = book.account_positions.get(instrument, 0.0)
    if instrument == book.underlying:
        own, pnl = book.ledger.own_shares, None if book.day.pnl is None else book.day.pnl.stock_usd
    elif is_leg:
        own, pnl = held, _leg_pnl(book, instrument, held)
    else:
        own, pnl = 0.0, None
    price = book.day.marks.get(instrument)
    if price is None and (quote := book.quotes.get(instrument)) is not None:
        price = quote.mid  # no leg: nobody marks it, yet it has a price
    spec = book.specs.get(instrument)
    value = None if price is None or spec is None else _cents(held * price * spec.multiplier)
    return Position(
        instrument=instrument, own=own, foreign=held - own, price=price, value_usd=value, pnl_usd=_cents(pnl)
    )


def _leg_pnl(book: Book, leg: str, held: float) -> float | None:
    price, spec = book.day.marks.get(leg), book.specs.get(leg)
    if price is None or spec is None:
        return None
    return leg_usd(book.ledger, leg, held, price, spec.multiplier)


def _working_orders(book: Book) -> tuple[WorkingOrder, ...]:
    own = [
        WorkingOrder(
            order_ref=order.order_ref,
            instrument=order.instrument,
            side=order.side,
            quantity=order.quantity,
            filled=order.filled,
            status=order.state.value,
            own=True,
            age_ms=(book.ts_us - order.decided_us) / 1000,
            limit_price=order.limit_price,
        )
        for order in book.in_flight()
    ]
    foreign = [
        WorkingOrder(
            order_ref=None,
            instrument=order.instrument,
            side=order.side,
            quantity=order.quantity,
            filled=order.filled,
            status=order.status,
            own=False,
            age_ms=None,
            limit_price=order.limit_price,
        )
        for order in book.foreign_orders.values()
    ]
    return (*own, *foreign)


def _counters(book: Book) -> dict[str, Any]:
    ledger = book.ledger
    return {
        "hedges_today": ledger.hedges_today,
        "refused_today": dict(ledger.refused_today),
        "fills_today": len(ledger.fills),
        "traded_usd": round(ledger.traded_usd, 2),
        "commissions_pending": sum(fill.commission_usd is None for fill in ledger.fills.values()),
        "rejects_in_a_row": ledger.consecutive_rejects,
        "foreign_traded_shares": foreign_traded(ledger, book.underlying),
        "modelled_marks": list(book.day.modelled),
        "quotes_refused": {instrument: dict(kinds) for instrument, kinds in book.quotes_refused.items()},
        "pacing_complaints": book.pacing.violations,
    }


def _limits(profile: Profile, book: Book) -> tuple[Limit, ...]:
    risk, day = profile.gates.guard.risk, book.day
    loss = 0.0 if day.pnl is None else max(0.0, -day.pnl.total_usd)
    fallen = 0.0 if day.drawdown_pct is None else day.drawdown_pct
    return (
        Limit(name="daily_loss_usd", used=round(loss, 2), limit=risk.max_daily_loss_usd),
        Limit(name="drawdown_pct", used=round(fallen, 4), limit=risk.max_drawdown_pct),
        *_reducing_limit(profile, book),
    )


def _reducing_limit(profile: Profile, book: Book) -> tuple[Limit, ...]:
    """Shown only while it counts: with `on_halt: reduce` and a halt."""
    control = profile.control
    if control.on_halt != "reduce" or not book.ledger.halts:
        return ()
    return (Limit(name="max_reduce_orders", used=book.ledger.reduce_orders, limit=control.max_reduce_orders),)


def _control(book: Book) -> tuple[ControlMark, ...]:
    marks = []
    for file in (book.control.flatten, book.control.stop, book.control.pause):
        if file is None:
            continue
        progress = book.flatten.state.value if file.name == "flatten" else None
        if file.name == "flatten" and book.flatten.detail is not None:
            progress = f"{progress}: {book.flatten.detail}"
        since = iso_from_us(file.since_us)
        marks.append(ControlMark(name=file.name, since=since, by=file.by, reason=file.reason, progress=progress))
    return tuple(marks)
