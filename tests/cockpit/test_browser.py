"""The Now page in a real browser, over a desk that ticks."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from playwright.sync_api import TimeoutError as PageTimeoutError

from state.audit import read_audit
from state.records import Check, WorkingOrder
from state.snapshot import read_snapshot
from tests.cockpit.conftest import Visit
from tests.cockpit.looks import CLIPPED_FIGURES, CONTRAST
from tests.support.desk_player import DeskPlayer, Mood, PlayingDesk
from tests.support.system import wait_for

pytestmark = pytest.mark.browser

RED = "rgb(183, 28, 28)"


@pytest.fixture(autouse=True)
def calm_again(desk: PlayingDesk, visit: Visit) -> Iterator[None]:
    light_is(visit.page, "green")
    yield
    for name in ("stop", "pause", "flatten"):
        (desk.player.paths.control / name).unlink(missing_ok=True)

    def calm(player: DeskPlayer) -> None:
        player.mood, player.own_shares, player.extra_checks = "green", 240.0, ()
        player.working, player.obeys, player.account_kind = (), True, "simulated"
        player.flatten_choices = ()

    desk.change(calm)
    desk.frozen.clear()
    close_dialog(visit.page)


def close_dialog(page: Page) -> None:
    """A page below an open dialog takes no clicks. The dialog may be closing by itself already."""
    dialog = page.get_by_role("dialog")
    patience = time.monotonic() + 20
    while dialog.count() > 0:
        assert time.monotonic() < patience, "a dialog does not close"
        with suppress(PageTimeoutError):
            dialog.get_by_role("button", name="Close").click(timeout=500)
        page.wait_for_timeout(100)


def set_mood(desk: PlayingDesk, mood: Mood) -> None:
    def act(player: DeskPlayer) -> None:
        player.mood = mood

    desk.change(act)


def light_is(page: Page, state: str, *, within_s: float = 12) -> None:
    expect(page.locator(f'.light[data-state="{state}"]')).to_be_visible(timeout=within_s * 1000)


def control_file(desk: PlayingDesk, name: str) -> Path:
    return desk.player.paths.control / name


def fill_of(button: Locator) -> str:
    fill: str = button.evaluate("node => getComputedStyle(node).backgroundColor")
    return fill


def gone(page: Page) -> None:
    expect(page.get_by_test_id("stDialog")).to_have_count(0, timeout=20_000)


def appears(path: Path, *, within_s: float = 5) -> bool:
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        if path.exists():
            return True
        time.sleep(0.02)
    return False


def test_a_page_asks_only_its_own_server_and_complains_of_nothing(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    expect(page.locator(".bf-plot .main-svg").first).to_be_visible()
    page.get_by_role("link", name="Operations").click()
    expect(page.locator(".caption", has_text="Journal")).to_be_visible()
    light_is(page, "green")
    page.get_by_role("link", name="Now").click()
    expect(page.locator("button.stop")).to_be_visible()
    foreign = [url for url in visit.requests if not url.startswith((visit.cockpit.address, "data:", "blob:"))]
    assert foreign == []
    assert visit.complaints == []


def test_stop_is_one_click_and_has_receipts(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    light_is(page, "green")
    before = len(read_audit(desk.player.paths.audit))
    page.locator("button.stop").dblclick()
    assert appears(control_file(desk, "stop"), within_s=2)
    light_is(page, "not_live")
    expect(page.locator(".word")).to_have_text("STOPPED")
    receipt = page.locator(".receipt").first
    for word in ("STOP", "written", "seen", "started", "done"):
        expect(receipt).to_contain_text(word)
    expect(page.locator("button.stop")).to_be_disabled()
    assert fill_of(page.locator("button.stop")) != RED, "a disabled STOP must not look alive"
    audited = [line.action for line in read_audit(desk.player.paths.audit)[before:]]
    assert audited == ["stop"], "a double click is one command"

    page.locator("button.start").click()
    page.get_by_role("button", name="Start", exact=True).click()
    light_is(page, "green", within_s=8)
    assert not control_file(desk, "stop").exists()
    gone(page)


def test_a_press_shows_at_once_and_a_silent_server_says_that_nothing_was_written(
    visit: Visit, desk: PlayingDesk
) -> None:
    page = visit.page
    waiting: list[Route] = []
    page.route("**/api/control/pause*", lambda route: waiting.append(route))  # noqa: PLW0108 -- playwright marks it
    page.locator("button.pause").click()
    expect(page.locator("button.pause")).to_contain_text("Sending")
    wait_for("the press", lambda: page.evaluate("1") and waiting, 5)
    waiting[0].abort()
    problem = page.locator(".problem:not(:empty)")
    expect(problem).to_contain_text("pause was NOT written: no answer from the server")
    expect(problem).to_contain_text("pause --desk demo")
    page.unroute("**/api/control/pause*")
    assert not control_file(desk, "pause").exists()
    page.locator("button.pause").click()
    assert appears(control_file(desk, "pause"), within_s=3)
    expect(problem).to_have_count(0)


def test_stop_works_where_nothing_of_streamlit_does(visit: Visit, desk: PlayingDesk) -> None:
    """A script that hangs, a WebSocket that is cut: STOP stands in the frame and is a POST of its own."""
    page = visit.page.context.new_page()
    page.route("**/static/**", lambda route: route.abort())
    page.route("**/_stcore/**", lambda route: route.abort())
    page.goto(f"{visit.cockpit.address}/?desk=demo")
    page.locator(".stop-place button.stop:enabled").click()
    assert appears(control_file(desk, "stop"), within_s=3)
    expect(page.locator(".stop-place button.stop")).to_have_text("Stopped")
    page.close()


def test_stop_is_written_while_no_daemon_answers(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    desk.frozen.set()
    light_is(page, "not_live", within_s=10)
    page.locator("button.stop").click()
    assert appears(control_file(desk, "stop"), within_s=3)
    receipt = page.locator('.receipt[data-state="failed"]', has_text="STOP")
    expect(receipt).to_contain_text("No daemon answers", timeout=10_000)


def test_pause_is_one_click_and_resume_shows_what_else_blocks(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    light_is(page, "green")
    page.locator("button.pause").click()
    assert appears(control_file(desk, "pause"), within_s=2)
    light_is(page, "yellow")
    expect(page.locator(".word")).to_have_text("PAUSED")
    set_mood(desk, "red")
    light_is(page, "red")
    page.locator("button.resume").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Resume hedging · demo · SIMULATED DU0000001")
    expect(dialog).to_contain_text("2 in the way")
    expect(dialog).to_contain_text("Measured 14 s · Limit 5.0 s · Who ends it: by itself")
    expect(dialog).to_contain_text("5 checks pass")
    dialog.get_by_role("button", name="Resume hedging").click()
    expect(page.locator(".receipt", has_text="Resume")).to_contain_text("done")
    assert not control_file(desk, "pause").exists()
    gone(page)


def test_reset_asks_who_and_why_and_leaves_the_desk_paused(visit: Visit, desk: PlayingDesk) -> None:
    def halt(player: DeskPlayer) -> None:
        player.extra_checks = (
            Check(name="halt_daily_loss", ok=False, severity="red", measured="5012.40 lost", reason="daily_loss"),
        )

    desk.change(halt)
    page = visit.page
    page.locator("button.reset").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("does not resume trading by itself")
    confirm = dialog.get_by_role("button", name="Reset the halt")
    expect(confirm).to_be_disabled()
    dialog.get_by_role("textbox", name="Name of the person").fill("Anna Example")
    expect(confirm).to_be_disabled()
    dialog.get_by_role("textbox", name="Reason").fill("loss reviewed")
    expect(confirm).to_be_enabled()
    confirm.click()
    gone(page)
    assert appears(control_file(desk, "pause"), within_s=3)
    (left,) = desk.player.paths.requests.glob("*.json")
    told = json.loads(left.read_text())
    left.unlink()
    assert (told["command"], told["by"], told["reason"]) == ("reset", "Anna Example", "loss reviewed")


def test_flatten_needs_its_phrase_and_shows_the_plan(visit: Visit, desk: PlayingDesk) -> None:
    def work(player: DeskPlayer) -> None:
        order = WorkingOrder(
            order_ref="demo.k3x9.9",
            instrument="TWX",
            side="SELL",
            quantity=28.0,
            filled=4.0,
            status="working",
            own=True,
        )
        player.working = (order,)

    desk.change(work)
    page = visit.page
    expect(page.locator(".frame", has_text="Working orders")).to_contain_text("demo.k3x9.9")
    page.locator("button.flatten").click()
    dialog = page.get_by_role("dialog")
    for text in ("SELL 28 TWX (working)", "+240 → 0", "SELL 240 TWX at market", "foreign +100", "236.8", "2.40 USD"):
        expect(dialog).to_contain_text(text)
    confirm = dialog.get_by_role("button", name="Flatten now")
    expect(confirm).to_be_disabled()
    phrase = dialog.get_by_role("textbox")
    for wrong in ("FLATTEN", "flatten demo sell 240"):
        phrase.fill(wrong)
        expect(confirm).to_be_disabled()

    def hedge(player: DeskPlayer) -> None:
        player.own_shares = 250.0

    desk.change(hedge)  # the desk goes on behind the dialog: what is typed now agrees to nothing any more
    wait_for("the hedge", lambda: read_snapshot(desk.player.paths.snapshot).snapshot.own_shares == 250, 5)
    phrase.fill("FLATTEN DEMO SELL 240")
    expect(dialog).to_contain_text("The plan has changed")
    expect(confirm).to_be_disabled()
    phrase.fill("FLATTEN DEMO SELL 250")
    expect(confirm).to_be_enabled()
    assert not control_file(desk, "flatten").exists()
    confirm.click()
    receipt = page.locator(".receipt", has_text="FLATTEN")
    expect(receipt).to_contain_text("residual option delta", timeout=8000)
    expect(receipt).to_contain_text("done")
    expect(page.locator(".frame", has_text="Positions")).not_to_contain_text("+250")
    light_is(page, "yellow")
    gone(page)


def test_a_flatten_of_a_salvaged_book_takes_one_of_its_numbers_and_leaves_it_in_the_note(
    visit: Visit, desk: PlayingDesk
) -> None:
    def salvaged(player: DeskPlayer) -> None:
        player.flatten_choices, player.obeys = (240.0, 210.0), False

    desk.change(salvaged)
    wait_for("the numbers", lambda: read_snapshot(desk.player.paths.snapshot).snapshot.flatten_choices_shares, 5)
    page = visit.page
    page.locator("button.flatten").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("FLATTEN DEMO CONFIRM 240 · FLATTEN DEMO CONFIRM 210")
    expect(dialog).to_contain_text("flatten --desk demo --confirm-shares N")
    confirm = dialog.get_by_role("button", name="Flatten now")
    phrase = dialog.get_by_role("textbox")
    phrase.fill("FLATTEN DEMO CONFIRM 200")
    expect(confirm).to_be_disabled()
    phrase.fill("FLATTEN DEMO CONFIRM 210")
    expect(confirm).to_be_enabled()
    confirm.click()
    note = control_file(desk, "flatten")
    assert appears(note, within_s=3)
    assert json.loads(note.read_text())["shares"] == 210


def test_a_flatten_that_stands_is_taken_back_and_the_desk_stays_paused(visit: Visit, desk: PlayingDesk) -> None:
    def deaf(player: DeskPlayer) -> None:
        player.obeys = False

    desk.change(deaf)
    control_file(desk, "flatten").touch()
    page = visit.page
    expect(page.locator("button.flatten")).to_have_text("Flattening…")
    page.locator("button.withdraw").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Own shares now: +240, on their way to 0.")
    expect(dialog).to_contain_text("rm ")
    dialog.get_by_role("button", name="Take it back").click()
    gone(page)
    assert appears(control_file(desk, "pause"), within_s=3)
    assert not control_file(desk, "flatten").exists()


def test_a_dismissed_dialog_is_over_and_begins_anew(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    page.locator("button.flatten").click()
    dialog = page.get_by_role("dialog")
    phrase = dialog.get_by_role("textbox")
    phrase.fill("FLATTEN DEMO")
    page.keyboard.press("Escape")
    gone(page)
    page.locator("button.flatten").click()
    expect(dialog).to_contain_text("FLATTEN DEMO SELL 240")
    expect(phrase).to_have_value("")  # nothing typed before agrees to anything now
    phrase.fill("FLATTEN DEMO SELL 240")
    expect(dialog.get_by_role("button", name="Flatten now")).to_be_enabled()
    close_dialog(page)
    page.locator("button.pause").click()
    assert appears(control_file(desk, "pause"), within_s=3)


def test_stop_is_one_click_away_in_a_dialog_too(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    page.locator("button.flatten").click()
    page.get_by_role("dialog").locator("button.stop").click()
    assert appears(control_file(desk, "stop"), within_s=2)
    light_is(page, "not_live")
    page.keyboard.press("Escape")
    gone(page)


def test_a_command_that_nobody_sees_turns_red_with_the_shell_line(visit: Visit, desk: PlayingDesk) -> None:
    def deaf(player: DeskPlayer) -> None:
        player.obeys = False

    desk.change(deaf)
    page = visit.page
    light_is(page, "green")
    page.locator("button.pause").click()
    receipt = page.locator('.receipt[data-state="failed"]', has_text="Pause")
    expect(receipt).to_contain_text("not seen for", timeout=8000)
    expect(receipt).to_contain_text("pause --desk demo")


def test_text_of_others_is_text(visit: Visit, desk: PlayingDesk) -> None:
    markup = "\u202e<img src=x onerror=document.title='owned'><b>bold</b> **md** [x](http://evil.example)"

    def speak(player: DeskPlayer) -> None:
        player.extra_checks = (
            Check(name="broker", ok=False, severity="red", measured=markup, limit="none", reason="broker_error"),
        )

    desk.change(speak)
    page = visit.page
    light_is(page, "red")
    expect(page.locator(".reasons")).to_contain_text("\ufffd<img src=x onerror=document.title='owned'><b>bold</b>")
    assert page.locator(".reasons b, .reasons img").count() == 0
    page.locator("button.pause").click()
    page.locator("button.resume").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("<b>bold</b> **md** [x](http://evil.example)")
    assert "\u202e" not in page.locator("body").inner_text() + page.locator(".reasons").inner_text()
    assert dialog.locator("img, a[href*=evil]").count() == 0
    assert "owned" not in page.title()


def test_zoom_survives_sixty_ticks(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    expect(page.locator(".bf-plot .main-svg").first).to_be_visible()
    drawn = "() => document.querySelector('.bf-plot').data?.[0]?.x.length ?? 0"
    wait_for("the curve", lambda: page.evaluate(drawn) > 100, 20)
    page.evaluate("""async () => {
        const plot = document.querySelector('.bf-plot');
        plot.dataset.mark = 'same node';
        await window.Plotly.relayout(plot, {'xaxis.range': ['2014-06-05 14:00', '2014-06-05 15:00']});
        plot.drawn = 0;
        plot.on('plotly_afterplot', () => { plot.drawn += 1; });
    }""")
    before = page.evaluate("document.querySelector('.bf-plot').data[0].x.length")
    patience = time.monotonic() + 150  # the page coalesces ticks that come faster than this machine can draw
    while page.evaluate("document.querySelector('.bf-plot').drawn") < 60:
        assert time.monotonic() < patience, "the page stopped drawing"
        desk.change(lambda player: player.tick())
    wait_for("a new point", lambda: page.evaluate(drawn) > before, 20)
    kept = page.evaluate("""() => {
        const plot = document.querySelector('.bf-plot');
        return [plot.dataset.mark, ...plot.layout.xaxis.range.map(String)];
    }""")
    assert kept[0] == "same node"
    assert kept[1].startswith("2014-06-05 14:00")
    assert kept[2].startswith("2014-06-05 15:00")


def test_history_is_drawn_and_told_and_a_day_leads_to_its_operations(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    page.get_by_role("link", name="History").click()
    daily = page.locator(".bf-chart", has=page.locator(".bf-title", has_text="P&L by day"))
    expect(daily.locator(".main-svg").first).to_be_visible()
    expect(daily.locator(".bf-plot")).to_have_attribute("aria-label", re.compile("the newest, 2014-06-05"))
    paper = "node => node.querySelector('.bf-plot').layout.paper_bgcolor"
    light = daily.evaluate(paper)
    page.emulate_media(color_scheme="dark")
    wait_for("the figure in the dark theme's colours", lambda: daily.evaluate(paper) != light)
    page.emulate_media(color_scheme="light")
    daily.get_by_role("button", name="Show as table").click()
    expect(daily.get_by_role("region")).to_contain_text("2014-06-05")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(daily.get_by_role("button", name="Show as figure")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1440, "height": 900})
    tails = page.locator(".frame", has_text="Worst and best days")
    tails.get_by_role("button", name="2014-06-05").click()
    page.wait_for_url("**/operations?**since=2014-06-05**")
    page.get_by_role("link", name="Now").click()
    expect(page.locator(".bf-plot .main-svg").first).to_be_visible()


def test_a_phone_shows_light_and_stop_at_once(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    stop = page.locator("button.stop")
    expect(stop).to_be_in_viewport(ratio=0.99)
    expect(page.locator(".light")).to_be_in_viewport(ratio=0.99)
    box = stop.bounding_box()
    assert box is not None
    assert box["height"] >= 48
    assert box["y"] + box["height"] > 800, "STOP lies under the thumb"
    expect(page.locator('.tile[data-name="equity"] .value')).to_be_visible()
    assert page.evaluate(CLIPPED_FIGURES) == []
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    page.locator(".frame", has_text="Working orders").evaluate("node => node.scrollIntoView()")
    expect(stop).to_be_in_viewport(ratio=0.99)
    stop.click()
    assert appears(control_file(desk, "stop"), within_s=2)
    page.set_viewport_size({"width": 1440, "height": 900})


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_text_has_contrast_in_both_themes(
    visit: Visit, desk: PlayingDesk, scheme: Literal["dark", "light"]
) -> None:
    page = visit.page
    page.emulate_media(color_scheme=scheme)
    ground = {"dark": "rgb(22, 25, 29)", "light": "rgb(243, 244, 246)"}[scheme]
    shown = "() => getComputedStyle(document.querySelector('.stApp')).backgroundColor"
    wait_for("the theme", lambda: page.evaluate(shown) == ground, 10)
    moods: tuple[Mood, ...] = ("green", "yellow", "red")
    for mood in moods:
        set_mood(desk, mood)
        light_is(page, mood)
        expect(page.locator(".tile .value").first).to_be_visible()
        assert page.evaluate(CONTRAST) == [], mood
