"""What an operator's eyes and finger get, measured in a real browser.

Times cross from Python into the page: both read the clock of the same machine (`time.time_ns` and
`performance.timeOrigin + performance.now()`), which are a millisecond apart at most.
"""

import random
import threading
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from bench.cockpit_servers import Server
from tests.support.desk_player import DeskPlayer, PlayingDesk

NEXT_LIGHT = """(node, wanted) => new Promise((resolve) => {
  const root = node.getRootNode();
  const shown = () => {
    const light = [...root.querySelectorAll('.light')].at(-1);
    return light?.dataset.state === wanted && getComputedStyle(light).backgroundColor;
  };
  const watcher = new MutationObserver(() => {
    if (!shown()) return;
    watcher.disconnect();
    requestAnimationFrame(() => shown() && resolve(performance.timeOrigin + performance.now()));
  });
  watcher.observe(root, {subtree: true, childList: true, attributes: true, characterData: true});
})"""
"""Resolves with the time of the first frame after the light's state and style have become the wanted ones."""

CLICKED = """(button) => {
  const clicked = performance.timeOrigin + performance.now();
  button.click();
  return clicked;
}"""


def wall_ms() -> float:
    """The machine's clock in milliseconds since the epoch."""
    return time.time_ns() / 1e6  # noqa: TID251 - compared with the browser's


def open_page(browser: Browser, server: Server, desk: str) -> Page:
    """A page in a context of its own: live, green, and with everything on it."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{server.address}/?desk={desk}")
    page.wait_for_selector('.light[data-state="green"]', timeout=60_000)
    if server.name == "bifrost":  # the chart's library, five megabytes, holds the whole page for a moment
        page.wait_for_selector(".bf-plot .main-svg", timeout=60_000)
    page.wait_for_timeout(1000)
    return page


def file_to_pixel_ms(page: Page, desk: PlayingDesk, changes: int, chance: random.Random) -> list[float]:
    """Replace snapshot.json with another state at random moments; milliseconds until it is on the screen.

    `changes` is even, so that the desk is green again at the end.
    """
    found = []
    for number in range(changes):
        wanted = "red" if number % 2 == 0 else "green"
        replaced: list[float] = []

        def change(wanted: str = wanted, replaced: list[float] = replaced) -> None:
            def act(player: DeskPlayer) -> None:
                player.mood = "red" if wanted == "red" else "green"
                replaced.append(wall_ms())
                player.write()

            desk.change(act)

        timer = threading.Timer(chance.uniform(0.15, 1.15), change)
        timer.start()
        shown = page.locator(".light").last.evaluate(NEXT_LIGHT, wanted)
        timer.join()
        found.append(shown - replaced[0])
    return found


def cold_tab_ms(browser: Browser, address: str, selector: str) -> float:
    """A new context has an empty cache: milliseconds from asking for the address until the light is visible."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    started = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(selector, timeout=60_000)
    took = (time.perf_counter() - started) * 1000
    context.close()
    return took


def click_to_file_ms(page: Page, desk: PlayingDesk, clicks: int) -> list[float]:
    """Press STOP, wait for `control/stop`, take it away again; milliseconds from the click to the file."""
    stop: Path = desk.player.paths.control / "stop"
    found = []
    for _ in range(clicks):
        page.wait_for_selector('.light[data-state="green"]')
        button = page.locator("button.stop:enabled").first
        seen: list[float] = []
        watcher = threading.Thread(target=lambda seen=seen: _await(stop, seen))
        watcher.start()
        clicked = button.evaluate(CLICKED)
        watcher.join()
        if not seen:
            raise RuntimeError("STOP was pressed and no file came")
        found.append(seen[0] - clicked)
        page.wait_for_selector('.light[data-state="not_live"]')
        stop.unlink()
    return found


def _await(path: Path, seen: list[float]) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if path.exists():
            seen.append(wall_ms())
            return
        time.sleep(0.001)
