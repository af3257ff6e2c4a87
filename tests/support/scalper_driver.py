"""The core's driver with the real strategy in place of the scripted one, and profiles tuned key by key."""

from typing import Any

import msgspec

from config.schema import Profile
from daemon.core.effects import PlaceOrder
from daemon.core.events import BookRequest, Clock
from daemon.core.recovery import Recovered
from daemon.core.step import Core
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.records import JournalLine, JournalType
from tests.support.core_driver import Driver, profile


def tuned(**overrides: Any) -> Profile:
    """The drivers' profile with keys as dotted paths with `__`: `gates__guard__risk__max_daily_loss_usd=50`."""
    plain: dict[str, Any] = msgspec.to_builtins(profile())
    for path, value in overrides.items():
        at = plain
        *parents, last = path.split("__")
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
    return msgspec.convert(plain, Profile)


class ScalperDriver(Driver):
    """Ten calls at the money: net delta starts past its hard limit, so that the first quote brings a forced hedge."""

    def __init__(
        self,
        *,
        own: Profile | None = None,
        recovered: Recovered | None = None,
        answer: bool = True,
        run_id: str = "run",
    ) -> None:
        own = own if own is not None else profile()
        super().__init__(own=own, recovered=recovered, answer=answer, run_id=run_id)
        self.core = Core(own, GammaScalper(own))
        self.book = self.core.open(
            desk="desk",
            run_id=run_id,
            recovered=recovered if recovered is not None else Recovered(),
            new_ledger_id="ab12",
            ts_us=self.now_us,
        )

    def orders(self) -> list[tuple[str, float]]:
        """Side and quantity of every order that was asked for."""
        return [(order.side, order.quantity) for order in self.of(PlaceOrder)]

    def fill_newest(self, price: float = 70.0) -> None:
        """Acknowledge and fill the newest order whole."""
        order = self.of(PlaceOrder)[-1]
        self.status(order.order_ref, "working")
        self.fill(order.order_ref, order.side, order.quantity, price)

    def settle(self) -> None:
        """Fill whatever is sent until nothing more leaves."""
        while self.book.in_flight():
            self.fill_newest()

    def net_delta(self) -> float:
        """Of legs and own shares."""
        delta = self.core.strategy.option_delta_shares(self.book.strategy, self.book)
        assert delta is not None
        return delta + self.book.ledger.own_shares

    def wait(self, seconds: float) -> None:
        """Time goes on with a clock and no tick."""
        self.tick(seconds)
        self.feed(Clock(ts_us=self.now_us))

    def reset(self) -> None:
        """The operator's reset."""
        self.feed(BookRequest(ts_us=self.now_us, request_id="r", command="reset", by="op", reason="looked", age_ms=1.0))

    def codes(self) -> list[str]:
        """The halts that stand."""
        return [halt.code for halt in self.book.ledger.halts]

    def newest(self, kind: JournalType) -> JournalLine:
        """The newest journal line of a type."""
        return [line for line in self.lines if line.type is kind][-1]
