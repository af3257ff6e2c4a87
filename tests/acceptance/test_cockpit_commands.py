"""R-C1..3 from a browser: an operator logs in, and simulator, supervised daemon and cockpit obey what he presses."""

import re
import shutil
import time
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from state.audit import read_audit
from state.records import JournalType
from tests.acceptance.conftest import DEMO
from tests.cockpit.conftest import CHROMIUM_ARGS
from tests.support.cockpit_process import PASSWORD, set_users
from tests.support.invariants import assert_invariants
from tests.support.system import System, wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One `up` for the whole story of this module, with an operator who has a password."""
    system = System(tmp_path_factory.mktemp("commanded"), DEMO)
    set_users(system.paths.root, {"anna": "operator"})
    system.start("up", "--profile", str(system.profile), "--port", "0")
    wait_for("the first green light", lambda: "GREEN" in said(system), 90)
    yield system
    system.close()
    assert_invariants(system)


@pytest.fixture(scope="module")
def page(house: System) -> Iterator[Page]:
    """One page, logged in, open through the whole story."""
    found = re.search(r"http://\S+", said(house))
    assert found is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(30_000)
        page.goto(found.group())
        page.locator("input[name=name]").fill("anna")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("form button").first.click()
        page.wait_for_selector(".bf-plot .main-svg", timeout=90_000)  # until then the chart takes the whole thread
        yield page
        browser.close()


def said(system: System) -> str:
    return (system.root / "up.log").read_text()


def light_is(page: Page, state: str, within_s: float = 40) -> None:
    expect(page.locator(f'.light[data-state="{state}"]')).to_be_visible(timeout=within_s * 1000)


def receipt(page: Page, command: str) -> Locator:
    return page.locator(".receipt", has=page.locator("strong", has_text=re.compile(f"^{command}$"))).first


def confirm(page: Page, button: str, **fields: str) -> None:
    """Fill the open dialog's fields, the password last, and press; the dialog closes when it was carried out."""
    dialog = page.get_by_role("dialog")
    for label, text in fields.items():
        dialog.get_by_role("textbox", name=label).fill(text)
    dialog.locator("input[type=password]").fill(PASSWORD)
    dialog.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_test_id("stDialog")).to_have_count(0, timeout=30_000)


def test_r_c2_pause_and_resume_by_page_with_receipts(house: System, page: Page) -> None:
    light_is(page, "green")
    page.locator("button.pause").click()
    wait_for("the pause", lambda: house.command_receipt("pause", JournalType.CONTROL_DONE), 10)
    expect(receipt(page, "Pause")).to_contain_text("in force")
    light_is(page, "yellow")
    page.locator("button.resume").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("SIMULATED DU0000001")
    expect(dialog).to_contain_text("checks pass")
    confirm(page, "Resume hedging")
    wait_for("the release", lambda: not (house.paths.control / "pause").exists(), 10)
    expect(receipt(page, "Resume")).to_contain_text("done")
    light_is(page, "green")


def test_r_c3_flatten_by_page_closes_what_was_previewed_and_tells_its_end(house: System, page: Page) -> None:
    wait_for("shares to flatten", lambda: house.snapshot().own_shares != 0, 90)
    page.locator("button.flatten").click()
    dialog = page.get_by_role("dialog")
    # On a desk that goes on hedging the plan may change behind the dialog: its own Pause makes it stand still.
    dialog.locator("button.pause").click()
    light_is(page, "yellow")
    wait_for("no hedge under way", lambda: not house.snapshot().working_orders, 20)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stDialog")).to_have_count(0, timeout=30_000)
    own = house.snapshot().own_shares
    phrase = f"FLATTEN {house.desk.upper()} {'SELL' if own > 0 else 'BUY'} {abs(own):.0f}"
    page.locator("button.flatten").click()
    expect(dialog).to_contain_text(phrase)
    confirm(page, "Flatten now", Phrase=phrase)
    verified = wait_for("the end", lambda: house.of(JournalType.FLATTEN_VERIFIED), 40)
    assert verified[-1].quantity == 0
    expect(receipt(page, "FLATTEN")).to_contain_text("residual option delta")
    expect(receipt(page, "FLATTEN")).to_contain_text("done")
    assert (house.paths.control / "pause").exists()
    told = next(line for line in read_audit(house.paths.audit) if line.action == "flatten")
    assert (told.by, told.outcome, told.data["phrase"]) == ("anna", "written", phrase)  # type: ignore[index]
    page.locator("button.resume").click()
    confirm(page, "Resume hedging")
    light_is(page, "green")


def test_r_c1_stop_and_start_by_page_and_no_order_afterwards(house: System, page: Page) -> None:
    pid = wait_for("a daemon", house.daemon_pid)
    page.locator("#bifrost-frame button.stop").click()
    wait_for("its end", lambda: not psutil.pid_exists(pid), 15)
    light_is(page, "not_live")
    expect(page.locator(".word")).to_have_text("STOPPED")
    for word in ("written", "seen", "started", "done", "by anna"):
        expect(receipt(page, "STOP")).to_contain_text(word)
    assert house.of(JournalType.RUN_STOPPED)[-1].data["exit_code"] == 0  # type: ignore[index]
    sent = house.placed_order_refs()
    page.locator("button.start").click()
    expect(page.get_by_role("dialog")).to_contain_text("by anna")
    time.sleep(1.0)  # a stopped desk has this long to send what it must not
    assert house.placed_order_refs() == sent
    confirm(page, "Start")
    expect(receipt(page, "Start")).to_contain_text("running", timeout=40_000)
    light_is(page, "green", within_s=60)
