"""What a profile's simulator section becomes."""

from pathlib import Path

from msgspec.structs import replace

from config.loader import load_profile
from config.schema import SimulatedOrder, SimulatedPosition, Simulator
from daemon.simulator.market_choice import build_exchange, market_source
from state.times import us_from_iso


def test_a_profile_becomes_an_account_with_positions_and_foreign_orders(tmp_path: Path) -> None:
    demo = load_profile("demo").profile
    settings = Simulator(
        account="DU0000009",
        cash_usd=5_000.0,
        synthetic=replace(demo.simulator.synthetic, start_date=None) if demo.simulator else None,  # type: ignore[arg-type]
        positions=(
            SimulatedPosition(quantity=-3, average_price=101.0),
            SimulatedPosition(quantity=2, right="put", strike=90.0, expiry="2026-06-19"),
        ),
        foreign_orders=(
            SimulatedOrder(side="SELL", quantity=5, limit_price=150.0),
            SimulatedOrder(side="BUY", quantity=5, limit_price=50.0, client_id=8),
        ),
    )
    saturday_us = us_from_iso("2026-01-10T15:00:00.000000Z")
    exchange = build_exchange(demo, settings, base=tmp_path, wall_us=saturday_us)
    exchange.advance()
    assert exchange.market.sessions[0].date == "2026-01-09", "no start date means the newest session day"
    assert [contract.instrument for contract in exchange.contracts] == [
        "DEMO",
        "DEMO 20260619 C 100",
        "DEMO 20260619 P 100",
        "DEMO 20260619 P 90",
    ]
    assert {p.instrument: p.quantity for p in exchange.positions()} == {"DEMO": -3, "DEMO 20260619 P 90": 2}
    assert [(o.ticket.client_id, o.ticket.order_id, o.ticket.limit_price) for o in exchange.open_orders()] == [
        (0, -1, 150.0),
        (8, 2, 50.0),
    ]
    assert exchange.next_order_id(8) == 3
    assert market_source(demo, settings) == "synthetic:7 DEMO"
    assert market_source(demo, replace(settings, replay="lean:d:DEMO:20260105")) == "lean:d:DEMO:20260105"


def test_a_profile_may_limit_fills_to_the_displayed_size(tmp_path: Path) -> None:
    demo = load_profile("demo").profile
    assert demo.simulator is not None
    filled: dict[bool, float] = {}
    for limited in (False, True):
        settings = replace(demo.simulator, fill_displayed_size=limited)
        exchange = build_exchange(demo, settings, base=tmp_path, wall_us=us_from_iso("2026-01-10T15:00:00.000000Z"))
        exchange.advance()
        quote = exchange.quote("DEMO")
        assert quote is not None
        before = exchange.position("DEMO").quantity
        exchange.trade_by_hand("DEMO", "BUY", quote.ask_size + 500, limit_price=quote.ask)
        filled[limited] = exchange.position("DEMO").quantity - before - quote.ask_size
    assert filled == {False: 500, True: 0}
