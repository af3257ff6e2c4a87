"""What the cockpit costs while it is open: processor time by tabs, memory over time, page scripts over a year."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from bench.cockpit_seen import open_page
from bench.cockpit_servers import Cockpit, Server

SETTLE_S = 3.0


@contextmanager
def tabs(browser: Browser, server: Server, desk: str, count: int) -> Iterator[list[Page]]:
    """So many open pages, settled."""
    pages = [open_page(browser, server, desk) for _ in range(count)]
    time.sleep(SETTLE_S)
    try:
        yield pages
    finally:
        for page in pages:
            page.context.close()


def cpu_pct(server: Server, seconds: float) -> float:
    """Percent of one core that the server takes, over so many seconds."""
    cpu_s, started = server.cpu_s(), time.monotonic()
    time.sleep(seconds)
    return (server.cpu_s() - cpu_s) / (time.monotonic() - started) * 100


def rss_course(
    server: Server, minutes: float, every_s: float, tell: Callable[[str], None]
) -> list[tuple[float, float]]:
    """(seconds since the start, MiB resident), a sample every so many seconds, with a page open and ticking."""
    started = time.monotonic()
    found = []
    while (at := time.monotonic() - started) <= minutes * 60:
        found.append((at, server.rss_mib()))
        if len(found) % 30 == 0:
            tell(f"memory after {at / 60:.0f} min: {found[-1][1]:.0f} MiB")
        time.sleep(every_s)
    return found


def slope_mib_per_hour(course: list[tuple[float, float]]) -> float:
    """Least squares over the second half: the first fills caches."""
    half = course[len(course) // 2 :]
    if len(half) < 2:
        return 0.0
    slope, _ = statistics.linear_regression([at for at, _ in half], [mib for _, mib in half])
    return slope * 3600


def script_times_ms(browser: Browser, server: Cockpit, desk: str, loads: int) -> dict[str, tuple[float, list[float]]]:
    """Page -> its script's first run and the warm ones. The pages are those of the navigation row."""
    page = open_page(browser, server, desk)
    names = page.locator(".st-key-navigation a[href]").evaluate_all(
        "links => links.map(link => new URL(link.href).pathname)"
    )
    found = {}
    for name in dict.fromkeys(["/", *(name for name in names if name != "/now")]):
        runs = []
        for _ in range(loads + 1):
            _until_quiet(server)
            page.goto(f"{server.address}{name}?desk={desk}")
            page.wait_for_selector(".light[data-state]", timeout=60_000)
            runs.append(max(_until_quiet(server)))
        found[name] = (runs[0], runs[1:])
    page.context.close()
    return found


def _until_quiet(server: Cockpit) -> list[float]:
    """The runs of scripts until none has come for a second. A page's first run makes its elements, more may follow."""
    found: list[float] = []
    end = time.monotonic() + 30
    quiet_since = time.monotonic()
    while time.monotonic() < end and time.monotonic() - quiet_since < 1.0:
        new = server.script_times_ms()
        if new:
            found += new
            quiet_since = time.monotonic()
        time.sleep(0.05)
    return found
