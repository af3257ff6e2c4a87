"""What changes the account without an order: transfers, exercise and assignment, expiry, splits and dividends.

A gateway tells of these only by positions and account values; there is no execution to be found for them.
"""

from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import SimContract, SimPosition


def transfer(exchange: SimulatedExchange, instrument: str, quantity: float) -> list[SimPosition]:
    """So much more (or less) is held; the day's P&L does not notice. Raises ValueError for an unknown instrument."""
    _contract(exchange, instrument)
    exchange.money.transfer(instrument, quantity)
    quote = exchange.quote(instrument)
    if quote is not None:
        exchange.money.mark(quote)
    return [exchange.position(instrument)]


def exercise(exchange: SimulatedExchange, instrument: str, contracts: float | None = None) -> list[SimPosition]:
    """Options held long are exercised, short ones assigned, at the strike. Raises ValueError for anything else.

    `contracts` None is all of them; a call held long brings its multiplier of shares, a put takes them away.
    """
    contract = _option(exchange, instrument)
    held = exchange.position(instrument).quantity
    if held == 0 or contract.strike is None:
        raise ValueError(f"the simulated account holds no {instrument} to exercise")
    wanted = abs(held) if contracts is None else min(contracts, abs(held))
    signed = wanted if held > 0 else -wanted
    shares = signed * contract.multiplier * (1.0 if contract.right == "C" else -1.0)
    exchange.money.apply_fill(instrument, -signed, 0.0, 0.0)
    exchange.money.apply_fill(contract.symbol, shares, contract.strike, 0.0)
    return [exchange.position(instrument), exchange.position(contract.symbol)]


def expire(exchange: SimulatedExchange, instrument: str) -> list[SimPosition]:
    """The options leave the account worthless. Raises ValueError for what is no option."""
    _option(exchange, instrument)
    exchange.money.apply_fill(instrument, -exchange.position(instrument).quantity, 0.0, 0.0)
    return [exchange.position(instrument)]


def split(exchange: SimulatedExchange, instrument: str, *, numerator: int, denominator: int) -> list[SimPosition]:
    """Each `denominator` shares become `numerator`, fractions dropped. Raises ValueError for an unknown stock."""
    _contract(exchange, instrument)
    held = exchange.position(instrument).quantity
    after = float(int(held * numerator / denominator))
    return transfer(exchange, instrument, after - held)


def dividend(exchange: SimulatedExchange, instrument: str, usd_share: float) -> list[SimPosition]:
    """Cash for every share held, owed for every share short. Raises ValueError for an unknown stock."""
    _contract(exchange, instrument)
    exchange.money.pay(exchange.position(instrument).quantity * usd_share)
    return [exchange.position(instrument)]


def _contract(exchange: SimulatedExchange, instrument: str) -> SimContract:
    contract = exchange.contract(instrument)
    if contract is None:
        known = ", ".join(found.instrument for found in exchange.contracts)
        raise ValueError(f"the simulated exchange has no instrument {instrument!r}; it has: {known}")
    return contract


def _option(exchange: SimulatedExchange, instrument: str) -> SimContract:
    contract = _contract(exchange, instrument)
    if contract.kind != "option":
        raise ValueError(f"{instrument} is no option")
    return contract
