"""The self check as a table: every check with its measure, its limit, and where the runbook speaks of it. Pure."""

from typing import Final

from cockpit import wording
from cockpit.health.cells import left
from cockpit.reader import Reader
from cockpit.tables import Row, Table, Tone
from state.reasons import REASONS
from state.records import Check, Snapshot

_REASON_OF_CHECK: Final = {
    "journal": "journal_failed",
    "event_loop": "loop_slow",
    "wall_clock": "wall_clock_off",
    "control_folder": "control_unreadable",
    "control_names": "control_unknown_name",
    "disk_space": "disk_low",
    "disk_speed": "slow_disk",
    "link": "waiting_ib",
    "client_id": "client_id_taken",
    "probe": "broker_error",
    "reconciled": "not_reconciled",
    "data_farms": "data_farm_broken",
    "market_data": "market_data_refused",
    "positions": "position_unexplained",
    "foreign_shares": "foreign_unacknowledged",
    "instruments": "instrument_constraints_missing",
    "order_outcomes": "unknown_outcome",
    "order_age": "order_overdue",
    "stop": "stop_unconfirmed",
    "flatten": "flatten_stuck",
    "daily_loss": "loss_unmeasured",
    "halts": "halted",
    "quote_age": "stale",
    "quote_age_near": "data_slightly_old",
    "trading": "trading_halted",
    "data_type": "data_delayed",
    "quote": "no_quote",
    "spread": "spread_extreme",
    "spread_near": "spread_wide",
    "greeks": "greeks_bad",
    "trading_state": "safe",
    "broker": "broker_error",
    "risk": "risk_halt",
    "force_hedge": "force_hedge_refused",
    "closed_delta": "unhedged_until_open",
    "settlement": "leg_settlement",
    "structure": "leg_outside_gates",
    "other_options": "option_not_hedged",
}
"""Of our own daemon's checks whose names are no reason: what they raise when they fail, for the runbook."""


def runbook_code(check: Check) -> str:
    """The reason under which the runbook speaks of a check; empty where it does not know it."""
    code = check.reason or _REASON_OF_CHECK.get(check.name, check.name)
    return code if code in REASONS else ""


def checks(snapshot: Snapshot | None, reader: Reader) -> Table:
    """The self check, every check of it: what was measured, the limit, and what its failure would mean."""
    found = () if snapshot is None else snapshot.self_check.checks
    failed = sum(not check.ok for check in found)
    ordered = sorted(found, key=lambda check: (check.ok, check.severity != "red"))
    return Table(
        title=reader.say("health.checks.title"),
        aside=reader.say("health.checks.aside", n=len(found), failed=failed) if found else "",
        columns=(
            left(reader, "check"),
            left(reader, "verdict"),
            left(reader, "measured", wrap=True),
            left(reader, "limit", wrap=True),
            left(reader, "severity"),
            left(reader, "runbook", link=True),
        ),
        rows=tuple(_check(check, reader) for check in ordered),
        empty=reader.say("health.checks.empty"),
    )


def _check(check: Check, reader: Reader) -> Row:
    tone: Tone | None = None if check.ok else "bad" if check.severity == "red" else "warn"
    return Row(
        key=check.name,
        cells=(
            wording.check_name(check.name, reader),
            reader.say("health.checks.ok") if check.ok else reader.say(f"health.checks.failed_{check.severity}"),
            wording.with_unit(check.name, check.measured, reader),
            wording.with_unit(check.name, check.limit, reader),
            reader.say(f"health.checks.{check.severity}"),
            runbook_code(check),
        ),
        tone=tone,
    )
