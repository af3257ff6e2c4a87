"""Rows 53 to 55 of the fault matrix: the machine under the daemon, its clocks, and bugs of our own."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.simulator.faults import DelayAnswers
from state.control import ControlRead
from state.light import Light, light
from state.records import JournalType
from state.snapshot import read_snapshot
from tests.faults.killable_desk import KillableDesk, opened
from tests.faults.live_daemon import AHEAD_US
from tests.faults.working_desk import WorkingDesk, working_desk
from tests.support.invariants import assert_invariants
from tests.support.system import wait_for

HOUR_S = 3600.0


# --- 53: clocks ----------------------------------------------------------------------------------
@pytest.mark.parametrize("hours", [1, -1])
async def test_row_53_the_wall_clock_jumps(tmp_path: Path, hours: int) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        before_us = desk.book.ts_us
        desk.machine.step_wall(hours * HOUR_S)
        await desk.until("the yellow light", lambda: "wall_clock_off" in desk.reasons())
        await desk.for_a_while(0.3)
        assert len(desk.placed()) == 1, "a clock alone must not cause an order"
        assert 0 <= desk.book.ts_us - before_us < 30_000_000, "the core's time must not follow"
        jumps = desk.of(JournalType.CLOCK_JUMP)
        assert [line.status for line in jumps] == ["wall_clock_set"]
        assert jumps[0].data["wall_offset_ms"] == pytest.approx(hours * HOUR_S * 1000, abs=2000)
        desk.move(2)  # and it goes on hedging, at the pace of before
        await desk.hedged(beyond=1)
        assert len(desk.placed()) == 2
        desk.machine.step_wall(-hours * HOUR_S)
        await desk.until("the end of it", lambda: "wall_clock_off" not in desk.reasons())


async def test_row_53_suspended_for_a_minute(tmp_path: Path) -> None:
    """Old prices wait in the socket when the machine wakes, and say something else than the market."""
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.beats = False
        desk.move(3)
        desk.server.step()  # written before the sleep, read after it
        desk.market.price = 100.0
        desk.machine.sleep(60)
        desk.faults.add(DelayAnswers(request="reqCurrentTime", delay_s=0.6))
        await desk.until("the pause to be noticed", lambda: desk.of(JournalType.CLOCK_JUMP))
        await desk.for_a_while(0.3)
        assert len(desk.placed()) == 1, "an order on a price from before the sleep"
        await desk.until("the red light", lambda: desk.light().state == "red")
        assert {"data_lag", "loop_slow"} <= desk.reasons()
        desk.faults.clear()
        desk.beats = True
        await desk.until("trust", lambda: desk.book.machine.unproven_since_us is None)
        await desk.until_light("green")
        assert len(desk.placed()) == 1, "the market stands where it stood: nothing was to be hedged"
        desk.move(2)
        await desk.hedged(beyond=1)
        assert len(desk.placed()) == 2


class LiveClockDesk(KillableDesk):
    """Its daemon is a process that lives by the machine's clock."""

    def start_daemon(self) -> None:
        ahead_us = time.time_ns() // 1000 - self.market_us()  # noqa: TID251 - the test's own clock
        self.environment[AHEAD_US] = str(ahead_us)
        self.start("daemon", "--profile", str(self.profile), module="tests.faults.live_daemon")


def test_row_53_a_stopped_process_wakes_up(tmp_path: Path) -> None:
    """SIGSTOP, as a debugger or a full machine does it. Meanwhile the market goes away and comes back."""
    with opened(LiveClockDesk(tmp_path)) as desk:
        desk.start_daemon()
        wait_for("the hedge", lambda: desk.of(JournalType.COMMISSION), 30)
        placed, pid = desk.placed(), desk.processes["daemon"].pid
        os.kill(pid, signal.SIGSTOP)
        for usd in (3, -3):
            desk.move(usd)
            time.sleep(2)
        assert desk.light().state == "not_live"
        os.kill(pid, signal.SIGCONT)
        stood = wait_for("the pause in the journal", lambda: desk.of(JournalType.CLOCK_JUMP))
        assert stood[0].status == "stood_still"
        assert stood[0].data["stood_still_ms"] > 3000
        wait_for("green", lambda: desk.light().state == "green")
        assert desk.placed() == placed, "an order on a price of the time that it slept through"
        desk.move(2)
        wait_for("the next hedge", lambda: len(desk.placed()) > len(placed))
        desk.touch("stop")
        assert desk.ended() == 0
        assert_invariants(desk, stale_ms=4000)


# --- 54: bugs ------------------------------------------------------------------------------------
def _tap(desk: WorkingDesk, error: Exception) -> None:
    _raising(desk.daemon._venue._session, "on_account_value", error)
    desk.server.gateway.tell_account()
    desk.server.gateway.flush()


def _decision(desk: WorkingDesk, error: Exception) -> None:
    _raising(desk.daemon._core.strategy, "decide", error)


def _loop_callback(desk: WorkingDesk, error: Exception) -> None:
    def broken() -> None:
        raise error

    asyncio.get_running_loop().call_soon(broken)


def _task(desk: WorkingDesk, error: Exception) -> None:
    _raising(desk.daemon._watch, "look", error)


def _raising(owner: object, name: str, error: Exception) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    setattr(owner, name, broken)


@pytest.mark.parametrize("break_it", [_tap, _decision, _loop_callback, _task])
async def test_row_54_a_handler_raises(tmp_path: Path, break_it: Callable[[WorkingDesk, Exception], None]) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        break_it(desk, ZeroDivisionError("of the test's making"))
        assert await desk.daemon_end() == 1
        assert [line.reason for line in desk.of(JournalType.HALT)] == ["internal_error"]
        assert "of the test's making" in desk.of(JournalType.HALT)[0].data["detail"]
        assert desk.lines()[-1].type == JournalType.RUN_STOPPED
        await desk.start_daemon()
        await desk.synced()
        desk.move(3)
        await desk.until("the red light", lambda: "internal_error" in desk.reasons())
        await desk.for_a_while(0.3)
        assert len(desk.placed()) == 1, "a halted desk hedged"


# --- 55: a loop that stands still ----------------------------------------------------------------
async def test_row_55_the_event_loop_is_blocked(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        watched = asyncio.get_running_loop().run_in_executor(None, _watch_lights, desk, 5.0)
        time.sleep(5)  # noqa: ASYNC251 - the fault itself
        lights = await watched
        assert "not_live" not in {each.state for each in lights}, "the heartbeat itself must not stop"
        slow = [each for each in lights if any(reason.code == "loop_slow" for reason in each.reasons)]
        assert slow, "nobody noticed"
        ages = [reason.detail for each in slow for reason in each.reasons if reason.code == "loop_slow"]
        assert all(detail is not None and "loop_age_ms" in detail for detail in ages)
        stood = await desk.until("the pause in the journal", lambda: desk.of(JournalType.CLOCK_JUMP))
        assert stood[0].status == "stood_still"
        assert stood[0].data["stood_still_ms"] >= 4900
        await desk.until_light("green")
        desk.move(2)
        await desk.hedged(beyond=1)
        assert len(desk.placed()) == 2


def _watch_lights(desk: WorkingDesk, seconds: float) -> list[Light]:
    """What somebody beside the daemon sees meanwhile."""
    end, seen = time.monotonic() + seconds, []
    nothing = ControlRead(files={}, unknown_names=(), readable=True, problem=None)
    while time.monotonic() < end:
        now_us = time.time_ns() // 1000  # noqa: TID251 - the reader's wall clock
        seen.append(light(read_snapshot(desk.paths.snapshot).snapshot, nothing, now_us))
        time.sleep(0.1)
    return seen
