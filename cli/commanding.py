"""One command given to one desk: the file, the audit line, the receipt."""

import getpass
import shlex
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from cli.errors import CommandError, ExitCode
from cli.options import Settings
from cli.output import complain, say, say_json, to_the_second
from cli.receipts import Matches, Receipts, commanded, earlier_receipt, last_run_is_over

if TYPE_CHECKING:
    from cli.flatten_run import Helper
    from state.control import AssertedCommand, Command
    from state.layout import DeskPaths
    from state.light import Light
    from state.records import JournalLine


def operator() -> str:
    """Who types: the login name, or the user id where the system has no name for it."""
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def audit(
    paths: "DeskPaths", action: str, outcome: str, reason: str, *, by: str | None = None, data: Any = None
) -> None:
    """Leave a line in the desk's audit. A command never fails because its audit did: control works first."""
    from daemon.runtime.clocks import wall_us
    from state.audit import AuditError, append_audit

    who = operator() if by is None else by
    try:
        append_audit(
            paths.audit,
            wall_us=wall_us(),
            source="cli",
            action=action,
            by=who,
            outcome=outcome,
            reason=reason or None,
            data=data,
        )
    except AuditError as error:
        complain(f"bifrost: not audited: {error}")


def require_owner(paths: "DeskPaths") -> None:
    """For a command that makes the daemon's own files. Raises CommandError.

    Another user's files the daemon may not be able to open at its next start, and his locks are not the daemon's.
    """
    import os

    owner = paths.folder.stat().st_uid
    if owner != os.geteuid():
        raise CommandError(f"{paths.folder} belongs to user id {owner}; run this command as that user")


class Commanding:
    """One command given to one desk: writes or removes the file, leaves an audit line, waits for the receipt."""

    def __init__(self, chosen: Settings, paths: "DeskPaths", reason: str, wait_s: float | None) -> None:
        from daemon.runtime.clocks import wall_us

        self._chosen = chosen
        self._paths = paths
        self._reason = reason
        self._wait_s = wait_s
        self._now_us = wall_us
        self._receipts = Receipts(paths)
        self._written_us: dict[Command, int] = {}
        """When this command began to write each file: a file's own time may lie some milliseconds before that."""

    def standing(self, name: "Command") -> "AssertedCommand | None":
        """The command as it stands now, if it does."""
        from state.control import read_control

        return read_control(self._paths.control, self._now_us()).files.get(name)

    def write(self, name: "Command", *, reason: str | None = None, shares: float | None = None) -> bool:
        """Assert the file; false when it stood already. `shares` is a flatten's number. Raises CommandError."""
        from state.control import ControlError, assert_command
        from state.times import iso_from_us

        words = self._reason if reason is None else reason
        try:
            now_us = self._now_us()
            new = assert_command(
                self._paths.control, name, by=operator(), reason=words, at=iso_from_us(now_us), shares=shares
            )
        except ControlError as error:
            audit(self._paths, name, "failed", words)
            raise CommandError(str(error)) from error
        if new or name == "flatten":
            self._written_us[name] = now_us
        facts = None if shares is None else {"confirmed_shares": shares}
        audit(self._paths, name, "asserted" if new else "stood already", words, data=facts)
        return new

    def assert_one(self, name: Literal["stop", "pause"]) -> int:
        """Assert one command and wait where that was asked for."""
        new = self.write(name)
        if self._wait_s is None:
            return self._tell(name, ("asserted" if new else "asserted already") + self._unless_live(), None)
        line = self._await(name, self._since_us(name), self._wait_s)
        return self._finish(name, line)

    def flatten(
        self, shares: float | None, help_with: "Helper | None", *, may_kill: bool, then_stop: bool = False
    ) -> int:
        """Flatten, and then stop where that was asked for; where nobody is left to do it, this command sees to it."""
        from cli.flatten_run import WAIT_S, FlattenRun

        self.write("flatten", shares=shares)
        if then_stop:
            self.write("stop")
        run = FlattenRun(self._chosen, self._paths, self._receipts, help_with, may_kill=may_kill)
        if run.see_to_it() and self._wait_s is None:
            self._wait_s = WAIT_S
        if self._wait_s is None:
            text = f"flatten and stop asserted{self._unless_live()}" if then_stop else f"asserted{self._unless_live()}"
            return self._tell("stop" if then_stop else "flatten", text, None)
        started = monotonic()
        try:
            line = self._await(
                "flatten", self._since_us("flatten"), self._wait_s, in_vain=lambda: run.failure is not None
            )
        except KeyboardInterrupt:
            run.interrupted()
            raise
        if line is None:
            if run.failure is not None:
                raise CommandError(f"{self._chosen.desk}: flatten: {run.failure}")
            run.tell_that_it_goes_on()
        if line is None or line.status != "done" or not then_stop:
            if line is not None:
                run.leave()
            return self._finish("flatten", line)
        left_s = max(0.0, self._wait_s - (monotonic() - started))
        stopped = self._await("stop", self._since_us("stop"), left_s)
        run.leave()
        return self._finish("stop", stopped)

    def release(self, name: "Command", command: Literal["start", "resume"]) -> int:
        """Remove one command and wait for the daemon to say so."""
        from state.control import ControlError, release_command

        try:
            stood = release_command(self._paths.control, name)
        except ControlError as error:
            audit(self._paths, command, "failed", self._reason)
            raise CommandError(str(error)) from error
        audit(self._paths, command, "released" if stood else "nothing stood", self._reason)
        if not stood:
            return self._tell(command, f"no {name} stands; nothing to do{self._unless_green(command)}", None)
        if self._wait_s is None:
            return self._tell(command, f"{name} released{self._unless_started(command)}", None)
        if command == "start" and self._unless_started(command):
            complain(f"bifrost: {self._chosen.desk}: start: {name} released{self._unless_started(command)}")
        line = self._receipts.wait(_started if command == "start" else _released(name), self._wait_s)
        return self._finish(command, line)

    def _unless_live(self) -> str:
        """Nobody may read a command as obeyed while nobody is there to obey it."""
        if self._light().state != "not_live":
            return ""
        return f"; the desk is not live, so perhaps nobody obeys it now: see {self._chosen.shell()} status"

    def _unless_green(self, command: Literal["start", "resume"]) -> str:
        """`resume` on a halted desk, `start` without a daemon: what was typed does not help, so say what may."""
        light = self._light()
        if light.state == "green":
            return ""
        if command == "start" and light.state == "not_live":
            return f"; no daemon is seen: start one with {self._chosen.shell()} up --profile {self._last_profile()}"
        return f"; the desk is {light.word}: {self._chosen.shell()} status says why and what ends it"

    def _unless_started(self, command: Literal["start", "resume"]) -> str:
        """`start` only takes the stop away: it is the supervisor that starts a daemon then."""
        from cli.desk_runners import runners

        found = runners(self._paths)
        if command == "resume" or found.supervisor_pid is not None or found.daemon_pid is not None:
            return ""
        profile, shell = self._last_profile(), self._chosen.shell()
        return (
            "; no supervisor runs, so nothing starts by itself: "
            f"{shell} supervise --profile {profile}, or {shell} up --profile {profile}"
        )

    def _last_profile(self) -> str:
        """The profile of the desk's last run, ready to be typed; `P` where it never ran."""
        from cli.desk_runners import last_run

        last = last_run(self._paths)
        return "P" if last is None else shlex.quote(last.profile)

    def _when_obeyed(self) -> str:
        """Whoever waits on must know whether somebody is at it."""
        from cli.desk_runners import is_answering

        if is_answering(self._paths):
            return f"the daemon, which runs, goes on with it: {self._chosen.shell()} status says what keeps it"
        return "is obeyed as soon as a daemon runs"

    def _unless_obeyed(self, name: str) -> str:
        """What to do about a stop that nobody confirms: who there is to obey it decides."""
        from cli.desk_runners import is_answering, last_run, runners

        found = runners(self._paths)
        last = last_run(self._paths)
        if name != "stop" or is_answering(self._paths) or (last is None and found.daemon_pid is None):
            return ""
        if found.supervisor_pid is not None:
            return (
                f"; the supervisor (process {found.supervisor_pid}) kills a daemon that does not see it, and confirms"
            )
        profile = "P" if last is None else shlex.quote(last.profile)
        confirm = f"{self._chosen.shell()} daemon --profile {profile} (it cancels own orders, confirms, and exits 3)"
        if found.daemon_pid is None:
            return f"; no daemon runs, so nothing leaves; to confirm that no own order works: {confirm}"
        pid = found.daemon_pid
        hung = f"process {pid} holds the desk and does not answer, and nobody supervises it"
        return f"; {hung}: kill -9 {pid}, then {confirm}"

    def _light(self) -> "Light":
        from state.look import look_at

        return look_at(self._paths, self._now_us()).light

    def _since_us(self, name: "Command") -> int:
        """From when on a receipt answers this command: none that was there before it does."""
        standing = self.standing(name)
        if standing is None:
            return self._now_us()
        return max(standing.since_us, self._written_us.get(name, standing.since_us))

    def _await(
        self, name: "Command", since_us: int, timeout_s: float, *, in_vain: Callable[[], bool] = lambda: False
    ) -> "JournalLine | None":
        found = earlier_receipt(self._paths, _answered(name), since_us)
        if found is None and name == "stop":
            found = last_run_is_over(self._paths)
        if found is not None:
            return found
        heard = self._tell_progress if name == "flatten" else _not_told
        if name == "stop":
            in_vain = self._is_witnessed
        return self._receipts.wait(_answered(name), timeout_s, heard=heard, in_vain=in_vain)

    def _is_witnessed(self) -> bool:
        """Whether the stop was obeyed by a daemon whose journal has failed: then no receipt can come."""
        from cli.stop_witness import stopped_without_journal

        return stopped_without_journal(self._paths, self._since_us("stop"))

    def _tell_progress(self, line: "JournalLine") -> None:
        from cli.flatten_progress import words

        told = words(line)
        if told is not None:
            complain(f"flatten {self._chosen.desk}: {to_the_second(line.wall_ts)} {told}")

    def _finish(self, name: str, line: "JournalLine | None") -> int:
        """Turn the receipt, or its absence, into words and an exit code."""
        if line is None and name == "stop" and self._is_witnessed():
            return self._tell(
                name,
                "done by its last snapshot: stopped, no own order works, nobody holds the desk; "
                "the journal failed, so there is no receipt",
                None,
            )
        if line is None:
            text = f"not confirmed within {self._wait_s:g} s; the command stands and {self._when_obeyed()}"
            text += self._unless_obeyed(name)
            if name == "resume":
                text = f"not confirmed within {self._wait_s:g} s; pause is removed: does a daemon run?"
            if name == "start":
                text = f"no daemon started within {self._wait_s:g} s; run ./bifrost supervise or ./bifrost up"
            return self._tell(name, text, None, ExitCode.NOT_IN_TIME)
        refused = line.status in ("refused", "unconfirmed")
        detail = line.data.get("detail") if line.data is not None else None
        reason = f" ({line.reason})" if line.reason else ""
        text = (
            f"{line.status or line.type}{reason}{': ' + str(detail) if detail else ''} at {to_the_second(line.wall_ts)}"
        )
        return self._tell(name, text, line, ExitCode.FAILED if refused else ExitCode.DONE)

    def _tell(self, name: str, text: str, line: "JournalLine | None", code: ExitCode = ExitCode.DONE) -> int:
        if self._chosen.as_json:
            say_json(
                {"desk": self._chosen.desk, "command": name, "exit_code": int(code), "text": text, "receipt": line}
            )
        elif code == ExitCode.DONE:
            say(f"{self._chosen.desk}: {name}: {text}")
        else:
            complain(f"bifrost: {self._chosen.desk}: {name}: {text}")
        return int(code)


def _not_told(_line: "JournalLine") -> None:
    """Of a stop or a pause only the end is said."""


def _answered(name: "Command") -> "Matches":
    """Lines that end a command: done, or refused."""
    from state.records import JournalType

    def matches(line: "JournalLine") -> bool:
        ends = line.type in (JournalType.CONTROL_DONE, JournalType.CONTROL_REFUSED, JournalType.FLATTEN_ABORTED)
        return ends and commanded(line) == name and line.status != "released"

    return matches


def _released(name: "Command") -> "Matches":
    """The daemon noticed that a file went."""

    def matches(line: "JournalLine") -> bool:
        return line.status == "released" and commanded(line) == name

    return matches


def _started(line: "JournalLine") -> bool:
    from state.records import JournalType

    return line.type is JournalType.RUN_STARTED
