"""A cockpit that is left open for weeks: readers vanish, sleep or come by the dozen, and its end waits for none.

The short versions speak HTTP by hand; the long ones (`--nightly`) open real tabs.
"""

import contextlib
import signal
import socket
import statistics
import struct
import threading
import time
from collections.abc import Iterator
from typing import Self
from urllib.request import urlopen

import psutil
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.cockpit.conftest import CHROMIUM, CHROMIUM_ARGS
from tests.support.cockpit_process import CockpitProcess
from tests.support.desk_player import DeskPlayer, PlayingDesk
from tests.support.system import wait_for

VANISH = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends a reset, as a laptop's lid or a lost phone does at best."""


@pytest.fixture
def server(player: DeskPlayer) -> Iterator[CockpitProcess]:
    with PlayingDesk(player, every_s=0.3), CockpitProcess(player.paths.root) as process:
        yield process


def port_of(server: CockpitProcess) -> int:
    return int(server.address.rpartition(":")[2])


def reader(server: CockpitProcess, *, buffer_bytes: int | None = None) -> socket.socket:
    """An open event stream that has heard its first event; `buffer_bytes` makes it one that soon takes no more."""
    client = socket.socket()
    if buffer_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    client.settimeout(20)
    client.connect(("127.0.0.1", port_of(server)))
    client.sendall(f"GET /api/events?desk=demo HTTP/1.1\r\nHost: 127.0.0.1:{port_of(server)}\r\n\r\n".encode())
    hear(client, b"data: ")
    return client


def hear(client: socket.socket, wanted: bytes) -> None:
    """Read until it was said."""
    heard = b""
    while wanted not in heard:
        more = client.recv(65536)
        assert more, f"the stream ended: {heard[-300:]!r}"
        heard = heard[-100:] + more


def process_of(server: CockpitProcess) -> psutil.Process:
    assert server.process is not None
    return psutil.Process(server.process.pid)


def connections(server: CockpitProcess) -> int:
    return sum(each.status == psutil.CONN_ESTABLISHED for each in process_of(server).net_connections("inet"))


def test_readers_that_vanish_in_the_middle_of_a_stream_leave_nothing_behind(server: CockpitProcess) -> None:
    staying = reader(server)
    before = process_of(server).num_fds()
    for _ in range(3):
        leaving = [reader(server) for _ in range(8)]
        for client in leaving:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, VANISH)
            client.close()
    wait_for("the descriptors", lambda: process_of(server).num_fds() <= before, 30)
    assert connections(server) == 1
    hear(staying, b"data: ")
    staying.close()
    assert server.end() == (0, pytest.approx(0, abs=10), "")


def test_readers_that_take_nothing_any_more_hold_up_nobody(server: CockpitProcess) -> None:
    """As behind a half-open connection: they are there, and their windows are full."""
    asleep = [reader(server, buffer_bytes=1024) for _ in range(8)]
    awake = reader(server)
    for _ in range(8):
        hear(awake, b"data: ")
    with urlopen(f"{server.address}/api/light?desk=demo", timeout=10) as answer:  # noqa: S310 our own server
        assert answer.status == 200
    code, seconds, said = server.end(signal.SIGINT)
    assert (code, said) == (0, "")
    assert seconds < 5
    for client in (*asleep, awake):
        client.close()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


def open_tab(browser: Browser, server: CockpitProcess) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{server.address}/?desk=demo")
    page.wait_for_selector('.light[data-state="green"]', timeout=60_000)


class Pulse:
    """Asks the server's health again and again: an answer that is late was kept waiting by a blocked event loop."""

    def __init__(self, server: CockpitProcess) -> None:
        self.took_ms: list[float] = []
        self._address = f"{server.address}/api/health"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            began = time.perf_counter()
            with urlopen(self._address, timeout=30) as answer:  # noqa: S310 our own server
                answer.read()
            self.took_ms.append((time.perf_counter() - began) * 1000)


@pytest.mark.nightly
@pytest.mark.browser
def test_four_open_pages_do_not_hold_up_the_end(server: CockpitProcess) -> None:
    with chromium() as browser:
        for _ in range(4):
            open_tab(browser, server)
        code, seconds, said = server.end(signal.SIGINT)
    assert (code, said) == (0, "")
    assert seconds < 5


@pytest.mark.nightly
@pytest.mark.browser
@pytest.mark.timeout(900)
def test_fifty_tabs_come_and_go_and_everything_returns(server: CockpitProcess) -> None:
    """The first ten fill what is filled once (imports, caches, threads); a session that went is kept for a minute."""
    with chromium() as browser, Pulse(server) as pulse:
        rss = []
        for number in range(1, 61):
            open_tab(browser, server)
            browser.contexts[0].close()
            if number % 10 == 0:
                rss.append(process_of(server).memory_info().rss / 2**20)
        wait_for("the end of every tab's connections", lambda: connections(server) <= 2, 30)
        threads = process_of(server).num_threads()
    time.sleep(90)
    after = process_of(server)
    assert after.num_threads() <= threads
    assert after.memory_info().rss / 2**20 < rss[0] + 60, f"MiB after each ten tabs: {rss}"
    assert after.num_fds() < 60
    assert statistics.quantiles(pulse.took_ms, n=100)[-1] < 200, "the event loop was blocked"
