"""The daemon's verdict on itself: each check with what was measured, against which limit, and what failing means."""

from typing import Literal

from config.schema import Profile
from daemon.core.book import Book, DiskView, restart_window
from daemon.core.disk import MIN_FREE_INODES
from daemon.core.explanation import Explanation
from daemon.core.feed import broken_farms, is_paced
from daemon.core.flatten_fsm import FlattenState
from daemon.core.flatten_size import dust_left
from daemon.core.instruments import TOLERANCE
from daemon.core.ledger import REJECT_BACKOFF_S, foreign_traded
from daemon.core.link import ID_REFUSALS_ALARM
from daemon.core.strategy import Strategy
from daemon.core.timekeeping import STOOD_STILL_MS, WALL_OFFSET_MS, wall_clock_is_off
from state.records import Check, SelfCheck
from state.times import iso_from_us

LOOP_LIMIT_MS = STOOD_STILL_MS
UNMEASURED = "not measured yet"


def self_check(profile: Profile, strategy: Strategy, book: Book) -> SelfCheck:
    """All checks of core and strategy; the status is the worst of them."""
    checks = (
        *_sink_checks(book),
        *_disk_checks(profile, book),
        *_link_checks(profile, book),
        *_feed_checks(book),
        *_book_checks(book),
        *_order_checks(profile, book),
        *_loss_checks(profile, book),
        *_halt_checks(book),
        *strategy.checks(book.strategy, book),
    )
    red = tuple(dict.fromkeys(_reason(check) for check in checks if not check.ok and check.severity == "red"))
    degraded = any(not check.ok for check in checks)
    status: Literal["ok", "degraded", "blocked"] = "blocked" if red else "degraded" if degraded else "ok"
    return SelfCheck(status=status, block_reasons=red, checks=checks)


def _reason(check: Check) -> str:
    return check.name if check.reason is None else check.reason


def _check(
    name: str,
    *,
    ok: bool,
    reason: str,
    severity: Literal["yellow", "red"] = "red",
    measured: str | float | None = None,
    limit: str | float | None = None,
) -> Check:
    return Check(name=name, ok=ok, severity=severity, measured=measured, limit=limit, reason=None if ok else reason)


def _sink_checks(book: Book) -> tuple[Check, ...]:
    failed = book.journal_failed
    return (
        _check(
            "journal",
            ok=failed is None,
            reason="journal_failed",
            measured="writable" if failed is None else failed,
            limit="writable",
        ),
        _check(
            "event_loop",
            ok=book.loop_lag_ms <= LOOP_LIMIT_MS and book.machine.unproven_since_us is None,
            reason="loop_slow",
            measured=round(book.loop_lag_ms, 1),
            limit=LOOP_LIMIT_MS,
        ),
        _check(
            "wall_clock",
            ok=not wall_clock_is_off(book),
            reason="wall_clock_off",
            severity="yellow",
            measured=round(book.machine.wall_offset_ms),
            limit=WALL_OFFSET_MS,
        ),
        _check(
            "control_folder",
            ok=book.control.readable,
            reason="control_unreadable",
            severity="yellow",
            measured="readable" if book.control.readable else "missing or unreadable",
            limit="readable",
        ),
        _check(
            "control_names",
            ok=not book.control.unknown_names,
            reason="control_unknown_name",
            severity="yellow",
            measured=", ".join(book.control.unknown_names) if book.control.unknown_names else "known",
            limit="known",
        ),
    )


def _disk_checks(profile: Profile, book: Book) -> tuple[Check, ...]:
    disk, storage = book.disk, profile.storage
    room = f"{storage.min_free_mib:g} MiB and {MIN_FREE_INODES} files free"
    return (
        _check("disk_space", ok=not disk.low, reason="disk_low", measured=_room(disk), limit=room),
        _check(
            "disk_speed",
            ok=not disk.slow,
            reason="slow_disk",
            severity="yellow",
            measured=UNMEASURED if disk.slowest_append_ms is None else disk.slowest_append_ms,
            limit=storage.slow_sync_ms,
        ),
        *(
            _check(what, ok=False, reason=reason, severity="yellow", measured=book.failed_sinks[what], limit="writable")
            for what, reason in (("tape", "tape_failed"), ("history", "history_failed"))
            if what in book.failed_sinks
        ),
    )


def _room(disk: DiskView) -> str:
    if disk.free_mib is None:
        return UNMEASURED
    files = "" if disk.free_inodes is None else f", {disk.free_inodes:.0f} files"
    return f"{disk.free_mib:.0f} MiB{files}"


def _link_checks(profile: Profile, book: Book) -> tuple[Check, ...]:
    link = book.link
    synced = link.state == "SYNCED"
    overdue = link.deadline_passed
    window = restart_window(book)
    return (
        _check(
            "link",
            ok=synced,
            reason="waiting_ib_overdue" if overdue else "waiting_ib",
            severity="red" if overdue else "yellow",
            measured=link.state if synced else f"{link.state}: {link.reason}",
            limit=f"SYNCED within {profile.daemon.waiting_ib_deadline_s:g} s",
        ),
        _check(
            "client_id",
            ok=link.id_refusals < ID_REFUSALS_ALARM,
            reason="client_id_taken",
            measured=f"{link.id_refusals} refusals in a row",
            limit=f"{ID_REFUSALS_ALARM} refusals in a row",
        ),
        _check(
            "restart_window",
            ok=window is None,
            reason="restart_window",
            severity="yellow",
            measured="none" if window is None else f"until {iso_from_us(window.end_us)}",
            limit="none",
        ),
        _check(
            "probe",
            ok=not (synced and link.probe_failed),
            reason="broker_error",
            measured=UNMEASURED if link.round_trip_ms is None else round(link.round_trip_ms, 1),
            limit=profile.daemon.probe_timeout_s * 1000,
        ),
        _check(
            "reconciled",
            ok=book.reconciled or not synced,
            reason="not_reconciled",
            severity="yellow",
            measured="agrees" if book.reconciled else "not yet",
            limit="agrees",
        ),
    )


def _feed_checks(book: Book) -> tuple[Check, ...]:
    link, farms, pacing = book.link, broken_farms(book), book.pacing
    broken = ", ".join(f"{name} broken since {iso_from_us(farm.since_us)}" for name, farm in farms.items())
    refused = "; ".join(f"{instrument}: {note}" for instrument, note in link.refused_lines.items())
    queueing = "the client's queue holds requests; " if pacing.queued_since_us is not None else ""
    return (
        _check(
            "data_farms",
            ok=not farms,
            reason="data_farm_broken",
            severity="yellow",
            measured=broken or "ok",
            limit="ok",
        ),
        _check(
            "market_data",
            ok=not link.refused_lines,
            reason="market_data_refused",
            severity="yellow",
            measured=refused or "live",
            limit="live",
        ),
        _check(
            "pacing",
            ok=not is_paced(book),
            reason="pacing",
            severity="yellow",
            measured=f"{queueing}{pacing.violations} complaints of the venue",
            limit="none within a minute",
        ),
    )


def _book_checks(book: Book) -> tuple[Check, ...]:
    undecided = book.synced_once and book.ledger.foreign_acknowledged is None
    return (
        _check(
            "positions",
            ok=not book.unexplained,
            reason="position_unexplained",
            measured="explained" if book.explanation is None else _likely(book.explanation),
            limit="explained",
        ),
        _check(
            "foreign_shares",
            ok=not undecided,
            reason="foreign_unacknowledged",
            severity="yellow",
            measured=book.foreign_shares if book.synced_once else UNMEASURED,
            limit=_acknowledged(book),
        ),
        _check(
            "instruments",
            ok=not book.specs or _constraints_known(book),
            reason="instrument_constraints_missing",
            measured="known" if _constraints_known(book) else "unknown",
            limit="known",
        ),
    )


def _acknowledged(book: Book) -> str | float:
    """The foreign shares that the operator and others' executions account for."""
    opening = book.ledger.foreign_acknowledged
    return "acknowledged" if opening is None else opening + foreign_traded(book.ledger, book.underlying)


def _likely(found: Explanation) -> str:
    if found.cause == "unknown":
        return f"{found.text}; cause unknown; where the shares are not this desk's: {found.command}"
    return f"{found.text}; likely cause: {found.cause}; if so: {found.command}"


def _constraints_known(book: Book) -> bool:
    spec = book.spec()
    return spec is not None and None not in (spec.price_tick, spec.size_step, spec.min_size)


def _order_checks(profile: Profile, book: Book) -> tuple[Check, ...]:
    ages = [(book.ts_us - order.decided_us) / 1000 for order in book.in_flight()]
    flatten = book.flatten
    refused = flatten.state == FlattenState.REFUSED
    dust = dust_left(book)
    until_us = book.ledger.reject_until_us
    waiting = until_us is not None and book.ts_us < until_us
    return (
        _check(
            "reject_backoff",
            ok=not waiting,
            reason="reject_backoff",
            severity="yellow",
            measured=book.ledger.consecutive_rejects,
            limit=len(REJECT_BACKOFF_S),
        ),
        _check(
            "order_outcomes",
            ok=not book.unknown_orders,
            reason="unknown_outcome",
            measured=", ".join(book.unknown_orders) if book.unknown_orders else "known",
            limit="known",
        ),
        _check(
            "order_age",
            ok=not book.overdue,
            reason="order_overdue",
            measured=round(max(ages), 1) if ages else 0.0,
            limit=profile.execution.hedge_deadline_ms,
        ),
        _check(
            "stop",
            ok=not book.stop_unconfirmed,
            reason="stop_unconfirmed",
            measured=", ".join(book.stop_unconfirmed) if book.stop_unconfirmed else "none left working",
            limit="none left working",
        ),
        _check(
            "flatten",
            ok=not (refused or flatten.stuck),
            reason="flatten_stuck" if not refused else flatten.refusal or "flatten_refused",
            measured=flatten.state.value if flatten.detail is None else flatten.detail,
            limit="none, or closing",
        ),
        _check(
            "flatten_dust",
            ok=dust is None,
            reason="flatten_dust",
            severity="yellow",
            measured=0.0 if dust is None else dust,
            limit="none left by a flatten",
        ),
    )


def _loss_checks(profile: Profile, book: Book) -> tuple[Check, ...]:
    """Whether the breaker is fed: a limit that measures nothing protects nobody."""
    day, ledger = book.day, book.ledger
    holds = abs(ledger.own_shares) > TOLERANCE or any(abs(held) > TOLERANCE for held in ledger.leg_quantities.values())
    blind = book.synced_once and book.session_now() is not None and holds and day.pnl is None
    return (
        _check(
            "daily_loss",
            ok=not blind,
            reason="loss_unmeasured",
            severity="yellow",
            measured=UNMEASURED if day.pnl is None else round(max(0.0, -day.pnl.total_usd), 2),
            limit=profile.gates.guard.risk.max_daily_loss_usd,
        ),
    )


def _halt_checks(book: Book) -> tuple[Check, ...]:
    halts = book.ledger.halts
    if not halts:
        return (_check("halts", ok=True, reason="halted", measured="none", limit="none"),)
    # The detail says what was measured against which limit when it was latched.
    return tuple(_check(f"halt_{halt.code}", ok=False, reason=halt.code, measured=halt.detail) for halt in halts)
