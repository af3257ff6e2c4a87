"""The real core against a small truthful broker, in random weather: whatever happens, the safety invariants hold.

The broker here knows what really happened; the core hears of it late, twice, or (over a broken link, across a crash)
only by asking. After every rule the invariants of the design are asserted; at the end everything must come to rest.
"""

from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from config.schema import ControlSection, Execution, GuardGates, Profile, Risk
from daemon.core.attribution import Attribution
from daemon.core.effects import (
    AnyEffect,
    AssertControl,
    CancelOrder,
    CancelTimer,
    Exit,
    ModifyOrder,
    PlaceOrder,
    Record,
    ReleaseControl,
    RequestReconcile,
    StartTimer,
)
from daemon.core.events import (
    AnyEvent,
    BookRequest,
    DiskReport,
    Instruments,
    ModifyBlocked,
    ModifyRefused,
    ModifySent,
    OrderBlocked,
    OrderReport,
    OrderSent,
    PositionChanged,
    PositionItem,
    Sessions,
    SinkFailed,
    TimerFired,
)
from daemon.core.events import Execution as Executed
from daemon.core.flatten_fsm import FlattenState
from daemon.core.ledger import Ledger
from daemon.core.recovery import recover
from daemon.core.strategy import Wish
from state.records import JournalLine
from tests.support.core_driver import OPTION, SESSIONS, STOCK, Driver, profile

UNJOURNALED: dict[str, Any] = {"peak_equity_usd": None, "last_marks": {}, "attribution": Attribution()}
"""What only checkpoints carry: they may lag behind by minutes, and nothing is decided by them."""


class Desk(Driver):
    """One process of the daemon over the broker's truth. `dead` is a crash: nothing of the step goes on."""

    def __init__(self, lines: list[JournalLine], number: int, own: Profile, *, lists_completed: bool) -> None:
        super().__init__(recovered=recover(lines), run_id=f"run{number}", own=own)
        self.own, self.lists_completed = own, lists_completed
        self.lines = lines
        self.files: set[str] = set()
        self.touched_us: dict[str, int] = {}
        """name -> mtime of the control file: another touch is another request."""
        self.timers: dict[str, float] = {}
        self.asked: dict[str, bool] = {}
        self.cancelling: list[str] = []
        self.live: dict[str, PlaceOrder] = {}
        self.left: dict[str, float] = {}
        self.sent_refs: set[str] = set()
        self.prices: dict[str, float | None] = {}
        """order_ref -> the limit that the broker has."""
        self.modifying: list[ModifyOrder] = []
        self.completed: dict[str, OrderReport] = {}
        self.placing = "live"
        self.level = 70.0
        self.up = False
        self.connection = 0
        self.dead = False
        self.exited: int | None = None

    def feed(self, event: AnyEvent) -> list[AnyEffect]:
        if self.dead or self.exited is not None:
            return []
        self.book, effects = self.core.step(self.book, event)
        for effect in effects:
            if isinstance(effect, Record):
                self._journal(effect)
        for effect in effects:
            self._act(effect)
        return list(effects)

    def _act(self, effect: AnyEffect) -> None:
        if self.dead:
            return
        match effect:
            case PlaceOrder():
                self._place(effect)
            case ModifyOrder():
                self._modify(effect)
            case CancelOrder():
                if self.up:
                    self.cancelling.append(effect.order_ref)
            case StartTimer():
                self.timers[effect.key] = effect.delay_ms
            case CancelTimer():
                self.timers.pop(effect.key, None)
            case RequestReconcile():
                self.asked[effect.reason] = self.asked.get(effect.reason, False) or effect.fresh_connection
            case AssertControl():
                self.files.add(effect.name)
            case ReleaseControl():
                self.files.discard(effect.name)
                self.touched_us.pop(effect.name, None)
            case Exit():
                self.exited = effect.code

    def _place(self, order: PlaceOrder) -> None:
        ref, book = order.order_ref, self.book
        assert ref not in self.sent_refs, f"{ref} twice"
        self.sent_refs.add(ref)
        if not order.closing:
            assert book.link.state == "SYNCED"
            assert not book.control.any_asserted
            assert not book.unexplained
            assert not book.unknown_orders
            self._judge_posture(order)
            assert book.journal_failed is None
            assert not book.disk.low
        assert not self.live, f"{ref} placed while {set(self.live)} works at the broker"
        how, self.placing = self.placing, "live"
        if not order.closing and self.files:
            how = "blocked"  # the last look reads the folder itself
        if how in ("live", "crash_after") and self.up:
            self.live[ref], self.left[ref], self.prices[ref] = order, order.quantity, order.limit_price
        if how.startswith("crash"):
            self.dead = True
        elif how == "blocked" or not self.up:
            self.feed(OrderBlocked(ts_us=self.now_us, order_ref=ref, reason="the request queue is not empty"))
        else:
            self.feed(OrderSent(ts_us=self.now_us, order_ref=ref, latency_ms=0.5))

    def _judge_posture(self, order: PlaceOrder) -> None:
        """While a risk limit is tripped only what lowers |net delta| leaves, and only so often; else nothing."""
        ledger = self.book.ledger
        signed = order.quantity if order.side == "BUY" else -order.quantity
        if ledger.halts:
            assert self.own.control.on_halt == "reduce"
            assert {halt.code for halt in ledger.halts} <= {"daily_loss", "drawdown"}
            assert ledger.reduce_orders < self.own.control.max_reduce_orders
            assert abs(ledger.own_shares + signed) < abs(ledger.own_shares)

    def quote(self, bid: float | None = None, ask: float | None = None) -> list[AnyEffect]:
        """At the market's level."""
        return super().quote(self.level - 0.01 if bid is None else bid, self.level + 0.01 if ask is None else ask)

    def _modify(self, change: ModifyOrder) -> None:
        """A new price for an order that works: never for another one, and never where none might leave."""
        book = self.book
        assert change.order_ref in {order.order_ref for order in book.in_flight()}
        assert book.link.state == "SYNCED"
        assert not book.control.any_asserted
        assert not book.unknown_orders
        assert book.journal_failed is None
        how, self.placing = self.placing, "live"
        if self.files:
            how = "blocked"
        if how in ("live", "crash_after") and self.up:
            self.modifying.append(change)
        if how.startswith("crash"):
            self.dead = True
        elif how == "blocked" or not self.up:
            self.feed(ModifyBlocked(ts_us=self.now_us, order_ref=change.order_ref, reason="paused"))
        else:
            self.feed(ModifySent(ts_us=self.now_us, order_ref=change.order_ref))

    def over(self, ref: str, status: Any) -> OrderReport:
        """The broker has ended an order; from then on it is among the completed ones."""
        told = self.told(ref, status)
        self.completed[ref] = told
        del self.live[ref]
        return told

    def show_control(self) -> None:
        self.touched_us = {name: self.touched_us.get(name, self.now_us) for name in self.files}
        self.control(*(self.command(name, since_us=since_us) for name, since_us in sorted(self.touched_us.items())))

    def told(self, ref: str, status: Any) -> OrderReport:
        order = self.live[ref]
        filled = order.quantity - self.left[ref]
        price = self.prices[ref]
        return self.order_report(ref, order.side, order.quantity, status, filled=filled, limit_price=price)

    def say(self, *events: AnyEvent) -> None:
        """The live stream: what is said while the link is down is never heard."""
        for event in events if self.up else ():
            self.feed(event)

    def look(self, *reasons: str) -> None:
        for reason in reasons:
            self.asked.pop(reason, None)
            opened = tuple(self.told(ref, "working") for ref in self.live)
            completed = tuple(self.completed.values()) if self.lists_completed else None
            self.report(reason, connection=self.connection, open_orders=opened, completed=completed)

    def connect_again(self) -> None:
        self.connection += 1
        self.up = True
        self.feed(Instruments(ts_us=self.now_us, specs=(STOCK, OPTION)))
        self.feed(Sessions(ts_us=self.now_us, sessions=SESSIONS))
        self.link("UP_UNSYNCED")
        self.look("connect", *self.asked)
        self.link("SYNCED")
        self.quote()


class CoreInWeather(RuleBasedStateMachine):
    """Rules are what broker, operator, network and machine may do; see `at_rest` for how it must end."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 1
        self.desk = Desk([], 1, profile(), lists_completed=False)

    @initialize(limit=st.booleans(), lists_completed=st.booleans(), on_halt=st.sampled_from(("freeze", "reduce")))
    def opens(self, limit: bool, lists_completed: bool, on_halt: Any) -> None:
        base = profile()
        gates = msgspec.structs.replace(base.gates, guard=GuardGates(risk=Risk(max_daily_loss_usd=100.0)))
        control = ControlSection(on_halt=on_halt, max_reduce_orders=2)
        own = msgspec.structs.replace(base, gates=gates, control=control)
        if limit:
            own = msgspec.structs.replace(own, execution=Execution(order_type="limit", max_reprices=2))
        self.desk = Desk([], 1, own, lists_completed=lists_completed)
        self.desk.show_control()
        self.desk.connect_again()

    # --- the market and the strategy --------------------------------------------------------------
    @rule(
        side=st.sampled_from(("BUY", "SELL")),
        quantity=st.sampled_from((10, 40, 100)),
        calm=st.sampled_from((True, True, True, False)),
        how=st.sampled_from(("live", "live", "live", "blocked", "crash_before", "crash_after")),
        reducing=st.booleans(),
    )
    def wish(self, side: Any, quantity: int, calm: bool, how: str, reducing: bool) -> None:
        if calm:
            self._calm_down()
        self.desk.placing = how
        self.desk.strategy.wish = Wish(
            instrument="XYZ",
            side=side,
            quantity=quantity,
            state_code="O1",
            reason="test",
            decision_mid=70.0,
            reducing=reducing,
        )
        self._tick()

    @rule(level=st.sampled_from((66.0, 70.0, 74.0)), stays=st.booleans())
    def market_moves(self, level: float, stays: bool) -> None:
        """A loss that stays for five seconds trips its limit; one that does not is forgotten."""
        self.desk.level = level
        for _ in range(6 if stays else 1):
            self._tick()

    @rule(
        sides=st.lists(st.sampled_from(("SELL", "SELL", "SELL", "BUY")), min_size=1, max_size=3),
        quantity=st.sampled_from((10, 40, 250)),
        how=st.sampled_from(("live", "live", "blocked", "crash_before", "crash_after")),
    )
    def a_loss_is_reduced(self, sides: list[str], quantity: int, how: str) -> None:
        """The stock falls after a purchase until the day's loss has tripped its limit; what leaves after that?"""
        self.wish(side="BUY", quantity=100, calm=True, how="live", reducing=False)
        if self.desk.live:
            self._fill(next(iter(self.desk.live)), self.desk.left[next(iter(self.desk.live))])
        self.market_moves(level=66.0, stays=True)
        for side in sides:
            self.wish(side=side, quantity=quantity, calm=False, how=how, reducing=True)
            if self.desk.live:
                self.fills(whole=True, acked=True, position_first=False)

    def _calm_down(self) -> None:
        """Most rules end in a desk that must not hedge; this brings back one that may."""
        for _ in range(2):  # an aborted flatten asserts pause
            self.desk.files.clear()
            self.desk.show_control()
            self._restart_if_over()
        if not self.desk.up:
            self.link_returns()
        self.desk.look("periodic")
        self.desk.level = 70.0
        self.desk.quote()
        reset = BookRequest(
            ts_us=self.desk.now_us, request_id="r", command="reset", by="op", reason="looked", age_ms=1.0
        )
        self.desk.feed(reset)
        self.desk.look("reset")
        self.desk.tick(61)

    # --- the broker -------------------------------------------------------------------------------
    @precondition(lambda self: self.desk.live)
    @rule(whole=st.booleans(), acked=st.booleans(), position_first=st.booleans())
    def fills(self, whole: bool, acked: bool, position_first: bool) -> None:
        desk = self.desk
        ref, order = next(iter(desk.live.items()))
        if acked:
            desk.say(desk.told(ref, "working"))
        self._fill(ref, desk.left[ref] if whole else min(desk.left[ref], 7.0), position_first=position_first)
        del order

    def _fill(self, ref: str, quantity: float, *, position_first: bool = False) -> None:
        desk = self.desk
        order = desk.live[ref]
        fill = desk.execution(ref, order.side, quantity, 70.0)
        desk.left[ref] -= quantity
        status = desk.told(ref, "working") if desk.left[ref] > 0 else desk.over(ref, "filled")
        item = PositionItem(instrument="XYZ", quantity=desk.positions["XYZ"], average_cost_usd=70.0, kind="stock")
        moved = PositionChanged(ts_us=desk.now_us, position=item)
        desk.say(*((moved, fill, fill, status) if position_first else (status, fill, moved, fill)))

    @precondition(lambda self: self.desk.live)
    @rule(status=st.sampled_from(("rejected", "cancelled")))
    def broker_ends_an_order(self, status: str) -> None:
        ref = next(iter(self.desk.live))
        if self.desk.left[ref] < self.desk.live[ref].quantity:
            status = "cancelled"
        self.desk.say(self.desk.over(ref, status))

    @precondition(lambda self: self.desk.live)
    @rule(moved_ticks=st.sampled_from((0, 3, -3)), cents=st.sampled_from((2, 8)))
    def the_touch_moves(self, moved_ticks: int, cents: int) -> None:
        """And it is time to look at the working order's price."""
        desk = self.desk
        middle = 70.0 + moved_ticks / 100
        desk.tick(1)
        ref = next(iter(desk.live))
        if not any(change.order_ref == ref for change in desk.modifying):
            desk.say(desk.told(ref, "working"))
        if desk.up:
            desk.quote(round(middle - cents / 200, 2), round(middle + cents / 200, 2))
        self._restart_if_over()
        for key in [key for key in self.desk.timers if key.startswith("reprice:")]:
            self._fire(key)

    @rule(moves=st.lists(st.sampled_from((3, -3, 6)), min_size=1, max_size=4))
    def a_hedge_is_worked(self, moves: list[int]) -> None:
        """The touch runs away from a new hedge, and the broker takes each change of its price."""
        self.wish(side="BUY", quantity=40, calm=True, how="live", reducing=False)
        for moved_ticks in moves:
            if self.desk.live:
                self.the_touch_moves(moved_ticks=moved_ticks, cents=2)
            if self.desk.modifying and moved_ticks != moves[-1]:
                self.change_arrives(how="taken")

    @precondition(lambda self: self.desk.modifying)
    @rule(how=st.sampled_from(("taken", "taken", "refused", "unheard")))
    def change_arrives(self, how: str) -> None:
        desk = self.desk
        change = desk.modifying.pop(0)
        if change.order_ref not in desk.live:
            desk.say(ModifyRefused(ts_us=desk.now_us, order_ref=change.order_ref, reason="104"))
        elif how == "refused":
            desk.say(ModifyRefused(ts_us=desk.now_us, order_ref=change.order_ref, reason="201"))
        else:
            desk.prices[change.order_ref] = change.limit_price
            if how == "taken":
                desk.say(desk.told(change.order_ref, "working"))

    @precondition(lambda self: self.desk.cancelling)
    @rule(late=st.booleans())
    def cancel_arrives(self, late: bool) -> None:
        ref = self.desk.cancelling.pop(0)
        if ref not in self.desk.live:
            return
        if late:
            self._fill(ref, self.desk.left[ref])
        else:
            self.desk.say(self.desk.over(ref, "cancelled"))

    @precondition(lambda self: self.desk.executions)
    @rule(data=st.data())
    def an_execution_is_told_again(self, data: st.DataObject) -> None:
        self.desk.say(data.draw(st.sampled_from(self.desk.executions)))

    @rule(side=st.sampled_from(("BUY", "SELL")), told=st.booleans())
    def somebody_else_trades(self, side: Any, told: bool) -> None:
        desk = self.desk
        fill = desk.execution(None, side, 30.0, 70.0)
        item = PositionItem(instrument="XYZ", quantity=desk.positions["XYZ"], average_cost_usd=70.0, kind="stock")
        desk.say(PositionChanged(ts_us=desk.now_us, position=item), *([fill] if told else []))

    @precondition(lambda self: self.desk.up and self.desk.asked)
    @rule()
    def broker_answers(self) -> None:
        if any(self.desk.asked.values()):
            self.link_drops()
            self.link_returns()
        else:
            self.desk.look(*self.desk.asked)
            self._reconciled()

    # --- network, operator, machine ----------------------------------------------------------------
    @precondition(lambda self: self.desk.up)
    @rule()
    def link_drops(self) -> None:
        self.desk.up = False
        self.desk.cancelling.clear()
        self.desk.modifying.clear()
        self.desk.link("DOWN")

    @precondition(lambda self: not self.desk.up)
    @rule()
    def link_returns(self) -> None:
        self.desk.connect_again()
        self._reconciled()

    @rule(name=st.sampled_from(("pause", "flatten", "stop")), there=st.booleans())
    def operator(self, name: str, there: bool) -> None:
        self.desk.tick(0.001)  # no two touches share an mtime
        (self.desk.files.add if there else self.desk.files.discard)(name)
        self.desk.show_control()

    @precondition(lambda self: self.desk.timers)
    @rule(data=st.data())
    def timer(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.desk.timers)))
        self._fire(key)

    def _fire(self, key: str) -> None:
        self.desk.tick(self.desk.timers.pop(key) / 1000 if key == "second_look" else 0.1)
        self.desk.feed(TimerFired(ts_us=self.desk.now_us, key=key))

    @rule(free_mib=st.sampled_from((0.0, 5000.0)))
    def disk(self, free_mib: float) -> None:
        report = DiskReport(ts_us=self.desk.now_us, free_mib=free_mib, free_inodes=None, slowest_append_ms=1.0)
        self.desk.feed(report)

    @rule()
    def journal_fails(self) -> None:
        """What follows is journaled in the room of the reserve, so recovery still has it all."""
        self.desk.feed(SinkFailed(ts_us=self.desk.now_us, what="journal", error="No space left on device"))
        assert self.desk.exited is not None or "journal_failed" in {each.code for each in self.desk.book.ledger.halts}

    @rule()
    def crash(self) -> None:
        self.desk.dead = True
        self._restart_if_over()

    def _restart_if_over(self) -> None:
        """A new process over the same journal, the same folder and the same broker."""
        before = self.desk
        if not before.dead and before.exited is None:
            return
        self.runs += 1
        desk = Desk(before.lines, self.runs, before.own, lists_completed=before.lists_completed)
        desk.now_us = before.now_us + 1_000_000
        desk.executions, desk.positions = before.executions, before.positions
        desk.live, desk.left, desk.sent_refs = before.live, before.left, before.sent_refs
        desk.prices, desk.completed = before.prices, before.completed
        desk.files = before.files - {"stop"}
        desk.touched_us, desk.level = before.touched_us, before.level
        self.desk = desk
        desk.show_control()
        desk.connect_again()
        self._restart_if_over()
        self._reconciled()

    def _tick(self) -> None:
        self.desk.tick()
        if self.desk.up:
            self.desk.quote()
        self._restart_if_over()

    # --- what must hold ------------------------------------------------------------------------------
    def _own_at_the_broker(self) -> float:
        own = [each for each in self.desk.executions if each.order_ref is not None]
        return sum(_signed(each) for each in own)

    def _reconciled(self) -> None:
        if not self.desk.dead and self.desk.exited is None:
            assert self.desk.book.ledger.own_shares == self._own_at_the_broker()
            assert self.desk.book.unexplained == ()

    @invariant()
    def one_order_at_a_time(self) -> None:
        self._restart_if_over()
        assert len(self.desk.book.in_flight()) <= 1
        assert len(self.desk.live) <= 1

    @invariant()
    def what_may_still_fill_is_known(self) -> None:
        known = {order.order_ref for order in self.desk.book.in_flight()}
        assert set(self.desk.live) <= known

    @invariant()
    def the_journal_remembers_it_all(self) -> None:
        recovered = recover(self.desk.lines)
        if recovered.ledger is None:
            return
        assert _comparable(recovered.ledger) == _comparable(self.desk.book.ledger)
        in_flight = {order.order_ref: order for order in self.desk.book.in_flight()}
        assert set(recovered.orders) == set(in_flight)
        for ref, order in recovered.orders.items():
            asked, now = order.modification, in_flight[ref].modification
            assert (order.limit_price, order.reprices) == (in_flight[ref].limit_price, in_flight[ref].reprices)
            assert (asked is None) == (now is None)

    @invariant()
    def the_price_here_is_the_brokers_or_the_question_is_open(self) -> None:
        for order in self.desk.book.in_flight():
            if order.order_ref in self.desk.live and self.desk.up and order.modification is None:
                asked = any(reason.startswith("modify") for reason in self.desk.asked)
                assert asked or order.limit_price == self.desk.prices[order.order_ref]

    def teardown(self) -> None:
        """Good weather to the end: everything comes to rest, nothing hangs, and the shares are right."""
        self.desk.files.discard("pause")
        self.desk.strategy.wish = None
        self.desk.placing = "live"
        for attempt in range(40):
            self._restart_if_over()
            self.desk.strategy.wish = None
            # In the first half nothing fills: what the core wants gone must go by its own cancels.
            assert attempt != 20 or self.desk.book.flatten.state != FlattenState.CANCELLING
            if not self.desk.up:
                self.link_returns()
            if self.desk.live and attempt >= 20:  # also one whose cancel is on its way: that loses its race
                self._fill(next(iter(self.desk.live)), self.desk.left[next(iter(self.desk.live))])
            elif self.desk.cancelling:
                self.cancel_arrives(late=False)
            if self.desk.asked:
                self.broker_answers()
            for key in sorted(self.desk.timers):
                if key in self.desk.timers and key != "flatten_start":
                    self._fire(key)
            self.desk.show_control()
        self._restart_if_over()
        self.desk.look("periodic")
        book = self.desk.book
        assert book.in_flight() == ()
        assert book.unknown_orders == ()
        assert book.ledger.own_shares == self._own_at_the_broker()
        assert "flatten" not in self.desk.files or book.flatten.refusal is not None


def _signed(fill: Executed) -> float:
    return fill.quantity if fill.side == "BUY" else -fill.quantity


def _comparable(ledger: Ledger) -> Ledger:
    return msgspec.structs.replace(ledger, **UNJOURNALED)


TestCoreInWeather = CoreInWeather.TestCase
TestCoreInWeather.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
