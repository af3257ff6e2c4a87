"""What the broker said, without a socket: orders, fills, commissions and positions in any order of arrival."""

from datetime import UTC, datetime

from ib_async import Contract, Execution, Order

from daemon.core.events import AnyEvent, Commission, OrderReport, PositionChanged
from daemon.core.events import Execution as ExecutionEvent
from daemon.venues.ib.broker_book import BrokerBook, OwnOrders, order_key
from daemon.venues.ib.errors import OrderMeaning
from daemon.venues.ib.translate import Contracts, KnownOrder

STOCK = Contract(conId=11, symbol="ABC", secType="STK")
OWN = "desk.ab12.1"


def make_book(own: OwnOrders | None = None, *, synced: bool = True) -> BrokerBook:
    book = BrokerBook(
        account="DU1",
        client_id=3,
        prefix="desk.ab12.",
        contracts=Contracts({11: "ABC"}),
        own=OwnOrders() if own is None else own,
    )
    if synced:
        book.begin_listing()
        book.report("connect", 1, 0)
    return book


def placed(order_ref: str = OWN, order_id: int = 20) -> KnownOrder:
    return KnownOrder(
        order_ref=order_ref,
        venue_order_id=order_id,
        client_id=3,
        perm_id=0,
        instrument="ABC",
        side="BUY",
        quantity=50,
        order_type="MKT",
    )


def wire_order(
    order_ref: str = OWN, *, order_id: int = 20, client_id: int = 3, perm_id: int = 900, account: str = "DU1"
) -> Order:
    return Order(
        orderId=order_id,
        clientId=client_id,
        permId=perm_id,
        action="BUY",
        totalQuantity=50,
        orderType="MKT",
        orderRef=order_ref,
        account=account,
    )


def raw_execution(
    exec_id: str = "e.1.01", *, order_ref: str = OWN, perm_id: int = 900, account: str = "DU1"
) -> Execution:
    return Execution(
        execId=exec_id,
        time=datetime(2014, 6, 6, 13, 31, tzinfo=UTC),
        acctNumber=account,
        side="BOT",
        shares=50.0,
        price=50.02,
        permId=perm_id,
        clientId=3,
        orderId=20,
        orderRef=order_ref,
    )


def reports(events: list[AnyEvent]) -> list[OrderReport]:
    return [event for event in events if isinstance(event, OrderReport)]


def test_repeated_statuses_are_told_once() -> None:
    book = make_book()
    book.placed(placed())
    events = []
    for _ in range(3):
        events += book.open_order(STOCK, wire_order(), "Submitted", 1)
        events += book.order_status(order_key(3, 20, 900), 900, "Submitted", 0.0, 1)
    (report,) = reports(events)
    assert (report.status, report.perm_id, report.order_ref) == ("working", 900, OWN)


def test_a_fill_may_come_without_any_status() -> None:
    book = make_book()
    book.placed(placed())
    (event,) = book.executed(STOCK, raw_execution(), live=True, ts_us=1)
    assert isinstance(event, ExecutionEvent)
    assert (event.order_ref, event.quantity) == (OWN, 50.0)
    assert book.executed(STOCK, raw_execution(), live=True, ts_us=1) == []


def test_a_commission_waits_for_its_execution() -> None:
    book = make_book()
    assert book.commission("e.1.01", 1.0, "USD", 1) == []
    execution, commission = book.executed(STOCK, raw_execution("e.1.01"), live=True, ts_us=2)
    assert isinstance(execution, ExecutionEvent)
    assert isinstance(commission, Commission)
    assert (commission.exec_key, commission.commission_usd, commission.ts_us) == ("e.1", 1.0, 2)
    assert book.commission("e.1.01", 1.0, "USD", 3) == []
    assert book.commission("e.1.01", 1.25, "USD", 3) != []
    assert book.commission("e.2.01", 1.7976931348623157e308, "USD", 3) == []


def test_answers_to_questions_are_told_by_the_report_only() -> None:
    book = make_book(synced=False)
    book.begin_listing()
    assert book.open_order(STOCK, wire_order("other.1", client_id=0, order_id=0, perm_id=5), "Submitted", 1) == []
    assert book.executed(STOCK, raw_execution(), live=False, ts_us=1) == []
    assert book.commission("e.1.01", 1.0, "USD", 1) == []
    assert book.position(STOCK, 7.0, 49.0, 1) == []
    report = book.report("connect", 2, 9)
    assert [(o.order_ref, o.perm_id) for o in report.open_orders] == [(None, 5)]
    assert [e.exec_key for e in report.executions] == ["e.1"]
    assert [c.commission_usd for c in report.commissions] == [1.0]
    assert [(p.instrument, p.quantity) for p in report.positions] == [("ABC", 7.0)]
    assert (report.connection, report.reason) == (2, "connect")
    (late,) = book.commission("e.1.01", 1.5, "USD", 10)
    assert isinstance(late, Commission)


def test_a_report_counts_what_came_while_it_was_gathered() -> None:
    book = make_book()
    book.placed(placed())
    book.begin_listing()
    book.open_order(STOCK, wire_order(), "Submitted", 1)
    book.position(STOCK, 0.0, 0.0, 1)
    events = book.executed(STOCK, raw_execution(), live=True, ts_us=2)
    events += book.order_status(order_key(3, 20, 900), 900, "Filled", 50.0, 2)
    events += book.position(STOCK, 50.0, 50.02, 2)
    assert [type(event) for event in events] == [ExecutionEvent, OrderReport]
    report = book.report("look", 1, 3)
    assert report.open_orders == ()
    assert [p.quantity for p in report.positions] == [50.0]
    assert len(report.executions) == 1


def test_an_order_that_is_just_leaving_is_not_open_until_the_broker_says_so() -> None:
    book = make_book()
    book.begin_listing()
    book.placed(placed())
    assert book.report("look", 1, 3).open_orders == ()


def test_a_correction_replaces_in_the_report() -> None:
    book = make_book()
    book.executed(STOCK, raw_execution("e.1.02"), live=True, ts_us=1)
    book.executed(STOCK, raw_execution("e.1.01"), live=False, ts_us=1)
    book.begin_listing()
    (execution,) = book.report("look", 1, 3).executions
    assert (execution.exec_key, execution.revision) == ("e.1", 2)


def test_an_execution_without_reference_is_known_by_its_permanent_id_even_after_a_reconnect() -> None:
    own = OwnOrders()
    first = make_book(own)
    first.placed(placed())
    first.open_order(STOCK, wire_order(), "Submitted", 1)
    second = make_book(own)
    (event,) = second.executed(STOCK, raw_execution(order_ref=""), live=True, ts_us=2)
    assert isinstance(event, ExecutionEvent)
    assert event.order_ref == OWN
    (foreign,) = second.executed(STOCK, raw_execution("f.1.01", order_ref="", perm_id=7), live=True, ts_us=2)
    assert isinstance(foreign, ExecutionEvent)
    assert foreign.order_ref is None


def test_other_accounts_of_the_login_are_not_seen() -> None:
    book = make_book()
    assert book.open_order(STOCK, wire_order(account="DU2"), "Submitted", 1) == []
    assert book.executed(STOCK, raw_execution(account="DU2"), live=True, ts_us=1) == []


def test_a_rejection_stays_a_rejection_but_a_fill_outranks_it() -> None:
    book = make_book()
    book.placed(placed())
    (rejected,) = reports(book.order_message(20, OrderMeaning.REJECTED, "201: margin", 1))
    assert (rejected.status, rejected.reason) == ("rejected", "201: margin")
    assert book.order_status(order_key(3, 20, 900), 0, "Inactive", 0.0, 1) == []
    (filled,) = reports(book.order_status(order_key(3, 20, 900), 0, "Filled", 50.0, 2))
    assert filled.status == "filled"
    assert book.order_message(20, OrderMeaning.CANCELLED, "202", 3) == []


def test_an_inactive_order_is_rejected_or_held_as_its_status_says() -> None:
    held, dead = make_book(), make_book()
    for book, why_held, status in ((held, "locate", "submitted"), (dead, "", "inactive")):
        book.placed(placed())
        (acknowledged,) = reports(book.open_order(STOCK, wire_order(), "Inactive", 1))
        assert acknowledged.status == "submitted"
        events = book.order_status(order_key(3, 20, 900), 900, "Inactive", 0.0, 1, why_held=why_held)
        assert [report.status for report in reports(events)] == [status]
    (report,) = reports(held.order_status(order_key(3, 20, 900), 900, "Filled", 50.0, 2))
    assert report.status == "filled"


def test_notices_and_uncertain_messages_change_nothing() -> None:
    book = make_book()
    book.placed(placed())
    assert book.order_message(20, OrderMeaning.HARMLESS, "10349", 1) == []
    assert book.order_message(20, OrderMeaning.UNCERTAIN, "10147", 1) == []
    assert book.knows_order(20)
    assert not book.knows_order(21)


def test_unknown_statuses_and_orphans_are_not_told() -> None:
    book = make_book()
    book.placed(placed())
    assert book.order_status(order_key(3, 20, 900), 900, "Wonderful", 0.0, 1) == []
    assert book.order_status(order_key(3, 99, 901), 901, "Submitted", 0.0, 1) == []


def test_the_highest_order_id_of_our_client_is_remembered() -> None:
    own = OwnOrders()
    book = make_book(own)
    book.open_order(STOCK, wire_order(order_id=41), "Submitted", 1)
    book.open_order(STOCK, wire_order("x", order_id=70, client_id=8), "Submitted", 1)
    assert own.highest_order_id == 41
    book.executed(STOCK, raw_execution(), live=False, ts_us=1)
    assert own.highest_order_id == 41


def test_position_changes_are_told_once_each() -> None:
    book = make_book()
    (event,) = book.position(STOCK, 5.0, 50.0, 1)
    assert isinstance(event, PositionChanged)
    assert book.position(STOCK, 5.0, 50.0, 1) == []
    assert len(book.position(STOCK, 0.0, 0.0, 2)) == 1
    book.begin_listing()
    assert book.report("look", 1, 3).positions == ()
