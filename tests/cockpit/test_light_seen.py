"""The light in a real browser: its states, what stands beside it, before Streamlit and without it, and its end."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from state.records import Check, Posture
from tests.cockpit.conftest import Visit
from tests.cockpit.looks import CLIPPED, CONTRAST
from tests.support.cockpit_process import CockpitProcess
from tests.support.desk_player import DeskPlayer, Mood, PlayingDesk
from tests.support.system import wait_for

pytestmark = pytest.mark.browser

RED = "rgb(183, 28, 28)"
ANNA = json.dumps({"id": "x1", "by": "anna", "reason": "lunch", "at": "2026-11-21T10:00:00.000000Z"})


@pytest.fixture(autouse=True)
def calm_again(desk: PlayingDesk) -> Iterator[None]:
    yield
    for name in ("stop", "pause", "flatten"):
        control_file(desk, name).unlink(missing_ok=True)

    def calm(player: DeskPlayer) -> None:
        player.mood, player.extra_checks, player.account_kind = "green", (), "simulated"
        player.posture = Posture(name="ACTIVE")

    desk.change(calm)
    desk.frozen.clear()


@pytest.fixture(scope="module")
def bare(browser: Browser, cockpit: CockpitProcess) -> Iterator[Page]:
    """A page to which Streamlit never comes: the light, STOP and the light page must do without it."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.route("**/static/**", lambda route: route.abort())
    yield page
    context.close()


def control_file(desk: PlayingDesk, name: str) -> Path:
    return desk.player.paths.control / name


def set_mood(desk: PlayingDesk, mood: Mood) -> None:
    def act(player: DeskPlayer) -> None:
        player.mood = mood

    desk.change(act)


def light_is(page: Page, state: str, *, within_s: float = 15) -> None:
    expect(page.locator(f'.light[data-state="{state}"]')).to_be_visible(timeout=within_s * 1000)


def tab_begins(page: Page, start: str) -> None:
    wait_for(f"the tab to say {start}", lambda: page.title().startswith(start), 10)


def style(page: Page, selector: str, name: str) -> str:
    found: str = page.locator(selector).evaluate(f"node => getComputedStyle(node).{name}")
    return found


def test_the_light_has_four_states_with_place_shape_word_colour_tab_and_icon(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    fills, icons = set(), set()
    moods: tuple[tuple[Mood, str, str], ...] = (("green", "●", ""), ("yellow", "▲", "spread 0.31 %, limit 0.1 %"))
    for mood, mark, numbers in (*moods, ("red", "■", "quote age 14 s, limit 5.0 s")):
        set_mood(desk, mood)
        light_is(page, mood)
        expect(page.locator(".reasons")).to_contain_text(numbers)
        expect(page.locator(".lamp[data-lit]")).to_have_attribute("data-lamp", mood)
        tab_begins(page, mark)
        fills.add(style(page, ".light", "backgroundColor"))
        icons.add(page.locator('link[rel~="icon"]').get_attribute("href"))
    assert len(fills) == len(icons) == 3
    stale = page.locator('.reasons li[data-code="stale"]')
    expect(stale.locator("a")).to_have_attribute("href", "/runbook?desk=demo&lang=en&tz=UTC#stale")
    expect(stale.locator(".remedy")).to_contain_text("→")

    began = time.monotonic()
    desk.frozen.set()
    light_is(page, "not_live", within_s=6)
    assert time.monotonic() - began < 5
    expect(page.locator(".word")).to_have_text("NOT LIVE")
    assert "repeating-linear-gradient" in style(page, ".light", "backgroundImage")
    tab_begins(page, "◌ NOT LIVE")
    for gone in (".session", ".feeds", ".market", ".posture"):
        expect(page.locator(f".facts {gone}")).to_be_empty()


def test_what_stands_is_a_word_beside_the_light_and_in_the_tab(visit: Visit, desk: PlayingDesk) -> None:
    def trouble(player: DeskPlayer) -> None:
        player.mood = "red"
        player.posture = Posture(name="HALTED", reason="daily_loss: lost 5,120 USD")
        player.extra_checks = tuple(
            Check(name=f"halt_{code}", ok=False, severity="red", measured="x", reason=code)
            for code in ("daily_loss", "drawdown", "overfill")
        )

    page = visit.page
    light_is(page, "green")
    expect(page.locator(".facts .posture")).to_have_text("posture ACTIVE")
    expect(page.locator(".standing li")).to_have_count(0)
    control_file(desk, "pause").write_text(ANNA)
    desk.change(trouble)
    light_is(page, "red")
    expect(page.locator('.standing [data-code="pause"]')).to_contain_text("PAUSED")
    expect(page.locator('.standing [data-code="pause"]')).to_contain_text("by anna since")
    expect(page.locator('.standing [data-code="pause"]')).to_contain_text("lunch")
    expect(page.locator('.standing [data-code="halted"]')).to_contain_text("lost 5,120 USD")
    wait_for("the tab", lambda: "PAUSED" in page.title() and "HALTED" in page.title(), 10)

    expect(page.locator(".reasons li")).to_have_count(3)
    more = page.locator(".light .more")
    expect(more).to_have_text("3 more: show all")
    more.click()
    expect(page.locator(".reasons li")).to_have_count(6)
    expect(page.locator(".reasons .remedy")).to_have_count(6)
    more.click()
    expect(page.locator(".reasons li")).to_have_count(3)


def test_a_stopped_desk_says_by_whom_when_and_why(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    light_is(page, "green")
    control_file(desk, "stop").write_text(ANNA)
    expect(page.locator(".word")).to_have_text("STOPPED", timeout=15_000)
    expect(page.locator(".headline")).to_contain_text("by anna since")
    expect(page.locator(".headline")).to_contain_text("lunch")
    tab_begins(page, "◌ STOPPED")


def test_a_live_account_says_so_in_the_bar_and_in_the_tab(visit: Visit, desk: PlayingDesk) -> None:
    def earnest(player: DeskPlayer) -> None:
        player.account_kind = "live"

    desk.change(earnest)
    page = visit.page
    expect(page.locator('.light .mode[data-kind="live"]')).to_have_text("LIVE DU0000001")
    wait_for("the tab", lambda: "LIVE" in page.title().split(" · "), 10)
    assert style(page, ".light", "borderTopWidth") == "6px"


def test_a_page_has_one_stream_and_the_bar_of_before_streamlit(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    streams = [url for url in visit.requests if "/api/events" in url]
    assert len(streams) == 1, streams
    page.locator(".light").evaluate("node => { node.dataset.mark = 'the same' }")
    page.get_by_role("link", name="Fleet").click()
    card = page.locator('.desks [data-desk="demo"]')
    expect(card).to_have_attribute("data-state", "green", timeout=30_000)
    wait_for("the tab", lambda: "all 1 well" in page.title(), 10)
    set_mood(desk, "red")
    expect(card).to_contain_text("quote age 14 s, limit 5.0 s")
    wait_for("the tab", lambda: page.title().startswith("■ 1 of 1 blocked"), 10)
    desk.frozen.set()
    expect(card).to_have_attribute("data-state", "not_live", timeout=6_000)
    desk.frozen.clear()
    page.get_by_role("link", name="Now").click()
    expect(page.locator(".tile .value").first).to_be_visible()
    tab_begins(page, "■ STALE")
    expect(page.locator(".light")).to_have_attribute("data-mark", "the same")
    assert [url for url in visit.requests if "/api/events" in url] == streams
    assert len([url for url in visit.requests if "/api/fleet/events" in url]) == 1


Case = tuple[str, Literal["light", "dark"], str]


@pytest.mark.parametrize("case", [("en", "light", "/"), ("zh", "dark", "/"), ("zh", "light", "/light")])
def test_a_phone_shows_light_and_stop_without_streamlit_in_both_languages_and_themes(
    bare: Page, cockpit: CockpitProcess, desk: PlayingDesk, case: Case
) -> None:
    language, scheme, path = case

    def worst(player: DeskPlayer) -> None:
        player.mood, player.account_kind = "red", "live"
        player.posture = Posture(name="HALTED", reason="daily_loss: lost 5,120 USD of 5,000")

    bare.emulate_media(color_scheme=scheme)
    control_file(desk, "pause").write_text(ANNA)
    desk.change(worst)
    bare.goto(f"{cockpit.address}{path}?desk=demo&lang={language}")
    bar = bare.locator('[data-state="red"]').first
    expect(bar).to_be_visible(timeout=15_000)
    stop = bare.locator("button.stop, button#stop")
    expect(stop).to_be_enabled()
    expect(stop).to_be_in_viewport(ratio=0.99)
    expect(bar).to_be_in_viewport(ratio=0.99)
    assert bare.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]
    expect(bar).to_contain_text({"en": "PAUSED", "zh": "已暂停"}[language])
    assert bare.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    assert bare.evaluate(CLIPPED) == []
    assert bare.evaluate(CONTRAST) == []


def test_the_light_page_is_small_and_its_buttons_write_the_files(
    bare: Page, cockpit: CockpitProcess, desk: PlayingDesk
) -> None:
    loaded: list[int] = []
    bare.on("response", lambda answer: None if "/api/" in answer.url else loaded.append(_bytes(answer)))
    bare.goto(f"{cockpit.address}/light?desk=demo")
    expect(bare.locator('#light[data-state="green"]')).to_be_visible(timeout=15_000)
    expect(bare.locator("#equity")).to_contain_text("USD")
    expect(bare.locator("#net_delta")).to_have_text("+3.2 shares")
    expect(bare.locator("#held")).to_have_text("+240 TWX")
    assert sum(loaded) < 20_000, "uncompressed and with its words"
    bare.locator("#pause").click()
    expect(bare.locator("#word")).to_have_text("PAUSED", timeout=15_000)
    assert control_file(desk, "pause").exists()
    expect(bare.locator("#pause")).to_be_disabled()
    desk.frozen.set()
    expect(bare.locator('#light[data-state="not_live"]')).to_be_visible(timeout=6_000)
    expect(bare.locator("#figures")).to_have_attribute("data-stale", "true")
    bare.locator("#stop").click()
    wait_for("the file", control_file(desk, "stop").exists, 5)


def test_a_late_message_is_old_and_a_clock_that_was_set_is_forgiven_within_the_half_hour(
    bare: Page, cockpit: CockpitProcess
) -> None:
    bare.goto(f"{cockpit.address}/light?desk=demo")
    found = bare.evaluate(
        """async () => {
          const loaded = document.querySelector('script[type="module"]').src;
          const { Link } = await import(new URL('live.js', loaded).href);
          const link = new Link('/nowhere');
          const [wall, perf] = [Date.now, performance.now.bind(performance)];
          let [minutes, set] = [0, 0];
          const late = (ms) => { link.hear({ made_ms: 1e12 + minutes * 6e4 - ms }); return link.lateMs; };
          Date.now = () => 1e12 + minutes * 6e4 + set;
          performance.now = () => minutes * 6e4;
          const told = [late(0), late(4000), late(0)];
          set = 5000;
          told.push(late(0));
          for (minutes = 1; minutes < 25; minutes += 1) late(0);
          told.push(late(0), late(4000));
          [Date.now, performance.now] = [wall, perf];
          return told;
        }"""
    )
    assert found == [0, 4000, 0, 5000, 0, 4000]


def test_a_page_whose_session_is_over_says_so_and_where_to_log_in(bare: Page, cockpit: CockpitProcess) -> None:
    ended = 'event: ended\ndata: {"reason": "expired"}\n\n'
    stream = {"status": 200, "content_type": "text/event-stream", "body": ended}
    refused = {"status": 401, "content_type": "application/json", "body": '{"ok": false, "login": "/login"}'}
    answers = iter([stream])
    bare.route("**/api/events*", lambda route: route.fulfill(**next(answers, refused)))
    bare.route("**/api/session", lambda route: route.fulfill(**refused))
    bare.goto(f"{cockpit.address}/?desk=demo")
    light_is(bare, "not_live")
    link = bare.locator(".reasons a")
    expect(link).to_have_text("Log in again")
    expect(link).to_have_attribute("href", "/login?next=%2F%3Fdesk%3Ddemo")
    bare.unroute("**/api/events*")
    bare.unroute("**/api/session")
    light_is(bare, "green", within_s=30)


def _bytes(answer: Any) -> int:
    return int(answer.headers.get("content-length", "0"))


def test_a_dying_server_turns_every_open_page_not_live_and_a_new_one_live_again(
    visit: Visit, bare: Page, cockpit: CockpitProcess, desk: PlayingDesk
) -> None:
    """The last test of this module: it ends the server that the others share."""
    page = visit.page
    bare.goto(f"{cockpit.address}/light?desk=demo")
    expect(bare.locator('#light[data-state="green"]')).to_be_visible(timeout=15_000)
    light_is(page, "green")
    code, seconds, said = cockpit.end(signal.SIGINT)
    light_is(page, "not_live", within_s=5)
    expect(bare.locator('#light[data-state="not_live"]')).to_be_visible(timeout=5000)
    tab_begins(page, "◌ NOT LIVE")
    expect(page.locator(".headline")).to_contain_text("lost the cockpit's server")
    expect(page.locator(".stop-place .dead")).to_contain_text("stop --desk demo")
    assert style(page, ".stop-place button.stop", "backgroundColor") != RED
    expect(page.get_by_role("dialog")).to_be_visible(timeout=15_000)  # Streamlit's own, over the page
    dead = page.locator(".stop-place .dead")
    on_top = """node => {
        const box = node.getBoundingClientRect();
        const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        return top === node.getRootNode().host;
    }"""
    wait_for("the shell line above the dialog", lambda: dead.evaluate(on_top))  # with the bar's next tick
    cockpit.port = int(cockpit.address.rpartition(":")[2])
    cockpit.start()
    light_is(page, "green", within_s=30)
    expect(bare.locator('#light[data-state="green"]')).to_be_visible(timeout=30_000)
    assert (code, said) == (0, "")
    # Open event streams must not hold it: left to itself the web server waits for them, 20 s and more.
    assert seconds < 3, "with pages and their event streams open"
