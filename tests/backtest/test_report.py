"""The report of a run: its numbers, what it escapes, and what a browser says of it."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import Browser, sync_playwright

from config.overrides import load_overridden
from daemon.backtest.feeds.opening import open_feed
from daemon.backtest.report import page, write_report
from daemon.backtest.report_axis import open_rows
from daemon.backtest.report_chart import scale_of, ticks
from daemon.backtest.report_words import model_sentences
from daemon.backtest.run import run_backtest
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.runs.folder import BacktestPaths
from state.runs.records import Finding, Summary, VenueModel
from state.statistics.run_tables import RunTableError, read_table
from state.statistics.thinning import thin
from tests.cockpit.conftest import CHROMIUM, CHROMIUM_ARGS

EVIL = '<img src=x onerror=alert(1)>"&\u2028</script><script>alert(2)</script>'


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> BacktestPaths:
    """A run of three made-up sessions by the minute."""
    found = BacktestPaths(tmp_path_factory.mktemp("runs") / "three")
    over = {"simulator.synthetic.step_s": 60, "gates.state.market.stale_ts_threshold_ms": 180_000}
    loaded = load_overridden("demo", over)
    feed = open_feed("synthetic:7:3", loaded.profile, base=Path())
    run_backtest(loaded, GammaScalper, feed, model=VenueModel(latency_ms=5), out=found, overrides=over, title="three")
    return found


@pytest.fixture(scope="module")
def summary(paths: BacktestPaths) -> Summary:
    return msgspec.json.decode(paths.summary.read_bytes(), type=Summary)


@pytest.fixture(scope="module")
def text(paths: BacktestPaths) -> str:
    return write_report(paths).read_text(encoding="utf-8")


def test_it_states_the_run_its_hashes_its_venue_and_its_figures(text: str, summary: Summary) -> None:
    assert summary.figures is not None
    for told in (summary.data.hash, summary.profile.hash, summary.data.spec, "5 ms after their decision", "three"):
        assert told in text
    assert "Market orders fill at the quoted bid and ask." in text
    parts = re.findall(r'<dd class="num">([\u2212+]?[\d,.]+) USD</dd>', text)
    values = [float(each.replace(",", "").replace("\N{MINUS SIGN}", "-")) for each in parts]
    assert sum(values[:-1]) == pytest.approx(values[-1], abs=0.005)
    assert values[-1] == pytest.approx(summary.figures.attribution.total_usd)
    assert f"{summary.figures.hedges:,}" in text
    for day in summary.days:
        assert text.count(day.day) >= 2


def test_a_halt_stands_above_every_figure(paths: BacktestPaths, summary: Summary) -> None:
    halted = Finding(code="halted", text="the daily loss", first_ts=f"{summary.days[1].day}T15:00:00.000000Z")
    tables = _tables(paths)
    text = page(msgspec.structs.replace(summary, findings=(halted,)), **tables)
    assert "HALTED at" not in page(summary, **tables)
    assert 0 < text.index("in session 2 of 3: the daily loss") < text.index('class="facts"')


def test_it_asks_for_nothing_from_anywhere(text: str) -> None:
    assert re.findall(r'(?:src|href)=["\'](?!data:,)[^"\']*', text) == []
    assert "http" not in text.replace("http-equiv", "")
    assert "@import" not in text
    assert "url(" not in text


def test_every_word_from_a_file_is_text(paths: BacktestPaths, summary: Summary) -> None:
    finding = Finding(code=EVIL, text=EVIL, instrument=EVIL)
    halted = Finding(code="halted", text=EVIL)
    changed = msgspec.structs.replace(
        summary,
        title=EVIL,
        problem=EVIL,
        version=EVIL,
        findings=(finding, halted),
        refused={EVIL: 3},
        profile=msgspec.structs.replace(
            summary.profile, name=EVIL, overrides={EVIL: EVIL}, settings={**summary.profile.settings, EVIL: EVIL}
        ),
        data=msgspec.structs.replace(summary.data, description=EVIL, spec=EVIL, hash=EVIL),
    )
    tables = _tables(paths)
    tables["decisions"] = _with(tables["decisions"], "refused", EVIL)
    tables["fills"] = _with(tables["fills"], "order_ref", EVIL)
    found = page(changed, **tables)
    assert "<img" not in found
    assert found.count("<script") == page(summary, **_tables(paths)).count("<script")
    assert "alert(1)" in found


def _tables(paths: BacktestPaths) -> dict[str, pa.Table]:
    return {name: read_table(getattr(paths, name)) for name in ("decisions", "equity", "fills")}


def _with(table: pa.Table, column: str, text: str) -> pa.Table:
    place = table.column_names.index(column)
    return table.set_column(place, column, pa.array([text] * table.num_rows))


def test_a_run_that_came_to_nothing_says_so_and_shows_what_was_odd(paths: BacktestPaths, summary: Summary) -> None:
    empty = {name: table.slice(0, 0) for name, table in _tables(paths).items()}
    odd = (Finding(code="gap", text="minutes are missing"),)
    failed = msgspec.structs.replace(summary, figures=None, status="failed", problem="no price", findings=odd, days=())
    found = page(failed, **empty)
    assert "no price" in found
    assert "minutes are missing" in found
    assert '<div class="panel"' not in found
    quiet = page(msgspec.structs.replace(summary, days=(), refused={}, findings=()), **empty)
    for words in ("No hedge was sent.", "Nothing was refused.", "No session has a P&amp;L.", "Nothing odd was met."):
        assert words in quiet


def test_every_setting_of_the_venue_is_told_in_words() -> None:
    plain = " ".join(model_sentences(VenueModel()))
    assert "Orders fill at once and whole." in plain
    changed = {
        "extra_spread_usd": 0.03, "slippage_bps": 2.5, "latency_ms": 40.0, "partial_fill_shares": 7.0,
        "partial_fill_each_step": True, "fill_displayed_size": True, "commission_usd_share": 0.011,
        "commission_minimum_usd": 1.75, "commission_usd_contract": 0.85,
    }  # fmt: skip
    assert set(changed) == set(VenueModel.__struct_fields__)
    whole = VenueModel(partial_fill_shares=7.0)
    for name, value in changed.items():
        before = whole if name == "partial_fill_each_step" else VenueModel()
        told = " ".join(model_sentences(msgspec.structs.replace(before, **{name: value})))
        assert told != " ".join(model_sentences(before)), name
        assert isinstance(value, bool) or f"{value:g}" in told, name


def test_a_table_that_is_missing_is_named(paths: BacktestPaths, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_bytes(paths.summary.read_bytes())
    with pytest.raises(RunTableError, match=r"decisions.parquet: missing"):
        write_report(BacktestPaths(tmp_path))


def test_a_thinned_line_keeps_its_ends_and_its_peaks_wherever_they_lie() -> None:
    chance = np.random.default_rng(3)
    for size in (1, 7, 2001, 98_280):
        values = chance.normal(size=size).cumsum()
        values[chance.integers(0, size, size // 50)] = np.nan
        if not np.isfinite(values).any():
            continue
        kept = thin(values, 500)
        assert kept.size <= 2000
        assert np.isfinite(values[kept]).all()
        known = np.flatnonzero(np.isfinite(values))
        assert {known[0], known[-1], np.nanargmin(values), np.nanargmax(values)} <= set(kept.tolist())
        assert (np.diff(kept) > 0).all()


def test_ticks_are_readable_and_lie_within_the_scale() -> None:
    for low, high in ((0.0, 0.0), (-3.2, 117.0), (1e5, 1.00001e5), (-0.004, 0.0), (267_000.0, 268_000.0)):
        scale = scale_of(low, high, 240)
        found = ticks(scale)
        assert 2 <= len(found) <= 11
        assert all(scale.low <= each <= scale.high for each in found)
        assert scale.y(high) < scale.y(low) or low == high


def test_the_axis_leaves_the_nights_out(paths: BacktestPaths) -> None:
    tables = _tables(paths)
    times = np.asarray(tables["equity"].column("ts_us").to_numpy())
    moments = np.asarray(tables["decisions"].column("ts_us").to_numpy())
    named = pc.is_valid(tables["decisions"].column("session")).to_numpy()
    day = np.where(named, moments // 86_400_000_000, -1)
    inside = times[open_rows(times, moments, day)]
    assert 3 * 385 <= inside.size <= 3 * 392
    hours = inside // 3_600_000_000 % 24
    assert set(hours.tolist()) <= set(range(14, 22))


@dataclasses.dataclass
class Looked:
    """What a browser said of a page."""

    complaints: list[str]
    requests: list[str]
    width: int
    inner: int
    said: str
    contrasts: list[tuple[str, float]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


_CONTRAST = """() => {
  const light = text => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(each => {
      const part = each / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = node => {
    for (let each = node; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!colour.endsWith(", 0)") && colour !== "transparent") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = {};
  for (const node of document.querySelectorAll("main *")) {
    if (![...node.childNodes].some(each => each.nodeType === 3 && each.textContent.trim())) continue;
    if (node.tagName === "SCRIPT") continue;
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), name = node.tagName + "." + node.className;
    found[name] = Math.min(found[name] ?? 99, ratio);
  }
  return Object.entries(found);
}"""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark"), (320, "light"), (1280, "dark")], ids=str)
def test_in_a_browser_nothing_complains_is_asked_for_or_sticks_out(
    browser: Browser, paths: BacktestPaths, text: str, width: int, scheme: str
) -> None:
    assert text
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    tab = context.new_page()
    looked = Looked([], [], 0, 0, "", [])
    tab.on("console", lambda said: looked.complaints.append(said.text))
    tab.on("pageerror", lambda error: looked.complaints.append(str(error)))
    tab.on("request", lambda request: looked.requests.append(request.url))
    tab.goto(paths.report.as_uri())
    looked.width = tab.evaluate("document.documentElement.scrollWidth")
    draw = tab.locator("#equity .draw").first
    draw.scroll_into_view_if_needed()
    draw.hover(position={"x": 60, "y": 60})
    looked.said = tab.locator("#equity .said").inner_text()
    looked.contrasts = tab.evaluate(_CONTRAST)
    context.close()
    assert looked.complaints == []
    assert [url for url in looked.requests if not url.startswith("data:")] == [paths.report.as_uri()]
    assert looked.width <= width
    assert re.search(r"2026-01-\d\d \d\d:\d\d:\d\d\s+equity [\d,.]+ USD, drawdown", looked.said)
    assert [each for each in looked.contrasts if each[1] < 4.5] == []
    assert len(looked.contrasts) > 10
