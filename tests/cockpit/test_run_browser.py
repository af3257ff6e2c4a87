"""Backtests and sweeps in a real cockpit: started, followed, ended, compared; for a viewer only to look at."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psutil
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from state.audit import newest_audit
from state.layout import CockpitPaths
from state.runs.folder import BACKTESTS, BacktestPaths, sweep_paths
from state.runs.reading import list_backtests, list_sweeps, read_progress
from state.runs.records import Progress
from state.runs.trials import read_trials
from tests.cockpit.conftest import Visit
from tests.support.axe import findings
from tests.support.cockpit_process import CockpitProcess, set_users
from tests.support.ranks import lift_rank
from tests.support.run_folders import COOLDOWN, write_run, write_sweep
from tests.support.system import wait_for

pytestmark = pytest.mark.browser
QUICK = ["simulator.synthetic.step_s=60", "gates.state.market.stale_ts_threshold_ms=120000"]
BY_STEP = f'{{"key":"{COOLDOWN}","low":"30","high":"120","step":"30"}}'
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs") / "var"
    write_run(root, "first", title="As it is")
    write_run(root, "second", at=60, title="Slower <i>")
    write_sweep(root, "grid", folds=True)
    set_users(root, {"anna": "operator", "vera": "viewer"})
    return root


@pytest.fixture(scope="module")
def house(root: Path) -> Iterator[CockpitProcess]:
    with CockpitProcess(root) as process:
        yield process


@pytest.fixture(scope="module")
def visit(browser: Browser, house: CockpitProcess) -> Iterator[Visit]:
    """An operator's page, open for the whole module: loading one takes seconds."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    house.log_in_browser(context, "anna")
    yield Visit(context, house)
    context.close()


def post(house: CockpitProcess, headers: dict[str, str], path: str, body: str) -> tuple[int, dict[str, object]]:
    answer = house.ask("POST", path, {**headers, "Content-Type": "application/json"}, body)
    return answer.status, answer.json


def body_of(sessions: int) -> str:
    changed = ",".join(f'"{each}"' for each in QUICK)
    return f'{{"profile":"demo","data":"synthetic:1:{sessions}","title":"from the page","overrides":[{changed}]}}'


def progress_of(root: Path, run_id: str) -> Progress | None:
    return read_progress(BacktestPaths(root / BACKTESTS / run_id).progress)


def hurry(house: CockpitProcess) -> list[int]:
    """Lift the rank of what a cockpit has started; the ranks it had, of each child."""
    assert house.process is not None
    return [lift_rank(child.pid) for child in psutil.Process(house.process.pid).children()]


def test_only_an_operator_with_his_pages_token_starts_and_ends_anything(root: Path, house: CockpitProcess) -> None:
    viewer, operator = house.log_in("vera"), house.log_in("anna")
    before = sorted(each.name for each in (root / BACKTESTS).iterdir())
    for path, body in (
        ("/api/runs/backtest", body_of(1)),
        ("/api/runs/sweep", f'{{"profile":"demo","data":"synthetic:1:1","search":[{BY_STEP}]}}'),
        ("/api/runs/cancel", '{"run_id":"first"}'),
        ("/api/runs/profile", '{"run_id":"grid","trial":4,"name":"calmer"}'),
    ):
        assert post(house, viewer, path, body)[0] == 403
        assert post(house, {**operator, "X-Bifrost-Token": "no"}, path, body)[0] == 403
        assert post(house, {**operator, "Origin": "http://evil.example"}, path, body)[0] == 403
        assert house.ask("POST", path, {}, body).status in (401, 403)
        assert post(house, operator, path, "{")[0] == 400
    for body, code in (
        ('{"profile":"/etc/passwd","data":"synthetic:1"}', "profile"),
        ('{"profile":"demo","data":"/etc/passwd"}', "data"),
        ('{"profile":"demo","data":"synthetic:1","root":"/"}', "body"),
    ):
        status, told = post(house, operator, "/api/runs/backtest", body)
        assert (status, told["code"]) == (400, code)
    wrong = f'{{"profile":"demo","data":"synthetic:1:1","search":[{BY_STEP}],"folds":"no"}}'
    status, told = post(house, operator, "/api/runs/sweep", wrong)
    assert (status, told["field"], told["faults"]) == (
        400, "folds", [{"field": "folds", "text": "A whole number from 1 on, or nothing."}],
    )  # fmt: skip
    asked = house.ask("GET", f"/api/runs/sweep/check?order={quote(wrong)}", viewer)  # to look is anybody's
    assert (asked.status, asked.json["line"].partition(" ·")[0]) == (200, "4 cells")
    assert house.ask("GET", "/api/runs/sweep/check?order={}", viewer).status == 400
    assert house.ask("GET", f"/api/runs/sweep/check?order={quote(wrong)}", {}).status in (303, 401)
    assert post(house, operator, "/api/runs/cancel", '{"run_id":"first"}')[1]["code"] == "not_running"
    assert sorted(each.name for each in (root / BACKTESTS).iterdir()) == before
    assert [run.run_id for run in list_sweeps(root)] == ["grid"]


def test_files_are_given_and_a_report_may_do_nothing(root: Path, house: CockpitProcess) -> None:
    viewer = house.log_in("vera")
    report = house.ask("GET", "/report/first", viewer)
    assert report.status == 200
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy
    assert report.headers["x-frame-options"] == "DENY"
    assert house.ask("GET", "/report/first", {}).status == 303  # to the login
    assert house.ask("GET", "/api/runs/file/first/equity.parquet", viewer).body[:4] == b"PAR1"
    (root / BACKTESTS / "second" / "fills.parquet").symlink_to("/etc/passwd")
    for path in (
        "/report/none", "/report/..%2f..%2fetc", "/report/%2e%2e", "/api/runs/file/first/users.json",
        "/api/runs/file/..%2f_cockpit/users.json", "/api/runs/file/second/fills.parquet",
        "/api/runs/figure/nothing?run=first", "/api/runs/figure/equity?run=..%2f_cockpit",
        "/api/sweeps/figure/heat?sweep=grid&x=a&y=b",
    ):  # fmt: skip
        assert house.ask("GET", path, viewer).status in (400, 404), path


def test_a_run_is_started_followed_and_ended_from_the_page(root: Path, house: CockpitProcess, visit: Visit) -> None:
    page = visit.page
    page.goto(f"{house.address}/backtests?desk=demo")
    page.get_by_text("Start a backtest").click(timeout=60_000)
    assert not findings(page, ".stMain")
    page.locator("input[name=data]").fill("synthetic:1:900")
    page.locator("input[name=title]").fill("Long & <b>")
    page.locator("textarea[name=overrides]").fill("\n".join(QUICK))
    expect(page.locator("code.twin")).to_contain_text("--data synthetic:1:900 --title 'Long & <b>' --set")
    page.get_by_role("button", name="Start at low priority").click()
    expect(page.locator(".status").last).to_contain_text("Started", timeout=60_000)
    assert hurry(house) == [19]
    found: list[Progress] = []

    def runs() -> bool:
        new = [run for run in list_backtests(root) if run.run_id not in ("first", "second") and run.progress]
        found[:] = [run.progress for run in new if run.progress is not None and run.standing == "running"]
        return bool(found)

    wait_for("a running backtest", runs, 120)
    process = psutil.Process(found[0].pid)
    assert process.nice() == 19
    assert os.getsid(process.pid) == process.pid
    page.reload()  # ends nothing
    expect(page.locator("progress")).to_have_count(1, timeout=60_000)
    busy, told = post(house, house.log_in("anna"), "/api/runs/backtest", body_of(1))
    assert (busy, told["code"]) == (409, "busy")
    page.get_by_role("button", name="End it").click()
    wait_for("the end", lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 120)
    run = next(run for run in list_backtests(root) if run.run_id == found[0].run_id)
    assert run.standing == "interrupted"
    expect(page.get_by_text("■ interrupted")).to_be_visible(timeout=60_000)  # the list has heard of it by itself
    audited = [line for line in newest_audit(CockpitPaths(root).audit, 20) if line.by == "anna"]
    assert {"backtest", "cancel-run"} <= {line.action for line in audited}
    started = next(line for line in audited if line.action == "backtest" and line.outcome == "started")
    assert started.data is not None
    assert "--data=synthetic:1:900" in started.data["words"]
    assert visit.complaints == []


def test_a_sweep_is_started_and_followed_to_its_end_from_the_page(
    root: Path, house: CockpitProcess, visit: Visit
) -> None:
    page = visit.page
    page.goto(f"{house.address}/sweeps?desk=demo")
    page.get_by_text("Start a sweep").click(timeout=60_000)
    expect(page.locator(".work")).to_contain_text("4 cells", timeout=60_000)
    expect(page.locator(".search-row .note")).to_contain_text("a number ≥ 0 (seconds); the profile says 30")
    page.locator("input[name=search-step]").fill("0")
    expect(page.locator(".cell-step .fault")).to_have_text("▲ A step must be above 0.")
    assert not findings(page, ".stMain")
    page.locator("input[name=search-step]").fill("30")
    page.locator("input[name=search-high]").fill("60")
    page.locator(".add").click()
    page.locator("select[name=search-key]").last.select_option("execution.order_type")
    expect(page.locator("input[name=search-values]").last).to_have_value("market, limit")
    expect(page.locator(".work")).to_contain_text("4 cells")
    page.locator(".remove").last.click()
    expect(page.locator(".work")).to_contain_text("2 cells")
    page.locator("input[name=data]").fill("synthetic:1:1")
    page.locator("input[name=title]").fill("Two cells")
    page.locator("textarea[name=overrides]").fill("\n".join(QUICK))
    twin = f"--search {COOLDOWN}=30:60:30 --method grid --objective pnl_usd --title 'Two cells' --set {QUICK[0]}"
    expect(page.locator("code.twin")).to_contain_text(twin)
    page.get_by_role("button", name="Start at low priority").click()
    expect(page.locator("details.form")).not_to_have_attribute("open", "", timeout=60_000)
    wait_for("the child", lambda: hurry(house), 60)
    expect(page.get_by_text("2 of 2 trials · best")).to_be_visible(timeout=120_000)  # the list, drawn by itself
    wait_for("the child's end", lambda: not hurry(house), 60)
    run = list_sweeps(root)[0]
    assert (run.standing, run.title) == ("finished", "Two cells")
    tried = read_trials(sweep_paths(root, run.run_id).results)
    assert sorted(trial.params[COOLDOWN] for trial in tried) == [30.0, 60.0]
    started = next(line for line in newest_audit(CockpitPaths(root).audit, 5) if line.action == "sweep")
    assert (started.by, started.outcome) == ("anna", "started")
    assert visit.complaints == []


def test_a_run_that_the_command_refuses_shows_its_last_line(house: CockpitProcess) -> None:
    operator = house.log_in("anna")
    body = '{"profile":"demo","data":"csv:/nowhere/at all.csv"}'
    status, told = post(house, operator, "/api/runs/backtest", body)
    assert status == 200, told
    job = told["job"]

    def said() -> str:
        live = house.ask("GET", "/api/runs/live?kind=backtest", operator).json
        return " ".join(line for each in live["jobs"] if each["number"] == job for line in each["said"])

    hurry(house)
    wait_for("the command's own line", lambda: "/nowhere/at all.csv" in said(), 60)


PAGES = ("backtests?compare=first,second", "backtests?run=first", "sweeps?sweep=grid")


def test_no_page_scrolls_sideways_complains_or_stops_anybody(house: CockpitProcess, visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size(PHONE)
    for path in PAGES:
        look_at(page, house, f"{path}&lang=zh")
    assert visit.complaints == []
    assert {each.split("/")[2] for each in visit.requests if each.startswith("http")} == {house.address.split("/")[2]}


@pytest.mark.nightly
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("path", [*PAGES, "backtests?page=1", "sweeps?page=1"])
def test_every_page_in_both_themes_languages_and_sizes(
    *, house: CockpitProcess, visit: Visit, path: str, size: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    visit.page.set_viewport_size(size)
    visit.page.emulate_media(color_scheme=scheme)
    for language in ("en", "zh"):
        look_at(visit.page, house, f"{path}&lang={language}")
    assert visit.complaints == []


def look_at(page: Page, house: CockpitProcess, path: str) -> None:
    page.goto(f"{house.address}/{path}&desk=demo")
    page.wait_for_selector('.stApp[data-test-script-state="notRunning"]', timeout=60_000)
    if "page=1" in path:
        page.locator("details.form summary").click()
    else:
        page.locator(".bf-chart").first.scroll_into_view_if_needed(timeout=60_000)
        page.wait_for_selector(".bf-plot .main-svg", timeout=60_000)
    assert not findings(page), path
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth") <= 0, path


@pytest.mark.nightly
def test_the_cockpit_ends_what_it_has_started(tmp_path: Path) -> None:
    root = tmp_path / "var"
    root.mkdir()
    with CockpitProcess(root) as house:
        status, told = post(house, house.own_page(), "/api/runs/backtest", body_of(900))
        assert status == 200
        hurry(house)
        run_id = str(told["run_id"])
        wait_for("its progress", lambda: progress_of(root, run_id) is not None, 120)
        progress = progress_of(root, run_id)
        assert progress is not None
        house.end(signal.SIGTERM, timeout_s=60)
    assert not psutil.pid_exists(progress.pid)
    assert [run.standing for run in list_backtests(root)] == ["interrupted"]
