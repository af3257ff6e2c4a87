"""Draw `docs/pictures/` from a running desk: `PYTHONPATH=. .venv/bin/python -P docs/draw_pictures.py [NAME...]`.

A simulator, a supervised daemon and the cockpit are started by `bifrost up`, brought to the states worth showing, and
photographed in Chromium; a desk with a year behind it and the bot of POSIX shell stand beside it. Nothing is retouched.
With names only those pictures are written. The Chinese ones need a font with its characters (fonts-wqy-microhei).
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import psutil
from playwright.sync_api import Page, expect, sync_playwright

from state.layout import DeskPaths
from state.records import JournalType
from state.runs.folder import backtest_paths
from tests.support.cockpit_process import CockpitProcess, set_users
from tests.support.system import CHECKOUT, System, wait_for
from tests.support.year_of_history import write_year

FOLDER = Path(__file__).with_name("pictures")
PROFILE = "extends: demo\nib: {port: PORT}\nsimulator: {speed: 20}\n"
WIDE, PHONE = (1440, 900), (390, 844)
BOT = "shell-bot"
Scheme = Literal["light", "dark"]


class Camera:
    """One browser page and the pictures that were asked for; an empty set asks for all."""

    def __init__(self, page: Page, address: str, wanted: set[str]) -> None:
        self.page, self.address, self.wanted = page, address, wanted

    def go(
        self,
        path: str = "",
        *,
        size: tuple[int, int] = WIDE,
        scheme: Scheme = "light",
        desk: str = "demo",
        **query: str,
    ) -> Page:
        """Open a page and wait until it stands still."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=scheme)
        asked = "&".join(f"{name}={value}" for name, value in {"desk": desk, **query}.items())
        self.page.goto(f"{self.address}/{path}?{asked}")
        if path not in ("light", "login", "runbook"):
            self.page.wait_for_selector(".light[data-state]", timeout=60_000)
            self.page.wait_for_selector('.stApp[data-test-script-state="notRunning"]', timeout=60_000)
            expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=60_000)
        if path == "history" or (path == "" and desk == "demo"):
            self.page.wait_for_selector(".bf-plot .main-svg", timeout=60_000)
        self.page.wait_for_timeout(2500)
        return self.page

    def take(self, name: str) -> None:
        """Write the picture, when it is wanted."""
        if not self.wanted or name in self.wanted:
            self.page.screenshot(path=FOLDER / f"{name}.png")
            print(f"drawn: {name}")

    def light_is(self, state: str, patience_s: float = 60) -> None:
        """Wait for the light, and for the page around it to have heard the same."""
        self.page.wait_for_selector(f'.light[data-state="{state}"]', timeout=patience_s * 1000)
        self.page.wait_for_timeout(1500)


def said(system: System) -> str:
    """What `up` printed so far."""
    return (system.root / "up.log").read_text()


def tell(system: System, *command: str, timeout_s: float = 60) -> None:
    """Run one of our commands. Raises RuntimeError when it was refused."""
    done = system.cli(*command, timeout_s=timeout_s)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


@contextmanager
def house(root: Path) -> Iterator[System]:
    """A desk that has hedged, with the others beside it; commands are shown as from this root's own checkout."""
    system = System(root, PROFILE, desk="demo")
    system.environment |= {"BIFROST_LAUNCHER": str(root / "bifrost"), "LOGNAME": "anna"}
    write_year(DeskPaths(system.paths.root, "year"))
    shell = next(filter(None, map(shutil.which, ("dash", "sh"))))
    bot = subprocess.Popen(  # noqa: S603 the example, run as its page says
        [shell, str(CHECKOUT / "examples" / "shell_bot.sh"), f"var/{BOT}"],
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        system.start("up", "--profile", str(system.profile), "--port", "0")
        wait_for("the green light", lambda: "GREEN" in said(system), 90)
        wait_for("a few hedges", lambda: len(system.of(JournalType.FILL)) >= 4, 240)
        yield system
    finally:
        bot.kill()
        bot.wait()
        system.close()


def draw_calm(camera: Camera, system: System) -> None:
    """Every page of a desk on which all is well."""
    camera.go()
    camera.light_is("green")
    camera.take("now-desktop-light")
    camera.go(scheme="dark")
    camera.take("now-desktop-dark")
    camera.go(lang="zh", tz="Asia/Shanghai")
    camera.take("now-chinese")
    camera.go(size=PHONE, scheme="dark")
    camera.take("now-phone-dark")
    camera.go("light", size=PHONE)
    camera.take("light-phone")
    camera.go("positions", size=(1440, 1250))
    camera.take("positions")
    camera.go("operations", size=(1440, 1000))
    camera.take("operations-desktop-light")
    camera.go("operations", size=(1440, 1000), intent=str(system.of(JournalType.FILL)[-1].intent_id))
    camera.take("operations-intent")
    camera.go("profiles", size=(1440, 1000))
    camera.take("profiles")
    camera.go("health", size=(1440, 1100))
    camera.take("health")
    camera.go("fleet")
    camera.take("fleet")
    camera.go("runbook")
    camera.take("runbook")
    camera.go("history", size=(1440, 1600), desk="year")
    camera.take("history")
    camera.go("history", size=(1440, 1600), desk="year", scheme="dark", lang="zh")
    camera.take("history-dark-chinese")


BY_MINUTE = (
    "--set", "simulator.synthetic.step_s=60", "--set", "gates.state.market.stale_ts_threshold_ms=120000",
)  # fmt: skip


def draw_runs(camera: Camera, system: System) -> None:
    """Backtests beside each other, one in detail, and a sweep; all made here, at low priority beside the desk."""
    cooldown, threshold = "gates.intent.hedge.cooldown_seconds", "gates.state.delta.threshold_hedge_shares"
    made = ("--priority", "low", *BY_MINUTE, "--profile", "demo")
    for name, title, changed in (
        ("as-it-is", "As it is", ()),
        ("slower", "Cooldown 5 minutes", ("--set", f"{cooldown}=300")),
        ("wider", "Threshold 20 shares", ("--set", f"{threshold}=20")),
    ):
        tell(
            system,
            "backtest",
            *made,
            "--data",
            "synthetic:1:25",
            "--name",
            name,
            "--title",
            title,
            *changed,
            timeout_s=900,
        )
    searched = ("--search", f"{cooldown}=60:300:60", "--search", f"{threshold}=5:25:5")
    words = ("--data", "synthetic:1:5", "--name", "grid", "--title", "Cooldown against threshold")
    tell(system, "sweep", "run", *made, *words, *searched, timeout_s=900)
    camera.go("backtests", size=(1440, 1500), compare="as-it-is,slower,wider")
    camera.take("backtests")
    camera.go("backtests", size=(1440, 1500), run="as-it-is")
    camera.take("backtest")
    camera.go("backtests", size=PHONE, scheme="dark", run="as-it-is", lang="zh")
    camera.take("backtest-phone-dark-chinese")
    camera.go("sweeps", size=(1440, 1300), sweep="grid")
    camera.take("sweeps")
    camera.go("sweeps", size=(1440, 1000)).get_by_text("Start a sweep").click()
    camera.page.locator("textarea[name=overrides]").fill("\n".join(BY_MINUTE[1::2]))
    expect(camera.page.locator(".work")).to_contain_text(re.compile("4 cells · (about|a matter)"), timeout=60_000)
    camera.page.locator("details.form summary").focus()
    camera.light_is("green")
    camera.take("sweep-start")


def draw_shell_bot(camera: Camera, system: System) -> None:
    """The bot of POSIX shell: paused and resumed, then stopped."""
    for command in ("pause", "resume", "stop"):
        if command == "stop":
            camera.go(desk=BOT, size=(1440, 620))
            camera.take("shell-bot")
        tell(system, command, "--desk", BOT, "--reason", "a look from the cockpit", "--wait", "15")
    camera.go(desk=BOT, size=(1440, 620))
    camera.take("shell-bot-stopped")


def draw_trouble(camera: Camera, system: System) -> None:
    """Paused, about to be flattened, blocked, and with nobody behind the page."""
    camera.go()
    tell(system, "pause", "--reason", "lunch", "--wait", "15")
    camera.light_is("yellow")
    camera.take("now-degraded")
    camera.page.locator("button.flatten").click()
    camera.page.get_by_role("dialog").get_by_role("textbox").first.wait_for()
    camera.page.wait_for_timeout(1500)
    camera.take("flatten-dialog")
    tell(system, "resume", "--wait", "15")
    family = psutil.Process(system.processes["up"].pid).children(recursive=True)
    by_name = {word: process for process in family for word in process.cmdline() if word in _PROCESSES}
    by_name["simulator"].suspend()  # TWS hangs: the socket lives, and nothing comes
    camera.go(scheme="dark")
    camera.light_is("red")
    camera.take("now-blocked-dark")
    camera.go(size=PHONE)
    camera.take("now-blocked-phone")
    by_name["simulator"].resume()
    camera.go()
    camera.light_is("green", 120)
    for name in ("supervise", "daemon"):
        by_name[name].suspend()  # killed looks the same; but then `up` ends, and the page's server with it
    camera.light_is("not_live")
    camera.take("not-live")
    for name in ("daemon", "supervise"):
        by_name[name].resume()


_PROCESSES = ("simulator", "supervise", "daemon", "cockpit")


def draw_login(page: Page, wanted: set[str], root: Path) -> None:
    """The door of a cockpit that has users."""
    DeskPaths(root / "var", "demo").create()
    set_users(root / "var", {"anna": "operator"})
    with CockpitProcess(root / "var") as guarded:
        camera = Camera(page, guarded.address, wanted)
        camera.go("login")
        camera.take("login")


FOUR_LEGS = """extends: demo
legs:
  - {right: call, strike: 100, expiry: 2027-12-17}
  - {right: put, strike: 100, expiry: 2027-12-17}
  - {right: call, strike: 110, expiry: 2027-12-17}
  - {right: put, strike: 90, expiry: 2027-12-17}
greeks: {volatility: 0.25}
gates:
  state: {market: {stale_ts_threshold_ms: 180000, vol_window_min: 30}}
  intent: {hedge: {cooldown_seconds: 300, min_price_move_pct: 0.1}}
  guard: {risk: {max_drawdown_pct: 90, max_daily_loss_usd: 200000}}
simulator:
  synthetic: {step_s: 60, volatility: 0.25, volatility_of_volatility: 0.3, jumps_per_day: 0.3}
  positions:
    - {quantity: 10, right: call, strike: 100, expiry: 2027-12-17}
    - {quantity: 10, right: put, strike: 100, expiry: 2027-12-17}
    - {quantity: -5, right: call, strike: 110, expiry: 2027-12-17}
    - {quantity: -5, right: put, strike: 90, expiry: 2027-12-17}
"""


def draw_year(camera: Camera, system: System) -> None:
    """A year by the minute with four legs, made here (some minutes): its report and its page, both on a phone too."""
    reports = (("report", (1280, 1500), "light"), ("report-phone-dark", (390, 1500), "dark"))
    pages: tuple[tuple[str, tuple[int, int], Scheme], ...] = (
        ("backtest-year", (1440, 2200), "light"),
        ("backtest-year-phone-dark", (390, 2200), "dark"),
    )
    if camera.wanted and not camera.wanted & {name for name, *_ in (*reports, *pages)}:
        return
    profile = system.root / "four_legs.yaml"
    profile.write_text(FOUR_LEGS, encoding="utf-8")
    words = ("--profile", str(profile), "--data", "synthetic:7:252", "--title", "A year by the minute, four legs")
    tell(system, "backtest", *words, "--priority", "low", "--name", "four-legs", timeout_s=1800)
    for name, size, scheme in pages:
        camera.go("backtests", size=size, scheme=scheme, run="four-legs")
        camera.take(name)
    page = camera.page
    for name, size, scheme in reports:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(backtest_paths(system.paths.root, "four-legs").report.as_uri())
        page.locator("#equity .draw").first.hover(position={"x": 200, "y": 60})
        camera.take(name)


def draw_top(system: System, wanted: set[str]) -> None:
    """`bifrost top`, as a terminal of 110 columns prints it."""
    if not wanted or "top" in wanted:
        system.environment["COLUMNS"] = "110"
        (FOLDER / "top.txt").write_text(system.cli("top", "--once").stdout, encoding="utf-8")
        print("drawn: top")


def main() -> int:
    """Bring the desk to every state and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only these pictures")
    parser.add_argument("--folder", type=Path, help="an empty folder for the desks; pages show its name in commands")
    given = parser.parse_args()
    wanted = set(given.names)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        parser.error("no Chromium on this machine")
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="bifrost-") as made, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
        page = browser.new_context().new_page()
        folder = given.folder or Path(made)
        (folder / "desk").mkdir(parents=True)
        (folder / "door").mkdir()
        with house(folder / "desk") as system:
            camera = Camera(page, re.findall(r"http://[^/]+", said(system))[0], wanted)
            draw_calm(camera, system)
            draw_runs(camera, system)
            draw_year(camera, system)
            draw_top(system, wanted)
            draw_shell_bot(camera, system)
            draw_trouble(camera, system)
        draw_login(page, wanted, folder / "door")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
