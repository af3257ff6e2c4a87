"""Every reason code that the code can utter is one that the registry (and so light and runbook) knows."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from daemon.core.book import EMBARGO_CODES, Book, ControlState, DiskView, LinkView, PacingView, embargoes
from daemon.core.consent import Code
from daemon.core.events import Clock, ControlFile, Window
from daemon.core.ledger import SALVAGED, Halt
from daemon.core.link_fsm import LinkState
from daemon.core.self_check import self_check
from daemon.runtime.app import __file__ as app_file
from state.reasons import REASONS
from tests.support.scalper import CLOSE, NOON, Desk, S, ready
from tests.support.scalper_driver import ScalperDriver

DAEMON = Path(app_file).parent.parent
_POSITION = {"halt": 0, "_refuse": 1}
"""Where a call of this name carries its code."""


def _codes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        position = _POSITION.get(name)
        said: list[ast.expr] = []
        if position is not None and len(node.args) > position:
            said.append(node.args[position])
        if name in ("_check", "Check"):
            said += [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
        for expression in said:
            for part in _outcomes(expression):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def _outcomes(expression: ast.expr) -> Iterator[ast.expr]:
    if isinstance(expression, ast.IfExp):
        yield from _outcomes(expression.body)
        yield from _outcomes(expression.orelse)
    else:
        yield expression


def test_every_halt_refusal_and_check_has_its_reason() -> None:
    said: dict[str, str] = {}
    for path in sorted((*DAEMON.glob("core/*.py"), *DAEMON.glob("strategies/**/*.py"))):
        if path.name == "ownership.py":
            continue  # its `_refuse` takes a sentence, not a code
        for code in _codes(ast.parse(path.read_text())):
            said[code] = path.name
    assert {"overfill", "flatten_unconfirmed", "journal_failed", "reject_backoff"} <= set(said)
    assert {code: where for code, where in said.items() if code not in REASONS} == {}


def test_every_refusal_over_a_number_has_its_reason() -> None:
    assert [code for code in get_args(Code) if code not in REASONS] == []
    assert SALVAGED in REASONS


def test_every_embargo_has_its_reason() -> None:
    assert [code for code in EMBARGO_CODES if code not in REASONS] == []


_FLATTEN = ControlFile(name="flatten", since_us=1, age_ms=0.0)
_EMBARGOED: dict[str, dict[str, Any]] = {
    "journal_failed": {"journal_failed": "disk full"},
    "halted": {"ledger__halts": (Halt(code="overfill", since_us=1, detail="x"),)},
    "disk_low": {"disk": DiskView(low=True)},
    "link_down": {"link": LinkView(state=LinkState.DOWN)},
    "link_not_synced": {"link": LinkView(state=LinkState.UP_UNSYNCED)},
    "restart_window": {"restart_windows": (Window(start_us=NOON + 60 * S, end_us=NOON + 90 * S),)},
    "pacing": {"pacing": PacingView(queued_since_us=1)},
    "not_reconciled": {"reconciled": False},
    "unknown_outcome": {"unknown_orders": ("test.L.1",)},
    "position_unexplained": {"unexplained": ("TWX",)},
    "reject_backoff": {"ledger__reject_until_us": NOON + 1},
    "foreign_unacknowledged": {"ledger__foreign_acknowledged": None},
    "stop_asserted": {"stop_signal": "SIGTERM"},
    "flatten_asserted": {"control": ControlState(flatten=_FLATTEN)},
    "paused": {"control": ControlState(pause=msgspec.structs.replace(_FLATTEN, name="pause"))},
    "control_unreadable": {"control": ControlState(readable=False)},
}


def _embargoed(*codes: str) -> Book:
    desk = Desk()
    for code in codes:
        for key, value in _EMBARGOED[code].items():
            section, _, field = key.rpartition("__")
            if section:
                desk.put_ledger(**{field: value})
            else:
                desk.put(**{field: value})
    return desk.book


def test_each_embargo_stands_alone_and_all_come_in_their_order() -> None:
    assert list(_EMBARGOED) == list(EMBARGO_CODES)
    assert embargoes(Desk().book) == ()
    for code in EMBARGO_CODES:
        assert embargoes(_embargoed(code)) == (code,)
    together = [code for code in EMBARGO_CODES if code not in ("link_down", "paused", "flatten_asserted")]
    assert embargoes(_embargoed(*together)) == tuple(together)


ROOT = DAEMON.parent
_SPEAKERS = ("daemon", "state", "cockpit", "cli")


def _said(path: Path) -> set[str]:
    """Every text in a module that is not the prose of a docstring."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose)
    return {node.value for node in constants if isinstance(node.value, str)}


def test_every_registered_reason_is_uttered_by_something() -> None:
    registry = ROOT / "state" / "reasons.py"
    paths = [path for folder in _SPEAKERS for path in (ROOT / folder).rglob("*.py") if path != registry]
    said = set().union(*(_said(path) for path in paths))
    said |= {code for code in REASONS for page in (ROOT / "cockpit").rglob("*.js") if code in page.read_text()}
    assert len(paths) > 100
    assert [code for code in REASONS if code not in said] == []


def test_a_closed_session_raises_nothing_that_counts_only_while_it_is_open() -> None:
    desk = ready()
    desk.quote(70.0, spread=10.0)
    desk.on(Clock(ts_us=CLOSE + 3600 * S))
    desk.put(quotes={})
    desk.decide()
    desk.put(strategy=desk.state, synced_once=True)
    desk.put_ledger(own_shares=100.0)
    found = self_check(desk.profile, desk.strategy, desk.book)
    assert found.status != "ok"  # the greeks are gone, whatever the hour
    raised = {check.reason for check in found.checks if not check.ok}
    assert raised & {code for code, reason in REASONS.items() if reason.only_when_open} == set()


def test_every_check_of_a_calm_desk_shows_what_it_measured_against_which_limit() -> None:
    driver = ScalperDriver()
    driver.connect()
    driver.settle()
    for _ in range(3):  # a data reason takes two clean seconds to clear
        driver.tick()
        driver.quote()
    found = self_check(driver.core.profile, driver.core.strategy, driver.book)
    assert found.status == "ok", [check for check in found.checks if not check.ok]
    assert [check.name for check in found.checks if check.measured is None or check.limit is None] == []
    assert len({check.name for check in found.checks}) == len(found.checks)
