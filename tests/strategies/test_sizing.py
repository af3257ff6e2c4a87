import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import HedgeGate
from daemon.strategies.gamma_scalper.sizing import size_hedge
from tests.support.scalper import STOCK

GATE = HedgeGate()


@pytest.mark.parametrize(
    ("deviation", "shares"),
    [(30.5, -31), (-30.5, 31), (30.4, -30), (-30.4, 30), (10.0, -10), (499.5, -500), (25.5, -26)],
)
def test_halves_go_away_from_zero(deviation: float, shares: float) -> None:
    assert size_hedge(deviation, STOCK, GATE).shares == shares


@pytest.mark.parametrize(("deviation", "shares", "capped"), [(500, -500, False), (501, -500, True), (-1200, 500, True)])
def test_one_order_is_capped(deviation: float, shares: float, capped: bool) -> None:
    size = size_hedge(deviation, STOCK, GATE)
    assert (size.shares, size.capped) == (shares, capped)


@pytest.mark.parametrize(("deviation", "refused"), [(9.4, True), (9.5, False), (0.0, True)])
def test_the_smallest_hedge(deviation: float, refused: bool) -> None:
    size = size_hedge(deviation, STOCK, GATE)
    assert (size.refusal == "min_hedge_shares") is refused
    assert (size.shares == 0) is refused


def test_sizes_stand_on_the_instruments_steps() -> None:
    lots = msgspec.structs.replace(STOCK, size_step=100.0, min_size=100.0)
    assert size_hedge(-250, lots, GATE).shares == 200
    assert size_hedge(-99, lots, GATE).refusal == "min_hedge_shares"


@pytest.mark.parametrize("missing", ["size_step", "min_size", "price_tick"])
def test_unknown_constraints_refuse(missing: str) -> None:
    size = size_hedge(100, msgspec.structs.replace(STOCK, **{missing: None}), GATE)
    assert (size.refusal, size.shares) == ("instrument_constraints_missing", 0)
    assert missing in str(size.measured)
    assert size_hedge(100, None, GATE).refusal == "instrument_constraints_missing"


@given(st.floats(-3000, 3000), st.sampled_from([1.0, 10.0, 100.0]), st.floats(0.1, 50), st.floats(1, 900))
def test_a_hedge_always_lowers_the_deviation_and_keeps_its_caps(
    deviation: float, step: float, smallest: float, cap: float
) -> None:
    gate = HedgeGate(min_hedge_shares=smallest, max_hedge_shares_per_order=cap)
    size = size_hedge(deviation, msgspec.structs.replace(STOCK, size_step=step), gate)
    if size.refusal is None:
        assert abs(deviation + size.shares) < abs(deviation)
        assert smallest - 1e-9 <= abs(size.shares) <= cap + 1e-9
        assert abs(size.shares) % step == pytest.approx(0)
    else:
        assert size.shares == 0
