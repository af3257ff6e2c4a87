"""Every desk under the root at a glance, worst first: ours, and those of other bots that only write the files."""

from collections.abc import Callable
from typing import Any

import msgspec

from cockpit import light_view, wording
from cockpit.context import CockpitContext
from cockpit.files_seen import print_of
from cockpit.light_view import Mode, Standing
from cockpit.reader import Reader
from cockpit.tables import strategy_state
from state.layout import DeskPaths, desks
from state.light import LightState
from state.look import Look, look_at
from state.times import iso_from_us

MOST_DESKS = 60
"""Shown and looked at; a root with more is not watched by eye."""
_WORST_FIRST: dict[LightState, int] = {"red": 0, "not_live": 1, "yellow": 2, "green": 3}
_COMMANDS = ("stop", "pause", "flatten")


class DeskLook(msgspec.Struct, frozen=True, kw_only=True):
    """One look at one desk. `ever_ran` is whether it has a journal at all."""

    desk: str
    look: Look
    ever_ran: bool


class FleetDesk(msgspec.Struct, frozen=True, kw_only=True):
    """One desk's line. `detail` is the worst reason with its numbers, or what the desk does."""

    desk: str
    state: LightState
    word: str
    detail: str
    more: int
    standing: tuple[Standing, ...]
    mode: Mode
    session: str
    equity: str
    today: str
    drawdown: str
    net_delta: str
    own_shares: str
    age_limit_ms: float
    deliberate: bool
    """Stopped on purpose, or never started: nobody is waiting for it."""


class FleetView(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. `ages_ms` are the snapshots' ages when it was made, in the order of `desks`."""

    made_ms: float
    ages_ms: tuple[float | None, ...]
    desks: tuple[FleetDesk, ...]
    left_out: int


class FleetFiles:
    """The desks' files. The one rule: one caller at a time."""

    name = "fleet"

    def __init__(self, context: CockpitContext) -> None:
        self._context = context
        self._names: tuple[str, ...] = ()
        self._root_print: object = None

    def fingerprint(self) -> object:
        """Changes when a desk comes or goes, and when a snapshot or a control file changes."""
        root_print = print_of(str(self._context.root))
        if root_print != self._root_print:
            self._names, self._root_print = desks(self._context.root), root_print
        return root_print, tuple(
            print_of(path)
            for name in self._names[:MOST_DESKS]
            for path in _looked_at(DeskPaths(self._context.root, name))
        )

    def read(self, now_us: int) -> tuple[int, list[DeskLook], int]:
        """Look at every desk: the wall clock, the looks, and how many desks were left out."""
        self._names = desks(self._context.root)
        shown = self._names[:MOST_DESKS]
        looks = [look_at_desk(DeskPaths(self._context.root, name), now_us) for name in shown]
        return now_us, looks, len(self._names) - len(shown)

    def page(self, read: Any, reader: Reader) -> FleetView:
        """What one reader is shown of it."""
        now_us, looks, left_out = read
        return fleet(looks, now_us=now_us, left_out=left_out, reader=reader, command_of=self._context.beginning)


def look_at_desk(paths: DeskPaths, now_us: int) -> DeskLook:
    """One desk's files; `now_us` is the wall clock."""
    return DeskLook(desk=paths.desk, look=look_at(paths, now_us), ever_ran=paths.journal.is_dir())


def _looked_at(paths: DeskPaths) -> tuple[str, ...]:
    return (str(paths.snapshot), *(str(paths.control / name) for name in _COMMANDS))


def fleet(
    looks: list[DeskLook],
    *,
    now_us: int,
    left_out: int,
    reader: Reader,
    command_of: Callable[[str], str] | None = None,
) -> FleetView:
    """Put the lines together, worst first; desks that stand on purpose come last. Pure.

    `command_of` says how a command about a desk begins (`CockpitContext.beginning`).
    """
    lines = [(_line(each, iso_from_us(now_us), reader, command_of), each.look.light.age_ms) for each in looks]
    lines.sort(key=lambda line: (line[0].deliberate, _WORST_FIRST[line[0].state], line[0].desk))
    return FleetView(
        made_ms=now_us / 1000,
        ages_ms=tuple(age_ms for _, age_ms in lines),
        desks=tuple(line for line, _ in lines),
        left_out=left_out,
    )


def _line(seen: DeskLook, now_iso: str, reader: Reader, command_of: Callable[[str], str] | None) -> FleetDesk:
    name, look = seen.desk, seen.look
    snapshot = look.snapshot
    shown = light_view.shown_light(
        snapshot,
        look.light,
        desk=name,
        now_iso=now_iso,
        reader=reader,
        control=look.control,
        command=None if command_of is None else command_of(name),
    )
    state = None if snapshot is None else strategy_state(snapshot)
    codes = {reason.code for reason in look.light.reasons}
    worst = shown.reasons[0] if shown.reasons else None
    told = shown.headline if worst is None or "stopped" in codes else f"{worst.text} {worst.measured}".strip()
    return FleetDesk(
        desk=name,
        state=shown.state,
        word=shown.word,
        detail=told,
        more=max(0, len(shown.reasons) - 1),
        standing=shown.standing,
        mode=light_view.mode(snapshot, reader),
        session=light_view.session(snapshot, reader),
        equity=wording.usd(None if snapshot is None else snapshot.equity_usd),
        today=wording.usd(None if snapshot is None else snapshot.daily_pnl_usd, signed=True),
        drawdown=wording.drawdown(None if snapshot is None else snapshot.drawdown_pct),
        net_delta=wording.shares(None if state is None else state.greeks.net_delta_shares, signed=True),
        own_shares=wording.shares(None if snapshot is None else snapshot.own_shares, signed=True),
        age_limit_ms=shown.age_limit_ms,
        deliberate=look.light.word == "STOPPED" or ("snapshot_missing" in codes and not seen.ever_ran),
    )
