"""The light as a page shows it: the verdict's word and reasons in the reader's language, what stands, how old it is.

Pure. The browser draws it as it is and adds only what it alone knows: how long ago it heard this.
"""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlencode

import msgspec

from cockpit import wording
from cockpit.reader import DASH, Reader
from cockpit.tables import strategy_state
from state.control import ControlRead
from state.light import Light, LightReason, LightState, near_limits
from state.reasons import Severity
from state.records import Check, JournalLine, Limit, Snapshot
from state.times import iso_from_us, us_from_iso

FEEDS_SENT = 40
"""The bar shows the oldest; the Positions page tells of each."""
MARKET_APART_US = 5_000_000
"""Market and wall clock this far apart are two times; nearer they are one, and one is shown."""
_SAID_BESIDE = frozenset({"stop_asserted", "paused", "flatten_asserted", "stopped"})
"""By whom and since when these stand is said beside the light, not again behind the reason."""


class ShownReason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason: what is wrong, what to do, what was measured against which limit, and where the runbook says more."""

    code: str
    severity: Severity
    text: str
    remedy: str
    measured: str
    href: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Something that stands until somebody lifts it: a command or a posture. `text`: by whom, since when, why."""

    code: Literal["pause", "stop", "flatten", "reducing", "halted"]
    word: str
    text: str


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """A quote's age when the snapshot was written; it grows in the browser. `limit_ms` where a check states one."""

    symbol: str
    age_ms: float | None
    limit_ms: float | None


class ShownLight(msgspec.Struct, frozen=True, kw_only=True):
    """The light. Older than `age_limit_ms` the browser shows NOT LIVE by itself."""

    state: LightState
    word: str
    headline: str
    reasons: tuple[ShownReason, ...]
    standing: tuple[Standing, ...]
    posture: str
    feeds: tuple[Feed, ...]
    age_limit_ms: float


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """The box that says whose money this is."""

    kind: wording.Kind
    word: str
    account: str


def shown_light(
    snapshot: Snapshot | None,
    light: Light,
    *,
    desk: str,
    now_iso: str,
    reader: Reader,
    control: ControlRead | None = None,
    halt: JournalLine | None = None,
    command: str | None = None,
) -> ShownLight:
    """Green says what the strategy does; anything else says why. A command in a sentence names the desk it is about.

    `command` is how it then begins, `./bifrost --desk NAME ` unless the desk's root needs more.
    `halt` is the journal's newest halt that no reset has ended, where it is known: since when the posture holds.
    """
    failed = {} if snapshot is None else {c.reason: c for c in snapshot.self_check.checks if not c.ok and c.reason}
    limits = () if snapshot is None else snapshot.limits
    told = {} if control is None else _who_commands(control, now_iso=now_iso, reader=reader)
    market_iso = None if snapshot is None else snapshot.ts
    return ShownLight(
        state=light.state,
        word=_word(light, market_iso=market_iso, reader=reader),
        headline=headline(snapshot, light, told=told, now_iso=now_iso, reader=reader),
        reasons=tuple(
            _shown(
                reason,
                failed.get(reason.code),
                limits,
                desk=desk,
                command=command or f"./bifrost --desk {desk} ",
                is_left_alone=reason.code == "stopped" and control is not None and "stop" not in control.files,
                now_iso=now_iso,
                reader=reader,
            )
            for reason in light.reasons
        ),
        standing=_standing(snapshot, light, told, halt, now_iso=now_iso, reader=reader),
        posture=""
        if snapshot is None or snapshot.posture is None
        else wording.state("posture", snapshot.posture.name, reader),
        feeds=_feeds(snapshot),
        age_limit_ms=light.oldest_ms if light.oldest_ms is not None else 3000.0,
    )


def _word(light: Light, *, market_iso: str | None, reader: Reader) -> str:
    """The large word: of the worst reason, or what green says."""
    if light.reasons:
        return reader.say_known("reason_words", light.reasons[0].code, light.word)
    if light.word == "OK":
        return reader.say("light.ok")
    closed, _, until = light.word.partition(" until ")
    if closed != "CLOSED":
        return light.word
    if not until:
        return reader.say("light.closed")
    return reader.say("light.closed_until", time=reader.until(until, now_iso=market_iso))


def runbook_address(code: str, *, desk: str, reader: Reader) -> str:
    """Where this cockpit's runbook speaks of a reason."""
    return f"/runbook?{urlencode({'desk': desk, 'lang': reader.language, 'tz': reader.zone})}#{code}"


def _shown(
    reason: LightReason,
    check: Check | None,
    limits: tuple[Limit, ...],
    *,
    desk: str,
    command: str,
    is_left_alone: bool,
    now_iso: str,
    reader: Reader,
) -> ShownReason:
    """`is_left_alone`: it ended and no stop file stands, so taking one away starts nothing."""
    sentence = reader.say_known("reasons", reason.code, reason.sentence)
    remedy = reader.say("light.start_anew") if is_left_alone else reader.say_known("remedies", reason.code, "")
    return ShownReason(
        code=reason.code,
        severity=reason.severity,
        text=sentence.replace("./bifrost ", command),
        remedy=remedy.replace("./bifrost ", command),
        measured=_measured(reason, check, limits, now_iso=now_iso, reader=reader),
        href="" if reason.runbook is None else runbook_address(reason.code, desk=desk, reader=reader),
    )


def _measured(
    reason: LightReason, check: Check | None, limits: tuple[Limit, ...], *, now_iso: str, reader: Reader
) -> str:
    """The numbers behind a reason: from the failed check where there is one, with its unit."""
    if reason.code in _SAID_BESIDE:
        return ""
    if reason.code == "limit_near":
        return " · ".join(_used(limit, reader) for limit in near_limits(limits))
    if check is None or check.measured is None:
        return "" if reason.detail is None else reader.short_times(reader.phrase(reason.detail), now_iso=now_iso)
    name = wording.check_name(check.name, reader)
    value = wording.with_unit(check.name, check.measured, reader)
    if check.limit is None:
        return f"{name} {value}"
    return reader.say(
        "light.measured", name=name, value=value, limit=wording.with_unit(check.name, check.limit, reader)
    )


def _used(limit: Limit, reader: Reader) -> str:
    """`max position 1,600 shares of 2,000 shares, 1,750 shares with the next order`."""
    text = reader.say(
        "light.limit_used",
        name=wording.limit_name(limit.name, reader),
        used=wording.with_unit(limit.name, limit.used, reader),
        limit=wording.with_unit(limit.name, limit.limit, reader),
    )
    if limit.projected is None or limit.projected == limit.used:
        return text
    projected = wording.with_unit(limit.name, limit.projected, reader)
    return reader.say("light.limit_next", text=text, projected=projected)


def _who(by: str | None, reason: str | None, since_iso: str, *, now_iso: str, reader: Reader) -> str:
    """`by anna since 14:31:07Z: lunch`."""
    since = reader.short_times(since_iso, now_iso=now_iso)
    text = reader.say("light.by_since", by=by or reader.say("light.unnamed"), since=since)
    return reader.say("light.because", text=text, reason=reason) if reason else text


def _who_commands(control: ControlRead, *, now_iso: str, reader: Reader) -> dict[str, str]:
    """Command -> by whom and since when it stands, of the files that are there now."""
    return {
        name: _who(file.by, file.reason, iso_from_us(file.since_us), now_iso=now_iso, reader=reader)
        for name, file in control.files.items()
        if file.since_us >= 0
    }


def _standing(
    snapshot: Snapshot | None,
    light: Light,
    told: Mapping[str, str],
    halt: JournalLine | None,
    *,
    now_iso: str,
    reader: Reader,
) -> tuple[Standing, ...]:
    """What stands: the commands by their files or the daemon's word, then a posture that is not ACTIVE."""
    found: dict[str, Standing] = {}
    marks = {} if snapshot is None or light.state == "not_live" else {mark.name: mark for mark in snapshot.control}
    for name in ("flatten", "stop", "pause"):
        text = told.get(name)
        mark = marks.get(name)
        if text is None and mark is not None:
            text = _who(mark.by, mark.reason, mark.since, now_iso=now_iso, reader=reader)
        if text is not None and not (name == "stop" and _is_stopped(light)):
            found[name] = Standing(code=name, word=reader.say(f"light.standing.{name}"), text=text)
    posture = None if snapshot is None else snapshot.posture
    if posture is not None and posture.name != "ACTIVE":
        since = (
            "" if halt is None else reader.say("light.since", since=reader.short_times(halt.wall_ts, now_iso=now_iso))
        )
        parts = [part for part in (posture.reason and reader.phrase(posture.reason), since) if part]
        found["posture"] = Standing(
            code="reducing" if posture.name == "REDUCING" else "halted",
            word=wording.state("posture", posture.name, reader),
            text=" · ".join(reader.short_times(part, now_iso=now_iso) for part in parts),
        )
    return tuple(found.values())


def _is_stopped(light: Light) -> bool:
    return any(reason.code == "stopped" for reason in light.reasons)


def _stopped_by(snapshot: Snapshot, *, now_iso: str, reader: Reader) -> str:
    """Who stopped a desk whose control file is gone, by its last snapshot; SIGTERM and Ctrl-C leave no name."""
    mark = next((mark for mark in snapshot.control if mark.name == "stop"), None)
    if mark is None:
        return reader.say("light.by_signal", time=reader.short_times(snapshot.wall_ts, now_iso=now_iso))
    return _who(mark.by, mark.reason, mark.since, now_iso=now_iso, reader=reader)


def _feeds(snapshot: Snapshot | None) -> tuple[Feed, ...]:
    """The first instruments' quote ages; the underlying's against the limit that the self check states.

    An age in the market's own time stands still with its feed, so of an underlying whose quote the self check does not
    trust no age within the limit is told.
    """
    if snapshot is None:
        return ()
    checks = {check.name: check for check in snapshot.self_check.checks}
    aged, quoted = checks.get("quote_age"), checks.get("quote")
    limit = float(aged.limit) if aged is not None and isinstance(aged.limit, int | float) else None
    is_trusted = all(check is None or check.ok for check in (aged, quoted))
    found: list[Feed] = []
    for place, each in enumerate(snapshot.instruments[:FEEDS_SENT]):
        age_ms = each.quote_age_ms
        if place == 0 and not is_trusted and limit is not None and age_ms is not None and age_ms <= limit:
            age_ms = None
        found.append(Feed(symbol=each.symbol, age_ms=age_ms, limit_ms=limit if place == 0 else None))
    return tuple(found)


def headline(
    snapshot: Snapshot | None, light: Light, *, told: Mapping[str, str] | None = None, now_iso: str, reader: Reader
) -> str:
    """What the desk does right now, in the strategy's own words; blocked or not live, only the reasons speak.

    A desk that was stopped says by whom, when and why.
    """
    if _is_stopped(light) and snapshot is not None:
        return (told or {}).get("stop") or _stopped_by(snapshot, now_iso=now_iso, reader=reader)
    if snapshot is None or light.state in ("red", "not_live"):
        return ""
    state = strategy_state(snapshot)
    if state is not None and state.words:
        return reader.phrase(state.words)
    count = len(snapshot.self_check.checks)
    if light.state != "green" or count == 0:
        return ""
    return reader.say("light.one_check") if count == 1 else reader.say("light.all_checks", count=count)


def mode(snapshot: Snapshot | None, reader: Reader) -> Mode:
    """SIMULATED, PAPER or LIVE, and the account. Unknown is said as such."""
    kind = wording.account_kind(None if snapshot is None else snapshot.account_kind)
    account = "" if snapshot is None or snapshot.account is None else snapshot.account
    return Mode(kind=kind, word=reader.say(f"light.mode.{kind}"), account=account)


def market_time(snapshot: Snapshot | None, reader: Reader) -> str:
    """The time that the desk's events carry, where it is another than the wall's: a recorded day."""
    if snapshot is None:
        return ""
    try:
        apart_us = abs(us_from_iso(snapshot.ts) - us_from_iso(snapshot.wall_ts))
    except ValueError:
        return ""
    return "" if apart_us < MARKET_APART_US else reader.say("light.market_time", time=reader.day_and_time(snapshot.ts))


def session(snapshot: Snapshot | None, reader: Reader) -> str:
    """Open until, closed until."""
    return DASH if snapshot is None else wording.session(snapshot.session, now_iso=snapshot.ts, reader=reader)
