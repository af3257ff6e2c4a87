"""What is still allowed while halts stand: the whole table."""

import itertools

import pytest

from config.schema import ControlSection
from daemon.core.ledger import Halt, Ledger
from daemon.core.posture import RISK_LIMITS, lowers, posture
from state.reasons import REASONS

RESETTABLE = sorted(code for code, reason in REASONS.items() if reason.cleared_by == "reset")
"""Every code that a latched halt may have."""


def ledger(*codes: str, sent: int = 0) -> Ledger:
    halts = tuple(Halt(code=code, since_us=0, detail=f"why {code}") for code in codes)
    return Ledger(ledger_id="L", halts=halts, reduce_orders=sent)


def test_without_a_halt_everything_is_allowed() -> None:
    for control in (ControlSection(), ControlSection(on_halt="reduce", max_reduce_orders=0)):
        assert posture(ledger(), control).name == "ACTIVE"


@pytest.mark.parametrize("on_halt", ["freeze", "reduce"])
@pytest.mark.parametrize("sent", [0, 2, 3, 4])
def test_every_halt_and_every_pair_of_halts(on_halt: str, sent: int) -> None:
    control = ControlSection(on_halt=on_halt, max_reduce_orders=3)  # type: ignore[arg-type]
    for codes in (*((code,) for code in RESETTABLE), *itertools.combinations(RESETTABLE, 2)):
        found = posture(ledger(*codes, sent=sent), control)
        reduces = on_halt == "reduce" and set(codes) <= {"daily_loss", "drawdown"} and sent < 3
        assert found.name == ("REDUCING" if reduces else "HALTED"), codes
        assert all(f"why {code}" in str(found.reason) for code in codes)


def test_only_the_risk_limits_may_be_softened() -> None:
    assert sorted(RISK_LIMITS) == ["daily_loss", "drawdown"]
    assert {"journal_failed", "overfill", "reconciliation_mismatch", "illegal_transition"} <= set(RESETTABLE)


def test_the_reason_counts_the_orders_that_are_left() -> None:
    control = ControlSection(on_halt="reduce", max_reduce_orders=3)
    assert "2 of 3 reducing orders sent" in str(posture(ledger("drawdown", sent=2), control).reason)
    assert "3 of 3 reducing orders sent" in str(posture(ledger("drawdown", sent=3), control).reason)


@pytest.mark.parametrize(
    ("net", "order", "does"),
    [(600, -500, True), (600, -1200, False), (600, -1199, True), (-600, 1, True), (600, 1, False), (0, 1, False)],
)
def test_what_lowers_net_delta(net: float, order: float, does: bool) -> None:
    assert lowers(net, order) is does
