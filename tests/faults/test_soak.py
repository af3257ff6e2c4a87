"""A long time in a short one: a thousand reconnects, and a week of sessions. Nothing may grow, nothing may drift."""

import asyncio
import gc
import logging
import os
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from config.schema import Profile
from daemon.simulator.market_choice import build_exchange
from daemon.venues.simulated.exchange import SimulatedExchange
from state.records import JournalType
from state.times import iso_from_us
from tests.faults.killable_desk import GatewayDesk, opened
from tests.faults.working_desk import WorkingDesk, working_desk
from tests.support.invariants import assert_invariants
from tests.support.system import wait_for

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

MIB = 1024 * 1024
GROWTH_MIB = 24.0
"""What the allocator may keep for itself after a thousand connections; one connection of ib_async weighs more than
twenty-four KiB, so a leak of each would be beyond it."""
GROWTH_OBJECTS = 500
"""Orders and fills of the market's moves are kept for the day; a leak of an object each would be a thousand."""


class Usage:
    """What this process (or another) holds right now. Tasks and objects are this process's alone."""

    def __init__(self, pid: int | None = None, *, tasks: int = 0, objects: int = 0) -> None:
        process = psutil.Process(os.getpid() if pid is None else pid)
        self.rss_mib = process.memory_info().rss / MIB
        self.descriptors = process.num_fds()
        self.threads = process.num_threads()
        self.tasks = tasks
        self.objects = objects

    def __repr__(self) -> str:
        return (
            f"{self.rss_mib:.1f} MiB, {self.descriptors} descriptors, {self.threads} threads, {self.tasks} tasks, "
            f"{self.objects} objects"
        )

    def is_flat_since(self, before: "Usage") -> bool:
        """No more of anything, but for what the allocator and the day keep."""
        return (
            self.rss_mib - before.rss_mib <= GROWTH_MIB
            and self.descriptors <= before.descriptors
            and self.threads <= before.threads
            and self.tasks <= before.tasks
            and self.objects - before.objects <= GROWTH_OBJECTS
        )


@pytest.fixture
def no_kept_logs(caplog: pytest.LogCaptureFixture) -> None:
    """The test runner keeps every log line for its report; a thousand connections write some tens of thousands."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, type(caplog.handler)):
            handler.setLevel(logging.CRITICAL)


@pytest.mark.usefixtures("no_kept_logs")
async def test_row_56_a_thousand_reconnects_leave_memory_descriptors_and_tasks_flat(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        await reconnect(desk, 100)
        before = await usage(desk)
        await reconnect(desk, 1000)
        after = await usage(desk)
        print(f"before {before}; after 1,000 more {after}")  # noqa: T201 - the figures are what it is run for
        assert after.is_flat_since(before), f"before {before}; after 1,000 more {after}"


async def reconnect(desk: WorkingDesk, times: int) -> None:
    """Cut the line so often, in both ways; every twentieth time the market has moved meanwhile."""
    for number in range(times):
        connections, orders = desk.connections, len(desk.placed())
        desk.server.drop_all("rst" if number % 2 else "fin")
        await desk.until("a new connection", partial(_is_beyond, desk, connections))
        await desk.synced()
        if number % 20 == 0:
            desk.move(1.5 if number % 40 else -1.5)
            await desk.hedged(beyond=orders)


def _is_beyond(desk: WorkingDesk, connections: int) -> bool:
    return desk.connections > connections


async def usage(desk: WorkingDesk) -> Usage:
    """At rest, and without what the test itself keeps of the wire."""
    await desk.synced()
    await asyncio.sleep(1.0)
    orders = [each for each in desk.transcript.entries if each.request in ("placeOrder", "cancelOrder")]
    desk.transcript.entries.clear()
    desk.transcript.entries.extend(orders)
    gc.collect()
    return Usage(tasks=len(asyncio.all_tasks()), objects=len(gc.get_objects()))


WEEK = """
extends: demo
desk: desk
ib: {port: PORT, connect_timeout: 2}
daemon: {probe_every_s: 1, probe_timeout_s: 3}
storage: {min_free_mib: 0, slow_sync_ms: 60000}
simulator:
  cash_usd: 250000
  synthetic: {start_date: 2026-11-23, step_s: 5, spread_usd: 0.02}
  positions:
    - {quantity: 10, right: call, strike: 100, expiry: 2027-01-15}
    - {quantity: 10, right: put, strike: 100, expiry: 2027-01-15}
legs:
  - {right: call, strike: 100, expiry: 2027-01-15}
  - {right: put, strike: 100, expiry: 2027-01-15}
"""
DAYS = ("2026-11-23", "2026-11-24", "2026-11-25", "2026-11-27", "2026-11-30")
"""Thanksgiving is closed, the day after it is half a day, and then comes a weekend."""


def test_row_56_a_week_at_high_speed_ends_exact_to_the_cent_and_with_nothing_grown(tmp_path: Path) -> None:
    week = GatewayDesk(tmp_path, WEEK, exchange_of, paced=True, lock_step=True, speed=1e6)
    with opened(week):
        week.start("daemon", "--profile", str(week.profile))
        usages = [live_through(week, day) for day in DAYS]
        print("\n".join(f"{day}: {usage}" for day, usage in zip(DAYS, usages, strict=True)))  # noqa: T201 - likewise
        week.gateway.hold()
        wait_for("the desk's book to be the account's, to the share and to the cent", lambda: is_exact(week), 60)
        assert usages[-1].is_flat_since(usages[1]), f"grown from {usages[1]} to {usages[-1]}"
        assert week.end("daemon") == 0
        assert_invariants(week)


def exchange_of(profile: Profile) -> SimulatedExchange:
    """What the simulator's own composition root makes of the profile."""
    assert profile.simulator is not None
    return build_exchange(profile, profile.simulator, base=Path.cwd(), wall_us=0)


def live_through(week: GatewayDesk, day: str) -> Usage:
    """Until that session has come; then what the night before it brings, and a hedge after it."""
    wait_for(f"the session of {day}", lambda: iso_from_us(week.exchange.now_us).startswith(day), 900)
    server = week.gateway.server
    if day == DAYS[-1]:
        # The weekend's restart of the gateway: the socket dies.
        week.gateway.close()
        time.sleep(1)
        week.gateway.open()
    else:
        # The nightly reset: the socket lives, TWS has lost its servers for a while.
        week.gateway.call(server.broadcast_error, 1100, "Connectivity between IB and TWS has been lost.")
        time.sleep(0.5)
        week.gateway.call(server.broadcast_error, 1102, "Connectivity has been restored - data maintained.")
    before = len(week.of(JournalType.FILL))
    wait_for("a hedge after it", lambda: len(week.of(JournalType.FILL)) > before, 300)
    return Usage(week.processes["daemon"].pid)


def is_exact(week: GatewayDesk) -> bool:
    """Position and equity of the desk are the account's: nobody else trades it, and both see the same last price."""
    snapshot = week.snapshot()
    if snapshot is None or snapshot.equity_usd is None:
        return False
    shares = week.gateway.call(week.exchange.position, week.symbol).quantity
    net_usd = float(week.gateway.call(week.exchange.account_values)["NetLiquidation"])
    return snapshot.own_shares == shares and abs(snapshot.equity_usd - net_usd) < 0.01
