"""Anything, in any order: faults, prices, manual trades, control files, kills and restarts against the real daemon.

Hypothesis picks the acts; after each of them the invariants of the design are asserted over what can be seen at that
moment, and at the end, when everything has been mended, over all of it. The daemon is a process (`killable_desk`), so
a story runs in real time and is not repeated to the microsecond: what Hypothesis prints of a failure is its acts, and
each failure that was a bug stays below as a story of its own.
"""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from daemon.simulator.faults import (
    Act,
    ArrangeOrderEvents,
    BadGreeks,
    BadTicks,
    BreakFrame,
    Broadcast,
    CancelWorking,
    ClientIdInUse,
    CorrectExecution,
    CorrectExecutions,
    CutAnswer,
    DelayAnswers,
    DelayCommissions,
    DelayedData,
    Dividend,
    DropAfter,
    DropAfterOrder,
    DropAll,
    Exercise,
    Fault,
    ForeignCommissions,
    ForgetSubscriptions,
    FreezeQuotes,
    HalfOpen,
    HalfOpenAll,
    Halt,
    InactivateOrders,
    InformOrders,
    LimitMessages,
    LoseUpstream,
    Mute,
    NoOrderStatus,
    OrderByHand,
    Overfill,
    PartialFills,
    RaceCancels,
    RejectOrders,
    RepeatOrderEvents,
    RestoreUpstream,
    RollBackIds,
    SilentHandshake,
    Split,
    SplitFrames,
    SwallowOrders,
    TradeByHand,
    TransferPosition,
)
from state.journal_reader import read_journal
from state.records import JournalLine
from tests.faults.killable_desk import STOP_STANDS, STOP_UNCONFIRMED, STOPPED, KillableDesk, opened
from tests.support.invariants import assert_invariants, assert_so_far
from tests.support.system import wait_for

STOCK, CALL = "DEMO", "DEMO 20260619 C 100"
FAULTS: tuple[Fault, ...] = (
    # the line
    SilentHandshake(count=1),
    ClientIdInUse(count=2),
    Mute(request="reqPositions", count=1),
    Mute(request="reqAllOpenOrders", count=1),
    Mute(request="reqExecutions", count=1),
    Mute(request="reqCurrentTime", count=3),
    HalfOpen(count=1),
    HalfOpen(request="placeOrder", count=1),
    DelayAnswers(request="reqExecutions", delay_s=0.5, count=2),
    CutAnswer(request="reqExecutions", messages=1, how="fin", count=1),
    DropAfter(request="cancelOrder", count=1),
    BreakFrame(request="reqCurrentTime", how="huge", count=1),
    BreakFrame(request="reqCurrentTime", how="truncated", count=1),
    SplitFrames(chunk_bytes=1, count=200),
    LimitMessages(per_second=20, strikes=3, count=10),
    RollBackIds(order_id=1, count=1),
    # orders
    RejectOrders(count=1),
    RejectOrders(count=3),
    SwallowOrders(count=1),
    DropAfterOrder(count=1),
    DropAfterOrder(count=1, how="fin"),
    Mute(request="cancelOrder", count=1),
    NoOrderStatus(count=2),
    ArrangeOrderEvents(arrangement="reversed", count=3),
    ArrangeOrderEvents(arrangement="executions_first", count=3),
    RepeatOrderEvents(times=3, count=3),
    PartialFills(slices=(3.0, 4.0), rest="cancel", count=1),
    PartialFills(slices=(2.0,), rest="wait", count=1),
    Overfill(quantity=2, count=1),
    CorrectExecutions(price_change_usd=0.01, delay_s=0.2, count=1),
    DelayCommissions(delay_s=0.5),
    DelayCommissions(delay_s=None, count=2),
    ForeignCommissions(),
    InformOrders(code=399, text="Order message", count=2),
    InformOrders(code=10349, text="Order TIF was set to DAY", count=2),
    InactivateOrders(why_held="locate", hold_steps=5, count=1),
    InactivateOrders(count=1),
    RaceCancels(outcome="filled_10148", count=1),
    RaceCancels(outcome="filled_after_202", count=1),
    # data
    FreezeQuotes(count=100),
    DelayedData(count=30),
    BadTicks(bid=-1.0, count=40),
    BadTicks(bid=199_999.99, ask=199_999.99, count=40),
    BadGreeks(how="sentinels", count=40),
)
ACTS: tuple[Act, ...] = (
    TradeByHand(instrument=STOCK, side="BUY", quantity=20),
    TradeByHand(instrument=STOCK, side="SELL", quantity=150),
    TradeByHand(instrument=CALL, side="SELL", quantity=1),
    OrderByHand(instrument=STOCK, side="BUY", quantity=5, limit_price=50.0),
    OrderByHand(instrument=STOCK, side="SELL", quantity=5, limit_price=150.0, client_id=7),
    TransferPosition(instrument=STOCK, quantity=11),
    Exercise(instrument=CALL, contracts=1),
    Split(instrument=STOCK),
    Dividend(instrument=STOCK, usd_share=0.5),
    DropAll(how="rst"),
    DropAll(how="fin"),
    HalfOpenAll(),
    Broadcast(code=2103),
    Broadcast(code=2104),
    Broadcast(code=10197),
    LoseUpstream(orders="held"),
    LoseUpstream(code=2110, orders="lost"),
    RestoreUpstream(code=1102),
    RestoreUpstream(code=1101),
    Halt(),
    Halt(halted=False),
    ForgetSubscriptions(),
    CancelWorking(),
    CorrectExecution(price=99.0),
)
SETTLED_S = 60.0
LARGEST_SHARES = 2000.0
IN_USE = 4
BUSY = frozenset({"BOOT", "SYNC", "NEED_HEDGE", "HEDGING"})


class Desk(RuleBasedStateMachine):
    """One account, one desk, one day."""

    def __init__(self) -> None:
        super().__init__()
        self._root = Path(tempfile.mkdtemp(prefix="stateful-"))
        self._stack = contextlib.ExitStack()
        self.desk: KillableDesk = self._stack.enter_context(opened(KillableDesk(self._root)))
        self._lines_seen = 0
        self._acknowledged = False

    @initialize()
    def begin(self) -> None:
        """A synchronised desk."""
        self.desk.start_daemon()
        wait_for("the first hedge", lambda: self.desk.placed() and self._at_rest(), SETTLED_S)

    # --- the market, and what goes wrong ---------------------------------------------------------
    @rule(usd=st.sampled_from((-3.0, -1.0, -0.4, 0.4, 1.0, 3.0)), for_s=st.sampled_from((0.0, 0.15, 0.5)))
    def price(self, usd: float, for_s: float) -> None:
        """The stock moves, and some time passes."""
        self.desk.move(usd)
        time.sleep(for_s)

    @rule(fault=st.sampled_from(FAULTS))
    def fault(self, fault: Fault) -> None:
        """Something will go wrong at the gateway."""
        self.desk.add_fault(fault)

    @rule(act=st.sampled_from(ACTS))
    def happen(self, act: Act) -> None:
        """Something happens once; what needs an execution or a position is let be where there is none."""
        with contextlib.suppress(ValueError):
            self.desk.act(act)

    @rule()
    def mend(self) -> None:
        """The gateway behaves again."""
        self.desk.clear_faults()

    @rule(for_s=st.sampled_from((0.1, 1.0)))
    def gateway_restart(self, for_s: float) -> None:
        """The gateway is away for a while; its faults end with it."""
        self.desk.gateway.close()
        time.sleep(for_s)
        self.desk.gateway.open()

    # --- the daemon ------------------------------------------------------------------------------
    @rule()
    @precondition(lambda self: self.desk.is_alive)
    def kill(self) -> None:
        """SIGKILL."""
        self.desk.kill()

    @rule()
    @precondition(lambda self: self.desk.is_alive)
    def terminate(self) -> None:
        """SIGTERM: a stop for this run."""
        wait_for("a snapshot of this run", self._has_spoken, SETTLED_S)
        self.desk.processes["daemon"].terminate()
        self._end(STOPPED, STOP_UNCONFIRMED)

    @rule(for_s=st.sampled_from((0.3, 1.5)))
    @precondition(lambda self: self.desk.is_alive)
    def freeze(self, for_s: float) -> None:
        """SIGSTOP and SIGCONT."""
        self.desk.freeze(for_s)

    @rule()
    @precondition(lambda self: not self.desk.is_alive)
    def start(self) -> None:
        """Start it again, whatever stands; a stop that stands ends it at once."""
        self.desk.start_daemon()
        if "stop" in self.desk.asserted():
            self._end(STOP_STANDS, STOPPED, STOP_UNCONFIRMED)

    @rule()
    @precondition(lambda self: self.desk.is_alive)
    def second_daemon(self) -> None:
        """Somebody starts another one for the same desk: 12, it leaves at once."""
        wait_for("a snapshot of this run", self._has_spoken, SETTLED_S)
        tried = self.desk.cli("daemon", "--profile", str(self.desk.profile))
        assert tried.returncode == IN_USE, f"a second daemon: {tried.returncode}, {tried.stderr}"

    # --- control ---------------------------------------------------------------------------------
    @rule(name=st.sampled_from(("pause", "flatten")))
    def command(self, name: str) -> None:
        """Touch."""
        self.desk.touch(name)

    @rule(name=st.sampled_from(("pause", "flatten", "stop")))
    def release(self, name: str) -> None:
        """Take back."""
        self.desk.release(name)

    @rule()
    def stop(self) -> None:
        """Touch `stop`; a living daemon ends."""
        was_alive = self.desk.is_alive
        self.desk.touch("stop")
        if was_alive:
            self._end(STOPPED, STOP_STANDS, STOP_UNCONFIRMED)

    @rule()
    @precondition(lambda self: self.desk.is_alive)
    def reset(self) -> None:
        """The operator ends the halts, if their causes are gone."""
        self.desk.ask("reset")

    def _end(self, *expected: int) -> None:
        if "flatten" in self.desk.asserted():
            self._mend_the_world()  # with both asserted the desk stops when it is flat, so it must be able to trade
        try:
            code = self.desk.ended()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None
        assert code in expected, f"the daemon ended with {code}\n{self.story()}"

    # --- what must hold --------------------------------------------------------------------------
    @invariant()
    def nothing_was_done_that_must_not(self) -> None:
        """What can be judged while the desk lives."""
        time.sleep(0.1)
        lines = assert_so_far(self.desk, is_running=self._has_spoken() and self.desk.is_alive)
        assert len(lines) >= self._lines_seen, "journal lines vanished"
        self._lines_seen = len(lines)
        if self.desk.processes.get("daemon") is not None and not self.desk.is_alive:
            raise AssertionError(f"the daemon ended: {self.desk.processes['daemon'].returncode}: {self.desk.said()}")
        self._light_tells_the_truth()

    def _light_tells_the_truth(self) -> None:
        snapshot = self.desk.snapshot()
        if snapshot is not None and snapshot.link_state != "SYNCED":
            assert self.desk.light().state != "green", "the light is green without a link"
        if snapshot is not None:
            assert snapshot.account_kind in (None, "simulated"), "11, an account that is not the simulator's"
            assert abs(snapshot.own_shares or 0.0) <= LARGEST_SHARES, "3, more own shares than the profile allows"
        if self.desk.asserted() and self.desk.light().state == "green":
            raise AssertionError(f"the light is green while {self.desk.asserted()} stands")

    def teardown(self) -> None:
        """Mend everything, let it settle, stop it, and judge the whole."""
        try:
            self._settle()
            assert_invariants(self.desk)
        except BaseException:
            note(self.story())
            raise
        finally:
            self._stack.close()
            shutil.rmtree(self._root, ignore_errors=True)

    def _settle(self) -> None:
        for name in ("stop", "pause", "flatten"):
            self.desk.release(name)
        self._mend_the_world()
        self.desk.start_daemon()
        wait_for("a desk at rest", self._at_rest_or_explained, SETTLED_S)
        wait_for("a snapshot of this run", self._has_spoken, SETTLED_S)
        self.desk.touch("stop")
        self._end(STOPPED, STOP_STANDS)

    def _mend_the_world(self) -> None:
        self.desk.gateway.open()
        self.desk.clear_faults()
        for mended in (Halt(halted=False), Broadcast(code=2104), RestoreUpstream(code=1101)):
            self.desk.act(mended)

    def _has_spoken(self) -> bool:
        snapshot = self.desk.snapshot()
        process = self.desk.processes.get("daemon")
        return snapshot is not None and process is not None and snapshot.pid == process.pid

    def _at_rest_or_explained(self) -> bool:
        """At rest; a position that moved without an execution is acknowledged first, as the operator would."""
        snapshot = self.desk.snapshot()
        codes = {reason.code for reason in self.desk.light().reasons}
        own = None if snapshot is None else snapshot.own_shares
        if own is not None and self._has_spoken() and "position_unexplained" in codes and not self._acknowledged:
            held = self.desk.gateway.call(self.desk.exchange.position, STOCK).quantity
            self.desk.ask("acknowledge", held - own)
            self._acknowledged = True
        return self._at_rest()

    def _at_rest(self) -> bool:
        """Reconciled, nothing in flight, no open question: what must come back by itself when all is well."""
        snapshot = self.desk.snapshot()
        if snapshot is None or not self._has_spoken() or snapshot.link_state != "SYNCED":
            return False
        own = [order for order in snapshot.working_orders if order.own]
        codes = {reason.code for reason in self.desk.light().reasons}
        open_questions = {"unknown_outcome", "not_reconciled", "link_not_synced", "position_unexplained"}
        busy = snapshot.strategy is None or snapshot.strategy["trading_state"] in BUSY
        return not own and not busy and not codes & open_questions

    def story(self) -> str:
        """Where it stands, for a message."""
        lines = list(read_journal(self.desk.paths.journal)) if self.desk.paths.journal.exists() else []
        last = [_words(line) for line in lines[-25:]]
        return f"{self.desk.light().line}\n" + "\n".join(last) + f"\n{self.desk.said()}"


def _words(line: JournalLine) -> str:
    return f"{line.seq} {line.wall_ts} {line.type.value} {line.order_ref} {line.status} {line.reason}"


def play(*, examples: int, steps: int, derandomize: bool) -> None:
    """Run so many stories."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=derandomize,
        database=None,
        phases=(Phase.generate,),  # a story takes seconds and is not repeatable to the microsecond: no shrinking
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(Desk, settings=chosen)


@pytest.mark.timeout(240)
def test_some_stories() -> None:
    play(examples=2, steps=12, derandomize=True)


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
def test_two_hundred_stories() -> None:
    play(examples=200, steps=25, derandomize=False)
