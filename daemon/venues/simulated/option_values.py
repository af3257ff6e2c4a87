"""One option's standing quote from a model: the market's volatility in, Black-Scholes values out."""

from daemon.core import black_scholes
from daemon.venues.simulated.model import SimContract, SimQuote


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
