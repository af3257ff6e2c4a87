import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.core.attribution import Attribution
from daemon.core.book import Book
from daemon.core.effects import Sample
from daemon.core.ledger import Halt
from daemon.core.pnl import DayPnl
from daemon.core.presentation import present
from daemon.core.step import Core
from daemon.runtime import snapshot_publisher
from daemon.runtime.clocks import monotonic_ns
from daemon.runtime.engine import Latest
from daemon.runtime.snapshot_publisher import Identity, SnapshotPublisher
from state.history import read_history
from state.layout import DeskPaths
from state.records import LatencyMs, PnlParts, Snapshot
from state.snapshot import read_snapshot
from tests.runtime.daemon_process import profile
from tests.runtime.eager_strategy import EagerStrategy
from tests.runtime.workbench import WALL_US, synced_book


class Published:
    """A publisher over a real core's presentation."""

    def __init__(self, paths: DeskPaths, *, period_ms: int = 100) -> None:
        self.paths = paths
        self.book: Book = synced_book(ts_us=WALL_US, strategy={})
        self.alive_ns = monotonic_ns()
        self.failures: list[tuple[str, str]] = []
        core = Core(profile(), EagerStrategy(0))
        self.publisher = SnapshotPublisher(
            paths=paths,
            identity=Identity("eager", "r", "eager", "0" * 64, "1", 7, period_ms),
            latest=lambda: Latest(self.book, (3, "ab" * 32), self.alive_ns),
            present=lambda book: present(core, book),
            latency=lambda: LatencyMs(p50=1.0, p95=2.0, p99=3.0),
            failed=lambda what, error: self.failures.append((what, error)),
        )

    def read(self) -> Snapshot:
        found = read_snapshot(self.paths.snapshot)
        assert found.snapshot is not None, found.problem
        return found.snapshot


def test_a_snapshot_holds_the_book_the_identity_and_the_journals_head(paths: DeskPaths) -> None:
    published = Published(paths)
    published.publisher.publish(sync=False)
    snapshot = published.read()
    assert (snapshot.desk, snapshot.link_state, snapshot.client_id) == ("eager", "SYNCED", 7)
    assert (snapshot.journal_seq, snapshot.journal_hash) == (3, "ab" * 32)
    assert snapshot.latency_ms == LatencyMs(p50=1.0, p95=2.0, p99=3.0)
    assert snapshot.loop_age_ms is not None
    assert 0 <= snapshot.loop_age_ms < 5_000


def test_a_blocked_loop_shows_as_its_age(paths: DeskPaths) -> None:
    published = Published(paths)
    published.alive_ns -= 4_000_000_000
    published.publisher.publish(sync=False)
    age = published.read().loop_age_ms
    assert age is not None
    assert age >= 4_000


def test_seq_grows_over_restarts_and_past_a_damaged_file(paths: DeskPaths) -> None:
    first = Published(paths)
    for _ in range(3):
        first.publisher.publish(sync=False)
    assert first.read().seq == 3
    second = Published(paths)
    second.publisher.publish(sync=False)
    assert second.read().seq == 4
    paths.snapshot.write_text('{"schema": 1, "seq"')
    third = Published(paths)
    third.publisher.publish(sync=False)
    assert third.read().seq > 1_000_000_000_000


def test_it_syncs_at_exit_and_when_a_halt_latches_and_otherwise_not(
    paths: DeskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    real = snapshot_publisher.write_present

    def noting(*args: Any, sync: bool, **others: Any) -> None:
        synced.append(sync)
        real(*args, sync=sync, **others)

    monkeypatch.setattr(snapshot_publisher, "write_present", noting)
    published = Published(paths)
    published.publisher.publish(sync=False)
    halted = Halt(code="overfill", since_us=WALL_US, detail="d")
    published.book = synced_book(strategy={}, ledger=type(published.book.ledger)(ledger_id="a", halts=(halted,)))
    published.publisher.publish(sync=False)
    published.publisher.publish(sync=False)
    published.publisher.stop()
    published.publisher.run()
    assert synced == [False, True, False, True]


def test_samples_become_history_lines_with_the_light(paths: DeskPaths) -> None:
    published = Published(paths)
    published.publisher.sample(Sample(kind="fill", data={"order_ref": "x"}), published.book)
    published.publisher.publish(sync=False)
    published.publisher.publish(sync=False)
    (line,) = read_history(paths.history)
    assert (line.kind, line.own_shares, line.data, line.hedges_today) == ("fill", 0.0, {"order_ref": "x"}, 0)
    assert line.light in ("green", "yellow", "red", "not_live")


def test_a_sample_keeps_the_days_parts_and_what_was_traded(paths: DeskPaths) -> None:
    published = Published(paths)
    pnl = DayPnl(realised_usd=12.0, unrealised_usd=-2.5, legs_usd=40.0, commission_usd=3.0)
    ledger = msgspec.structs.replace(published.book.ledger, traded_usd=20_000.0, slippage_usd=1.25, day="2026-11-20")
    attribution = Attribution(delta_usd=10.0, gamma_usd=35.0, theta_usd=-6.0, vega_usd=0.5)
    day = msgspec.structs.replace(published.book.day, pnl=pnl, attribution=attribution)
    published.book = msgspec.structs.replace(published.book, ledger=ledger, day=day)
    published.publisher.sample(Sample(kind="minute"), published.book)
    published.publisher.publish(sync=False)
    line = next(iter(read_history(paths.history)))
    assert line.pnl_parts == published.read().pnl_parts
    assert line.traded_usd == 20_000.0
    assert line.session_date == "2026-11-20"
    assert line.pnl_parts == PnlParts(
        realised_usd=12.0,
        unrealised_usd=-2.5,
        legs_usd=40.0,
        commission_usd=3.0,
        total_usd=46.5,
        delta_usd=20.75,
        gamma_usd=35.0,
        theta_usd=-6.0,
        vega_usd=0.5,
        slippage_usd=1.25,
        other_usd=0.5,
        wear_per_10k=-23.25,
    )


def test_a_failing_history_is_told_once_and_the_present_is_still_seen(paths: DeskPaths) -> None:
    published = Published(paths)
    paths.history.rmdir()
    paths.history.write_text("a file where the folder was")
    for _ in range(2):
        published.publisher.sample(Sample(kind="minute"), published.book)
        published.publisher.publish(sync=False)
    assert [what for what, _ in published.failures] == ["history"]
    assert published.read().seq == 2


def test_a_failing_snapshot_is_told_once_per_failure_and_tried_again(tmp_path: Path, paths: DeskPaths) -> None:
    published = Published(paths)
    away = tmp_path / "away"
    paths.folder.rename(away)
    for _ in range(3):
        published.publisher.publish(sync=False)
    assert [what for what, _ in published.failures] == ["snapshot"]
    away.rename(paths.folder)
    published.publisher.publish(sync=False)
    assert published.read().desk == "eager"
    paths.folder.rename(away)
    published.publisher.publish(sync=False)
    assert [what for what, _ in published.failures] == ["snapshot", "snapshot"]


def test_decisions_are_published_soon_but_coalesced(paths: DeskPaths) -> None:
    published = Published(paths, period_ms=60_000)
    thread = threading.Thread(target=published.publisher.run)
    thread.start()
    deadline = time.monotonic() + 0.55
    while time.monotonic() < deadline:
        published.publisher.decided()
        time.sleep(0.002)
    published.publisher.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert 3 <= published.read().seq <= 8
