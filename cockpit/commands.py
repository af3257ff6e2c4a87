"""The operator's commands as this cockpit writes them: a control file, and a line in the audit. Nothing else acts."""

import getpass
import secrets
from typing import Literal, NamedTuple

from state.audit import AuditError, append_audit
from state.control import Command, ControlError, assert_command, release_command
from state.layout import DeskPaths
from state.times import iso_from_us

Action = Literal["stop", "pause", "flatten", "resume", "start"]
_ASSERTS: dict[Action, Command] = {"stop": "stop", "pause": "pause", "flatten": "flatten"}
_RELEASES: dict[Action, Command] = {"resume": "pause", "start": "stop"}


class CommandError(Exception):
    """The command was not carried out; the text says what to do instead."""


class Outcome(NamedTuple):
    """What happened: `written`, or that nothing had to be done; and a warning when the audit failed."""

    outcome: str
    warning: str | None


def operator() -> str:
    """Who sits here: the machine's user, until the cockpit has users of its own."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"


def carry_out(
    paths: DeskPaths,
    action: Action,
    *,
    now_us: int,
    reason: str,
    address: str | None = None,
    shares: float | None = None,
) -> Outcome:
    """Write or remove the control file of `action` and audit it. Raises CommandError.

    `shares` is the number that a flatten may need confirmed.

    What makes the desk safer comes first and stands without its audit line: a full disk must not keep anybody from
    stopping. What lets it trade again is audited first, and not done when that fails.
    """
    entry = _Entry(paths, action, now_us=now_us, reason=reason, address=address)
    if action in _RELEASES:
        warning = entry.append("written")
        if warning is not None:
            raise CommandError(f"{action} was not done, for it could not be audited: {warning}")
        try:
            released = release_command(paths.control, _RELEASES[action])
        except ControlError as error:
            entry.append(f"failed: {error}")
            raise CommandError(str(error)) from error
        return Outcome("written" if released else "was not asserted", None)
    try:
        new = assert_command(
            paths.control,
            _ASSERTS[action],
            by=entry.by,
            reason=reason,
            at=entry.at,
            command_id=entry.command_id,
            shares=shares,
        )
    except ControlError as error:
        entry.append(f"failed: {error}")
        raise CommandError(str(error)) from error
    outcome = "written" if new or action == "flatten" else "stood already"
    return Outcome(outcome, entry.append(outcome))


class _Entry:
    """The audit line of one command."""

    def __init__(self, paths: DeskPaths, action: Action, *, now_us: int, reason: str, address: str | None) -> None:
        self.by = operator()
        self.at = iso_from_us(now_us)
        self.command_id = secrets.token_hex(8)
        self._paths, self._action, self._now_us = paths, action, now_us
        self._reason, self._address = reason, address

    def append(self, outcome: str) -> str | None:
        """Write it; what went wrong as text, None when all is well."""
        try:
            append_audit(
                self._paths.audit,
                wall_us=self._now_us,
                source="cockpit",
                action=self._action,
                by=self.by,
                outcome=outcome,
                reason=self._reason,
                command_id=self.command_id,
                address=self._address,
            )
        except AuditError as error:
            return str(error)
        return None
