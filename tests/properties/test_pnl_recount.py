"""The desk's P&L against a recount that knows nothing of the ledger: cash flows and what is held, nothing else.

Fills, corrections (of today and of yesterday), commissions (in time and late), legs traded by hand or expired, shares
released and adopted, day rolls and crashes come in any order; after each of them every part must be what a recount of
all cash gives, to 1e-6 USD.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.schema import Gates, GuardGates, Risk
from daemon.core.attribution import Sensitivity, parts
from daemon.core.book import Book
from daemon.core.events import AccountReported, BookRequest, Commission, Execution, Session, Sessions
from daemon.core.pnl_parts import pnl_parts
from daemon.core.recovery import recover
from daemon.core.step import Core
from daemon.core.strategy import Marks
from tests.support.core_driver import LEG, OPEN_US, SECOND, Driver, ScriptedStrategy, profile

DAY_US = 86_400 * SECOND
BASE_USD = 1e8
WIDE = Gates(guard=GuardGates(risk=Risk(max_daily_loss_usd=1e9, max_drawdown_pct=100.0, max_position_shares=1e6)))


class Priced(ScriptedStrategy):
    """The leg's mark, volatility and greeks are what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.leg_price, self.volatility = 2.0, 0.3

    def marks(self, state: Any, book: Book) -> Marks:
        prices = super().marks(state, book).prices
        return Marks({**prices, LEG: self.leg_price} if prices else {})

    def sensitivities(self, state: Any, book: Book) -> tuple[Sensitivity, ...]:
        at = self.volatility
        return (Sensitivity(instrument=LEG, volatility=at, delta=0.5, gamma=0.05, theta_usd_year=-9.0, vega=8.0),)


@dataclass
class Truth:
    """Cash since the desk began, and today's, as somebody with a pocket calculator keeps it."""

    shares: float = 0.0
    cash_usd: float = 0.0
    """Of the stock, legs traded by hand, shares adopted or released at their mark; without commissions."""
    commission_usd: dict[str, float] = field(default_factory=dict)
    contracts: float = 10.0
    leg_opening_usd: float = 0.0
    day_started_usd: float = 0.0
    """Total P&L at the closing mark before today."""
    commission_before: float = 0.0
    today: list[str] = field(default_factory=list)
    fills: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """exec key -> (signed shares, price, decision mid)."""

    def total_usd(self, stock: float, leg: float) -> float:
        held = self.shares * stock + self.contracts * 100 * leg
        return self.cash_usd + held - self.leg_opening_usd - sum(self.commission_usd.values())


class Accountant(Driver):
    """A desk, and beside it the truth."""

    def __init__(self) -> None:
        super().__init__(own=profile(gates=WIDE))
        self.market = Priced()
        self.strategy = self.market
        self.core = Core(self.core.profile, self.strategy)
        self.truth = Truth()
        self.day = 0
        self.mid = 70.0
        self.number = 0
        self.connect()
        days = tuple(
            Session(date=f"2014-06-{5 + n:02d}", open_us=open_us, close_us=open_us + 23_400 * SECOND)
            for n, open_us in enumerate(range(OPEN_US, OPEN_US + 20 * DAY_US, DAY_US))
        )
        self.feed(Sessions(ts_us=self.now_us, sessions=days))
        self.feed(AccountReported(ts_us=self.now_us, values_usd={"NetLiquidation": BASE_USD}))
        self.quote()
        self.truth.leg_opening_usd = 10 * 100 * 2.0

    def price(self, cents: int) -> None:
        self.mid = cents / 100
        self.tick(30)
        self.quote(self.mid - 0.01, self.mid + 0.01)

    # --- what may happen ---
    def trade(self, shares: int, cents: int, parts_of: int) -> None:
        """An order that fills in one or more executions, each a cent apart."""
        side = "BUY" if shares > 0 else "SELL"
        ref = self.order(side, abs(shares))
        left = abs(shares)
        for n in range(parts_of):
            quantity = left if n == parts_of - 1 else left // 2
            left -= quantity
            if quantity == 0:
                continue
            self.number += 1
            key, price = f"k{self.number}", (cents + n) / 100
            self.execute(order_ref=ref, exec_key=key, side=side, quantity=quantity, price=price, revision=1)
            signed = math.copysign(quantity, shares)
            self.truth.fills[key] = (signed, price, 70.0)
            self.truth.today.append(key)
            self.truth.shares += signed
            self.truth.cash_usd -= signed * price

    def execute(self, **fields: Any) -> None:
        now_us = self.now_us
        self.feed(Execution(ts_us=now_us, venue_order_id=1, perm_id=1, instrument="XYZ", executed_us=now_us, **fields))

    def known(self) -> list[str]:
        """Keys that the broker may still speak of: today's and the last closed day's."""
        ledger = self.book.ledger
        return [*ledger.earlier_fills, *ledger.fills]

    def correct(self, which: int, cents: int, cut: int) -> None:
        """The broker restates one execution: another price, perhaps fewer shares, perhaps none."""
        if not self.known():
            return
        key = self.known()[which % len(self.known())]
        ledger = self.book.ledger
        fill = ledger.fills.get(key) or ledger.earlier_fills[key]
        signed, price, mid = self.truth.fills[key]
        quantity = max(0.0, abs(signed) - cut)
        self.execute(
            order_ref=fill.order_ref,
            exec_key=key,
            side=fill.side,
            quantity=quantity,
            price=cents / 100,
            revision=fill.revision + 1,
        )
        changed = math.copysign(quantity, signed)
        self.truth.fills[key] = (changed, cents / 100, mid)
        self.truth.shares += changed - signed
        self.truth.cash_usd += signed * price - changed * cents / 100

    def charge(self, which: int, cents: int) -> None:
        if not self.known():
            return
        key = self.known()[which % len(self.known())]
        self.feed(Commission(ts_us=self.now_us, exec_key=key, commission_usd=cents / 100, currency="USD"))
        self.truth.commission_usd[key] = cents / 100

    def leg_by_hand(self, contracts: int, cents: int) -> None:
        """The operator trades the leg in TWS."""
        self.number += 1
        side = "BUY" if contracts > 0 else "SELL"
        fill = self.execution(None, side, abs(contracts), cents / 100, instrument=LEG, exec_key=f"h{self.number}")
        self.feed(fill)
        self.truth.contracts += contracts
        self.truth.cash_usd -= contracts * 100 * cents / 100

    def leg_expires(self, contracts: int) -> None:
        """Contracts vanish without an execution and are acknowledged at the mark."""
        self.positions[LEG] = self.positions.get(LEG, 0.0) - contracts
        self.positions["XYZ"] = self.book.ledger.own_shares
        self.report("periodic")
        self.ask("acknowledge", 0.0)
        assert not self.book.unexplained
        self.truth.contracts -= contracts
        self.truth.cash_usd += contracts * 100 * self.market.leg_price

    def release(self, shares: int) -> None:
        """Own shares become foreign at the present mark, and come back at the next."""
        own = self.book.ledger.own_shares
        part = math.copysign(min(abs(own), shares), own)
        if part == 0:
            return
        self.positions["XYZ"] = own
        self.report("periodic")
        self.ask("release", part)
        self.truth.shares -= part
        self.truth.cash_usd += part * self.mid
        self.positions["XYZ"] = own
        self.price(round(self.mid * 100) + 7)
        self.ask("adopt", part)
        self.truth.shares += part
        self.truth.cash_usd -= part * self.mid

    def ask(self, command: Any, shares: float) -> None:
        self.feed(
            BookRequest(
                ts_us=self.now_us, request_id="r", command=command, shares=shares, by="op", reason="x", age_ms=1.0
            )
        )
        assert self.lines[-1].reason != "request_refused", self.lines[-1].data

    def roll(self) -> None:
        """The next session opens at yesterday's closing marks."""
        self.truth.day_started_usd = self.truth.total_usd(self.mid, self.market.leg_price)
        self.truth.commission_before = sum(self.truth.commission_usd.values())
        self.truth.today = []
        self.day += 1
        self.now_us = OPEN_US + self.day * DAY_US + 300 * SECOND
        self.quote(self.mid - 0.01, self.mid + 0.01)

    def crash(self) -> None:
        """A new run from the journal alone."""
        recovered = recover(self.lines)
        self.book = self.core.open(
            desk="desk", run_id=f"run{len(self.lines)}", recovered=recovered, new_ledger_id="-", ts_us=self.now_us
        )
        self.now_us += SECOND
        self.positions["XYZ"] = self.book.ledger.own_shares + (self.book.ledger.foreign_acknowledged or 0.0)
        sessions = self.sessions
        self.executions = []
        self.connect()
        self.feed(Sessions(ts_us=self.now_us, sessions=sessions))
        self.quote(self.mid - 0.01, self.mid + 0.01)

    def feed(self, event: Any) -> Any:
        if isinstance(event, Sessions):
            self.sessions = event.sessions
        return super().feed(event)

    # --- what must hold ---
    def check(self) -> None:
        truth, ledger = self.truth, self.book.ledger
        assert not ledger.halts
        pnl = self.book.day.pnl
        assert pnl is not None
        total = truth.total_usd(self.mid, self.market.leg_price)
        assert ledger.own_shares == truth.shares
        assert pnl.total_usd == pytest.approx(total - truth.day_started_usd, abs=1e-6)
        assert self.book.day.equity_usd == pytest.approx(BASE_USD + total, abs=1e-6)
        assert pnl.commission_usd == pytest.approx(
            sum(truth.commission_usd.values()) - truth.commission_before, abs=1e-6
        )
        today = [truth.fills[key] for key in truth.today]
        traded = sum(abs(shares) * price for shares, price, _ in today)
        slippage = sum(shares * (price - mid) for shares, price, mid in today)
        assert ledger.traded_usd == pytest.approx(traded, abs=1e-6)
        assert ledger.slippage_usd == pytest.approx(slippage, abs=1e-6)
        self.check_parts()

    def check_parts(self) -> None:
        pnl, ledger = self.book.day.pnl, self.book.ledger
        assert pnl is not None
        split = parts(
            self.book.day.attribution,
            stock_usd=pnl.stock_usd,
            legs_usd=pnl.legs_usd,
            slippage_usd=ledger.slippage_usd,
            commission_usd=pnl.commission_usd,
            restated_usd=ledger.restated_usd,
        )
        assert split.total_usd == pytest.approx(pnl.total_usd, abs=1e-6)
        shown = pnl_parts(self.book)
        assert shown is not None
        cents = {name: round(value * 100) for name, value in msgspec.structs.asdict(shown).items() if value is not None}
        assert cents["total_usd"] == round(pnl.total_usd * 100)
        held = cents["realised_usd"] + cents["unrealised_usd"] + cents["legs_usd"]
        assert held - cents["commission_usd"] == cents["total_usd"]
        earned = sum(cents[f"{name}_usd"] for name in ("delta", "gamma", "theta", "vega", "other"))
        assert earned - cents["slippage_usd"] - cents["commission_usd"] == cents["total_usd"]
        for name in ("realised_usd", "unrealised_usd", "legs_usd", "commission_usd"):
            assert abs(getattr(shown, name) - getattr(pnl, name)) < 0.03
        if ledger.traded_usd > 0:
            assert shown.wear_per_10k == pytest.approx(-pnl.total_usd / ledger.traded_usd * 10_000, abs=1e-3)


CENTS = st.integers(6_500, 7_500)
MOVES = st.one_of(
    st.tuples(st.just("trade"), st.integers(-90, 90).filter(bool), CENTS, st.integers(1, 3)),
    st.tuples(st.just("price"), CENTS),
    st.tuples(st.just("leg_price"), st.integers(50, 400), st.integers(10, 60)),
    st.tuples(st.just("correct"), st.integers(0, 50), CENTS, st.integers(0, 100)),
    st.tuples(st.just("charge"), st.integers(0, 50), st.integers(0, 500)),
    st.tuples(st.just("leg_by_hand"), st.integers(-12, 12).filter(bool), st.integers(50, 400)),
    st.tuples(st.just("leg_expires"), st.integers(-3, 3).filter(bool)),
    st.tuples(st.just("release"), st.integers(1, 60)),
    st.tuples(st.just("roll")),
    st.tuples(st.just("crash")),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, min_size=1, max_size=25))
def test_every_part_is_what_a_recount_of_all_cash_gives(moves: list[tuple[Any, ...]]) -> None:
    desk = Accountant()
    desk.check()
    for name, *values in moves:
        if name == "leg_price":
            desk.market.leg_price, desk.market.volatility = values[0] / 100, values[1] / 100
            desk.price(round(desk.mid * 100) + 1)
        elif name == "roll" and desk.day > 15:
            continue
        else:
            getattr(desk, name)(*values)
            desk.price(round(desk.mid * 100))
        desk.check()
