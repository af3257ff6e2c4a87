"""The day's P&L in the cases that the recount's random sequences do not spell out."""

import pytest

from daemon.core.ledger import ForeignFill, Ledger
from daemon.core.pnl import day_pnl, leg_usd, settled_legs_usd, wear_per_10k, without_leg

LEG = "XYZ 20140719 C 70"
HUNDRED = {LEG: 100.0}


def ledger(**fields: object) -> Ledger:
    plain: dict[str, object] = {
        "ledger_id": "l",
        "underlying": "XYZ",
        "leg_quantities": {LEG: 10.0},
        "opening_marks": {LEG: 2.0},
    }
    return Ledger(**{**plain, **fields})  # type: ignore[arg-type]


def by_hand(signed: float, price: float | None) -> dict[str, ForeignFill]:
    return {"k": ForeignFill(exec_key="k", instrument=LEG, signed_quantity=signed, price=price)}


def legs_usd(of: Ledger, contracts: float, mark: float) -> float:
    pnl = day_pnl(of, {LEG: mark}, {LEG: contracts}, HUNDRED, "XYZ")
    assert pnl is not None
    return pnl.legs_usd


def test_contracts_bought_today_earn_from_their_price_on() -> None:
    bought = ledger(foreign_fills=by_hand(5.0, 2.3))
    assert legs_usd(bought, 15.0, 2.3) == pytest.approx(10 * 100 * 0.3)
    assert legs_usd(bought, 15.0, 2.5) == pytest.approx(10 * 100 * 0.5 + 5 * 100 * 0.2)
    assert leg_usd(bought, LEG, 15.0, 2.5, 100.0) == pytest.approx(600.0)


def test_a_leg_closed_by_hand_keeps_what_it_earned_whatever_its_mark_does() -> None:
    closed = ledger(foreign_fills=by_hand(-10.0, 2.6))
    for mark in (2.0, 9.0):
        assert legs_usd(closed, 0.0, mark) == pytest.approx(600.0)


def test_a_trade_before_the_leg_was_the_desks_counts_from_the_opening_mark() -> None:
    assert legs_usd(ledger(foreign_fills=by_hand(10.0, None), leg_quantities={LEG: 0.0}), 10.0, 2.5) == 500.0


def test_a_leg_let_go_is_settled_and_begins_anew_should_it_come_back() -> None:
    held = ledger(foreign_fills=by_hand(5.0, 2.3))
    before = legs_usd(held, 15.0, 2.5)
    gone = without_leg(held, LEG, contracts=15.0, mark=2.5, multiplier=100.0)
    assert settled_legs_usd(gone, HUNDRED) == pytest.approx(before)
    assert LEG not in gone.opening_marks
    back = ledger(legs_realised_usd=gone.legs_realised_usd, foreign_fills=gone.foreign_fills, opening_marks={LEG: 3.0})
    assert legs_usd(back, 15.0, 3.0) == pytest.approx(before)


def test_a_leg_without_any_price_makes_the_days_pnl_unknown() -> None:
    assert day_pnl(ledger(), {}, {LEG: 10.0}, HUNDRED, "XYZ") is None
    assert day_pnl(ledger(), {}, {LEG: 0.0}, HUNDRED, "XYZ") is not None


def test_wear_is_what_is_lost_per_ten_thousand_traded() -> None:
    assert wear_per_10k(-12.5, 50_000.0) == pytest.approx(2.5)
    assert wear_per_10k(100.0, 50_000.0) == pytest.approx(-20.0)
    assert wear_per_10k(-1.0, 0.0) is None
