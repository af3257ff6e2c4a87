"""What an operator sees of a running desk, R-M1 to R-M6, in a real browser: on every page, and when something dies.

Commands from the browser are in `test_cockpit_commands.py`; the light's four states, zoom over sixty ticks and text of
others in `tests/cockpit/test_browser.py`.
"""

import re
import shutil
import signal
import time
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from cockpit.routes.index import PAGE_PATHS
from state.records import JournalType
from tests.acceptance.conftest import DEMO
from tests.cockpit.conftest import CHROMIUM_ARGS
from tests.support.cockpit_process import CockpitProcess
from tests.support.invariants import assert_invariants
from tests.support.system import System, wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DESKTOP, PHONE = (1440, 900), (390, 844)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One `up` for the whole story of this module."""
    system = System(tmp_path_factory.mktemp("seen"), DEMO)
    start_up(system, times=1)
    yield system
    system.close()
    assert_invariants(system)


def said(system: System) -> str:
    return (system.root / "up.log").read_text()


def start_up(system: System, *, times: int) -> None:
    """`up`, for the n-th time, until it has said that the light is green."""
    system.start("up", "--profile", str(system.profile), "--port", "0")
    wait_for("the green light", lambda: said(system).count("GREEN") == times, 60)


class Seen:
    """A page that keeps what it asked for and what it complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console", lambda told: self.complaints.append(told.text) if told.type in ("error", "warning") else None
        )

    def open(self, system: System, path: str = "", **query: str) -> Page:
        """One of the pages of the newest `up`, when its script has run."""
        address = re.findall(r"http://[^/]+/", said(system))[-1]
        asked = "&".join(f"{name}={value}" for name, value in {"desk": system.desk, **query}.items())
        self.page.goto(f"{address}{path}?{asked}")
        self.page.wait_for_selector('.light[data-state]:not([data-state="not_live"])', timeout=60_000)
        self.page.wait_for_selector('.stApp[data-test-script-state="notRunning"]', timeout=60_000)
        return self.page


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}).new_page()
        page.set_default_timeout(30_000)
        yield Seen(page)
        browser.close()


def light_is(page: Page, state: str, within_s: float = 20) -> None:
    expect(page.locator(f'.light[data-state="{state}"]')).to_be_visible(timeout=within_s * 1000)


def test_r_m1_r_m5_the_page_of_a_running_desk(house: System, seen: Seen) -> None:
    page = seen.open(house)
    light_is(page, "green")
    expect(page.locator(".mode")).to_have_text("SIMULATED DU0000001")
    wait_for("a hedge", lambda: house.of(JournalType.FILL), 40)
    expect(page.locator('.tile[data-name="hedges"] .value, .tile', has_text="Hedges today").first).to_be_visible()
    expect(page.locator(".frame", has_text="Option legs")).to_contain_text("100 call")
    assert house.status() == 0


def test_r_m2_r_m3_a_reason_says_what_to_do_and_leads_to_its_entry_in_the_runbook(house: System, seen: Seen) -> None:
    page = seen.open(house)
    pause = house.paths.control / "pause"
    pause.touch()
    light_is(page, "yellow")
    expect(page.locator(".word").first).to_have_text("PAUSED")
    link = page.locator(".reasons a").first
    page.goto(str(link.evaluate("link => link.href")))
    entry = page.locator("[id=paused], [id=operator_paused]").first
    expect(entry).to_be_visible()
    pause.unlink()
    wait_for("the release", lambda: house.snapshot().daemon_state == "running", 10)


def test_r_m4_a_question_stands_in_the_address_and_outlives_a_reload(house: System, seen: Seen) -> None:
    page = seen.open(house, "operations", type="fill", side="BUY")
    bought = [line for line in house.of(JournalType.FILL) if line.side == "BUY"]
    assert bought, "a day without a purchase shows nothing"
    for _ in range(2):
        rows = page.locator(".frame tbody tr")
        expect(rows.first).to_contain_text("BUY")
        expect(rows.filter(has_text="SELL")).to_have_count(0)
        expect(page.locator("code", has_text="--type fill").first).to_be_visible()
        assert "type=fill" in page.url
        assert "side=BUY" in page.url
        page.reload()
        page.wait_for_selector('.stApp[data-test-script-state="notRunning"]', timeout=60_000)


def test_r_m6_the_page_prices_the_underlying_and_every_position(house: System, seen: Seen) -> None:
    page = seen.open(house, "positions")
    snapshot = house.snapshot()
    assert {quote.kind for quote in snapshot.instruments} == {"stock", "option"}
    assert [position for position in snapshot.positions if position.price is None] == []
    for words in ("100 call", "100 put", snapshot.instruments[0].symbol):
        head = page.get_by_role("rowheader").filter(has_text=re.compile(words))
        expect(page.get_by_role("row").filter(has=head).first).to_contain_text(re.compile(r"\d\.\d{2}"))


@pytest.mark.parametrize("path", ["", *PAGE_PATHS[1:]])
def test_r_m5_every_page_on_a_phone_in_the_dark_in_chinese(house: System, seen: Seen, path: str) -> None:
    page = seen.page
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.emulate_media(color_scheme="dark")
    seen.requests.clear()
    seen.complaints.clear()
    seen.open(house, path, lang="zh")
    expect(page.locator(".light")).to_be_in_viewport(ratio=0.9)
    stop = page.locator("button.stop")
    expect(stop).to_be_in_viewport(ratio=0.99)
    expect(stop).to_contain_text("停止")
    assert page.evaluate("document.documentElement.lang").startswith("zh")
    ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert max(map(int, re.findall(r"\d+", ground))) < 64, f"not dark: {ground}"
    here = page.locator(".st-key-here a")
    expect(here).to_have_attribute("href", re.compile(rf"^/?{path or '(now)?'}\?"))
    wide = page.evaluate("[document.scrollingElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1], "the page scrolls sideways"
    own = re.match(r"http://[^/]+", page.url)
    assert own is not None
    assert [url for url in seen.requests if not url.startswith((own.group(), "data:", "blob:"))] == []
    assert seen.complaints == []


def test_a_killed_server_leaves_no_page_that_looks_alive(house: System, seen: Seen) -> None:
    page = seen.page
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    with CockpitProcess(house.paths.root, desk=house.desk) as other:
        page.goto(f"{other.address}/?desk={house.desk}")
        page.wait_for_selector('.light[data-state]:not([data-state="not_live"])', timeout=60_000)
        page.wait_for_selector("button.stop", timeout=60_000)
        other.end(signal.SIGKILL)
        killed = time.monotonic()
        light_is(page, "not_live", within_s=5)
        assert time.monotonic() - killed < 5
    assert page.title().startswith("◌ NOT LIVE")
    expect(page.locator("button.stop").first).to_be_disabled()
    expect(page.locator(".dead").first).to_contain_text(f"stop --desk {house.desk}")


def test_ctrl_c_ends_every_process_within_five_seconds_with_a_page_open(house: System, seen: Seen) -> None:
    page = seen.open(house)
    up = house.processes["up"]
    family = [psutil.Process(up.pid), *psutil.Process(up.pid).children(recursive=True)]
    assert len(family) >= 5
    began = time.monotonic()
    up.send_signal(signal.SIGINT)
    assert up.wait(8) == 0
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    assert time.monotonic() - began < 5
    light_is(page, "not_live", within_s=6)


def test_a_second_up_continues_the_desk_and_a_killed_daemon_is_not_live_within_five_seconds(
    house: System, seen: Seen
) -> None:
    """RE-2: the page is no judge of the daemon's health but of what it hears, so a death of both shows at once."""
    before = house.lines()
    start_up(house, times=2)
    assert house.lines()[: len(before)] == before
    assert house.snapshot().ts >= before[-1].ts
    page = seen.open(house)
    family = psutil.Process(house.processes["up"].pid).children(recursive=True)
    supervisor = next(each for each in family if "supervise" in each.cmdline())
    daemon = next(each for each in family if "daemon" in each.cmdline())
    supervisor.kill()
    daemon.kill()
    killed = time.monotonic()
    light_is(page, "not_live", within_s=5)
    assert time.monotonic() - killed < 5
    assert page.title().startswith("◌ NOT LIVE")


@pytest.mark.nightly
def test_fresh_starts_anew_and_keeps_the_old_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    system = System(tmp_path_factory.mktemp("fresh"), DEMO)
    try:
        start_up(system, times=1)
        before = system.lines()
        assert system.end("up", signal.SIGINT) == 0
        system.start("up", "--profile", str(system.profile), "--port", "0", "--fresh")
        wait_for("green anew", lambda: said(system).count("GREEN") == 2, 60)
        assert system.lines()[0].seq == 1
        assert system.lines()[0].run_id != before[0].run_id
        assert list((system.paths.root / "_archive").iterdir())
    finally:
        system.close()
