"""No page stops somebody who cannot see, point, or tell colours apart: axe-core's serious and critical rules hold.

A usual run looks at every page once and at the light in all its states; `--nightly` at all of them in both themes and
languages, and on a phone.
"""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from cockpit.routes.index import PAGE_PATHS
from tests.cockpit.conftest import Visit
from tests.support.axe import findings
from tests.support.cockpit_process import CockpitProcess, set_users
from tests.support.desk_player import DeskPlayer, Mood, PlayingDesk

pytestmark = pytest.mark.browser
STANDALONE = ("runbook", "light")
"""Pages of ours that are not Streamlit's."""
RUNBOOK_SAMPLE = "nav, h1, #stale, #paused, #besides"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(autouse=True)
def calm_again(desk: PlayingDesk, visit: Visit) -> Iterator[None]:
    yield

    def calm(player: DeskPlayer) -> None:
        player.mood = "green"

    desk.change(calm)
    desk.frozen.clear()
    for name in ("stop", "pause", "flatten"):
        (desk.player.paths.control / name).unlink(missing_ok=True)


def open_page(visit: Visit, path: str, **query: str) -> Page:
    page = visit.page
    asked = "&".join(f"{name}={value}" for name, value in {"desk": "demo", **query}.items())
    page.goto(f"{visit.cockpit.address}/{path}?{asked}")
    if path not in STANDALONE:
        page.wait_for_selector('.light[data-state]:not([data-state="not_live"])', timeout=60_000)
        page.wait_for_selector('.stApp[data-test-script-state="notRunning"]', timeout=60_000)
        expect(page.get_by_role("progressbar")).to_have_count(0)
    return page


def none_in(page: Page, what: str, within: str | None = None) -> None:
    found = findings(page, within)
    assert not found, "\n".join([what, *map(str, found)])


def set_mood(desk: PlayingDesk, mood: Mood) -> None:
    def act(player: DeskPlayer) -> None:
        player.mood = mood

    desk.change(act)


@pytest.mark.parametrize("path", ["", *PAGE_PATHS[1:], *STANDALONE])
def test_every_page(visit: Visit, path: str) -> None:
    # The runbook's hundred entries are drawn by one function: its index and some of them will do.
    none_in(open_page(visit, path), path, RUNBOOK_SAMPLE if path == "runbook" else None)


def test_the_light_in_every_state(visit: Visit, desk: PlayingDesk) -> None:
    page = open_page(visit, "")
    moods: tuple[Mood, ...] = ("yellow", "red")
    for mood in moods:
        set_mood(desk, mood)
        page.wait_for_selector(f'.light[data-state="{mood}"]')
        none_in(page, mood, "#bifrost-frame")
    desk.frozen.set()
    page.wait_for_selector('.light[data-state="not_live"]')
    none_in(page, "not live")


def test_the_dialogs(visit: Visit, desk: PlayingDesk) -> None:
    page = open_page(visit, "")
    page.locator("button.flatten").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("textbox").first).to_be_visible()
    none_in(page, "flatten", "[role=dialog]")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.locator("button.pause").click()
    page.locator("button.resume").click()
    expect(dialog.get_by_role("button", name="Resume hedging")).to_be_visible()
    none_in(page, "resume", "[role=dialog]")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_the_login_page(visit: Visit, desk: PlayingDesk) -> None:
    set_users(desk.player.paths.root, {"anna": "operator"})
    with CockpitProcess(desk.player.paths.root) as guarded:
        page = visit.page
        page.goto(f"{guarded.address}/?desk=demo")
        expect(page.locator("input[type=password]")).to_be_visible()
        none_in(page, "login")
        page.locator("input[name=name]").fill("anna")
        page.locator("input[type=password]").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        none_in(page, "refused login")


@pytest.mark.nightly
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", *PAGE_PATHS[1:], *STANDALONE])
def test_every_page_in_both_themes_and_languages_and_on_a_phone(
    *, visit: Visit, desk: PlayingDesk, path: str, scheme: Literal["light", "dark"], language: str, size: dict[str, int]
) -> None:
    page = visit.page
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    page.emulate_media(color_scheme=scheme)
    moods: tuple[Mood, ...] = ("green", "red")
    open_page(visit, path, lang=language)
    for mood in moods if path in ("", "light") else moods[:1]:
        set_mood(desk, mood)
        if path != "runbook":  # which has no light
            page.wait_for_selector(f'[data-state="{mood}"]', state="attached")
        none_in(page, f"{path} {scheme} {language} {mood}")
