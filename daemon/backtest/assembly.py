"""From a profile and a feed to a player that is ready to start: core, exchange, venue, wired as live."""

from config.schema import Profile, SimulatedPosition
from daemon.backtest.feeds.feed import Feed
from daemon.backtest.market_time import MarketTime
from daemon.backtest.peeking import PeekingMarket
from daemon.backtest.player import Listener, Player
from daemon.core.instruments import option_id
from daemon.core.recovery import Recovered
from daemon.core.step import Core
from daemon.core.strategy import Strategy
from daemon.venues.simulated.exchange import OptionModel, SimulatedExchange
from daemon.venues.simulated.frictions import Commissions, Frictions
from daemon.venues.simulated.model import Market, OpeningPosition, SimContract
from daemon.venues.simulated.option_values import value_of
from daemon.venues.simulated.venue import SimulatedVenue
from daemon.venues.simulated.wider_market import WiderMarket
from state.runs.records import VenueModel

US_PER_MS = 1000
DESK = "backtest"
LEDGER_ID = "bt01"
"""Part of each order_ref; the same for every run, so that the same decisions give the same bytes."""


def opening_positions(profile: Profile, positions: tuple[SimulatedPosition, ...]) -> list[OpeningPosition]:
    """The account's positions at the start, by our instrument ids."""
    return [
        OpeningPosition(
            instrument=_instrument(profile.underlying.symbol, position),
            quantity=position.quantity,
            average_price=position.average_price,
        )
        for position in positions
    ]


def _instrument(symbol: str, position: SimulatedPosition) -> str:
    if position.right is None or position.strike is None or position.expiry is None:
        return symbol
    right = "C" if position.right == "call" else "P"
    return option_id(symbol, position.expiry.replace("-", ""), right, position.strike)


def model_of(profile: Profile) -> VenueModel:
    """How the profile's simulated venue fills, where nothing else is asked for."""
    settings = profile.simulator
    if settings is None:
        return VenueModel()
    return VenueModel(
        partial_fill_shares=settings.partial_fill_shares, fill_displayed_size=settings.fill_displayed_size
    )


def _quoted(market: Market, model: VenueModel) -> Market:
    return market if model.extra_spread_usd == 0 else WiderMarket(market, model.extra_spread_usd)


def _frictions(model: VenueModel) -> Frictions:
    return Frictions(
        slippage_bps=model.slippage_bps,
        slice_each_step=model.partial_fill_each_step,
        commissions=Commissions(
            share_usd=model.commission_usd_share,
            minimum_usd=model.commission_minimum_usd,
            contract_usd=model.commission_usd_contract,
        ),
    )


def _option_model(profile: Profile) -> OptionModel:
    """The desk's own: at the volatility that the market says, else at the profile's fixed one."""
    sources = (profile.greeks.volatility, *profile.greeks.fallback)
    fixed = next((source for source in sources if not isinstance(source, str)), None)
    rate = profile.greeks.risk_free_rate

    def value(contract: SimContract, ts_us: int, spot: float, quoted: float | None) -> float | None:
        return value_of(contract, ts_us, spot, fixed if quoted is None else quoted, rate=rate)

    return value


def assemble(
    profile: Profile,
    strategy: Strategy,
    feed: Feed,
    listener: Listener,
    *,
    model: VenueModel | None = None,
    market: Market | None = None,
    run_id: str = "bt",
) -> Player:
    """Wire one run. `model` None is the profile's own; `market` takes the place of the feed's.

    Raises ValueError where the profile says no positions, or ones that the feed does not quote.
    """
    settings = profile.simulator
    if settings is None or not settings.positions:
        raise ValueError("the profile has no simulator.positions: a backtest must know what it starts with")
    how = model_of(profile) if model is None else model
    peeking = PeekingMarket(_quoted(feed.market if market is None else market, how))
    exchange = SimulatedExchange(
        peeking,
        account=settings.account,
        cash_usd=settings.cash_usd,
        positions=opening_positions(profile, settings.positions),
        partial_fill_shares=how.partial_fill_shares,
        fill_displayed_size=how.fill_displayed_size,
        frictions=_frictions(how),
        model=_option_model(profile),
    )
    time = MarketTime()
    venue = SimulatedVenue(exchange, time, client_id=profile.ib.client_id, latency_us=round(how.latency_ms * US_PER_MS))
    core = Core(profile, strategy)
    book = core.open(
        desk=DESK, run_id=run_id, recovered=Recovered(), new_ledger_id=LEDGER_ID, ts_us=peeking.next_us() or 0
    )
    return Player(core, book, venue, peeking, time=time, listener=listener, clock_every_ms=feed.clock_every_ms)
