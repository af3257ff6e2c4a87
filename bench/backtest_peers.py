"""One engine doing the million-tick job in a process, and an environment, of its own.

Called by bench/backtest: `python bench/backtest_peers.py ENGINE JOB.npz REPEATS` prints one JSON object: the seconds
of each run (the first with whatever must be compiled), the hedges, and the peak memory. What an engine needs before it
can run (its own objects made of the arrays) is not timed, but told.
"""

# ruff: noqa: PLC0415 - a process loads only the engine that it measures

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from backtest_job import YEAR_US, Job, Ticks, load, shares_to_trade, straddle_delta

Run = Callable[[], int]
"""Does the whole job once; gives the number of hedges."""


def plain_python(job: Job, ticks: Ticks) -> Run:
    """The rule as a loop over lists: no events, no guards, no account."""
    times, bids, asks = ticks.ts_us.tolist(), ticks.bid.tolist(), ticks.ask.tolist()

    def run() -> int:
        return _loop(times, bids, asks, *_numbers(job))[0]

    return run


def numba_loop(job: Job, ticks: Ticks) -> Run:
    """The same loop compiled as a whole: what one core can do."""
    import numba

    delta, to_trade = numba.njit(straddle_delta), numba.njit(shares_to_trade)
    namespace: dict[str, Any] = {**_loop.__globals__, "straddle_delta": delta, "shares_to_trade": to_trade}
    compiled = numba.njit(type(_loop)(_loop.__code__, namespace, "_loop"))

    def run() -> int:
        return int(compiled(ticks.ts_us, ticks.bid, ticks.ask, *_numbers(job))[0])

    return run


def _numbers(job: Job) -> tuple[float, float, float, float, float, float, int]:
    units = job.contracts * 100.0
    cooldown_us = job.cooldown_s * 1e6
    return units, job.strike, job.rate, job.volatility, job.threshold_shares, cooldown_us, job.expiry_us


def _loop(times, bids, asks, units, strike, rate, volatility, threshold, cooldown_us, expiry_us):  # noqa: ANN001, ANN202, PLR0917
    """Hedges, shares and cash at the end."""
    shares, cash, hedges, last_us = 0.0, 0.0, 0, -(10**18)
    for i in range(len(times)):
        now_us = times[i]
        mid = (bids[i] + asks[i]) / 2
        net = units * straddle_delta(mid, (expiry_us - now_us) / YEAR_US, strike, rate, volatility) + shares
        if abs(net) >= threshold and now_us - last_us >= cooldown_us:
            traded = shares_to_trade(net)
            shares += traded
            cash -= traded * (asks[i] if traded > 0 else bids[i])
            hedges += 1
            last_us = now_us
    return hedges, shares, cash


def vectorbt(job: Job, ticks: Ticks) -> Run:
    """`Portfolio.from_order_func`: the rule as a compiled order function, its own cash, size and record keeping."""
    import numba
    import vectorbt as vbt
    from vectorbt.portfolio import nb
    from vectorbt.portfolio.enums import NoOrder

    delta, to_trade = numba.njit(straddle_delta), numba.njit(shares_to_trade)
    no_order = NoOrder
    order_nb = nb.order_nb
    units, strike, rate, volatility, threshold, cooldown_us, expiry_us = _numbers(job)

    @numba.njit
    def order(c, times, bids, asks, last_us):  # noqa: ANN001, ANN202
        i = c.i
        mid = (bids[i] + asks[i]) / 2
        years = (expiry_us - times[i]) / YEAR_US
        net = units * delta(mid, years, strike, rate, volatility) + c.position_now
        if abs(net) >= threshold and times[i] - last_us[0] >= cooldown_us:
            traded = to_trade(net)
            last_us[0] = times[i]
            return order_nb(size=traded, price=asks[i] if traded > 0 else bids[i])
        return no_order

    def run() -> int:
        portfolio = vbt.Portfolio.from_order_func(
            ticks.mid, order, ticks.ts_us, ticks.bid, ticks.ask, np.full(1, -(10**18)), init_cash=1e9
        )
        return int(portfolio.orders.count())

    return run


def hftbacktest(job: Job, ticks: Ticks) -> Run:
    """Depth events through its exchange model, the rule in a compiled loop around `wait_next_feed`, market orders."""
    import hftbacktest as hft
    import numba
    from hftbacktest import types

    events = _depth_events(ticks, types)
    delta, to_trade = numba.njit(straddle_delta), numba.njit(shares_to_trade)
    units, strike, rate, volatility, threshold, cooldown_us, expiry_us = _numbers(job)
    wait_ns, market, ioc = 10**15, hft.MARKET, hft.GTC

    @numba.njit
    def play(hbt):  # noqa: ANN001, ANN202
        hedges, last_us = 0, -(10**18)
        while hbt.wait_next_feed(False, wait_ns) == 2:  # noqa: FBT003
            depth = hbt.depth(0)
            now_us = hbt.current_timestamp // 1000
            mid = (depth.best_bid + depth.best_ask) / 2
            net = units * delta(mid, (expiry_us - now_us) / YEAR_US, strike, rate, volatility) + hbt.position(0)
            if abs(net) >= threshold and now_us - last_us >= cooldown_us:
                traded = to_trade(net)
                hedges += 1
                last_us = now_us
                if traded > 0:
                    hbt.submit_buy_order(0, hedges, depth.best_ask, traded, ioc, market, True)  # noqa: FBT003
                else:
                    hbt.submit_sell_order(0, hedges, depth.best_bid, -traded, ioc, market, True)  # noqa: FBT003
                hbt.clear_inactive_orders(0)
        return hedges

    def run() -> int:
        asset = (
            hft.BacktestAsset()
            .data([events])
            .linear_asset(1.0)
            .constant_order_latency(0, 0)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(0.01)
            .lot_size(1.0)
            .last_trades_capacity(0)
        )
        backtest = hft.HashMapMarketDepthBacktest([asset])
        hedges = int(play(backtest))
        backtest.close()
        return hedges

    return run


def _depth_events(ticks: Ticks, types: Any) -> Any:
    """A snapshot of one level a side for each tick: the old levels go, the new ones come."""
    n = len(ticks.ts_us)
    event = np.dtype(types.event_dtype)
    rows = np.zeros(4 * n, dtype=event)
    old_bid = np.concatenate((ticks.bid[:1], ticks.bid[:-1]))
    old_ask = np.concatenate((ticks.ask[:1], ticks.ask[:-1]))
    both = types.EXCH_EVENT | types.LOCAL_EVENT
    sides = (
        (types.BUY_EVENT, old_bid, 0.0),
        (types.SELL_EVENT, old_ask, 0.0),
        (types.BUY_EVENT, ticks.bid, 1e6),
        (types.SELL_EVENT, ticks.ask, 1e6),
    )
    for place, (side, prices, quantity) in enumerate(sides):
        part = rows[place::4]
        part["ev"] = types.DEPTH_EVENT | both | side
        part["exch_ts"] = part["local_ts"] = ticks.ts_us * 1000
        part["px"], part["qty"] = prices, quantity
    return rows


def nautilus_trader(job: Job, ticks: Ticks) -> Run:
    """A `Strategy` on quote ticks in its backtest engine: matching, accounts and a cache of everything."""
    from decimal import Decimal

    import pandas as pd
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig, RiskEngineConfig
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money
    from nautilus_trader.persistence.wranglers import QuoteTickDataWrangler
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    instrument = TestInstrumentProvider.equity(symbol="STK", venue="SIM")
    frame = pd.DataFrame(
        {"bid_price": ticks.bid, "ask_price": ticks.ask, "bid_size": 1e6, "ask_size": 1e6},
        index=pd.to_datetime(ticks.ts_us, unit="us", utc=True),
    )
    quotes = QuoteTickDataWrangler(instrument).process(frame)
    units, strike, rate, volatility, threshold, cooldown_us, expiry_us = _numbers(job)

    class Hedger(Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.hedges, self.shares, self.last_us = 0, 0.0, -(10**18)

        def on_start(self) -> None:
            self.subscribe_quote_ticks(instrument.id)

        def on_quote_tick(self, tick: Any) -> None:
            now_us = tick.ts_event // 1000
            mid = (tick.bid_price.as_double() + tick.ask_price.as_double()) / 2
            years = (expiry_us - now_us) / YEAR_US
            net = units * straddle_delta(mid, years, strike, rate, volatility) + self.shares
            if abs(net) >= threshold and now_us - self.last_us >= cooldown_us:
                traded = shares_to_trade(net)
                self.last_us = now_us
                self.hedges += 1
                side = OrderSide.BUY if traded > 0 else OrderSide.SELL
                size = instrument.make_qty(abs(traded))
                self.submit_order(self.order_factory.market(instrument.id, side, size))

        def on_order_filled(self, event: Any) -> None:
            self.shares += float(event.last_qty) * (1 if event.order_side == OrderSide.BUY else -1)

    def run() -> int:
        engine = BacktestEngine(
            config=BacktestEngineConfig(
                logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=True)
            )
        )
        engine.add_venue(
            venue=Venue("SIM"),
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN,
            base_currency=USD,
            starting_balances=[Money(1_000_000_000, USD)],
            default_leverage=Decimal(1),
        )
        engine.add_instrument(instrument)
        engine.add_data(quotes)
        hedger = Hedger()
        engine.add_strategy(hedger)
        engine.run()
        engine.dispose()
        return hedger.hedges

    return run


def backtesting_py(job: Job, ticks: Ticks) -> Run:
    """A `Strategy` over bars of one tick each, orders at the close. Its trades net first in, first out."""
    import pandas as pd
    from backtesting import Backtest, Strategy

    mid = ticks.mid
    frame = pd.DataFrame(
        {"Open": mid, "High": mid, "Low": mid, "Close": mid}, index=pd.to_datetime(ticks.ts_us, unit="us")
    )
    times = ticks.ts_us
    units, strike, rate, volatility, threshold, cooldown_us, expiry_us = _numbers(job)
    counted = [0]

    class Hedger(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            self.last_us = -(10**18)

        def next(self) -> None:
            i = len(self.data) - 1
            now_us = int(times[i])
            years = (expiry_us - now_us) / YEAR_US
            net = units * straddle_delta(float(self.data.Close[-1]), years, strike, rate, volatility)
            net += self.position.size
            if abs(net) >= threshold and now_us - self.last_us >= cooldown_us:
                traded = shares_to_trade(net)
                self.last_us = now_us
                counted[0] += 1
                (self.buy if traded > 0 else self.sell)(size=abs(int(traded)))

    def run() -> int:
        counted[0] = 0
        Backtest(frame, Hedger, cash=1e9, trade_on_close=True, hedging=False, finalize_trades=False).run()
        return counted[0]

    return run


def backtrader(job: Job, ticks: Ticks) -> Run:
    """A `Strategy` in `Cerebro` over bars of one tick each, cheat-on-close market orders."""
    import backtrader as bt
    import pandas as pd

    mid = ticks.mid
    frame = pd.DataFrame(
        {"open": mid, "high": mid, "low": mid, "close": mid, "volume": 0.0},
        index=pd.to_datetime(ticks.ts_us, unit="us"),
    )
    times = ticks.ts_us
    units, strike, rate, volatility, threshold, cooldown_us, expiry_us = _numbers(job)

    class Hedger(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.last_us, self.hedges = -(10**18), 0

        def next(self) -> None:
            now_us = int(times[len(self) - 1])
            years = (expiry_us - now_us) / YEAR_US
            net = units * straddle_delta(self.data.close[0], years, strike, rate, volatility) + self.position.size
            if abs(net) >= threshold and now_us - self.last_us >= cooldown_us:
                traded = shares_to_trade(net)
                self.last_us = now_us
                self.hedges += 1
                (self.buy if traded > 0 else self.sell)(size=abs(traded))

    def run() -> int:
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame))
        cerebro.addstrategy(Hedger)
        cerebro.broker.setcash(1e9)
        cerebro.broker.set_coc(True)
        return int(cerebro.run()[0].hedges)

    return run


ENGINES: dict[str, Callable[[Job, Ticks], Run]] = {
    "plain-python": plain_python,
    "numba-loop": numba_loop,
    "vectorbt": vectorbt,
    "hftbacktest": hftbacktest,
    "nautilus_trader": nautilus_trader,
    "backtesting": backtesting_py,
    "backtrader": backtrader,
}


def main(engine: str, file: str, repeats: int) -> None:
    """Measure one engine and print what was found."""
    job, ticks = load(Path(file))
    began = time.perf_counter()
    run = ENGINES[engine](job, ticks)
    prepared_s = time.perf_counter() - began
    seconds, hedges = [], 0
    for _ in range(repeats):
        began = time.perf_counter()
        hedges = run()
        seconds.append(time.perf_counter() - began)
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"seconds": seconds, "prepared_s": prepared_s, "hedges": hedges, "ticks": job.ticks, "rss_mb": rss_mb}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
