"""Options traded by hand while the desk finds, adopts, hedges and lets go of them: whatever comes in whatever order.

The broker's truth is kept apart; executions and positions are told late, in any order, and again in reports. After a
report with nothing under way the book must agree with it, and every option in the account be a leg or be shown.
"""

from collections.abc import Callable

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from daemon.core.events import Clock, Execution, PositionChanged, PositionItem
from daemon.core.presentation import present
from daemon.core.recovery import recover
from daemon.strategies.gamma_scalper.legs import quantity_of
from tests.core.test_adoption import Desk, put
from tests.support.core_driver import LEG, SECOND, SESSIONS

OPTIONS = (put(), put(days=25, strike=71.0), put(days=10))
"""Two within the gates, one too near its expiry."""


class AdoptionInWeather(RuleBasedStateMachine):
    """The one rule: what the broker knows is in `desk.positions` and `desk.executions`; `late` is not told yet."""

    desk: Desk
    late: list[Callable[[], None]]

    @initialize()
    def begin(self) -> None:
        self.desk = Desk()
        self.late = []
        self.described = False
        self.day = 0
        self.desk.connect()

    @rule(which=st.integers(0, 2), quantity=st.sampled_from([-5.0, -1.0, 1.0, 3.0]))
    def trade_by_hand(self, which: int, quantity: float) -> None:
        desk, name = self.desk, OPTIONS[which].instrument
        side = "BUY" if quantity > 0 else "SELL"
        fill = desk.execution(None, side, abs(quantity), 2.0, instrument=name)
        held = desk.positions[name]
        self.late.append(lambda: self._tell_execution(fill))
        self.late.append(lambda: self._tell_position(name, held))

    def _tell_execution(self, fill: Execution) -> None:
        self.desk.feed(fill)

    def _tell_position(self, name: str, held: float) -> None:
        item = PositionItem(instrument=name, quantity=held, average_cost_usd=2.0, kind="option")
        self.desk.feed(PositionChanged(ts_us=self.desk.now_us, position=item))

    @rule(pick=st.integers(0, 20))
    def something_late_arrives(self, pick: int) -> None:
        if self.late:
            self.late.pop(pick % len(self.late))()

    @rule()
    def all_of_it_arrives(self) -> None:
        while self.late:
            self.late.pop(0)()

    @rule()
    def the_venue_describes_them(self) -> None:
        if not self.described:
            self.desk.describe(*OPTIONS)
            self.described = True

    @rule(which=st.integers(0, 2))
    def an_option_is_quoted(self, which: int) -> None:
        self.desk.option_quote(OPTIONS[which])

    @rule(seconds=st.sampled_from([0.2, 1.0, 12.0]), mid=st.sampled_from([69.5, 70.0, 70.6]))
    def the_stock_ticks(self, seconds: float, mid: float) -> None:
        self.desk.tick(seconds)
        self.desk.quote(mid - 0.01, mid + 0.01)

    @rule()
    def the_broker_reports(self) -> None:
        # Positions are read after executions, so nothing older than the report is told after it.
        self.late = []
        self.desk.report("option_found")
        self._agrees()

    @rule()
    def the_daemon_restarts(self) -> None:
        old = self.desk
        self.late = []
        self.desk = Desk(recovered=recover(old.lines), run_id=f"{old.run_id}x")
        self.desk.lines = old.lines
        self.desk.now_us, self.desk.positions, self.desk.executions = old.now_us, old.positions, old.executions
        if self.described:
            self.desk.describe(*OPTIONS)
        self.desk.connect()
        self.desk.settle()
        self._agrees()

    @rule()
    def a_new_day_begins(self) -> None:
        if self.day:
            return
        self.all_of_it_arrives()
        self.day = 1  # the broker goes on listing the day before, as TWS may be set to
        self.desk.now_us = SESSIONS[1].open_us + 120 * SECOND
        self.desk.feed(Clock(ts_us=self.desk.now_us))

    def _agrees(self) -> None:
        book = self.desk.book
        assert book.unexplained == ()
        for leg in book.strategy.legs:
            assert quantity_of(leg, book) == self.desk.positions.get(leg.instrument, 0.0)
        legs, found = set(self.desk.legs()), {each.instrument for each in book.strategy.found}
        held = {name for name, quantity in self.desk.positions.items() if quantity and name != "XYZ"}
        assert held <= legs | found
        assert not legs & found
        assert OPTIONS[2].instrument not in legs

    @invariant()
    def nothing_halts_and_everything_can_be_shown(self) -> None:
        if not hasattr(self, "desk"):
            return
        self.desk.settle()  # whatever was sent in this step is filled at once
        book = self.desk.book
        assert book.ledger.halts == ()
        assert set(self.desk.legs()) == {LEG, *book.ledger.adopted_legs}
        shown = present(self.desk.core, book)
        assert msgspec.json.encode(shown["strategy"])
        if not self.described and book.strategy.found:
            assert shown["account_net_delta_shares"] is None

    def teardown(self) -> None:
        """Good weather: whatever lies within the gates and is held becomes a leg."""
        if not hasattr(self, "desk"):
            return
        self.all_of_it_arrives()
        self.the_venue_describes_them()
        self.the_broker_reports()
        for _ in range(3):
            for spec in OPTIONS:
                self.desk.option_quote(spec)
            self.the_stock_ticks(1.0, 70.0)
            self.desk.settle()
        self.the_broker_reports()
        self.desk.settle()
        for spec in OPTIONS[:2]:
            if self.desk.positions.get(spec.instrument, 0.0):
                assert spec.instrument in self.desk.legs()
        assert abs(self.desk.net_delta()) < 25 or self.desk.book.strategy.refused is not None


TestAdoptionInWeather = AdoptionInWeather.TestCase
TestAdoptionInWeather.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
