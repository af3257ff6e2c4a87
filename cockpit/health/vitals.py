"""Everything that the Health page shows of one desk, measured at most so often, whoever asks.

Several pages may be open on the same desk: they share what was measured a moment ago.
"""

import os
import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from cockpit.access import door
from cockpit.context import CockpitContext
from cockpit.health import check_tables, now_tables, record_tables, slow_tables
from cockpit.health.clock import clock_state
from cockpit.health.disk import DiskUse, measure
from cockpit.health.job import last_examined, last_verified
from cockpit.health.jobs import Jobs
from cockpit.health.machine_states import machine_states
from cockpit.health.processes import Found, Meter, Whereabouts, look_for, simulator_pid
from cockpit.light_view import runbook_address
from cockpit.profiles.running import RunningProfile, loaded, running_profile
from cockpit.reader import Reader
from cockpit.tables import Table
from cockpit.wording import age
from config.loader import LoadedProfile
from config.version import version
from state.control import read_requests
from state.layout import DeskPaths
from state.look import Look, look_at
from state.reasons import REASONS
from state.records import Snapshot
from state.verified import checked_until

_DISK_S: Final = 30.0
_PROFILE_S: Final = 10.0
_SIMULATOR_S: Final = 10.0
_PROCESSES_S: Final = 1.5
_VERSION_S: Final = 10.0
_Value = TypeVar("_Value")


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """The page's tables by name, and the runbook's address of each reason that they name."""

    tables: dict[str, Table]
    addresses: dict[str, str]
    is_old: bool
    """Whether what stands in the snapshot is no present any more."""


class _Kept:
    """Values of one desk that are measured anew only when they are older than they may be. Holds one per name.

    The one rule: only under `turn`.
    """

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.meter = Meter()
        self._values: dict[str, tuple[float, Any]] = {}

    def get(self, name: str, seconds: float, make: Callable[[], _Value]) -> _Value:
        known = self._values.get(name)
        if known is None or time.monotonic() - known[0] > seconds:
            known = (time.monotonic(), make())
            self._values[name] = known
        value: _Value = known[1]
        return value


class VitalsOfDesks:
    """Of the desks of one root. Safe from any thread."""

    def __init__(self, context: CockpitContext, jobs: Jobs) -> None:
        self._context = context
        self._jobs = jobs
        self._own_version = version()
        self._turn = threading.Lock()
        self._kept: dict[Path, _Kept] = {}

    def of(self, paths: DeskPaths, reader: Reader, now_us: int) -> Vitals:
        """The tables as they are now; `now_us` is the wall clock."""
        look = look_at(paths, now_us)
        with self._turn:
            kept = self._kept.setdefault(paths.folder, _Kept())
        with kept.turn:
            return self._build(paths, look, kept, reader, now_us)

    def _build(self, paths: DeskPaths, look: Look, kept: _Kept, reader: Reader, now_us: int) -> Vitals:
        snapshot = look.snapshot
        running, profile = kept.get("profile", _PROFILE_S, lambda: _profile(paths, snapshot))
        found = kept.get("processes", _PROCESSES_S, lambda: self._processes(paths, snapshot, profile, kept))
        use, problem = kept.get("disk", _DISK_S, lambda: _disk(paths, snapshot, profile, now_us))
        checkout = kept.get("version", _VERSION_S, version)
        shell = self._context.shell

        def command(words: str) -> str:
            return shell(f"{words} --desk {paths.desk}")

        of_snapshot = {
            "link": now_tables.link(look, reader, address=_address(running, profile), windows=_windows(profile)),
            "checks": check_tables.checks(snapshot, reader),
            "states": machine_states(snapshot, reader),
            "limits": now_tables.limits(snapshot, reader),
            "latency": now_tables.latency(snapshot, reader),
        }
        if look.light.state == "not_live" and snapshot is not None:
            of_snapshot = {name: _aged(table, look, reader) for name, table in of_snapshot.items()}
        tables = {
            "processes": now_tables.processes(
                found,
                reader,
                command=command,
                profile="P" if running is None else shlex.quote(running.source),
                now_us=now_us,
                is_stopped="stop" in look.control.files,
            ),
            **of_snapshot,
            "control": slow_tables.control_folder(look.control, _requests(paths, now_us), reader),
            "disk": slow_tables.disk(use, problem, reader, command=command("maintain --dry-run")),
            "versions": slow_tables.versions(
                snapshot,
                slow_tables.Versions(
                    own=self._own_version, checkout=checkout, file_hash=None if profile is None else profile.hash
                ),
                reader,
            ),
            "records": record_tables.records(
                checked_until(paths.journal),
                last_verified(paths),
                self._jobs.progress(paths, "verify"),
                reader,
                command=command("verify"),
            ),
            "doctor": record_tables.findings(
                last_examined(paths), self._jobs.progress(paths, "doctor"), reader, command=command("doctor")
            ),
            "clock": slow_tables.clock(snapshot, clock_state(), now_us, reader),
            "cockpit": slow_tables.cockpit(_own_use(), reader),
        }
        addresses = {code: runbook_address(code, desk=paths.desk, reader=reader) for code in REASONS}
        return Vitals(tables=tables, addresses=addresses, is_old=look.light.state == "not_live")

    def _processes(
        self, paths: DeskPaths, snapshot: Snapshot | None, profile: LoadedProfile | None, kept: _Kept
    ) -> tuple[Found, ...]:
        simulated = snapshot is not None and snapshot.account_kind == "simulated"
        here = Whereabouts(
            own_pid=os.getpid(),
            own_version=self._own_version,
            has_simulator=simulated if profile is None else profile.profile.simulator is not None,
            simulator_pid=kept.get("simulator", _SIMULATOR_S, lambda: simulator_pid(paths.simulator)),
        )
        return look_for(paths, snapshot, here, kept.meter.measure)


def _profile(paths: DeskPaths, snapshot: Snapshot | None) -> tuple[RunningProfile | None, LoadedProfile | None]:
    running = running_profile(paths, snapshot)
    return running, loaded(running)


def _disk(
    paths: DeskPaths, snapshot: Snapshot | None, profile: LoadedProfile | None, now_us: int
) -> tuple[DiskUse | None, str]:
    storage = None if profile is None else profile.profile.storage
    try:
        return measure(paths, snapshot, storage, wall_us=now_us), ""
    except OSError as error:
        return None, str(error.strerror or error)


def _address(running: RunningProfile | None, profile: LoadedProfile | None) -> str:
    if profile is None:
        return ""
    ib = profile.profile.ib
    port = ib.port if running is None or running.ib_port is None else running.ib_port
    return f"{ib.host}:{port}"


def _windows(profile: LoadedProfile | None) -> list[str]:
    if profile is None:
        return []
    return [f"{each.time} {each.zone} {' '.join(each.days)}".strip() for each in profile.profile.ib.restart_windows]


def _requests(paths: DeskPaths, now_us: int) -> list[str]:
    return [each.name for each in read_requests(paths.requests, now_us)]


def _aged(table: Table, look: Look, reader: Reader) -> Table:
    """An old value says how old it is, in its own table."""
    old = reader.say("health.old", age=age(look.light.age_ms))
    return msgspec.structs.replace(table, aside=f"{old} · {table.aside}" if table.aside else old)


def _own_use() -> slow_tables.OwnUse:
    seen = door.current().overview()
    told = seen.listening
    scheme = "https" if told.tls else "http"
    problems = tuple(problem for problem in (seen.problem, seen.audit_problem) if problem)
    return slow_tables.OwnUse(
        users=seen.users,
        sessions=seen.sessions,
        pages=seen.pages,
        streams=seen.streams,
        address=f"{scheme}, port {told.port}" if told.port else scheme,
        problems=problems,
    )
