"""Which commands can be given, by the light, the files and what the daemon said last."""

from typing import Any

import msgspec
import pytest

from cockpit.control_panel import Controls, controls
from cockpit.reader import Reader
from state.control import AssertedCommand, ControlRead
from state.light import Light, LightReason
from state.reasons import REASONS
from state.records import Snapshot
from tests.support.desk_player import DeskPlayer


def asserted(*names: Any) -> ControlRead:
    return ControlRead(files={name: AssertedCommand(name=name, since_us=0, age_ms=0) for name in names})


def because(code: str) -> LightReason:
    reason = REASONS[code]
    return LightReason(
        code=code, severity=reason.severity, word=reason.word, sentence=reason.sentence, detail=None, runbook=None,
        cleared_by=reason.cleared_by,
    )  # fmt: skip


def panel(snapshot: Snapshot | None, state: Any, control: ControlRead, *reasons: str) -> Controls:
    light = Light(state=state, word="?", reasons=tuple(because(code) for code in reasons))
    return controls(snapshot, light, control, (), Reader())


def enabled(found: Controls) -> set[str]:
    return {name for name, button in found.buttons.items() if button.enabled}


@pytest.mark.parametrize(
    ("state", "files", "daemon", "wanted", "dead"),
    [
        ("green", (), "running", {"stop", "pause", "flatten"}, False),
        ("yellow", ("pause",), "running", {"stop", "resume", "flatten"}, False),
        ("yellow", ("stop",), "stopping", {"pause", "flatten"}, False),
        ("yellow", ("flatten",), "running", {"stop", "pause", "withdraw"}, False),
        ("not_live", ("stop",), "stopped", {"start", "flatten"}, False),
        ("not_live", ("stop",), "running", {"start", "flatten"}, False),
        ("not_live", (), "running", {"stop", "pause", "flatten"}, True),
        ("not_live", (), "stopped", {"flatten"}, False),
    ],
)
def test_only_commands_that_make_sense_can_be_given(  # noqa: PLR0917 -- pytest passes them by name
    player: DeskPlayer, state: Any, files: tuple[Any, ...], daemon: str, wanted: set[str], dead: bool
) -> None:
    snapshot = msgspec.structs.replace(player.write(), daemon_state=daemon)
    found = panel(snapshot, state, asserted(*files))
    assert enabled(found) == wanted
    assert found.dead is dead


def test_a_desk_that_was_never_there_takes_no_command() -> None:
    assert enabled(panel(None, "not_live", asserted())) == set()


def test_a_stop_that_nobody_confirmed_is_not_called_stopped(player: DeskPlayer) -> None:
    snapshot = player.write()
    assert panel(snapshot, "not_live", asserted("stop")).buttons["stop"].label == "Stop stands"
    ended = msgspec.structs.replace(snapshot, daemon_state="stopped")
    assert panel(ended, "not_live", asserted("stop")).buttons["stop"].label == "Stopped"


def test_a_refused_flatten_can_be_asked_for_again_and_one_under_way_cannot(player: DeskPlayer) -> None:
    snapshot = player.write()
    refused = panel(snapshot, "red", asserted("flatten"), "stale_flatten").buttons["flatten"]
    assert (refused.label, refused.enabled) == ("Flatten again…", True)
    running = panel(snapshot, "yellow", asserted("flatten"), "flatten_asserted").buttons["flatten"]
    assert (running.label, running.enabled) == ("Flattening…", False)


def test_reset_is_there_while_a_halt_stands_and_only_then(player: DeskPlayer) -> None:
    snapshot = player.write()
    assert panel(snapshot, "green", asserted()).buttons["reset"].shown is False
    halted = panel(snapshot, "red", asserted(), "daily_loss").buttons["reset"]
    assert (halted.shown, halted.enabled) == (True, True)
    dead = panel(snapshot, "not_live", asserted(), "daily_loss").buttons["reset"]
    assert (dead.shown, dead.enabled) == (True, False)


def test_the_row_speaks_chinese(player: DeskPlayer) -> None:
    light = Light(state="green", word="OK")
    labels = {
        name: each.label
        for name, each in controls(player.write(), light, asserted(), (), Reader(language="zh")).buttons.items()
    }
    assert labels["stop"] == "停止交易"
    assert labels["flatten"] == "平仓…"
