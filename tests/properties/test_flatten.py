"""A flatten against an exchange that does anything to its orders: it never flips the book, touches nothing foreign,
and when the weather clears it is flat, verified, paused. Crashes come after any line of the journal."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core.effects import AnyEffect, CancelOrder, PlaceOrder, ReleaseControl, RequestReconcile, StartTimer
from daemon.core.effects import CancelTimer as ForgetTimer
from daemon.core.events import BookRequest, Clock, ControlFile, Instruments, OrderReport, Sessions, TimerFired
from daemon.core.recovery import recover
from state.records import JournalLine, JournalType
from tests.support.core_driver import CLOSE_US, OPTION, SECOND, SESSIONS, STOCK, Driver

FOREIGN = 300.0
LONGEST = 400


class World:
    """One account over any number of daemon processes. The rule: only `do` and `clear_up` let something happen."""

    def __init__(self, own: float) -> None:
        self.timers: dict[str, float] = {}
        self.asked: list[tuple[str, bool]] = []
        self.live: dict[str, PlaceOrder] = {}
        self.left: dict[str, float] = {}
        self.cancelling: list[str] = []
        self.connection = 1
        self.up = True
        self.own = own
        self.driver = Driver()
        self.driver.positions["XYZ"] = FOREIGN
        self.driver.connect()
        self.driver.feed(
            BookRequest(
                ts_us=self.driver.now_us,
                request_id="a",
                command="acknowledge",
                shares=FOREIGN,
                by="anna",
                reason="mine",
                age_ms=0.0,
            )
        )
        side: Any = "BUY" if own > 0 else "SELL"
        self.driver.fill(self.driver.order(side, abs(own)), side, abs(own), 70.0)
        self.driver.report("periodic")
        self.heard = len(self.driver.effects)
        self.file: ControlFile | None = self.driver.command("flatten")
        self.driver.control(self.file)
        self.hear()

    # --- the runtime's part ------------------------------------------------------------------------
    def hear(self) -> None:
        """Take over what the core has asked for since the last time."""
        effects = self.driver.effects[self.heard :]
        self.heard = len(self.driver.effects)
        for effect in effects:
            self._take(effect)

    def _take(self, effect: AnyEffect) -> None:
        match effect:
            case PlaceOrder():
                assert self.up, "an order over a dead link"
                assert effect.closing or not self.file
                self.live[effect.order_ref] = effect
                self.left[effect.order_ref] = effect.quantity
            case CancelOrder() if self.up:
                self.cancelling.append(effect.order_ref)
            case StartTimer():
                self.timers[effect.key] = effect.delay_ms
            case ForgetTimer():
                self.timers.pop(effect.key, None)
            case RequestReconcile():
                self.asked.append((effect.reason, effect.fresh_connection))
            case ReleaseControl():
                self.file = None

    # --- what can happen ---------------------------------------------------------------------------
    def do(self, what: str, size: float) -> None:
        getattr(self, f"_{what}")(size)
        self.hear()
        if self.file is None and self.driver.book.control.flatten is not None:
            self.driver.control(self.driver.command("pause"))
            self.hear()
        self.check()

    def _fill(self, size: float) -> None:
        for ref, order in list(self.live.items())[:1]:
            quantity = max(1.0, float(round(self.left[ref] * size)))
            self.left[ref] -= quantity
            if self.left[ref] <= 0:
                del self.live[ref]
            if self.up:
                self.driver.fill(ref, order.side, quantity, 70.0)
            else:
                self.driver.execution(ref, order.side, quantity, 70.0)

    def _reject(self, _size: float) -> None:
        for ref in [ref for ref in self.live if self.up and self.left[ref] == self.live[ref].quantity][:1]:
            del self.live[ref]
            self.driver.status(ref, "rejected", "201 no")

    def _acknowledge(self, _size: float) -> None:
        for ref in list(self.live)[: int(self.up)]:
            self.driver.status(ref, "working")

    def _cancelled(self, _size: float) -> None:
        """A cancel arrives; the venue may also cancel by itself."""
        for ref in list(self.live)[:1]:
            del self.live[ref]
            if self.up:
                self.driver.status(ref, "cancelled")

    def _cancel_arrives(self, _size: float) -> None:
        """The oldest cancel that was asked for gets there, if its order is still to be cancelled."""
        while self.cancelling:
            ref = self.cancelling.pop(0)
            if ref in self.live:
                del self.live[ref]
                if self.up:
                    self.driver.status(ref, "cancelled")
                return

    def _called_cancelled(self, _size: float) -> None:
        """It is called cancelled and works on, until it fills or is cancelled once more (10349 and the like)."""
        for ref in list(self.live)[: int(self.up)]:
            self.driver.status(ref, "cancelled", "10349")

    def _swallow(self, _size: float) -> None:
        """The order never arrived, nobody says so."""
        for ref in [ref for ref in self.live if self.left[ref] == self.live[ref].quantity][:1]:
            del self.live[ref]

    def _disconnect(self, _size: float) -> None:
        if self.up:
            self.up = False
            self.driver.link("DOWN")

    def _upstream(self, _size: float) -> None:
        if self.up:
            self.driver.link("UPSTREAM_LOST")
            self.driver.link("UP_UNSYNCED")
            self._report("upstream restored")
            self.driver.link()

    def _reconnect(self, _size: float) -> None:
        if not self.up:
            self.connection += 1
            self.driver.link("UP_UNSYNCED")
            self._report("connect")
            self.up = True
            self.driver.link()

    def _answer(self, _size: float) -> None:
        """The oldest question to the broker is answered."""
        if self.up and self.asked:
            reason, fresh = self.asked.pop(0)
            if fresh:
                self._disconnect(0)
                self._reconnect(0)
            self._report(reason)

    def _report(self, reason: str) -> None:
        self.driver.report(reason, connection=self.connection, open_orders=tuple(map(self._open, self.live)))

    def _open(self, ref: str) -> OrderReport:
        order = self.live[ref]
        return self.driver.order_report(ref, order.side, order.quantity, "working")

    def _timer(self, size: float) -> None:
        keys = sorted(self.timers)
        if keys:
            self._fire(keys[int(size * (len(keys) - 1))])

    def _retry(self, _size: float) -> None:
        self._fire("flatten_retry")

    def _fire(self, key: str) -> None:
        self.driver.tick(self.timers.pop(key) / 1000)
        self.driver.feed(TimerFired(ts_us=self.driver.now_us, key=key))

    def _wait(self, size: float) -> None:
        self.driver.tick(size)
        self.driver.feed(Clock(ts_us=self.driver.now_us))

    def _by_hand(self, size: float) -> None:
        """The operator buys in his own TWS."""
        fill = self.driver.execution(None, "BUY", float(round(1 + size * 9)), 70.0)
        if self.up:
            self.driver.feed(fill)

    def _touch(self, _size: float) -> None:
        if self.file is not None:
            self.driver.tick(0.001)
            self.file = self.driver.command("flatten")
            self.driver.control(self.file)

    def _crash(self, size: float) -> None:
        """SIGKILL: a new process over the same journal and account, over a new connection."""
        self.restart(self.driver.lines if size > 0.5 else self._without_unsent(self.driver.lines))

    def restart(self, kept: list[JournalLine]) -> None:
        """A new process over these lines."""
        before = self.driver
        after = Driver(recovered=recover(kept), run_id=f"{before.run_id}+")
        after.now_us, after.lines = before.now_us + SECOND, kept
        after.executions, after.positions = before.executions, before.positions
        self.driver, self.heard = after, 0
        self.timers, self.asked, self.cancelling = {}, [], []
        self.connection += 1
        self.up = True
        files = () if self.file is None else (self.file,)
        pause = () if self.file is not None else (after.command("pause"),)
        after.control(*files, *pause)
        after.link("UP_UNSYNCED")
        after.feed(Instruments(ts_us=after.now_us, specs=(STOCK, OPTION)))
        after.feed(Sessions(ts_us=after.now_us, sessions=SESSIONS))
        self._report("connect")
        after.link()

    def _without_unsent(self, lines: list[JournalLine]) -> list[JournalLine]:
        """As if the machine had died between an intent and its order: the note that it was sent is missing too."""
        if lines and lines[-1].type is JournalType.ORDER_SENT:
            return lines[:-1]
        return lines

    # --- what must hold ----------------------------------------------------------------------------
    def own_at_the_broker(self) -> float:
        return sum(
            each.quantity if each.side == "BUY" else -each.quantity
            for each in self.driver.executions
            if each.order_ref is not None
        )

    def check(self) -> None:
        own = self.own_at_the_broker()
        assert own * self.own >= 0, f"flipped from {self.own} to {own}"
        assert abs(own) <= abs(self.own), "a flatten never adds"
        assert len(self.live) <= 1, "two closing orders at the exchange"

    def clear_up(self) -> None:
        """Good weather: links stay, orders fill, timers fire, questions are answered."""
        for _ in range(LONGEST):
            if self.file is None:
                return
            self.do("reconnect", 0)
            self.do("answer", 0)
            self.do("cancel_arrives", 0)
            self.do("acknowledge", 0)
            self.do("fill", 1.0)
            if not self.asked and not self.live:
                # Every timer in its turn, the shortest first, as time would have it.
                key = min(self.timers, key=lambda each: self.timers[each], default=None)
                if key is not None:
                    self.timers = {each: left - self.timers[key] for each, left in self.timers.items()}
                    self.driver.tick(0.5)
                    del self.timers[key]
                    self.driver.feed(TimerFired(ts_us=self.driver.now_us, key=key))
                    self.hear()
        raise AssertionError(f"not flat: {self.driver.book.flatten}, {self.driver.book.in_flight()}, {self.timers}")


WEATHER = (
    *("fill", "reject", "acknowledge", "cancelled", "called_cancelled", "swallow", "disconnect", "upstream"),
    *(
        "timer",
        "wait",
        "by_hand",
        "touch",
        "crash",
        "reconnect",
        "reconnect",
        *["answer"] * 5,
        "timer",
        "timer",
        "cancel_arrives",
    ),
)
"""What may happen next; what moves a flatten on comes oftener."""


@given(
    own=st.integers(1, 200).flatmap(lambda size: st.sampled_from((size, -size))),
    weather=st.lists(st.tuples(st.sampled_from(WEATHER), st.floats(0, 1)), min_size=10, max_size=60),
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_happens_it_ends_flat_and_never_flips(own: int, weather: list[tuple[str, float]]) -> None:
    world = World(float(own))
    for what, size in weather:
        world.do(what, size)
    world.clear_up()
    driver = world.driver
    assert world.own_at_the_broker() == driver.book.ledger.own_shares == 0
    assert {halt.code for halt in driver.book.ledger.halts} <= {"repeated_rejects", "reconciliation_mismatch"}
    assert [line.status for line in driver.lines if line.type is JournalType.FLATTEN_VERIFIED] == ["flat"]
    by_hand = sum(each.quantity for each in driver.executions if each.order_ref is None)
    assert driver.positions["XYZ"] == FOREIGN + by_hand, "foreign shares are as their owner left them"
    assert driver.now_us < CLOSE_US, "the weather lasted too long for one session"


COURSE: tuple[tuple[str, float], ...] = (
    *(("answer", 0), ("acknowledge", 0), ("fill", 0.6), ("cancelled", 0), ("answer", 0), ("retry", 0)),
    *(("answer", 0), ("acknowledge", 0), ("fill", 1.0), ("retry", 0), ("answer", 0), ("answer", 0)),
)
"""A flatten whose first order fills in part and is cancelled."""


def on_course(steps: int) -> World:
    """A world after so many steps of it."""
    world = World(-100.0)
    for what, size in COURSE[:steps]:
        world.do(what, size)
    return world


def test_the_course_ends_flat() -> None:
    assert on_course(len(COURSE)).file is None


@pytest.mark.parametrize("step", range(1, len(COURSE) + 1))
def test_row_32_killed_after_any_line_of_a_flatten_it_goes_on_and_ends_flat(step: int) -> None:
    """Effects follow the records of their step: killed before them, that step's order and release never happened."""
    before = on_course(step - 1)
    first, last = len(before.driver.lines), len(on_course(step).driver.lines)
    for kept in range(first, last + 1):
        for acted in {kept == last, False}:
            world = on_course(step)
            if not acted:
                world.live = {ref: order for ref, order in world.live.items() if ref in before.live}
                world.file = before.file
            world.restart(world.driver.lines[:kept])
            world.hear()
            world.clear_up()
            assert world.own_at_the_broker() == world.driver.book.ledger.own_shares == 0
            assert not world.driver.book.ledger.halts
