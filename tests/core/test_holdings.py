"""What the legs are: a remembered answer is always the one that would be made now."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.book import Book
from daemon.core.holdings import Holdings, HoldingsMemo, holdings
from daemon.core.instruments import InstrumentSpec
from daemon.core.ledger import ForeignFill, Ledger
from tests.support.core_driver import LEG, OPTION, STOCK

OTHER = "XYZ 20140719 P 70"
_PUT = msgspec.structs.replace(OPTION, instrument=OTHER, right="P", multiplier=50.0)


def book(quantities: dict[str, float], *specs: InstrumentSpec, fills: dict[str, ForeignFill] | None = None) -> Book:
    ledger = Ledger(ledger_id="L", underlying="XYZ", leg_quantities=quantities, foreign_fills=fills or {})
    return Book(desk="d", run_id="r", underlying="XYZ", ledger=ledger, specs={each.instrument: each for each in specs})


def test_a_leg_counts_with_what_others_traded_in_it_and_only_held_ones_have_shares() -> None:
    fills = {"e": ForeignFill(exec_key="e", instrument=LEG, signed_quantity=-3.0)}
    found = holdings((LEG, OTHER), book({LEG: 10.0}, STOCK, OPTION, _PUT, fills=fills))
    assert found == Holdings({LEG: 7.0, OTHER: 0.0}, {LEG: 100.0, OTHER: 50.0}, {LEG: 700.0})


@pytest.mark.parametrize("traded", [None, OTHER])
def test_without_a_multiplier_of_a_leg_there_is_no_answer(traded: str | None) -> None:
    fills = {"e": ForeignFill(exec_key="e", instrument=traded, signed_quantity=1.0)} if traded is not None else {}
    assert holdings((LEG,), book({LEG: 10.0}, STOCK, _PUT, fills=fills)) is None


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["quantities", "specs", "fills", "legs", "time"]),
        st.integers(0, 3),
    ),
    max_size=12,
)


@given(CHANGES)
def test_what_is_remembered_is_what_would_be_made_anew(changes: list[tuple[str, int]]) -> None:
    memo, now = HoldingsMemo(), book({LEG: 1.0}, STOCK, OPTION)
    legs: tuple[str, ...] = (LEG,)
    for what, number in changes:
        ledger = now.ledger
        if what == "quantities":
            ledger = msgspec.structs.replace(ledger, leg_quantities={LEG: 1.0, OTHER: float(number)})
        elif what == "fills":
            fill = ForeignFill(exec_key="e", instrument=(LEG, OTHER)[number % 2], signed_quantity=float(number))
            ledger = msgspec.structs.replace(ledger, foreign_fills={"e": fill} if number else {})
        elif what == "specs":
            now = msgspec.structs.replace(now, specs={LEG: OPTION, OTHER: _PUT} if number % 2 else {LEG: OPTION})
        elif what == "legs":
            legs = ((LEG,), (LEG, OTHER), (OTHER,), ())[number]
        now = msgspec.structs.replace(now, ledger=ledger, ts_us=now.ts_us + 1)
        assert memo.of(legs, now) == holdings(legs, now)
        assert memo.of(legs, now) == holdings(legs, now)
