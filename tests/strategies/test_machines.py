import importlib.util
from pathlib import Path
from typing import Any

import pytest

from daemon.core.fsm import IllegalTransitionError, Machine
from daemon.strategies.gamma_scalper.hedge_fsm import HEDGE, HedgeState, HedgeTrigger
from daemon.strategies.gamma_scalper.trading_fsm import TRADING, TradingState, TradingTrigger

DOCS = Path(__file__).parents[2] / "docs"
T, S = TradingTrigger, TradingState

# The answer file of TradingFSM, written by hand: where each finding leads, and from where it may come.
LEADS_TO = {
    T.SYNCING: S.SYNC,
    T.UNSAFE: S.SAFE,
    T.ORDER_IN_FLIGHT: S.HEDGING,
    T.ORDER_REVIVED: S.HEDGING,
    T.NO_LEGS: S.IDLE,
    T.FORBIDDEN: S.NO_TRADE,
    T.IN_BAND: S.ARMED,
    T.MINOR: S.MONITOR,
    T.ILLIQUID: S.PAUSE_LIQ,
    T.COST_GATE: S.PAUSE_COST,
    T.HEDGE_NEEDED: S.NEED_HEDGE,
}
MAY_WATCH_AN_ORDER = {S.SYNC, S.NEED_HEDGE, S.HEDGING, S.SAFE}


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize("trigger", list(T))
def test_every_pair_of_the_trading_table(state: TradingState, trigger: TradingTrigger) -> None:
    expected: TradingState | None
    if trigger is T.OFFLINE:
        expected = S.BOOT if state in (S.BOOT, S.SYNC) else S.SAFE
    elif state is S.BOOT:
        expected = S.SYNC if trigger is T.SYNCING else None
    elif trigger is T.ORDER_IN_FLIGHT and state not in MAY_WATCH_AN_ORDER:
        expected = None
    else:
        expected = LEADS_TO[trigger]
    assert_pair(TRADING, state, trigger, expected)


LIVES = {
    "acked": "WORKING",
    "part_filled": "PARTIAL",
    "cancel_sent": "CANCEL",
    "lost_sight": "RECOVER",
    "repriced": "REPRICE",
}
ENDS = {"all_filled": "FILLED", "cancelled": "FAIL", "rejected": "FAIL"}
HEDGE_ANSWERS: dict[str, dict[str, str]] = {
    "EXEC_IDLE": {"wished": "PLAN", "intended": "SEND", "sent": "WAIT_ACK", **LIVES},
    "PLAN": {"dropped": "EXEC_IDLE", "intended": "SEND", "sent": "WAIT_ACK", "blocked": "FAIL", **LIVES, **ENDS},
    "SEND": {"intended": "SEND", "sent": "WAIT_ACK", "blocked": "FAIL", **LIVES, **ENDS},
    "WAIT_ACK": {"sent": "WAIT_ACK", **LIVES, **ENDS},
    "WORKING": {**LIVES, **ENDS},
    "PARTIAL": {**LIVES, **ENDS},
    "REPRICE": {**LIVES, **ENDS},
    "CANCEL": {**LIVES, **ENDS},
    "RECOVER": {**LIVES, **ENDS},
    "FILLED": {"settled": "EXEC_IDLE", **LIVES},
    "FAIL": {"settled": "EXEC_IDLE", **LIVES},
}


@pytest.mark.parametrize("state", list(HedgeState))
@pytest.mark.parametrize("trigger", list(HedgeTrigger))
def test_every_pair_of_the_hedge_table(state: HedgeState, trigger: HedgeTrigger) -> None:
    answer = HEDGE_ANSWERS[state.value].get(trigger.value)
    assert_pair(HEDGE, state, trigger, None if answer is None else HedgeState(answer))


def assert_pair(machine: Machine[Any, Any], state: Any, trigger: Any, expected: Any) -> None:
    if expected is None:
        with pytest.raises(IllegalTransitionError, match=f"{machine.name}: {trigger} is illegal in {state}"):
            machine.next(state, trigger)
    else:
        assert machine.next(state, trigger) is expected


def test_the_designs_states_are_all_there_and_no_others() -> None:
    trading = "BOOT SYNC IDLE ARMED MONITOR NO_TRADE PAUSE_COST PAUSE_LIQ NEED_HEDGE HEDGING SAFE"
    assert " ".join(s.value for s in S) == trading
    hedge = "EXEC_IDLE PLAN SEND WAIT_ACK WORKING PARTIAL REPRICE CANCEL RECOVER FILLED FAIL"
    assert " ".join(s.value for s in HedgeState) == hedge


def test_safe_has_a_way_out_by_every_finding_that_is_not_unsafe() -> None:  # defect 7
    for trigger in LEADS_TO.keys() - {T.UNSAFE}:
        assert TRADING.next(S.SAFE, trigger) is not S.SAFE


def test_the_drawn_page_is_equal_to_the_tables() -> None:
    spec = importlib.util.spec_from_file_location("draw_machines", DOCS / "draw_machines.py")
    assert spec is not None
    assert spec.loader is not None
    drawing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawing)
    assert (DOCS / "machines.md").read_text(encoding="utf-8") == drawing.page(), "run docs/draw_machines.py"
