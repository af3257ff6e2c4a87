"""Options found in the account: adopted by the structure gates, else shown; released when closed; and settlement."""

import msgspec
import pytest

from config.schema import Leg as DeclaredLeg
from daemon.core.effects import AnyEffect, PlaceOrder, RequestReconcile
from daemon.core.events import AnyEvent, BookRequest, Clock, Instruments, OptionQuote, PositionChanged, PositionItem
from daemon.core.instruments import InstrumentSpec, option_id
from daemon.core.presentation import present
from daemon.core.recovery import checkpoint, recover
from daemon.venues.feeds.tape import read_book
from state.reasons import REASONS
from state.records import JournalLine, JournalType, TapeCheckpoint
from state.times import iso_from_us
from tests.support.core_driver import CLOSE_US, LEG, OPTION, SECOND, SESSIONS, STOCK
from tests.support.scalper_driver import ScalperDriver, tuned

GATES = "gates__strategy__structure__"
DAY_US = 86_400 * SECOND


def put(days: int = 28, strike: float = 70.0) -> InstrumentSpec:
    """A put of so many days to expiry; the driver's session is 2014-06-05."""
    expiry = f"201406{5 + days:02d}" if days <= 25 else f"201407{days - 25:02d}"
    return msgspec.structs.replace(
        OPTION,
        instrument=option_id("XYZ", expiry, "P", strike),
        venue_id=round(100 * strike) + days,
        right="P",
        strike=strike,
        expiry=expiry,
        last_trade_ts_us=CLOSE_US + days * DAY_US,
    )


NEAR = put()
FOUND = NEAR.instrument


class Desk(ScalperDriver):
    """Adopts by default. `hold` changes a position by hand, as the account streams it."""

    def __init__(self, *, adopt: bool = True, **more: object) -> None:
        profile = tuned(**{GATES + "adopt": adopt, **more.pop("keys", {})})  # type: ignore[dict-item]
        super().__init__(own=profile, **more)  # type: ignore[arg-type]
        self.specs = [STOCK, OPTION]

    def hold(self, spec: InstrumentSpec, quantity: float, *, traded: bool = False) -> None:
        if traded:
            change = quantity - self.positions.get(spec.instrument, 0.0)
            side = "BUY" if change > 0 else "SELL"
            self.feed(self.execution(None, side, abs(change), 2.0, instrument=spec.instrument))
        self.positions[spec.instrument] = quantity
        item = PositionItem(instrument=spec.instrument, quantity=quantity, average_cost_usd=2.0, kind="option")
        self.feed(PositionChanged(ts_us=self.now_us, position=item))

    def describe(self, *specs: InstrumentSpec) -> None:
        self.specs += specs
        self.feed(Instruments(ts_us=self.now_us, specs=tuple(self.specs)))

    def option_quote(self, spec: InstrumentSpec, bid: float | None = 1.9, ask: float | None = 2.1) -> None:
        self.feed(OptionQuote(ts_us=self.now_us, instrument=spec.instrument, bid=bid, ask=ask))

    def legs(self) -> tuple[str, ...]:
        return self.core.strategy.legs(self.book.strategy, self.book)

    def shown(self) -> dict[str, object]:
        return present(self.core, self.book)

    def yellow(self, reason: str) -> str | None:
        """What the check that raises this reason measured; None while it does not."""
        found = [c for c in self.shown()["self_check"].checks if c.reason == reason]  # type: ignore[attr-defined]
        assert all(c.severity == REASONS[reason].severity for c in found)
        return found[0].measured if found else None


def settled(**more: object) -> Desk:
    """A desk at rest: its first hedges are filled, net delta is in band."""
    desk = Desk(**more)  # type: ignore[arg-type]
    desk.connect()
    desk.settle()
    desk.wait(120)
    desk.report("periodic")
    desk.quote()
    assert not desk.book.in_flight()
    return desk


def found(desk: Desk, spec: InstrumentSpec, quantity: float = -5.0) -> None:
    """A position appears and is described, reported and quoted, as the venue does it."""
    desk.hold(spec, quantity)
    desk.describe(spec)
    desk.report("option_found")
    desk.option_quote(spec)
    desk.tick()
    desk.quote()


def test_a_position_within_the_gates_becomes_a_leg_is_journaled_and_hedged() -> None:
    desk = settled()
    before, sent = desk.net_delta(), len(desk.orders())
    desk.hold(NEAR, -5.0, traded=True)
    assert [effect.reason for effect in desk.of(RequestReconcile)] == ["option_found"]
    desk.describe(NEAR)
    assert desk.legs() == (LEG,)  # a position alone may run ahead of its execution
    desk.report("option_found")
    desk.option_quote(NEAR)
    desk.quote()
    assert desk.legs() == (LEG, FOUND)
    line = desk.newest(JournalType.LEG_ADOPTED)
    assert (line.instrument, line.quantity, line.unit) == (FOUND, -5.0, "contract")
    assert desk.book.unexplained == ()
    assert len(desk.orders()) == sent  # the new leg's delta was not counted in that step
    assert desk.net_delta() - before > 150  # five short puts at the money
    desk.tick()
    desk.quote(70.49, 70.51)
    assert len(desk.orders()) == sent + 1
    assert desk.orders()[-1][0] == "SELL"
    shown = desk.shown()["strategy"]["legs"]  # type: ignore[index]
    assert [(leg["adopted"], leg["quantity"]) for leg in shown] == [(False, 10.0), (True, -5.0)]
    assert desk.yellow("option_not_hedged") is None


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (put(days=20), "20 days to expiry, gate 21 to 35"),
        (put(days=21), None),
        (put(days=35), None),
        (put(days=36), "36 days to expiry, gate 21 to 35"),
        (put(strike=67.9), None),  # exactly 3 % of 70
        (put(strike=67.89), "strike -3.01 % from the price, gate 3 %"),
        (put(strike=72.1), None),
        (put(strike=72.11), "strike +3.01 % from the price, gate 3 %"),
    ],
)
def test_the_gates_at_and_around_their_ends(spec: InstrumentSpec, why: str | None) -> None:
    desk = settled()
    found(desk, spec)
    assert (spec.instrument in desk.legs()) is (why is None)
    assert desk.yellow("option_not_hedged") == (None if why is None else f"{spec.instrument}: {why}")


def test_without_adoption_the_option_is_shown_counted_in_the_account_and_never_hedged() -> None:
    desk = settled(adopt=False)
    own = desk.net_delta()
    assert desk.shown()["account_net_delta_shares"] == pytest.approx(own)
    desk.hold(NEAR, -5.0)
    assert desk.shown()["account_net_delta_shares"] is None  # a contract that nobody has described has no delta
    assert desk.yellow("option_not_hedged") == f"{FOUND}: the venue has not described the contract"
    desk.describe(NEAR)
    desk.report("option_found")
    desk.option_quote(NEAR)
    desk.tick()
    desk.quote()
    assert desk.legs() == (LEG,)
    assert desk.net_delta() == pytest.approx(own, abs=1)
    shown = desk.shown()
    assert shown["account_net_delta_shares"] - desk.net_delta() > 150  # type: ignore[operator]
    positions = {p.instrument: p for p in shown["positions"]}  # type: ignore[attr-defined]
    assert (positions[FOUND].own, positions[FOUND].foreign) == (0.0, -5.0)
    assert (positions[FOUND].price, positions[FOUND].value_usd) == (2.0, -1000.0)
    quoted = {quote.symbol: quote.bid for quote in shown["instruments"]}  # type: ignore[attr-defined]
    assert list(quoted) == ["XYZ", LEG, FOUND]
    assert quoted[FOUND] == 1.9
    assert desk.yellow("option_not_hedged") == f"{FOUND}: gates.strategy.structure.adopt is false"
    desk.hold(NEAR, 0.0)
    assert desk.yellow("option_not_hedged") is None
    assert desk.shown()["account_net_delta_shares"] == pytest.approx(desk.net_delta())


def test_options_of_another_stock_are_none_of_this_desks_business() -> None:
    desk = settled()
    desk.hold(msgspec.structs.replace(NEAR, instrument="XY 20140703 P 70", symbol="XY"), 3.0)
    assert desk.yellow("option_not_hedged") is None
    assert desk.of(RequestReconcile) == []


def test_a_found_option_waits_ten_seconds_for_a_quote_and_then_blocks_rather_than_being_left_out() -> None:
    desk = settled(keys={"greeks__volatility": "implied"})
    desk.option_quote(OPTION)
    desk.quote()
    desk.hold(NEAR, -5.0)
    desk.describe(NEAR)
    desk.report("option_found")
    desk.quote()
    assert desk.yellow("option_not_hedged") == f"{FOUND}: waits for its first quote"
    assert desk.book.strategy.codes.s == 0
    for _ in range(10):
        desk.tick()
        desk.quote()
    assert desk.legs() == (LEG, FOUND)
    desk.quote()
    assert desk.book.strategy.codes.s == 1
    desk.option_quote(NEAR)
    desk.quote()
    assert desk.book.strategy.codes.s == 0


def test_an_adopted_leg_survives_a_restart_before_the_venue_has_described_it_again() -> None:
    desk = settled()
    found(desk, NEAR)
    desk.quote()
    desk.settle()
    delta = desk.net_delta()
    later = Desk(recovered=recover(desk.lines), run_id="later")
    assert later.legs() == (LEG, FOUND)  # from the first snapshot on
    later.now_us, later.positions, later.executions = desk.now_us, desk.positions, desk.executions
    later.connect()
    assert later.legs() == (LEG, FOUND)
    assert later.net_delta() == pytest.approx(delta, abs=0.1)
    assert later.book.unexplained == ()


def test_a_closed_leg_stays_for_its_day_and_is_released_on_the_next() -> None:
    desk = settled()
    found(desk, NEAR)
    desk.settle()
    desk.hold(NEAR, 0.0, traded=True)
    desk.report("periodic")
    assert desk.book.unexplained == ()
    assert desk.legs() == (LEG, FOUND)  # the day's result is not lost
    desk.executions = []
    desk.now_us = SESSIONS[1].open_us + 60 * SECOND
    desk.feed(Clock(ts_us=desk.now_us))
    desk.report("periodic")
    assert desk.legs() == (LEG,)
    line = desk.newest(JournalType.LEG_RELEASED)
    assert (line.instrument, line.reason) == (FOUND, "closed or settled")
    again = recover(desk.lines).ledger
    assert again is not None
    assert (again.adopted_legs, again.leg_quantities) == ({}, {LEG: 10.0})


def test_a_profile_that_adopts_no_more_lets_go_of_what_was_adopted() -> None:
    desk = settled()
    found(desk, NEAR)
    desk.settle()
    later = Desk(adopt=False, recovered=recover(desk.lines), run_id="later")
    later.now_us, later.positions, later.executions = desk.now_us, desk.positions, desk.executions
    later.connect()
    assert later.legs() == (LEG,)
    assert later.newest(JournalType.LEG_RELEASED).reason == "gates.strategy.structure.adopt is false"
    assert later.yellow("option_not_hedged") is not None
    ledger = later.book.ledger
    assert (set(ledger.leg_quantities), set(ledger.opening_marks)) == ({LEG}, {LEG})


def test_what_a_released_leg_earned_stays_in_the_days_result() -> None:
    desk = settled()
    found(desk, NEAR)
    desk.settle()
    desk.wait(1)
    desk.option_quote(NEAR, 2.9, 3.1)  # five short puts, a dollar dearer
    desk.wait(1)
    desk.quote()
    assert desk.book.day.pnl is not None
    before = desk.book.day.pnl.total_usd
    assert before < -450
    later = Desk(adopt=False, recovered=recover([*desk.lines, _checkpoint(desk)]), run_id="later")
    later.now_us, later.positions, later.executions = desk.now_us, desk.positions, desk.executions
    later.connect()
    assert later.legs() == (LEG,)
    assert later.book.day.pnl is not None
    assert later.book.day.pnl.total_usd == pytest.approx(before, abs=1)


def _checkpoint(desk: Desk) -> JournalLine:
    """The line that the desk would write now."""
    data = checkpoint(desk.book).data
    return msgspec.structs.replace(desk.newest(JournalType.LEDGER_CHECKPOINT), data=data)


def test_an_adopted_leg_that_the_profile_declares_by_now_is_released_and_hedged_on() -> None:
    desk = settled()
    found(desk, NEAR)
    desk.settle()
    declared = msgspec.structs.replace(
        tuned(**{GATES + "adopt": False}),
        legs=(*desk.core.profile.legs, DeclaredLeg(right="put", strike=70.0, expiry="2014-07-03")),
    )
    later = ScalperDriver(own=declared, recovered=recover(desk.lines), run_id="later")
    later.now_us, later.positions, later.executions = desk.now_us, desk.positions, desk.executions
    later.connect()
    assert later.core.strategy.legs(later.book.strategy, later.book) == (LEG, FOUND)
    assert later.book.ledger.adopted_legs == {}
    assert later.book.ledger.leg_quantities == {LEG: 10.0, FOUND: -5.0}
    assert later.book.unexplained == ()


def test_a_leg_that_drifts_out_of_the_gates_is_hedged_on_and_shown_yellow() -> None:
    desk = settled()
    found(desk, NEAR)
    desk.settle()
    assert desk.yellow("leg_outside_gates") == f"{LEG}: 44 days to expiry, gate 21 to 35"  # the declared one
    desk.tick(60)
    desk.quote(74.99, 75.01)
    assert f"{FOUND}: strike -6.67 % from the price, gate 3 %" in str(desk.yellow("leg_outside_gates"))
    assert desk.legs() == (LEG, FOUND)
    assert desk.orders()[-1][0] == "SELL"
    assert settled(adopt=False).yellow("leg_outside_gates") is None  # declared legs need no gate


def test_from_expiry_to_the_acknowledged_settlement_the_desk_pauses_and_then_goes_on() -> None:
    """Assigned on short puts: contracts vanish, shares appear, and no execution says why."""
    keys = {GATES + "min_dte": 0}
    desk = settled(keys=keys)
    soon = put(days=0)
    found(desk, soon)
    desk.quote()
    desk.settle()
    assert soon.instrument in desk.legs()
    desk.now_us = SESSIONS[1].open_us + 120 * SECOND
    desk.quote(68.99, 69.01)
    desk.tick()
    desk.quote(68.99, 69.01)
    sent = len(desk.orders())
    assert desk.book.strategy.refused == "leg_settlement"
    assert desk.yellow("leg_settlement") == soon.instrument
    desk.hold(soon, 0.0)
    desk.positions["XYZ"] += 500.0
    stock = PositionItem(instrument="XYZ", quantity=desk.positions["XYZ"], average_cost_usd=70.0, kind="stock")
    desk.feed(PositionChanged(ts_us=desk.now_us, position=stock))
    assert set(desk.book.unexplained) == {"XYZ", soon.instrument}
    desk.report("position_unexplained")
    desk.tick()
    desk.quote(68.99, 69.01)
    assert len(desk.orders()) == sent
    desk.feed(
        BookRequest(
            ts_us=desk.now_us,
            request_id="a",
            command="acknowledge",
            shares=500.0,
            by="op",
            reason="assigned",
            age_ms=1.0,
        )
    )
    assert desk.newest(JournalType.BOOK_ACKNOWLEDGED).reason == "assigned"
    assert desk.book.unexplained == ()
    assert desk.yellow("leg_settlement") is None
    desk.tick()
    desk.quote(68.99, 69.01)
    assert len(desk.orders()) == sent + 1  # the remaining leg is hedged again; the 500 are foreign, and stay
    assert desk.book.foreign_shares == 500.0


def test_old_checkpoints_without_adopted_legs_are_read() -> None:
    desk = settled(adopt=False)
    newest = [line for line in desk.lines if line.type is JournalType.LEDGER_CHECKPOINT][-1]
    assert newest.data is not None
    newest.data["ledger"].pop("adopted_legs")
    again = recover([newest]).ledger
    assert again is not None
    assert again.adopted_legs == {}


def test_a_tape_that_begins_while_an_option_is_found_replays_its_adoption() -> None:
    desk = settled()
    desk.hold(NEAR, -5.0)
    desk.describe(NEAR)
    told = msgspec.Raw(msgspec.json.encode(desk.book))
    moment = iso_from_us(desk.now_us)
    start = TapeCheckpoint(schema=1, desk="desk", run_id="run", tape_seq=1, ts=moment, wall_ts=moment, checkpoint=told)
    book = read_book(start, desk.core.strategy)
    assert book == desk.book
    events: list[AnyEvent] = []
    live = desk.feed

    def taped(event: AnyEvent) -> list[AnyEffect]:
        events.append(event)
        return live(event)

    desk.feed = taped  # type: ignore[method-assign]
    desk.report("option_found")
    desk.option_quote(NEAR)
    desk.quote()
    desk.tick()
    desk.quote(70.49, 70.51)
    assert FOUND in desk.legs()
    assert desk.book.in_flight()
    again: list[AnyEffect] = []
    for event in events:
        book, effects = desk.core.step(book, event)
        again += effects
    assert book == desk.book
    assert [effect for effect in again if isinstance(effect, PlaceOrder)] == desk.of(PlaceOrder)[-1:]
