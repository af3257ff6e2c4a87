"""The operator's commands as this cockpit writes them: a control file or a request, and a line in the audit.

The one place where every page and every route passes: whether he may, whether it is he, whether it is what he read,
and that the same request is never carried out twice. Nothing else acts.
"""

import math
import re
import secrets
import threading
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from cockpit import flatten_preview
from cockpit.access.actor import AccessError, Actor
from cockpit.access.confirm import confirm_password
from cockpit.flatten_preview import Agreed, FlattenPlan, NotAgreedError, Phrase
from cockpit.reader import Reader
from cockpit.replays import Replays
from state.audit import AuditError, append_audit
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
from state.times import iso_from_us

Action = Literal["stop", "pause", "flatten", "resume", "start", "withdraw"]
BookAction = Literal["adopt", "release", "acknowledge", "reset"]
INSTANT = frozenset({"stop", "pause"})
"""One click: no password, no waiting for another command."""
_RELEASES: dict[Action, Command] = {"resume": "pause", "start": "stop", "withdraw": "flatten"}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_STALE_MS = 60_000.0
"""A flatten that stands for longer without a daemon's word starts only when it is asked for again."""


class CommandError(Exception):
    """The command was not carried out. `code` names why; `said` says it, and what to do, in the reader's language.

    `plan` is the flatten's plan of now where another one had been agreed to.
    """

    def __init__(self, code: str, *, plan: FlattenPlan | None = None, **values: object) -> None:
        self.code, self.plan, self.values = code, plan, values
        super().__init__(self.said(Reader()))

    def said(self, reader: Reader) -> str:
        """The text in the reader's language."""
        return reader.say(f"commands.{self.code}", **self.values)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: `written`, or that nothing had to be done; `warning` is what went wrong with the audit.

    `paused`: the desk comes up paused, because a machine had stopped it or the operator wants it so.
    """

    id: str
    outcome: str
    warning: str | None = None
    paused: bool = False


_replays: Replays[Outcome] = Replays()
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
    given = _Given(paths, action, actor=actor, now_us=now_us, reason=reason, request_id=request_id)
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
    given = _Given(paths, action, actor=actor, now_us=now_us, reason=reason, request_id=request_id)

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


class _Given:
    """One command of one actor to one desk."""

    def __init__(
        self, paths: DeskPaths, action: str, *, actor: Actor, now_us: int, reason: str, request_id: str | None
    ) -> None:
        self.paths, self.action, self.actor = paths, action, actor
        self.now_us, self.reason = now_us, reason
        self.at = iso_from_us(now_us)
        self.id = request_id if request_id is not None else f"{action}-{secrets.token_hex(8)}"

    def once(self, act: Callable[[], Outcome]) -> Outcome:
        """Do it unless this very request was answered already; whoever may not is refused and audited."""
        if _ID.fullmatch(self.id) is None:
            raise CommandError("bad_id")
        if not self.paths.exists():
            raise CommandError("no_desk", desk=self.paths.desk)
        try:
            if self.action in INSTANT or not self.actor.may_act:
                self.actor.require(self.action)
            outcome = self._earlier() or act()
        except (AccessError, CommandError) as error:
            self.refused(error)
            raise
        _replays.keep(self._key, outcome)
        return outcome

    def confirm(self, password: str) -> None:
        """It is he: his password once more, where there are users. Raises WrongPassword, TooManyTries, NotAllowed."""
        if self.actor.must_confirm:
            self.actor = confirm_password(self.actor, password, self.now_us)
        self.actor.require(self.action)

    def audit(self, outcome: str, data: dict[str, Any] | None = None) -> str | None:
        """Leave its line; what went wrong as text, None when all is well."""
        facts = dict(data or {})
        if self.actor.session_id is not None:
            facts["session"] = self.actor.session_id
        try:
            append_audit(
                self.paths.audit,
                wall_us=self.now_us,
                source="cockpit",
                action=self.action,
                by=self.actor.name,
                outcome=outcome,
                reason=self.reason or None,
                command_id=self.id,
                address=self.actor.address,
                data=facts or None,
            )
        except AuditError as error:
            return str(error)
        return None

    def refused(self, error: AccessError | CommandError) -> None:
        """A refusal is audited too."""
        code = error.code if isinstance(error, CommandError) else error.key.rpartition(".")[2]
        self.audit(f"refused: {code}")

    @property
    def _key(self) -> str:
        return f"{self.paths.folder}\0{self.actor.name}\0{self.action}\0{self.id}"

    def _earlier(self) -> Outcome | None:
        """What this request came to before: of this process from memory, of an earlier one from the audit."""
        known = _replays.find(self._key)
        if known is None and self.action not in INSTANT and _replays.was_audited(self.paths, self.action, self.id):
            return Outcome(id=self.id, outcome="written")
        return known


def _assert(given: _Given, name: Literal["stop", "pause"]) -> Outcome:
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


def _release(given: _Given, action: Action, *, paused: bool) -> Outcome:
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


def _flatten(given: _Given, agreed: Agreed | None) -> Outcome:
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


def _is_under_way(given: _Given) -> bool:
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


def _leave_request(given: _Given, action: BookAction, by: str, shares: float | None, ratio: float | None) -> Outcome:
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


def _pause_first(given: _Given) -> None:
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
