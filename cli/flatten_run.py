"""A flatten where no daemon is left to do it: this command runs one that flattens and leaves, and shows what it does.

It is a process of its own with the same locks, client id and ledger as any daemon of the desk; it ends with the
flatten, verified or refused, and never hedges. The command only gives it its start and follows the journal.
"""

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.desk_runners import LastRun, is_answering, kill_hung, last_run, patience_s, runners, was_ours
from cli.errors import CommandError
from cli.output import complain
from cli.receipts import Receipts, commanded

if TYPE_CHECKING:
    from cli.children import Child
    from cli.options import Settings
    from config.loader import LoadedProfile
    from state.layout import DeskPaths

WAIT_S = 120.0
"""How long a command that runs the flatten itself waits for its end, unless told otherwise."""
_LEAVE_WITHIN_S = 15.0
_AT_ONCE_S = 1.0
"""A daemon that is well has seen the file by then; nothing is said before."""


@dataclass(frozen=True)
class Helper:
    """What this command would run, should nobody else obey: the profile, and the port the desk last used."""

    loaded: "LoadedProfile"
    ib_port: int | None


def helper(paths: "DeskPaths", profile: str | None) -> Helper | None:
    """The profile to flatten with: the one named, else the last run's. None where neither is known.

    Raises CommandError (2) when that profile cannot be used any more: a flatten must not fail later for that.
    """
    from cli.profile_commands import load

    last = last_run(paths)
    if profile is None and last is None:
        return None
    named = profile if profile is not None else last.profile if last is not None else ""
    try:
        loaded = load(named)
    except CommandError as error:
        raise CommandError(f"the desk's profile cannot be read, name it with --profile: {error}", error.code) from error
    if last is not None and last.profile_hash not in (None, loaded.hash):
        complain(
            f"bifrost: profile {loaded.profile.name} has changed since this desk last ran; its present words count"
        )
    return Helper(loaded, _port(last, loaded))


def _port(last: LastRun | None, loaded: "LoadedProfile") -> int | None:
    """Where the desk was last connected (`up` finds a simulator a free port), while the profile is still the same."""
    if last is None or last.profile_hash != loaded.hash or last.ib_port == loaded.profile.ib.port:
        return None
    return last.ib_port


class FlattenRun:
    """One flatten of one desk, after its file was asserted: sees to it that somebody obeys."""

    def __init__(
        self, chosen: "Settings", paths: "DeskPaths", receipts: Receipts, help_with: Helper | None, *, may_kill: bool
    ) -> None:
        self._chosen = chosen
        self._paths = paths
        self._receipts = receipts
        self._help_with = help_with
        self._may_kill = may_kill
        self._child: Child | None = None

    def see_to_it(self) -> bool:
        """Start what is missing. True when it is worth waiting for the end. Raises CommandError."""
        found = runners(self._paths)
        if found.supervisor_pid is not None:
            if is_answering(self._paths):
                return False
            complain(
                f"flatten {self._chosen.desk}: no daemon answers; the supervisor (process {found.supervisor_pid}) "
                "sees to it"
            )
            return True
        if found.daemon_pid is None and is_answering(self._paths) and not was_ours(self._paths):
            return False  # another program runs this desk
        if found.daemon_pid is not None and not self._end_hung(found.daemon_pid):
            return False
        if self._help_with is None:
            return False
        self._start(self._help_with)
        return True

    def leave(self) -> None:
        """After the receipt: the process that flattened lets go of the desk; one that still tries is left to it."""
        if self._child is None:
            return
        import subprocess

        try:
            self._child.process.wait(_LEAVE_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.tell_that_it_goes_on()

    def tell_that_it_goes_on(self) -> None:
        """For a wait that is over."""
        if self._child is not None and self._child.is_running:
            pid = self._child.process.pid
            complain(
                f"bifrost: process {pid} goes on; watch it with {self._chosen.shell()} status, or end it: kill {pid}"
            )

    def interrupted(self) -> None:
        """Ctrl-C: the process cancels its order and leaves; what it has begun stands in the journal."""
        if self._child is not None and self._child.is_running:
            self._child.process.terminate()
            self.leave()

    @property
    def failure(self) -> str | None:
        """Why the process that this command started cannot do its part; None while it may."""
        child = self._child
        # 0 and 3 are a flatten's ends; on 4 somebody else has the desk by now, and obeys.
        if child is None or child.is_running or child.process.returncode in (0, 3, 4):
            return None
        return child.ending()

    def _start(self, help_with: Helper) -> None:
        from cli.children import Children
        from cli.run_commands import daemon_command, python_path

        words = [*daemon_command(help_with.loaded, self._paths, help_with.ib_port), "--flatten-only"]
        children = Children(os.environ | {"PYTHONPATH": python_path()}, self._paths.logs)
        try:
            self._child = children.start("flatten", words)
        except OSError as error:
            raise CommandError(f"cannot start a daemon to flatten with: {error}") from error
        complain(f"flatten {self._chosen.desk}: no daemon runs; process {self._child.process.pid} flattens and leaves")

    def _end_hung(self, holder: int) -> bool:
        """See that the holder of the desk has noticed the file, or kill it where the operator agrees.

        True when the desk is free; false when it obeys, or is not to be judged from here. Raises CommandError.
        """
        if self._was_seen(_AT_ONCE_S):
            return False
        patience = patience_s(self._paths, holder)
        complain(f"flatten {self._chosen.desk}: the daemon does not answer; waiting up to {patience:.0f} s for it")
        if self._was_seen(patience):
            return False
        now = runners(self._paths)
        if now.daemon_pid is None:
            return True
        pid = now.daemon_pid
        if pid == 0 or now.supervisor_pid is not None or is_answering(self._paths):
            return False
        self._agree(pid)
        kill_hung(self._paths, pid)
        from cli.commanding import audit

        audit(self._paths, "kill", "killed", f"process {pid} held the desk and did not see the flatten")
        complain(f"flatten {self._chosen.desk}: killed process {pid}, which held the desk and did not answer")
        return True

    def _was_seen(self, within_s: float) -> bool:
        return self._receipts.wait(lambda line: commanded(line) == "flatten", within_s) is not None

    def _agree(self, pid: int) -> None:
        """Raises CommandError unless the operator lets the process be killed."""
        if self._may_kill:
            return
        question = f"process {pid} holds the desk and has not seen the flatten"
        if not sys.stdin.isatty():
            raise CommandError(f"{question}; give --kill-hung to kill it and flatten from here. The file stands")
        try:
            typed = input(f"{question}. Type {pid} to kill it and flatten from here: ")
        except EOFError:
            typed = ""
        if typed.strip() != str(pid):
            raise CommandError(f"process {pid} was left alone; the flatten file stands")
