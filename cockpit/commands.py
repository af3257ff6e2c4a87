"""The operator's commands as this cockpit writes them: a control file or a request, and a line in the audit.

The one place where every page and every route passes: whether he may, whether it is he, whether it is what he read,
and that the same request is never carried out twice. Nothing else acts.
"""

import math
import threading
from typing import Any, Literal

from cockpit import flatten_preview
from cockpit.access.actor import Actor
from cockpit.flatten_preview import Agreed, FlattenPlan, NotAgreedError, Phrase
from cockpit.given import INSTANT, CommandError, Given, Outcome
from cockpit.reader import Reader
from state.control import (
    BY_SUPERVISOR,
    Command,
    ControlError,
    assert_command,
    read_control,
    release_command,
    write_request,
)
from state.layout import DeskPaths
from state.look import look_at
from state.records import OperatorRequest

Action = Literal["stop", "pause", "flatten", "resume", "start", "withdraw"]
BookAction = Literal["adopt", "release", "acknowledge", "reset"]
_RELEASES: dict[Action, Command] = {"resume": "pause", "start": "stop", "withdraw": "flatten"}
_STALE_MS = 60_000.0
"""A flatten that stands for longer without a daemon's word starts only when it is asked for again."""


_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()


def carry_out(
    paths: DeskPaths,
    action: Action,
    *,
    actor: Actor,
    now_us: int,
    reason: str,
    password: str = "",
    request_id: str | None = None,
    agreed: Agreed | None = None,
    paused: bool = False,
) -> Outcome:
    """Write or remove the control file of `action` and audit it. Raises CommandError; AccessError for who may not.

    `agreed` is what a flatten needs; `paused` has a start come up paused. What makes the desk safer comes first and
    stands without its audit line: a full disk must not keep anybody from stopping. What lets it trade again is
    audited first, and not done when that fails.
    """
    given = Given(paths, action, actor=actor, now_us=now_us, reason=reason, request_id=request_id)
    if action in INSTANT:
        return given.once(lambda: _assert(given, "stop" if action == "stop" else "pause"))

    def act() -> Outcome:
        given.confirm(password)
        if action == "flatten":
            return _flatten(given, agreed)
        return _release(given, action, paused=paused)

    with _lock_of(paths):
        return given.once(act)


def request(
    paths: DeskPaths,
    action: BookAction,
    *,
    actor: Actor,
    now_us: int,
    reason: str,
    by: str | None = None,
    shares: float | None = None,
    ratio: float | None = None,
    password: str = "",
    request_id: str | None = None,
) -> Outcome:
    """Leave a one-time request, which the daemon answers in its journal. Raises CommandError, AccessError.

    `by` is the person who decides, the actor where nobody is named; `shares` is signed, of the underlying; `ratio`
    is new over old quantity, of a split that `acknowledge` tells of.
    """
    given = Given(paths, action, actor=actor, now_us=now_us, reason=reason, request_id=request_id)

    def act() -> Outcome:
        _check_values(action, reason, by, shares, ratio)
        given.confirm(password)
        if look_at(paths, now_us).light.state == "not_live":
            raise CommandError("nobody_answers", action=action)
        return _leave_request(given, action, by or actor.name, shares, ratio)

    with _lock_of(paths):
        return given.once(act)


def plan_of(paths: DeskPaths, now_us: int, reader: Reader) -> FlattenPlan:
    """What a flatten would do now. Raises CommandError where nothing can be previewed."""
    look = look_at(paths, now_us)
    if look.snapshot is None:
        raise CommandError("no_snapshot")
    if flatten_preview.refusal(look.snapshot, reader) is not None:
        raise CommandError("journal_damaged")
    return flatten_preview.preview(look.snapshot, look.light, reader)


def _assert(given: Given, name: Literal["stop", "pause"]) -> Outcome:
    try:
        new = assert_command(
            given.paths.control,
            name,
            by=given.actor.name,
            reason=given.reason,
            at=given.at,
            command_id=given.id,
        )
    except ControlError as error:
        raise CommandError("not_written", error=error) from error
    outcome = "written" if new else "stood already"
    return Outcome(id=given.id, outcome=outcome, warning=given.audit(outcome))


def _release(given: Given, action: Action, *, paused: bool) -> Outcome:
    name = _RELEASES[action]
    standing = read_control(given.paths.control, given.now_us).files.get(name)
    if standing is None:
        given.audit("was not asserted")
        return Outcome(id=given.id, outcome="was not asserted")
    # Whoever starts what a machine has stopped, or takes a flatten back, looks first and resumes then.
    paused = action == "withdraw" or (action == "start" and (paused or standing.by == BY_SUPERVISOR))
    warning = given.audit("written", {"paused": True} if paused else None)
    if warning is not None:
        raise CommandError("not_audited", action=action, error=warning)
    try:
        if paused:
            # Pause stands before the other goes: between the two no hedge may leave.
            words = f"{action} after a {name} by {standing.by or 'an unnamed operator'}"
            assert_command(given.paths.control, "pause", by=given.actor.name, reason=words, at=given.at)
        released = release_command(given.paths.control, name)
    except ControlError as error:
        raise CommandError("not_written", error=error) from error
    return Outcome(id=given.id, outcome="written" if released else "was not asserted", paused=paused)


def _flatten(given: Given, agreed: Agreed | None) -> Outcome:
    if agreed is None:
        raise CommandError("plan_missing")
    plan = plan_of(given.paths, given.now_us, Reader())
    phrase = _agreed(plan, agreed)
    if flatten_preview.is_closed(plan):
        raise CommandError("market_closed", session=plan.session)
    if _is_under_way(given):
        given.audit("stood already")
        return Outcome(id=given.id, outcome="stood already")
    try:
        assert_command(
            given.paths.control,
            "flatten",
            by=given.actor.name,
            reason=given.reason,
            at=given.at,
            command_id=given.id,
            shares=phrase.shares,
        )
    except ControlError as error:
        raise CommandError("not_written", error=error) from error
    facts = {"plan": plan.plan, "phrase": phrase.text}
    if phrase.shares is not None:
        facts["confirmed_shares"] = flatten_preview.plain(phrase.shares)
    return Outcome(id=given.id, outcome="written", warning=given.audit("written", facts))


def _agreed(plan: FlattenPlan, agreed: Agreed) -> Phrase:
    try:
        return flatten_preview.agree(plan, agreed)
    except NotAgreedError as error:
        raise CommandError(error.code, plan=plan) from error


def _is_under_way(given: Given) -> bool:
    """Whether a flatten stands that still does something: a second one would only renew its time."""
    look = look_at(given.paths, given.now_us)
    standing = look.control.files.get("flatten")
    if standing is None or any(reason.code in flatten_preview.UNDONE for reason in look.light.reasons):
        return False
    return look.light.state != "not_live" or standing.age_ms < _STALE_MS


def _check_values(action: BookAction, reason: str, by: str | None, shares: float | None, ratio: float | None) -> None:
    if not reason.strip():
        raise CommandError("reason_missing")
    if action == "reset":
        if by is None or not by.strip():
            raise CommandError("name_missing")
    elif shares is None or not math.isfinite(shares):
        raise CommandError("shares_missing")
    if ratio is not None and not (action == "acknowledge" and math.isfinite(ratio) and ratio > 0):
        raise CommandError("bad_ratio")


def _leave_request(given: Given, action: BookAction, by: str, shares: float | None, ratio: float | None) -> Outcome:
    facts: dict[str, Any] = {"request_id": given.id, "decided_by": by}
    facts |= {} if shares is None else {"shares": shares}
    facts |= {} if ratio is None else {"ratio": ratio}
    warning = given.audit("requested", facts)
    if warning is not None:
        raise CommandError("not_audited", action=action, error=warning)
    if action == "reset":
        _pause_first(given)
    wanted = OperatorRequest(
        id=given.id, command=action, by=by.strip(), reason=given.reason, at=given.at, shares=shares, ratio=ratio
    )
    try:
        write_request(given.paths.requests, wanted)
    except ControlError as error:
        raise CommandError("not_written", error=error) from error
    return Outcome(id=given.id, outcome="written")


def _pause_first(given: Given) -> None:
    """A reset never sets trading going: the pause stands before the halt ends, and is resumed by itself."""
    try:
        assert_command(
            given.paths.control, "pause", by=given.actor.name, reason=f"with the reset: {given.reason}", at=given.at
        )
    except ControlError as error:
        raise CommandError("not_written", error=error) from error


def _lock_of(paths: DeskPaths) -> threading.Lock:
    """One of these at a time and desk; stop and pause wait for nothing."""
    with _locks_lock:
        return _locks.setdefault(str(paths.folder), threading.Lock())
