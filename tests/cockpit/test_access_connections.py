"""How many connections, and how long one may wait: over real sockets, with a deadline of tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from cockpit.access import connections
from cockpit.access.connections import BoundedHttp, Connections

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE_S = 20


class Wire:
    """A transport as far as counting goes."""

    def __init__(self) -> None:
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing


async def answers(_scope: Any, _receive: Any, send: Any) -> None:
    """Takes several deadlines over its answer, as an event stream does."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await asyncio.sleep(0.4)
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def client() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(answers, log_level="error")
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BoundedHttp(config, ServerState(), {}, loop), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


async def let_go(reader: asyncio.StreamReader) -> None:
    """Until the server has closed the connection; it answers nothing before."""
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""


async def drip(writer: asyncio.StreamWriter) -> None:
    """A head that never ends."""
    writer.write(WHOLE[:-2] + b"X-Slow: ")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_who_asks_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "REQUEST_WITHIN_S", 0.1)
    async with client() as (reader, writer):
        writer.write(sent)
        await let_go(reader)


async def test_an_answer_may_take_its_time_and_dripping_after_it_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_WITHIN_S", 0.1)
    async with client() as (reader, writer):
        writer.write(WHOLE)
        assert (await asyncio.wait_for(reader.readuntil(b"ok"), PATIENCE_S)).endswith(b"\r\n\r\nok")
        dripping = asyncio.create_task(drip(writer))
        await let_go(reader)
        dripping.cancel()


def test_an_address_and_the_network_have_their_bounds_and_this_machine_none() -> None:
    counted = Connections(most=5, most_of_address=2)
    wires = [Wire() for _ in range(5)]
    assert [counted.admit(wire, "192.0.2.7") for wire in wires[:3]] == [True, True, False]  # type: ignore[arg-type]
    assert counted.admit(wires[3], "2001:db8::1")  # type: ignore[arg-type]
    assert counted.admit(wires[4], "2001:db8::2")  # type: ignore[arg-type]
    assert not counted.admit(Wire(), "2001:db8::3"), "a site is one"  # type: ignore[arg-type]
    assert counted.admit(Wire(), "192.0.2.8")  # type: ignore[arg-type]
    assert not counted.admit(Wire(), "192.0.2.9"), "five are open"  # type: ignore[arg-type]
    assert all(counted.admit(Wire(), "127.0.0.1") for _ in range(9))  # type: ignore[arg-type]
    wires[0].closing = True
    assert counted.admit(Wire(), "192.0.2.9")  # type: ignore[arg-type]
