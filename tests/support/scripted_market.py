"""A market that says exactly what a test wrote down: one stock, one call, one session by default."""

from collections.abc import Sequence

from daemon.core.events import Session
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote

OPEN_US = 1_402_061_400_000_000  # 2014-06-06 13:30:00 UTC
CLOSE_US = OPEN_US + 390 * 60_000_000
DAY_US = 86_400_000_000
STOCK = SimContract(instrument="ABC", kind="stock", symbol="ABC", con_id=11)
CALL = SimContract(
    instrument="ABC 20140621 C 50",
    kind="option",
    symbol="ABC",
    con_id=12,
    multiplier=100.0,
    right="C",
    strike=50.0,
    expiry="20140621",
    last_trade_us=OPEN_US + 14 * DAY_US,
)


def quote(instrument: str, bid: float | None, ask: float | None) -> SimQuote:
    return SimQuote(instrument=instrument, bid=bid, ask=ask, bid_size=100, ask_size=100)


class ScriptedMarket:
    """Steps one minute apart; `prices` gives the stock's (bid, ask) of each, the call stands at 2.00 x 2.10."""

    def __init__(
        self,
        prices: Sequence[tuple[float | None, float | None]],
        *,
        times_us: Sequence[int] | None = None,
        call: Sequence[tuple[float | None, float | None]] | None = None,
    ) -> None:
        self.contracts: tuple[SimContract, ...] = (STOCK, CALL)
        self.sessions = tuple(
            Session(date=f"2014-06-{6 + days:02d}", open_us=OPEN_US + days * DAY_US, close_us=CLOSE_US + days * DAY_US)
            for days in (0, 3, 15)
        )
        times = [OPEN_US + 60_000_000 * (index + 1) for index in range(len(prices))] if times_us is None else times_us
        calls = [(2.0, 2.1)] * len(prices) if call is None else call
        self._steps = [
            MarketStep(
                ts_us=ts,
                quotes=(quote("ABC", *stock), quote(CALL.instrument, *option)),
                is_open=any(session.open_us <= ts < session.close_us for session in self.sessions),
            )
            for ts, stock, option in zip(times, prices, calls, strict=True)
        ]
        self._next = 0

    def next_step(self) -> MarketStep | None:
        if self._next >= len(self._steps):
            return None
        self._next += 1
        return self._steps[self._next - 1]

    def save(self) -> dict[str, object]:
        return {"next": self._next}

    def restore(self, saved: dict[str, object]) -> None:
        assert isinstance(saved["next"], int)
        self._next = saved["next"]
