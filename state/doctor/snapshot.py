"""The snapshot against the contract, and two snapshots against each other."""

import stat
from pathlib import Path
from typing import Any

import msgspec

from state.doctor.findings import Findings
from state.doctor.members import NotAnObjectError, decode, unknown_members, wrong_members
from state.light import FUTURE_TOLERANCE_MS, LONGEST_PERIOD_MS, PERIODS_UNTIL_OLD
from state.reasons import REASONS
from state.records import SCHEMA_VERSION, Snapshot
from state.times import us_from_iso

NAME = "snapshot.json"
_MAX_BYTES = 16 * 1024 * 1024
_REPLACE = "write a temporary file in the same folder and rename it over snapshot.json"


def examine_snapshot(folder: Path, wall_us: int, findings: Findings) -> Snapshot | None:
    """Judge `snapshot.json`; `wall_us` is the machine's clock. Gives it where every reader could read it."""
    found = _read(folder / NAME, findings)
    if found is None:
        return None
    if found.get("schema") != SCHEMA_VERSION:
        told = f"schema is {found['schema']!r}" if "schema" in found else "schema is missing"
        findings.fault(NAME, f"{told}; this version reads {SCHEMA_VERSION}", "write schema 1, as in the page's example")
    for wrong in wrong_members(Snapshot, found):
        if wrong.place != "schema":
            findings.fault(NAME, wrong.problem, wrong.remedy, place=wrong.place)
    unknown = unknown_members(Snapshot, found)
    if unknown:
        findings.info(NAME, f"members that this version does not know, which readers skip: {', '.join(unknown)}")
    try:
        snapshot = msgspec.convert(found, Snapshot)
    except msgspec.ValidationError:
        return None
    _examine_values(snapshot, folder.name, findings)
    _examine_age(snapshot, wall_us, findings)
    _examine_self_check(snapshot, findings)
    findings.ok(NAME, f"seq {snapshot.seq} of {snapshot.wall_ts}, daemon_state {snapshot.daemon_state}")
    return snapshot


def _read(path: Path, findings: Findings) -> dict[str, Any] | None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            findings.fault(NAME, "is no regular file of at most 16 MiB", _REPLACE)
            return None
        return decode(path.read_bytes())
    except FileNotFoundError:
        findings.fault(NAME, "is missing: the light can only say NOT LIVE", f"{_REPLACE}, at least every period_ms")
    except OSError as error:
        findings.fault(NAME, f"cannot be read: {error.strerror}", "let the cockpit's user read it: chmod g+r, or o+r")
    except NotAnObjectError as error:
        findings.fault(NAME, str(error), f"{_REPLACE}, so that nobody reads half a file")
    return None


def _examine_values(snapshot: Snapshot, desk: str, findings: Findings) -> None:
    if snapshot.desk != desk:
        findings.fault(
            NAME, f"{snapshot.desk!r}, but its folder is called {desk}", "give both the same name", place="desk"
        )
    if not 1 <= snapshot.period_ms <= LONGEST_PERIOD_MS:
        remedy = f"promise 1 to {LONGEST_PERIOD_MS} and write at least that often; 1000 is usual"
        findings.fault(NAME, f"is {snapshot.period_ms}", remedy, place="period_ms")
    if (snapshot.journal_seq is None) != (snapshot.journal_hash is None):
        findings.fault(NAME, "one without the other", "write journal_seq and journal_hash, or neither", place="journal")


def _examine_age(snapshot: Snapshot, wall_us: int, findings: Findings) -> None:
    try:
        age_ms = (wall_us - us_from_iso(snapshot.wall_ts)) / 1000
    except ValueError:
        return
    if age_ms < -FUTURE_TOLERANCE_MS:
        remedy = "write UTC, not local time; else set this machine's clock or the bot's"
        findings.fault(NAME, f"lies {-age_ms / 1000:.1f} s in the future", remedy, place="wall_ts")
    elif snapshot.daemon_state != "stopped" and age_ms > PERIODS_UNTIL_OLD * snapshot.period_ms:
        limit_s = PERIODS_UNTIL_OLD * snapshot.period_ms / 1000
        findings.warning(
            NAME,
            f"lies {age_ms / 1000:.1f} s back, more than three periods ({limit_s:g} s), and the desk is not stopped",
            "start the bot; write daemon_state stopped as its last word; promise a longer period_ms if it is slow",
            place="wall_ts",
        )


def _examine_self_check(snapshot: Snapshot, findings: Findings) -> None:
    check = snapshot.self_check
    failed = [each for each in check.checks if not each.ok]
    if check.status == "ok" and failed:
        names = ", ".join(each.name for each in failed)
        findings.warning(
            NAME,
            f"ok, although these checks fail: {names}; the light counts them",
            "write degraded or blocked",
            place="self_check.status",
        )
    codes = [*(each.reason or each.name for each in failed), *check.block_reasons]
    for code in sorted({each for each in codes if each not in REASONS}):
        findings.info(NAME, f"reason {code} is not in our runbook: it is shown by its bare name", place="self_check")


def compare_snapshots(first: Snapshot, second: Snapshot, elapsed_ms: float, findings: Findings) -> None:
    """Two looks at the same desk, `elapsed_ms` apart: does it live, and does `seq` grow?"""
    if second.seq < first.seq:
        findings.fault(
            NAME,
            f"fell from {first.seq} to {second.seq}",
            "let it grow with every snapshot, also over restarts: go on from the old file's",
            place="seq",
        )
    elif second.seq == first.seq and second.wall_ts != first.wall_ts:
        findings.fault(
            NAME, f"stayed {second.seq} while wall_ts moved", "count every snapshot that is written", place="seq"
        )
    elif (
        second.seq == first.seq
        and second.daemon_state != "stopped"
        and elapsed_ms > PERIODS_UNTIL_OLD * second.period_ms
    ):
        findings.fault(
            NAME,
            f"stayed {second.seq} for {elapsed_ms / 1000:.1f} s, longer than three periods",
            "start the bot; it must write at least every period_ms",
            place="seq",
        )
