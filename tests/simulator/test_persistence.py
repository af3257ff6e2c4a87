"""A restarted simulator goes on with the same book, ids and market time; a damaged book is one clear line."""

from pathlib import Path

import pytest
from ib_async import MarketOrder, Stock

from daemon.simulator.persistence import BookStore
from daemon.simulator.server import SimulatorServer
from daemon.venues.simulated.saved_book import SavedBookError
from tests.simulator.conftest import connect, eventually, make_exchange
from tests.support.ib_errors import IbErrorWatch

STOCK = Stock("ABC", "SMART", "USD", conId=11)


async def test_the_book_survives_a_restart(tmp_path: Path, ib_errors: IbErrorWatch) -> None:
    async with SimulatorServer(make_exchange(), paced=False, store=BookStore(tmp_path, "scripted")) as server:
        server.step()
        assert (tmp_path / "port").read_text() == f"{server.port}\n"
        ib = await connect(server)
        trade = ib.placeOrder(STOCK, MarketOrder("BUY", 30, orderRef="desk.a1.1"))
        await eventually(lambda: trade.orderStatus.status == "Filled")
        saved_at_once = (tmp_path / "book.json").read_bytes()
        assert b"desk.a1.1" in saved_at_once, "an order is saved before its answer can be acted on"
        perm_id, stood_at_us = trade.orderStatus.permId, server.exchange.now_us
        ib.disconnect()
    assert not (tmp_path / "port").exists()

    exchange = make_exchange()
    store = BookStore(tmp_path, "scripted")
    assert store.restore(exchange)
    async with SimulatorServer(exchange, paced=False, store=store) as server:
        assert exchange.now_us == stood_at_us
        ib = await connect(server)
        assert [(f.execution.orderRef, f.execution.permId) for f in ib.fills()] == [("desk.a1.1", perm_id)]
        assert {p.contract.conId: p.position for p in ib.positions()}[11] == 37
        again = ib.placeOrder(STOCK, MarketOrder("SELL", 1))
        await eventually(lambda: again.orderStatus.status == "Filled")
        assert again.order.orderId > trade.order.orderId
        assert again.orderStatus.permId > perm_id
        assert again.fills[0].execution.execId > trade.fills[0].execution.execId
        ticker = ib.reqMktData(STOCK)
        server.step()
        await eventually(lambda: ticker.bid == 50.20)
        ib.disconnect()


def test_nothing_saved_is_no_error_and_ends_a_finished_mark(tmp_path: Path) -> None:
    (tmp_path / "finished").write_text("x")
    assert not BookStore(tmp_path, "scripted").restore(make_exchange())
    assert not (tmp_path / "finished").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema":1,"source":"scripted","exchange":{}}'])
def test_a_damaged_book_names_itself_and_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "book.json").write_bytes(content)
    with pytest.raises(SavedBookError, match=r"book.json: .*damaged.*--fresh"):
        BookStore(tmp_path, "scripted").restore(make_exchange())


async def test_a_book_of_another_market_is_refused(tmp_path: Path) -> None:
    BookStore(tmp_path, "synthetic:7 ABC").save(make_exchange(), sync=False)
    with pytest.raises(SavedBookError, match="belongs to the market synthetic:7 ABC, not synthetic:8 ABC"):
        BookStore(tmp_path, "synthetic:8 ABC").restore(make_exchange())
