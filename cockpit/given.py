"""One command of one actor to one desk: whether he may, whether it is he, whether it was answered already; its audit.

What the command then does is `commands`' matter.
"""

import re
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from cockpit.access.actor import AccessError, Actor
from cockpit.access.confirm import confirm_password
from cockpit.flatten_preview import FlattenPlan
from cockpit.reader import Reader
from cockpit.replays import Replays
from state.audit import AuditError, append_audit
from state.layout import DeskPaths
from state.times import iso_from_us

INSTANT = frozenset({"stop", "pause"})
"""One click: no password, no waiting for another command."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


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


class Given:
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
