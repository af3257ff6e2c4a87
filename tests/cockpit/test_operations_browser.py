"""The Operations and Positions pages in a real browser: the address, downloads, what stays put, what stays text."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from state.query import ROUTINE, Filter, newest
from state.records import JournalType
from tests.cockpit.conftest import Visit
from tests.support.desk_player import RUN_ID, PlayingDesk

pytestmark = pytest.mark.browser
HOSTILE = '<img src=x onerror="window.hurt=1"><b>bold</b>'


@pytest.fixture(autouse=True)
def no_complaint(visit: Visit) -> Iterator[None]:
    """Nothing that the page throws goes unseen."""
    visit.complaints.clear()
    yield
    assert [said for said in visit.complaints if "404" not in said] == []


def rows(page: Page) -> Any:
    return page.locator("tbody tr")


def open_operations(visit: Visit, **query: str) -> Page:
    page = visit.open("/operations", **query)
    rows(page).first.wait_for()
    return page


def test_filters_are_restored_from_the_address_and_taken_away_by_one_press(visit: Visit) -> None:
    page = open_operations(visit, type="fill", since="2014-06-05+09:30+EDT", tz="exchange")
    expect(page.get_by_label("Since (New York)")).to_have_value("2014-06-05 09:30 EDT")
    expect(rows(page)).to_have_count(3)
    expect(page.locator(".count")).to_have_text("3 of 3 operations")
    expect(rows(page).first.locator("th")).to_contain_text("EDT")
    page.get_by_role("button", name="Remove the filter type: fill").click()
    expect(page.get_by_role("button", name="Remove the filter type: fill")).to_have_count(0)
    page.wait_for_url(lambda url: "type=" not in url and "since=" in url)
    expect(rows(page)).not_to_have_count(3)
    page.reload()
    expect(page.get_by_label("Since (New York)")).to_have_value("2014-06-05 09:30 EDT", timeout=30_000)


def test_one_click_on_an_intent_tells_its_whole_life_and_stands_in_the_address(visit: Visit) -> None:
    page = open_operations(visit, type="intent", lang="zh")
    page.get_by_role("button", name=f"{RUN_ID}-2", exact=True).click()
    expect(page.locator(".story-title")).to_have_text(f"{RUN_ID}-2 的全过程")
    expect(page.locator(".step")).not_to_have_count(1)
    page.wait_for_url(lambda url: f"intent={RUN_ID}-2" in url)
    page.get_by_role("button", name="关闭").click()
    expect(page.locator(".story-title")).to_have_count(0)


def test_an_export_downloads_exactly_the_filter(visit: Visit, desk: PlayingDesk) -> None:
    page = open_operations(visit, type="fill")
    with page.expect_download() as told:
        page.get_by_role("link", name="JSONL").click()
    content = told.value.path().read_bytes()
    fills = newest(desk.player.paths.journal, Filter(types=frozenset({JournalType.FILL})), 100)
    assert [line.seq for line in fills] == [int(raw.split(b",")[0].split(b":")[1]) for raw in content.splitlines()][
        ::-1
    ]
    assert told.value.suggested_filename.startswith("demo-operations-")


def test_new_lines_are_announced_and_move_nothing_until_they_are_asked_for(visit: Visit, desk: PlayingDesk) -> None:
    page = open_operations(visit)
    before = len([line for line in newest(desk.player.paths.journal, Filter(), 1000) if line.type not in ROUTINE])
    expect(page.locator(".count")).to_have_text(f"{before} of {before} operations")
    first = rows(page).first.inner_text()
    page.evaluate("document.activeElement.blur()")
    for number in range(3):
        desk.player.record(JournalType.REJECTED, status="rejected", reason=f"{number} {HOSTILE}", instrument=HOSTILE)
    pill = page.get_by_role("button", name="3 new: show")
    pill.wait_for(timeout=30_000)
    assert rows(page).first.inner_text() == first
    pill.click()
    expect(rows(page).first).to_contain_text(f"2 {HOSTILE}")
    expect(pill).to_be_hidden()
    assert page.locator("td img, th img, td b").count() == 0
    assert page.evaluate("window.hurt") is None


def test_the_rows_of_a_thousand_stay_the_same_elements_when_one_comes_and_one_changes(visit: Visit) -> None:
    """Selection and scroll hang on the elements: a tick may only touch what changed."""
    page = open_operations(visit, type="fill")
    found = page.evaluate(
        """async () => {
          const address = performance.getEntriesByType("resource").map((each) => each.name)
            .find((name) => name.endsWith("/tables.js"));
          const { makeTable, drawTable } = await import(address);
          const columns = Array.from({ length: 13 }, (_, place) => (
            { name: `c${place}`, label: `C${place}`, align: place > 5 ? "right" : "left", sort: true }));
          const cells = (key, change) => columns.map((_, place) => `${key * 7 % 1000}.${place}${change}`);
          const row = (key, change) => ({ key: String(key), cells: cells(key, change) });
          const told = (keys, change) => (
            { title: "t", empty: "", columns, rows: keys.map((key) => row(key, key === 500 ? change : "")) });
          const box = document.createElement("div");
          document.body.append(box);
          const parts = makeTable(box, "many");
          parts.scroll.style.cssText = "max-height: 300px; overflow: auto";
          const keys = Array.from({ length: 1000 }, (_, place) => place);
          const drawn = async (count) => {
            while (parts.body.rows.length < count) await new Promise(requestAnimationFrame);
          };
          drawTable(parts, told(keys, ""));
          const first = parts.body.rows.length;
          await drawn(1000);
          parts.scroll.scrollTop = 4000;
          const lines = new Map([...parts.body.rows].map((line, place) => [place, line]));
          drawTable(parts, told([1000, ...keys], "!"));
          const same = keys.filter((key) => parts.body.rows[key + 1] === lines.get(key)).length;
          const changed = parts.body.rows[501].cells[3].textContent;
          parts.head.querySelector("button").click();
          const up = [...parts.body.rows].slice(0, 3).map((line) => line.cells[0].textContent);
          const result = { first, same, changed, scrolled: parts.scroll.scrollTop > 3000, up };
          box.remove();
          return result;
        }"""
    )
    assert 50 < found["first"] < 1000, "the first screen does not wait for the last row"
    assert (found["same"], found["scrolled"], found["changed"]) == (1000, True, "500.3!")
    assert found["up"] == sorted(found["up"])


def test_positions_tick_on_a_phone_without_leaving_the_page(visit: Visit, desk: PlayingDesk) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    try:
        visit.open("/positions")
        scroll = page.get_by_role("region", name="Option legs")
        scroll.wait_for()
        scroll.evaluate("box => { box.scrollLeft = 200; }")
        held = scroll.locator("tbody tr").first.element_handle()
        desk.player.own_shares += 7
        expect(page.get_by_role("region", name="Whose shares").locator("tbody tr").first).to_contain_text(
            f"{desk.player.own_shares:.0f}"
        )
        assert scroll.evaluate("box => box.scrollLeft") == 200
        assert held is not None
        assert held.evaluate("row => row.isConnected")
        first = scroll.locator("tbody th").first
        assert first.bounding_box()["x"] < 60  # type: ignore[index]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        desk.player.own_shares -= 7
        page.set_viewport_size({"width": 1440, "height": 900})
