"""The fault script of a simulator process: read again whenever the file changes, its acts carried out once.

A file that cannot be used changes nothing: the script before it stays in force, and one clear line says what is
wrong. `script.json` in the desk's simulator folder tells which acts were done and what the newest problem is; it
outlives a restart, because the saved book that the acts changed does so too.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from daemon.simulator.faults import Act, FaultFileError, FaultScript, Script, load_script
from daemon.simulator.persistence import replace_file

SCRIPT_STATE = "script.json"
LOOK_EVERY_S = 0.1

log = structlog.get_logger("simulator")

_Seen = tuple[int, int, int]


class ScriptState(msgspec.Struct, kw_only=True):
    """The file beside the book."""

    acts_done: list[str] = []
    """Ids, in the order carried out; also those that could not be done."""
    failed: dict[str, str] = {}
    """Id -> why the act could not be done."""
    problem: str | None = None
    """Why the newest version of the script is not in force."""
    versions_read: int = 0
    """How often a changed file was taken into force by this process."""


class ScriptFile:
    """Follows one file. The one rule: `load` once before `follow`, so that a bad script refuses the start."""

    def __init__(self, path: Path, folder: Path, faults: FaultScript, act: Callable[[Act], None]) -> None:
        self._path = path
        self._state_path = folder / SCRIPT_STATE
        self._faults = faults
        self._act = act
        self._seen: _Seen | None = None
        self._waiting: set[str] = set()
        """Ids of acts whose time has not come."""
        self.state = _restored(self._state_path)

    def load(self) -> None:
        """Put the file's script in force. Raises FaultFileError."""
        seen = _stamp(self._path)
        script = load_script(self._path)
        self._seen = seen
        self._take(script)

    async def follow(self) -> None:
        """Look for changes until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            seen = _stamp(self._path)
            if seen == self._seen:
                continue
            self._seen = seen
            try:
                script = load_script(self._path)
            except FaultFileError as error:
                self.state.problem = str(error)
                log.error("fault_script_bad", problem=str(error))  # noqa: TRY400 - the text says it all
                self._write()
            else:
                self._take(script)

    def _take(self, script: Script) -> None:
        self._faults.replace(script.faults)
        self.state.problem = None
        self.state.versions_read += 1
        log.info("fault_script", faults=len(script.faults), acts=len(script.acts))
        loop = asyncio.get_running_loop()
        for act in script.acts:
            if act.id in self.state.acts_done or act.id in self._waiting:
                continue
            self._waiting.add(act.id)
            if act.after_s > 0:
                loop.call_later(act.after_s, self._carry_out, act)
            else:
                self._carry_out(act)
        self._write()

    def _carry_out(self, act: Act) -> None:
        self._waiting.discard(act.id)
        try:
            self._act(act)
        except ValueError as error:
            log.error("act_failed", id=act.id, problem=str(error))  # noqa: TRY400 - the text says it all
            self.state.failed[act.id] = str(error)
        self.state.acts_done.append(act.id)
        self._write()

    def _write(self) -> None:
        try:
            replace_file(self._state_path, msgspec.json.encode(self.state))
        except OSError as error:
            log.error("script_state_not_saved", error=str(error))  # noqa: TRY400 - the text says it all


def _stamp(path: Path) -> _Seen | None:
    """What changes when somebody writes the file; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _restored(path: Path) -> ScriptState:
    """What earlier processes of this book did; nothing when that is not known."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=ScriptState)
    except (OSError, msgspec.DecodeError):
        return ScriptState()
    return ScriptState(acts_done=found.acts_done, failed=found.failed)
