"""One look at a desk from outside: its snapshot, its control folder and the light that follows from both."""

import msgspec

from state.control import ControlRead, read_control
from state.layout import DeskPaths
from state.light import Light, light
from state.records import Snapshot
from state.snapshot import read_snapshot


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `problem` says in one sentence why there is no snapshot."""

    snapshot: Snapshot | None
    problem: str | None
    control: ControlRead
    light: Light


def look_at(paths: DeskPaths, now_us: int) -> Look:
    """Read the desk's files; `now_us` is the wall clock. Never raises for what is in them."""
    read = read_snapshot(paths.snapshot)
    control = read_control(paths.control, now_us)
    verdict = light(read.snapshot, control, now_us, absent=read.reason or "snapshot_missing", problem=read.problem)
    return Look(snapshot=read.snapshot, problem=read.problem, control=control, light=verdict)
