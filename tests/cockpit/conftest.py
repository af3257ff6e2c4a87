import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from cockpit.access import passwords
from tests.support.cockpit_process import HOUSE, CockpitProcess
from tests.support.desk_player import DeskPlayer, PlayingDesk

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hashes that cost nothing; what real ones cost is asserted in `test_access_users`."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    passwords._decoy.cache_clear()
    yield
    passwords._decoy.cache_clear()


expect.set_options(timeout=20_000)  # the browser shares two cores with other tests; five seconds are soon gone


@pytest.fixture
def player(tmp_path: Path) -> Iterator[DeskPlayer]:
    """A desk's files, written once; nothing ticks."""
    player = DeskPlayer(tmp_path / "var")
    player.write()
    yield player
    player.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of a module and no wider: playwright keeps an event loop running, which no asyncio test may meet."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayingDesk]:
    """One living desk for a whole module; each test puts it back as it found it."""
    player = DeskPlayer(tmp_path_factory.mktemp("state") / "var")
    player.tell_a_day()
    player.write()
    with PlayingDesk(player, every_s=0.3) as playing:
        yield playing
    player.close()


@pytest.fixture(scope="module")
def cockpit(desk: PlayingDesk) -> Iterator[CockpitProcess]:
    with CockpitProcess(desk.player.paths.root) as process:
        yield process


class Visit:
    """A page with everything it asked for and complained about."""

    def __init__(self, context: BrowserContext, cockpit: CockpitProcess) -> None:
        self.page: Page = context.new_page()
        self.cockpit = cockpit
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )

    def open(self, path: str = "/", **query: str) -> Page:
        asked = "&".join(f"{name}={value}" for name, value in {"desk": "demo", **query}.items())
        self.page.goto(f"{self.cockpit.address}{path}?{asked}")
        self.page.wait_for_selector(".light[data-state]", timeout=30_000)
        if path == "/":  # while the chart's library loads, the page draws nothing else
            self.page.wait_for_selector(".bf-plot .main-svg", timeout=60_000)
        return self.page


@pytest.fixture(scope="module")
def visit(browser: Browser, cockpit: CockpitProcess) -> Iterator[Visit]:
    """One page that stays open for the whole module, as an operator's does: loading one takes seconds."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(20_000)
    visit = Visit(context, cockpit)
    visit.open()
    yield visit
    context.close()


def run_python(code: str, *, timeout_s: float = 20) -> subprocess.CompletedProcess[str]:
    """Run a few lines in a process of their own."""
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
    )
