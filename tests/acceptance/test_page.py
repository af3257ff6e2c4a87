"""`bifrost up` with a page open in a real browser: see it, command it, kill it, end it."""

import re
import shutil
import signal
import time
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from state.records import JournalType
from tests.acceptance.conftest import DEMO
from tests.cockpit.conftest import CHROMIUM_ARGS
from tests.support.invariants import assert_invariants
from tests.support.system import System, wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One `up` for the whole story of this module."""
    system = System(tmp_path_factory.mktemp("page"), DEMO)
    system.start("up", "--profile", str(system.profile), "--port", "0")
    wait_for("the first green light", lambda: "GREEN" in said(system), 60)
    yield system
    system.close()
    assert_invariants(system)


@pytest.fixture(scope="module")
def page(house: System) -> Iterator[Page]:
    """One page, open through the whole story."""
    found = re.search(r"http://\S+", said(house))
    assert found is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(20_000)
        page.goto(found.group())
        page.wait_for_selector(".bf-plot .main-svg", timeout=60_000)
        yield page
        browser.close()


def no_dialog(page: Page) -> None:
    """A dialog fades for a moment after it is done, with a STOP of its own."""
    expect(page.get_by_test_id("stDialog")).to_have_count(0, timeout=20_000)


def said(system: System) -> str:
    return (system.root / "up.log").read_text()


def light_is(page: Page, state: str, within_s: float = 20) -> None:
    expect(page.locator(f'.light[data-state="{state}"]')).to_be_visible(timeout=within_s * 1000)


def test_r_m5_the_page_of_a_running_desk(house: System, page: Page) -> None:
    light_is(page, "green")
    expect(page.locator(".mode")).to_have_text("SIMULATED DU0000001")
    wait_for("a hedge", lambda: house.of(JournalType.FILL), 40)
    expect(page.locator('.tile[data-name="hedges"] .value, .tile', has_text="Hedges today").first).to_be_visible()
    expect(page.locator(".frame", has_text="Option legs")).to_contain_text("100 call")
    assert house.status() == 0


def test_r_c2_pause_and_resume_by_page(house: System, page: Page) -> None:
    page.locator("button.pause").click()
    wait_for("the pause", lambda: house.command_receipt("pause", JournalType.CONTROL_DONE), 5)
    expect(page.locator(".receipt", has_text="Pause")).to_contain_text("seen")
    page.locator("button.resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume hedging").click()
    wait_for("the release", lambda: not (house.paths.control / "pause").exists(), 5)
    light_is(page, "green")
    no_dialog(page)


def test_r_c3_flatten_by_page(house: System, page: Page) -> None:
    wait_for("shares to flatten", lambda: house.snapshot().own_shares != 0, 60)
    # A plan is agreed to as it was read: on a desk that goes on hedging it may change behind the dialog.
    page.locator("button.pause").click()
    light_is(page, "yellow")
    page.locator("button.flatten").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("→ 0")
    dialog.get_by_role("textbox").fill("FLATTEN")
    dialog.get_by_role("button", name="Flatten now").click()
    wait_for("the end", lambda: house.of(JournalType.FLATTEN_VERIFIED), 20)
    wait_for("flat", lambda: house.snapshot().own_shares == 0, 5)
    expect(page.locator(".receipt", has_text="FLATTEN")).to_contain_text("done")
    assert (house.paths.control / "pause").exists()
    no_dialog(page)
    page.locator("button.resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume hedging").click()
    light_is(page, "green", within_s=30)
    no_dialog(page)


def test_r_c1_stop_and_start_by_page(house: System, page: Page) -> None:
    pid = wait_for("a daemon", house.daemon_pid)
    page.locator("button.stop").click()
    wait_for("its end", lambda: not psutil.pid_exists(pid), 10)
    light_is(page, "not_live")
    expect(page.locator(".word")).to_have_text("STOPPED")
    assert house.of(JournalType.RUN_STOPPED)[-1].data["exit_code"] == 0
    sent = house.placed_order_refs()
    time.sleep(1.5)
    assert house.placed_order_refs() == sent
    page.locator("button.start").click()
    page.get_by_role("button", name="Start", exact=True).click()
    light_is(page, "green", within_s=30)
    no_dialog(page)


def test_re_2_daemon_and_supervisor_killed_the_open_page_is_not_live_within_five_seconds(
    house: System, page: Page
) -> None:
    family = psutil.Process(house.processes["up"].pid).children(recursive=True)
    supervisor = next(each for each in family if "supervise" in each.cmdline())
    daemon = next(each for each in family if "daemon" in each.cmdline())
    supervisor.kill()
    daemon.kill()
    killed = time.monotonic()
    light_is(page, "not_live", within_s=5)
    assert time.monotonic() - killed < 5
    assert page.title().startswith("◌ NOT LIVE")


def test_ctrl_c_ends_every_process_within_five_seconds_with_a_page_open(
    tmp_path_factory: pytest.TempPathFactory, page: Page
) -> None:
    system = System(tmp_path_factory.mktemp("end"), DEMO)
    try:
        up = system.start("up", "--profile", str(system.profile), "--port", "0")
        wait_for("the first green light", lambda: "GREEN" in said(system), 60)
        page.goto(re.search(r"http://\S+", said(system)).group())
        page.wait_for_selector(".bf-plot .main-svg", timeout=60_000)
        family = [psutil.Process(up.pid), *psutil.Process(up.pid).children(recursive=True)]
        assert len(family) >= 5
        began = time.monotonic()
        up.send_signal(signal.SIGINT)
        assert up.wait(8) == 0
        _, alive = psutil.wait_procs(family, timeout=5)
        assert not alive
        assert time.monotonic() - began < 5
        light_is(page, "not_live", within_s=6)

        # a second `up` continues the same desk
        before = system.lines()
        system.start("up", "--profile", str(system.profile), "--port", "0")
        wait_for("green again", lambda: said(system).count("GREEN") == 2, 60)
        assert system.lines()[: len(before)] == before
        assert system.snapshot().ts >= before[-1].ts
        assert system.end("up", signal.SIGINT) == 0

        # and `--fresh` starts anew, keeping the old folder
        system.start("up", "--profile", str(system.profile), "--port", "0", "--fresh")
        wait_for("green anew", lambda: said(system).count("GREEN") == 3, 60)
        assert system.lines()[0].seq == 1
        assert system.lines()[0].run_id != before[0].run_id
        assert list((system.paths.root / "_archive").iterdir())
    finally:
        system.close()
