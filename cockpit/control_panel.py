"""Which commands make sense now, in what words, and whether anybody would obey them. Pure."""

import msgspec

from cockpit.flatten_preview import UNDONE
from cockpit.reader import Reader
from cockpit.receipts import Receipt
from state.control import ControlRead
from state.light import Light
from state.records import Snapshot


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """One control: its words, whether it may be pressed, and if not why."""

    label: str
    enabled: bool
    shown: bool = True
    why: str = ""


class Controls(msgspec.Struct, frozen=True, kw_only=True):
    """The row of controls. `dead`: no daemon answers, so nothing may look alive; stop and pause still write a file."""

    buttons: dict[str, Button]
    dead: bool
    note: str
    receipts: tuple[Receipt, ...]


def controls(
    snapshot: Snapshot | None, light: Light, control: ControlRead, receipts: tuple[Receipt, ...], reader: Reader
) -> Controls:
    """The row. A desk that was stopped on purpose can still be started or flattened."""
    stopped = snapshot is not None and snapshot.daemon_state == "stopped"
    down = light.state == "not_live"
    # A stop that stands is what keeps the desk down, also when the daemon could not say goodbye.
    held = down and ("stop" in control.files or stopped)
    dead = down and not held
    return Controls(
        buttons={
            "stop": _stop(snapshot, control, reader, held=held, dead=dead),
            "pause": _pause(snapshot, control, reader, down=down, dead=dead),
            "resume": _resume(control, reader, down=down),
            "start": _start(control, reader, held=held),
            "reset": _reset(light, reader, down=down),
            "withdraw": Button(
                label=reader.say("controls.withdraw"),
                enabled="flatten" in control.files,
                shown="flatten" in control.files,
            ),
            "flatten": _flatten(snapshot, light, control, reader),
        },
        dead=dead,
        note=_progress(snapshot),
        receipts=receipts,
    )


def _stop(snapshot: Snapshot | None, control: ControlRead, reader: Reader, *, held: bool, dead: bool) -> Button:
    stands = "stop" in control.files
    stopped = snapshot is not None and snapshot.daemon_state == "stopped"
    if held:
        # A file alone does not prove that anything has ended.
        label = "stopped" if stopped else "stop_stands"
    else:
        label = "stopping" if stands else "stop_unanswered" if dead else "stop"
    return Button(
        label=reader.say(f"controls.{label}"),
        enabled=not stands and not held and snapshot is not None,
        why=reader.say("controls.why.stands" if stands else "controls.why.not_running"),
    )


def _pause(snapshot: Snapshot | None, control: ControlRead, reader: Reader, *, down: bool, dead: bool) -> Button:
    stands = "pause" in control.files
    return Button(
        label=reader.say("controls.paused" if stands else "controls.pause_unanswered" if dead else "controls.pause"),
        enabled=not stands and (not down or dead) and snapshot is not None,
        why=reader.say("controls.why.stands" if stands else "controls.why.not_running"),
    )


def _resume(control: ControlRead, reader: Reader, *, down: bool) -> Button:
    stands = "pause" in control.files
    return Button(
        label=reader.say("controls.resume"),
        enabled=stands and not down,
        shown=stands,
        why=reader.say("controls.why.not_running" if stands else "controls.why.nothing_paused"),
    )


def _start(control: ControlRead, reader: Reader, *, held: bool) -> Button:
    stands = "stop" in control.files
    return Button(
        label=reader.say("controls.start"),
        enabled=held and stands,
        shown=stands,
        why=reader.say("controls.why.still_stopping"),
    )


def _reset(light: Light, reader: Reader, *, down: bool) -> Button:
    halted = any(reason.cleared_by == "reset" for reason in light.reasons)
    return Button(
        label=reader.say("controls.reset"),
        enabled=halted and not down,
        shown=halted,
        why=reader.say("controls.why.not_running"),
    )


def _flatten(snapshot: Snapshot | None, light: Light, control: ControlRead, reader: Reader) -> Button:
    """A hung daemon is killed for it by its supervisor; one that cannot start within 60 s is refused, never late."""
    stands = "flatten" in control.files
    undone = stands and any(reason.code in UNDONE for reason in light.reasons)
    label = "flatten_again" if undone else "flattening" if stands else "flatten"
    return Button(
        label=reader.say(f"controls.{label}"),
        enabled=snapshot is not None and (not stands or undone),
        why=reader.say("controls.why.not_running" if snapshot is None else "controls.why.stands"),
    )


def _progress(snapshot: Snapshot | None) -> str:
    """How far a command has come; since when and by whom it stands is among the light's reasons."""
    if snapshot is None:
        return ""
    return " · ".join(f"{mark.name}: {mark.progress}" for mark in snapshot.control if mark.progress)
