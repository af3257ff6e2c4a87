"""What the Health page says of things that change slowly: disk, versions, clock, control folder, this cockpit. Pure."""

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Final

import msgspec

from cockpit import wording
from cockpit.health.cells import fact, facts, size
from cockpit.health.clock import ClockState
from cockpit.health.disk import PARTS, DiskUse, Freed
from cockpit.reader import DASH, Reader
from cockpit.tables import Table
from state.control import ControlRead
from state.records import SCHEMA_VERSION, Snapshot
from state.times import iso_from_us, us_from_iso

LIBRARIES: Final = (
    "streamlit",
    "starlette",
    "uvicorn",
    "ib_async",
    "numpy",
    "pandas",
    "scipy",
    "duckdb",
    "msgspec",
    "plotly",
)
_SHORT_HASH: Final = 12
_FEW_DAYS: Final = 7.0
_APART_MS: Final = 2000.0
"""Two clocks that differ by less are the same."""


def disk(use: DiskUse | None, problem: str, reader: Reader, *, command: str) -> Table:
    """Free space, what the desk takes by part, how it grows, and what maintenance gives back."""
    say = reader.say
    if use is None:
        return facts(say("health.disk.title"), (fact(say("health.disk.free"), DASH, problem),), reader)
    low = use.min_free_bytes is not None and use.free_bytes < use.min_free_bytes
    left = use.days_left
    rows = [
        fact(
            say("health.disk.free"),
            say("health.disk.of", free=size(use.free_bytes), total=size(use.total_bytes)),
            "" if use.min_free_bytes is None else say("health.disk.least", least=size(use.min_free_bytes)),
            tone="bad" if low else None,
        ),
        fact(say("health.disk.used"), size(use.used_bytes)),
        *(
            fact(f"  {part}/" if part in PARTS else f"  {say('health.disk.rest')}", size(taken))
            for part, taken in use.parts.items()
            if taken
        ),
        fact(
            say("health.disk.growth"),
            DASH if use.growth is None else say("health.disk.a_day", size=size(use.growth.bytes_a_day)),
            say("health.disk.growth_unknown")
            if use.growth is None
            else say("health.disk.over", days=wording.number(use.growth.over_days, decimals=1)),
        ),
        fact(
            say("health.disk.left"),
            DASH if left is None else say("health.disk.days", days=wording.number(left)),
            say("health.disk.growth_unknown")
            if use.growth is None
            else say("health.disk.no_growth" if left is None else "health.disk.at_this_growth"),
            tone="warn" if left is not None and left < _FEW_DAYS else None,
        ),
        fact(
            say("health.disk.reserve"),
            size(use.reserve_bytes),
            say("health.disk.reserve_kept") if use.reserve_bytes else say("health.disk.no_reserve"),
        ),
        fact(say("health.disk.maintain"), *_freed(use.freed, reader, command)),
    ]
    return facts(say("health.disk.title"), tuple(rows), reader)


def _freed(freed: Freed | None, reader: Reader, command: str) -> tuple[str, str]:
    if freed is None:
        return DASH, reader.say("health.disk.no_profile")
    if freed.problem is not None:
        return DASH, freed.problem
    if freed.remove_files + freed.compress_files == 0:
        return reader.say("health.disk.nothing"), command
    words = reader.say(
        "health.disk.would",
        remove=freed.remove_files,
        removed=size(freed.remove_bytes),
        compress=freed.compress_files,
        compressed=size(freed.compress_bytes),
    )
    return words, command


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """Which program runs: this process's, what lies in the checkout now, and the hash of the profile's file now."""

    own: str
    checkout: str
    file_hash: str | None


def versions(snapshot: Snapshot | None, known: Versions, reader: Reader) -> Table:
    """Which program and which profile run, and whether the files are still the same."""
    say = reader.say
    daemon = None if snapshot is None else snapshot.version
    schema = None if snapshot is None else snapshot.schema
    running = None if snapshot is None else snapshot.profile_hash
    name = "" if snapshot is None or snapshot.profile is None else snapshot.profile
    changed = running is not None and known.file_hash is not None and running != known.file_hash
    rows = (
        fact(
            say("health.versions.daemon"),
            daemon or DASH,
            _same(daemon, known.checkout, reader),
            tone="warn" if daemon is not None and daemon != known.checkout else None,
        ),
        fact(
            say("health.versions.cockpit"),
            known.own,
            _same(known.own, known.checkout, reader),
            tone="warn" if known.own != known.checkout else None,
        ),
        fact(say("health.versions.checkout"), known.checkout),
        fact(
            say("health.versions.profile"),
            DASH if running is None else f"{name} {running[:_SHORT_HASH]}".strip(),
            say("health.versions.profile_changed")
            if changed
            else say("health.versions.profile_same")
            if running is not None and known.file_hash is not None
            else say("health.versions.profile_unknown"),
            tone="warn" if changed else None,
        ),
        fact(
            say("health.versions.schema"),
            DASH if schema is None else str(schema),
            say("health.versions.schema_ours", ours=SCHEMA_VERSION),
            tone="warn" if schema not in (None, SCHEMA_VERSION) else None,
        ),
        fact("Python", platform.python_version()),
        *(fact(name, _installed(name)) for name in LIBRARIES),
    )
    return facts(say("health.versions.title"), rows, reader, aside=say("health.versions.aside"))


def _same(running: str | None, checkout: str, reader: Reader) -> str:
    if running is None:
        return reader.say("health.versions.unknown")
    return reader.say("health.versions.same" if running == checkout else "health.versions.other")


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return DASH


def clock(snapshot: Snapshot | None, kernel: ClockState, now_us: int, reader: Reader) -> Table:
    """This machine's clock, the daemon's, and the market's."""
    say = reader.say
    rows = [
        fact(say("health.clock.machine"), reader.day_and_time(iso_from_us(now_us))),
        fact(
            say("health.clock.synchronised"),
            say("health.clock.kept" if kernel.is_synchronised else "health.clock.not_kept")
            if kernel.is_synchronised is not None
            else DASH,
            _why_clock(kernel, reader),
            tone="warn" if kernel.is_synchronised is False else None,
        ),
    ]
    if snapshot is not None:
        market_us, wall_us = _us(snapshot.ts), _us(snapshot.wall_ts)
        apart = None if market_us is None or wall_us is None else (market_us - wall_us) / 1000
        own_time = apart is not None and abs(apart) > _APART_MS
        rows.append(
            fact(
                say("health.clock.market"),
                reader.day_and_time(snapshot.ts, milliseconds=True),
                DASH
                if apart is None
                else say("health.clock.own_time", apart=wording.age(abs(apart)))
                if own_time
                else say("health.clock.apart", apart=f"{wording.number(apart, signed=True)} ms"),
            )
        )
    return facts(say("health.clock.title"), tuple(rows), reader)


def _why_clock(kernel: ClockState, reader: Reader) -> str:
    if kernel.is_synchronised is None:
        return reader.say("health.clock.unknown")
    if not kernel.is_synchronised:
        return reader.say("health.clock.unsynchronised")
    error = kernel.estimated_error_ms
    return "" if error is None else reader.say("health.clock.error", error=f"{wording.number(error, decimals=1)} ms")


def _us(iso: str) -> int | None:
    try:
        return us_from_iso(iso)
    except ValueError:
        return None


class OwnUse(msgspec.Struct, frozen=True, kw_only=True):
    """Who has this cockpit open. None where that is not known."""

    users: tuple[tuple[str, str], ...]
    sessions: int
    pages: int
    streams: int
    address: str
    problems: tuple[str, ...] = ()


def cockpit(use: OwnUse, reader: Reader) -> Table:
    """Who may come in, who is in, and what is open."""
    say = reader.say
    users = ", ".join(f"{name} ({say(f'health.roles.{role}')})" for name, role in use.users)
    rows = (
        fact(say("health.cockpit.address"), use.address),
        fact(say("health.cockpit.users"), users, "" if users else say("health.cockpit.no_users")),
        fact(say("health.cockpit.sessions"), str(use.sessions)),
        fact(say("health.cockpit.pages"), str(use.pages)),
        fact(say("health.cockpit.streams"), str(use.streams)),
        *(fact(say("health.cockpit.problem"), problem, tone="bad") for problem in use.problems),
    )
    return facts(say("health.cockpit.title"), rows, reader)


def control_folder(control: ControlRead, requests: Sequence[str], reader: Reader) -> Table:
    """What lies in `control/`: commands that stand, requests on their way, and names that nobody knows."""
    say = reader.say
    rows = [
        fact(name, wording.age(file.age_ms), " · ".join(part for part in (file.by, file.reason) if part), tone="warn")
        for name, file in control.files.items()
    ]
    rows += [fact(f"requests/{name}", "", say("health.control.request")) for name in requests]
    rows += [fact(name, "", say("health.control.unknown"), tone="warn") for name in control.unknown_names]
    if control.problem is not None:
        rows.append(fact("control/", DASH, control.problem, tone="bad"))
    table = facts(say("health.control.title"), tuple(rows), reader)
    return msgspec.structs.replace(table, empty=say("health.control.empty"))
