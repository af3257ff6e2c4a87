"""One option's standing quote from a model: the market's volatility in, Black-Scholes values out."""

import math

from daemon.core import black_scholes
from daemon.venues.simulated.model import SimContract, SimQuote

TICK_USD = 0.01
OPTION_SPREAD = 0.015
"""The spread of a model's quote as a part of the option's price, at least the stock's own spread."""


def years_left(contract: SimContract, ts_us: int) -> float:
    """ACT/365 to the last trading moment, 0 once it has passed (or for a stock)."""
    if contract.last_trade_us is None:
        return 0.0
    return black_scholes.years_between(ts_us, contract.last_trade_us)


def implied(
    contract: SimContract, ts_us: int, underlying_price: float, option_price: float, *, rate: float
) -> float | None:
    """The volatility (a year) that explains an option's price, None where none does."""
    if contract.right is None or contract.strike is None:
        return None
    years = years_left(contract, ts_us)
    return black_scholes.implied_volatility(
        contract.right, option_price, underlying_price, contract.strike, years, rate
    )


def with_model(
    quote: SimQuote,
    contract: SimContract,
    ts_us: int,
    underlying_price: float | None,
    *,
    volatility: float | None,
    rate: float,
) -> SimQuote:
    """The quote with the model's values beside its prices; unchanged where the model has nothing to say.

    Theta is USD a share and calendar day, vega USD a share for one point (0.01) of volatility, as IB reports them.
    """
    years = years_left(contract, ts_us)
    if (
        volatility is None
        or underlying_price is None
        or years <= 0
        or contract.right is None
        or contract.strike is None
    ):
        return quote
    values = black_scholes.greeks(contract.right, underlying_price, contract.strike, years, rate, volatility)
    return SimQuote(
        instrument=quote.instrument,
        bid=quote.bid,
        ask=quote.ask,
        last=quote.last,
        bid_size=quote.bid_size,
        ask_size=quote.ask_size,
        model_volatility=volatility,
        model_delta=values.delta,
        model_gamma=values.gamma,
        model_vega=values.vega / 100,
        model_theta=values.theta_usd_day,
        underlying_price=underlying_price,
    )


def value_of(
    contract: SimContract, ts_us: int, underlying_price: float, volatility: float | None, *, rate: float
) -> float | None:
    """The Black-Scholes value of an option, USD a share; None for a stock, or without a volatility (a year)."""
    if volatility is None or contract.right is None or contract.strike is None:
        return None
    years = years_left(contract, ts_us)
    return black_scholes.price(contract.right, underlying_price, contract.strike, years, rate, volatility)


def around(value: float, spread: float) -> tuple[float | None, float]:
    """Bid and ask on the tick around a value, at least a tick apart; no bid where it would not be positive."""
    bid_ticks = math.floor((value - spread / 2) / TICK_USD + 0.5)
    ask_ticks = max(math.floor((value + spread / 2) / TICK_USD + 0.5), bid_ticks + 1, 1)
    bid = round(bid_ticks * TICK_USD, 2) if bid_ticks > 0 else None
    return bid, round(ask_ticks * TICK_USD, 2)


def model_quote(
    contract: SimContract, ts_us: int, underlying_price: float, volatility: float, *, rate: float, spread_usd: float
) -> SimQuote:
    """A quote around the Black-Scholes value at this volatility (a year); no sides once the option has expired."""
    value = value_of(contract, ts_us, underlying_price, volatility, rate=rate)
    if value is None or years_left(contract, ts_us) <= 0:
        return SimQuote(instrument=contract.instrument, bid=None, ask=None)
    bid, ask = around(value, max(spread_usd, OPTION_SPREAD * value))
    quote = SimQuote(instrument=contract.instrument, bid=bid, ask=ask, bid_size=10.0, ask_size=10.0)
    return with_model(quote, contract, ts_us, underlying_price, volatility=volatility, rate=rate)
