"""The light: one pure function from what a desk wrote and what its operator commanded to one word and its reasons.

It sees presence, ages, self check, control and limits, and nothing of any strategy. Green is what remains when no
reason holds at all.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from state.control import ControlRead
from state.reasons import REASONS, ClearedBy, Severity
from state.records import Check, Limit, Snapshot
from state.times import iso_from_us, us_from_iso

LightState = Literal["green", "yellow", "red", "not_live"]

PERIODS_UNTIL_OLD = 3
LONGEST_PERIOD_MS = 60_000
"""What a desk may call its period; a longer one would keep a dead desk green."""
FUTURE_TOLERANCE_MS = 2000.0
LIMIT_NEAR_SHARE = 0.85
LOOP_OLDEST_MS = 3000.0
STOP_OBEYED_WITHIN_MS = 15_000.0
"""The 5 s in which a stop must be seen and the 10 s in which it must be confirmed."""

_TOLERANCE = 1e-9
_RANK: dict[LightState, int] = {"green": 0, "yellow": 1, "red": 2, "not_live": 3}
_REGISTRY_ORDER = {code: place for place, code in enumerate(REASONS)}
_WORD: dict[Severity, str] = {"yellow": "DEGRADED", "red": "BLOCKED", "not_live": "NOT LIVE"}
_OUTLIVES_STOP = frozenset(
    {
        "stop_unconfirmed",
        "unknown_outcome",
        "stop_not_obeyed",
        "crash_loop",
        "journal_failed",
        "journal_damaged",
        "journal_salvaged",
    }
)
"""Reasons that a stopped desk still has: somebody must look."""
_FLATTEN_UNDONE = frozenset(
    {"stale_flatten", "flatten_refused", "flatten_conflict", "flatten_unconfirmed", "flatten_stuck"}
)
"""And these while `control/flatten` stands: what was to be closed is still there."""


class LightReason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason that holds now. `detail` carries the measured numbers or who commanded it."""

    code: str
    severity: Severity
    word: str
    sentence: str
    detail: str | None
    runbook: str | None
    cleared_by: ClearedBy | None


class Light(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict. `reasons` are worst first; `age_ms` is the snapshot's, `oldest_ms` the age at which it dies."""

    state: LightState
    word: str
    reasons: tuple[LightReason, ...] = ()
    age_ms: float | None = None
    oldest_ms: float | None = None

    @property
    def line(self) -> str:
        """One line for a terminal or a title: the word, then every reason with its numbers."""
        if not self.reasons:
            return self.word
        parts = [f"{each.code} ({each.detail})" if each.detail else each.code for each in self.reasons]
        return f"{self.word}: {', '.join(parts)}"


def light(
    snapshot: Snapshot | None,
    control: ControlRead,
    now_us: int,
    *,
    absent: Literal["snapshot_missing", "snapshot_damaged"] = "snapshot_missing",
    problem: str | None = None,
) -> Light:
    """Judge a desk. `now_us` is the wall clock of the reader; `absent` and `problem` say why there is no snapshot.

    Pure and total: it raises for nothing that a snapshot may hold.
    """
    if snapshot is None:
        found = [_reason(absent, "not_live", problem), *_from_control(control)]
        return _verdict(found, age_ms=None, oldest_ms=None, calm_word="")
    oldest_ms = float(PERIODS_UNTIL_OLD * min(snapshot.period_ms, LONGEST_PERIOD_MS))
    age_ms = _age_ms(snapshot, now_us)
    found = [*_from_self_check(snapshot), *_from_control(control), *_from_limits(snapshot.limits)]
    found += _from_loop(snapshot)
    if snapshot.daemon_state == "stopped":
        outlive = _OUTLIVES_STOP | _FLATTEN_UNDONE if "flatten" in control.files else _OUTLIVES_STOP
        found = [each for each in found if each.code in outlive]
        return _stopped(snapshot, control, found, age_ms=age_ms, oldest_ms=oldest_ms)
    found += _from_daemons_view_of_control(snapshot)
    found += _from_age(age_ms, oldest_ms)
    if age_ms is not None and not any(each.severity == "not_live" for each in found):
        found += _from_disobedience(control)
    return _verdict(found, age_ms=age_ms, oldest_ms=oldest_ms, calm_word=_calm_word(snapshot))


def _verdict(found: list[LightReason], *, age_ms: float | None, oldest_ms: float | None, calm_word: str) -> Light:
    """The worst reason gives colour and word; none at all is green."""
    reasons = _worst_first(found)
    if not reasons:
        return Light(state="green", word=calm_word, age_ms=age_ms, oldest_ms=oldest_ms)
    worst = reasons[0]
    return Light(state=worst.severity, word=worst.word, reasons=reasons, age_ms=age_ms, oldest_ms=oldest_ms)


def _worst_first(found: list[LightReason]) -> tuple[LightReason, ...]:
    """One entry per code, at its worst; sorted by severity, then as the registry is."""
    kept: dict[str, LightReason] = {}
    for each in found:
        known = kept.get(each.code)
        if known is None or _RANK[each.severity] > _RANK[known.severity]:
            detail = each.detail if each.detail is not None or known is None else known.detail
            kept[each.code] = msgspec.structs.replace(each, detail=detail)
        elif known.detail is None and each.detail is not None:
            kept[each.code] = msgspec.structs.replace(known, detail=each.detail)
    last = len(_REGISTRY_ORDER)
    return tuple(
        sorted(kept.values(), key=lambda each: (-_RANK[each.severity], _REGISTRY_ORDER.get(each.code, last), each.code))
    )


def _reason(code: str, severity: Severity, detail: str | None = None) -> LightReason:
    """A reason at the worse of the given and the registered severity; an unknown code counts all the same."""
    registered = REASONS.get(code)
    if registered is None:
        return LightReason(
            code=code,
            severity=severity,
            word=_WORD[severity],
            sentence=f"The desk reports {code}, which this version does not know. Look at the desk's own notes.",
            detail=detail,
            runbook=None,
            cleared_by=None,
        )
    worse = max(severity, registered.severity, key=lambda each: _RANK[each])
    return LightReason(
        code=code,
        severity=worse,
        word=registered.word,
        sentence=registered.sentence,
        detail=detail,
        runbook=registered.runbook,
        cleared_by=registered.cleared_by,
    )


def _from_self_check(snapshot: Snapshot) -> Iterator[LightReason]:
    """Every failed check, every block reason, and the status itself where nothing explains it."""
    check = snapshot.self_check
    named = [_reason(each.reason or each.name, each.severity, _measured(each)) for each in check.checks if not each.ok]
    named += [_reason(code, "red") for code in check.block_reasons]
    yield from named
    worst = max((_RANK[each.severity] for each in named), default=0)
    if check.status == "blocked" and worst < _RANK["red"]:
        yield _reason("self_check_blocked", "red")
    elif check.status == "degraded" and worst < _RANK["yellow"]:
        yield _reason("self_check_degraded", "yellow")


def _measured(check: Check) -> str | None:
    """`spread_pct 0.31, limit 0.1`: the numbers behind a failed check."""
    if check.measured is None:
        return None if check.reason is None else check.name
    limit = "" if check.limit is None else f", limit {_number(check.limit)}"
    return f"{check.name} {_number(check.measured)}{limit}"


def _number(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _from_control(control: ControlRead) -> Iterator[LightReason]:
    """The commands that stand in the folder right now, whatever the daemon has seen of them."""
    codes = {"stop": "stop_asserted", "pause": "paused", "flatten": "flatten_asserted"}
    for name, asserted in control.files.items():
        detail = _who(asserted.by, asserted.reason, _when(asserted.since_us))
        if name == "flatten" and not asserted.readable:
            yield _reason("flatten_refused", "red", "the file's content is no note; it counts as a pause")
            yield _reason("paused", "yellow", detail)
        else:
            yield _reason(codes[name], "yellow", detail)
    if not control.readable:
        yield _reason("control_unreadable", "yellow", control.problem)
    if control.unknown_names:
        yield _reason("control_unknown_name", "yellow", ", ".join(control.unknown_names))


def _from_daemons_view_of_control(snapshot: Snapshot) -> Iterator[LightReason]:
    """What the daemon still obeys, though the file may be gone by now."""
    codes = {"stop": "stop_asserted", "pause": "paused", "flatten": "flatten_asserted"}
    for mark in snapshot.control:
        yield _reason(codes[mark.name], "yellow", _who(mark.by, mark.reason, mark.since))


def _from_disobedience(control: ControlRead) -> Iterator[LightReason]:
    """A living daemon that goes on after a stop; one that flattens first may take its time."""
    stop = control.files.get("stop")
    if stop is not None and "flatten" not in control.files and stop.age_ms > STOP_OBEYED_WITHIN_MS:
        yield _reason("stop_not_obeyed", "red", f"asserted {stop.age_ms / 1000:.0f} s ago and the daemon still runs")


def _from_limits(limits: tuple[Limit, ...]) -> Iterator[LightReason]:
    """Every limit that is used to 85 % or more, or would be by the next order, in one reason.

    A limit of zero is always used up.
    """
    near = near_limits(limits)
    if near:
        yield _reason("limit_near", "yellow", "; ".join(_used(each) for each in near))


def near_limits(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """The limits that are used, or would be by the next order, to 85 % or more."""
    return tuple(
        each
        for each in limits
        if _is_near(each.used, each.limit) or (each.projected is not None and _is_near(each.projected, each.limit))
    )


def _is_near(amount: float, limit: float) -> bool:
    return abs(amount) >= LIMIT_NEAR_SHARE * limit - _TOLERANCE


def _used(limit: Limit) -> str:
    """`max_position_shares 1600 of 2000, 1750 with the next order`."""
    words = f"{limit.name} {limit.used:.6g} of {limit.limit:.6g}"
    if limit.projected is None or limit.projected == limit.used:
        return words
    return f"{words}, {limit.projected:.6g} with the next order"


def _from_loop(snapshot: Snapshot) -> Iterator[LightReason]:
    """A blocked event loop cannot fail its own check: the snapshot's writer, beside it, says how old it is."""
    age_ms = snapshot.loop_age_ms
    if age_ms is not None and age_ms > LOOP_OLDEST_MS:
        yield _reason("loop_slow", "red", f"loop_age_ms {age_ms:.6g}, limit {LOOP_OLDEST_MS:.6g}")


def _age_ms(snapshot: Snapshot, now_us: int) -> float | None:
    """How long ago the snapshot was written by its own words; None when they are no time."""
    try:
        return (now_us - us_from_iso(snapshot.wall_ts)) / 1000
    except ValueError:
        return None


def _from_age(age_ms: float | None, oldest_ms: float) -> Iterator[LightReason]:
    if age_ms is None:
        yield _reason("snapshot_damaged", "not_live", "its wall_ts is no time")
    elif not age_ms <= oldest_ms:
        yield _reason("snapshot_old", "not_live", f"written {age_ms / 1000:.1f} s ago, limit {oldest_ms / 1000:.1f} s")
    elif age_ms < -FUTURE_TOLERANCE_MS:
        yield _reason("snapshot_future", "not_live", f"written {-age_ms / 1000:.1f} s from now")


def _stopped(
    snapshot: Snapshot, control: ControlRead, left: list[LightReason], *, age_ms: float | None, oldest_ms: float
) -> Light:
    """Not live on purpose: by whom and when, as far as the stop file or the last snapshot tells."""
    asserted = control.files.get("stop")
    marked = next((mark for mark in snapshot.control if mark.name == "stop"), None)
    if asserted is not None:
        detail = _who(asserted.by, asserted.reason, _when(asserted.since_us))
    elif marked is not None:
        detail = _who(marked.by, marked.reason, marked.since)
    else:
        detail = f"by a signal at {snapshot.wall_ts}"
    reasons = (*_worst_first(left), _reason("stopped", "not_live", detail))
    return Light(state="not_live", word=reasons[0].word, reasons=reasons, age_ms=age_ms, oldest_ms=oldest_ms)


def _when(time_us: int) -> str:
    """A file's time as text; a file may claim any time at all."""
    try:
        return iso_from_us(time_us)
    except OverflowError:
        return "an impossible time"


def _who(by: str | None, reason: str | None, since: str) -> str:
    """`by anna since 2026-11-21T10:00:00.000000Z: lunch`."""
    return f"by {by or 'an unnamed operator'} since {since}" + (f": {reason}" if reason else "")


def _calm_word(snapshot: Snapshot) -> str:
    """What green says: OK, or that the market is closed and until when."""
    session = snapshot.session
    if session is None or session.is_open:
        return "OK"
    return "CLOSED" if session.until is None else f"CLOSED until {session.until}"
