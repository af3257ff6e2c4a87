"""What others see of the strategy: marks for the P&L, the snapshot's section, and one plain sentence."""

from typing import Any

import msgspec

from config.schema import Profile
from daemon.core.black_scholes import OptionGreeks
from daemon.core.book import Book
from daemon.core.pnl import leg_usd
from daemon.core.strategy import Marks
from daemon.strategies.gamma_scalper.legs import LegPricer, LegState, quantities_known, quantity_of, two_sided_mid
from daemon.strategies.gamma_scalper.looking import Look, Looker
from daemon.strategies.gamma_scalper.scalper_state import ScalperState
from daemon.strategies.gamma_scalper.trading_fsm import TradingState
from state.records import GammaScalperState, Greeks, Leg, Market

_WORDS = {
    TradingState.BOOT: "Waiting for the connection to the broker.",
    TradingState.SYNC: "Comparing broker, journal and book before anything is decided.",
    TradingState.IDLE: "No option legs are held, so there is nothing to hedge.",
    TradingState.ARMED: "Net delta is in its band; nothing to do.",
    TradingState.MONITOR: "Net delta is a little out of its band, below the hedge threshold.",
    TradingState.NEED_HEDGE: "A hedge is needed and may leave now.",
    TradingState.HEDGING: "A hedge is working at the broker.",
    TradingState.SAFE: "Not hedging: data, link or an order cannot be trusted.",
}
_REFUSALS = {
    "cooldown": "A hedge is needed and waits for its cooldown.",
    "min_price_move": "A hedge is needed and waits for the price to move enough to be worth its cost.",
    "outside_rth": "A hedge is needed; the market is closed, or too near the open or close.",
    "earnings_blackout": "A hedge is needed; the earnings blackout forbids it.",
    "max_daily_hedge_count": "A hedge is needed; today's number of hedges is used up.",
    "max_position": "A hedge is needed; it would exceed the largest own position.",
    "spread_too_wide": "A hedge is needed; the spread is too wide.",
    "spread_extreme": "A hedge is needed; the spread is too wide.",
    "no_quote": "A hedge is needed; there is no two-sided quote.",
    "trading_halted": "A hedge is needed; the exchange has halted trading in the underlying.",
    "data_delayed": "A hedge is needed; the underlying's prices come late, and the profile does not allow that.",
    "min_hedge_shares": "Net delta is past its threshold, but the hedge is smaller than the smallest order.",
    "instrument_constraints_missing": "A hedge is needed; the venue has not told the stock's tick and size steps.",
    "leg_settlement": "A hedge is needed; an expired leg waits for its settlement to be acknowledged.",
    "paused": "A hedge is needed; the operator has paused hedging.",
    "daily_loss": "A hedge is needed; the day's loss is at its limit.",
    "drawdown": "A hedge is needed; the drawdown is at its limit.",
    "order_rate": "A hedge is needed; this minute's number of orders is used up.",
    "order_value": "A hedge is needed; it would be worth more than one order may.",
    "price_collar": "A hedge is needed; its price would be too far from the middle of the quote.",
    "reject_backoff": "A hedge is needed and waits because the venue rejected the last one.",
    "halted": "A hedge is needed; a halt stands and leaves only forced hedges that lower net delta.",
}


class Shower:
    """Builds what is shown. Pure."""

    def __init__(self, profile: Profile, looker: Looker, pricer: LegPricer) -> None:
        self._name = profile.strategy
        self._looker = looker
        self._pricer = pricer

    def marks(self, state: ScalperState, book: Book) -> Marks:
        """Two-sided mids; else the stock's last trade, and the model with the last implied volatility for options."""
        prices: dict[str, float] = {}
        guessed: list[str] = []
        quotes = book.quotes
        quote = quotes.get(book.underlying)
        mid = two_sided_mid(quote)
        if mid is not None and state.session is not None and state.doubt is None:
            prices[book.underlying] = mid
        elif state.spot is not None:
            prices[book.underlying] = state.spot
        elif quote is not None and quote.last is not None:
            prices[book.underlying] = quote.last
        greeks = state.greeks if state.valued_us == book.ts_us else (None,) * len(state.legs)
        for place, leg in enumerate(state.legs):
            instrument = leg.instrument
            leg_quote = quotes.get(instrument)
            leg_mid = None if leg_quote is None else two_sided_mid(leg_quote)
            if leg_mid is not None:
                prices[instrument] = leg_mid
                continue
            modelled = self._pricer.model_mark(leg, state.spot, book.ts_us, fresh=greeks[place])
            if modelled is not None:
                prices[instrument] = modelled
                guessed.append(instrument)
        return Marks(prices, tuple(guessed))

    def present(self, state: ScalperState, book: Book) -> dict[str, Any]:
        """`GammaScalperState` as plain JSON values."""
        look = self._looker.look(state, book)
        prices = self.marks(state, book).prices
        shown = GammaScalperState(
            name=self._name,
            trading_state=state.trading.value,
            hedge_state=state.hedge.value,
            state_code=look.codes.text,
            words=words(state, book),
            legs=tuple(
                _leg(leg, value, prices.get(leg.instrument), state, book)
                for leg, value in zip(state.legs, state.greeks, strict=True)
            ),
            greeks=Greeks()
            if not quantities_known(state.legs, book)
            else Greeks(
                net_delta_shares=_rounded(look.net_delta_shares, 4),
                gamma=_rounded(look.option.gamma, 4),
                theta_usd_day=_rounded(look.option.theta_usd_day, 2),
                vega=_rounded(look.option.vega, 2),
            ),
            market=_market(look, state, book),
        )
        plain: dict[str, Any] = msgspec.to_builtins(shown)
        return plain


def words(state: ScalperState, book: Book) -> str:
    """One plain sentence: what the strategy does now and why."""
    halts = book.ledger.halts
    if halts and state.trading is TradingState.SAFE:
        return f"Halted by {', '.join(halt.code for halt in halts)}: no hedge leaves until the operator's reset."
    if state.trading in _WORDS:
        return _WORDS[state.trading]
    if state.refused is not None:
        return _REFUSALS.get(state.refused, f"A hedge is needed; refused because of {state.refused}.")
    if state.session is None:
        return "The market is closed."
    if book.control.any_asserted or book.stop_signal is not None:
        return "The operator has asked for no new hedges."
    return "Not trading now."


def _leg(leg: LegState, value: OptionGreeks | None, price: float | None, state: ScalperState, book: Book) -> Leg:
    spot = state.spot
    quantity = quantity_of(leg, book) if quantities_known((leg,), book) else None
    shares = None if leg.multiplier is None or quantity is None else quantity * leg.multiplier
    pnl = None
    if price is not None and quantity is not None and leg.multiplier is not None:
        pnl = leg_usd(book.ledger, leg.instrument, quantity, price, leg.multiplier)
    return Leg(
        instrument=leg.instrument,
        right=leg.right,
        strike=leg.strike,
        expiry=leg.expiry,
        quantity=quantity,
        price=_rounded(price, 6),
        implied_volatility=_rounded(leg.volatility, 6),
        volatility_source=leg.source,
        volatility_age_s=_volatility_age_s(leg, book.ts_us),
        adopted=leg.adopted,
        delta_shares=_times(shares, None if value is None else value.delta, 4),
        gamma=_times(shares, None if value is None else value.gamma, 4),
        theta_usd_day=_times(shares, None if value is None else value.theta_usd_day, 2),
        vega=_times(shares, None if value is None else value.vega, 2),
        moneyness_pct=None if spot is None else round((spot / leg.strike - 1) * 100, 4),
        value_usd=_times(shares, price, 2),
        pnl_usd=_rounded(pnl, 2),
    )


def _volatility_age_s(leg: LegState, ts_us: int) -> float | None:
    """Of a volatility that the market or the venue's model said; a fixed one has no age."""
    if leg.source is None or leg.source == "fixed":
        return None
    told_us = leg.implied_us if leg.source == "implied" else leg.model_us
    return round((ts_us - told_us) / 1e6, 3)


def _market(look: Look, state: ScalperState, book: Book) -> Market:
    gap_us = state.market.gap_us
    return Market(
        volatility_pct=_rounded(look.facts.volatility_pct, 2),
        efficiency=_rounded(look.facts.efficiency, 4),
        gap_pct=None if gap_us is None else round(state.market.gap_pct, 4),
        gap_age_s=None if gap_us is None else round((book.ts_us - gap_us) / 1e6, 3),
    )


def _times(shares: float | None, per_share: float | None, digits: int) -> float | None:
    return None if shares is None or per_share is None else round(shares * per_share, digits)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
