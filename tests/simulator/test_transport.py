"""Frames at any split, noise, and clients that do not read."""

import asyncio
import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.simulator.server import SimulatorServer
from daemon.simulator.transport import GREETING, MAX_FRAME_BYTES, FrameBuffer, WireError, framed
from tests.simulator.conftest import eventually

HELLO = GREETING + framed(b"v157..178")
START = framed(b"71\x002\x001\x00\x00")


@settings(max_examples=50)
@given(payloads=st.lists(st.binary(max_size=40), max_size=6), cuts=st.lists(st.integers(1, 9), min_size=1))
def test_frames_come_out_whole_whatever_the_splits(payloads: list[bytes], cuts: list[int]) -> None:
    stream = GREETING + b"".join(framed(payload) for payload in payloads)
    buffer, seen, start, turn = FrameBuffer(), [], 0, 0
    while start < len(stream):
        length = cuts[turn % len(cuts)]
        seen += buffer.feed(stream[start : start + length])
        start, turn = start + length, turn + 1
    assert seen == payloads


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n", b"APIX", GREETING + struct.pack(">I", MAX_FRAME_BYTES + 1)])
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(WireError):
        FrameBuffer().feed(noise)


async def read_frame(reader: asyncio.StreamReader) -> list[str]:
    (length,) = struct.unpack(">I", await asyncio.wait_for(reader.readexactly(4), 5))
    return (await reader.readexactly(length)).decode().split("\0")[:-1]


async def test_a_client_in_single_bytes_is_served(server: SimulatorServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for byte in HELLO + START + framed(b"49\x001\x00"):
        writer.write(bytes([byte]))
        await writer.drain()
    assert (await read_frame(reader))[0] == "178"
    assert [(await read_frame(reader))[0] for _ in range(6)] == ["15", "9", "4", "4", "4", "49"]
    writer.close()


@pytest.mark.parametrize(
    "first",
    [b"nonsense", GREETING + b"\xff\xff\xff\xff", GREETING + framed(b"v100..150"), GREETING + framed(b"\xff")],
)
async def test_a_wrong_hello_is_dropped_and_the_others_stay(server: SimulatorServer, first: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(first)
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await eventually(lambda: server.gateway.links == ())


async def test_malformed_and_early_requests_are_error_321(server: SimulatorServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(HELLO + framed(b"61\x001\x00") + START)
    await read_frame(reader)
    assert (await read_frame(reader))[3] == "321"
    for _ in range(5):
        await read_frame(reader)
    for payload in (b"", b"x\x00", b"61\x00", b"61\x001\x002\x00", b"2\x002\x00abc\x00", b"22\x0077\x00"):
        writer.write(framed(payload))
        answer = await read_frame(reader)
        assert answer[:2] + answer[3:4] == ["4", "2", "321"], payload
    assert answer[2] == "77", "an unserved request is answered under its own id"
    writer.close()


async def test_a_client_that_does_not_read_is_left_out_of_quotes(server: SimulatorServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    contract = b"11\x00ABC\x00STK\x00\x000\x00\x00\x00SMART\x00\x00USD\x00\x00\x00"
    subscribe = [b"1\x0011\x00" + str(n).encode() + b"\x00" + contract + b"0\x00\x000\x000\x00\x00" for n in range(500)]
    writer.write(HELLO + START + b"".join(framed(request) for request in subscribe))
    await eventually(lambda: server.gateway.sessions and len(server.gateway.sessions[0].market_data) == 500)
    step = server.exchange.step
    assert step is not None
    (session,) = server.gateway.sessions
    for _ in range(500):
        server.gateway.publish_step(step, ())
        if session.link.congested:
            break
        await asyncio.sleep(0)
    assert session.link.congested
    server.gateway.publish_step(step, ())
    assert session.live == (), "a lagging client gets no more quotes"
    while not reader.at_eof() and session.link.congested:
        await asyncio.wait_for(reader.read(1 << 20), 5)
    server.gateway.publish_step(step, ())
    assert len(session.live) == 500, "and hears again when it has caught up"
    writer.close()
