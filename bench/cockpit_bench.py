"""The cockpit beside a plain Streamlit page that shows the same light by `fragment(run_every=1)`, in the same run.

File to pixel: a living desk's snapshot.json is replaced at random moments by one of another state; the time ends with
the first frame in which the light's style has changed. The two take turns in rounds, so that a noisy machine is noisy
for both; a ratio is the median of the rounds' ratios, above 1 where the plain page takes longer. Pages' scripts are
timed inside the server over a year of history (100,000 samples and as many operations).
"""

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from bench.cockpit_load import cpu_pct, rss_course, script_times_ms, slope_mib_per_hour, tabs
from bench.cockpit_seen import click_to_file_ms, cold_tab_ms, file_to_pixel_ms, open_page
from bench.cockpit_servers import Cockpit, Peer, Server
from bench.cockpit_table import AIMS, percentile, print_table, spread
from bench.machine import machine_line
from state.layout import DeskPaths
from tests.support.desk_player import DeskPlayer, PlayingDesk
from tests.support.year_of_history import write_year

DESK = "demo"
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def seen_in_turns(
    browser: Browser, servers: list[Server], desk: PlayingDesk, *, rounds: int, changes: int
) -> tuple[dict[str, dict[str, float]], float]:
    """Name -> spread of file to pixel over all rounds, and the median of the rounds' ratios of p50."""
    chance = random.Random(5)  # noqa: S311 moments, not secrets
    found: dict[str, list[list[float]]] = {server.name: [] for server in servers}
    for number in range(rounds):
        for server in servers:
            page = open_page(browser, server, DESK)
            found[server.name].append(file_to_pixel_ms(page, desk, changes, chance))
            page.context.close()
            _progress(
                f"file to pixel, round {number + 1} of {rounds}: {server.name} "
                f"p50 {percentile(found[server.name][-1], 50):.0f} ms"
            )
    ours, peer = (found[server.name] for server in servers)
    ratio = statistics.median(percentile(b, 50) / percentile(a, 50) for a, b in zip(ours, peer, strict=True))
    return {name: spread([each for turn in turns for each in turn]) for name, turns in found.items()}, ratio


def cold_tabs(browser: Browser, servers: list[Server], count: int) -> dict[str, dict[str, float]]:
    """Address -> spread of the time until the light is visible in a tab with an empty cache."""
    found = {}
    for server in servers:
        address = f"{server.address}/?desk={DESK}"
        found[server.name] = spread([cold_tab_ms(browser, address, ".light[data-state=green]") for _ in range(count)])
        _progress(f"cold tab: {server.name}")
    ours = servers[0]
    found["bifrost /light"] = spread(
        [cold_tab_ms(browser, f"{ours.address}/light?desk={DESK}", "[data-state=green]") for _ in range(count)]
    )
    return found


def load(browser: Browser, servers: list[Server], seconds: float) -> dict[str, dict[str, float]]:
    """Name -> percent of a core with one tab and with four."""
    found: dict[str, dict[str, float]] = {}
    for server in servers:
        found[server.name] = {}
        for count in (1, 4):
            with tabs(browser, server, DESK, count):
                found[server.name][str(count)] = cpu_pct(server, seconds)
        _progress(f"processor time: {server.name}")
    return found


def measure(options: argparse.Namespace, folder: Path, browser: Browser) -> dict[str, Any]:
    """Everything that was asked for, over one living desk; the scripts over a desk with a year behind it."""
    found: dict[str, Any] = {}
    wanted = set(options.only or ("seen", "cold", "stop", "cpu", "memory", "scripts"))
    player = DeskPlayer(folder / "state" / "var", DESK)
    player.tell_a_day()
    player.write()
    with ExitStack() as stack:
        desk = stack.enter_context(PlayingDesk(player, every_s=1.0))
        ours = stack.enter_context(Cockpit(player.paths.root, DESK))
        servers = [ours, stack.enter_context(Peer(player.paths.root, DESK))]
        if "cold" in wanted:
            found["cold_tab_ms"] = cold_tabs(browser, servers, options.tabs)
        if "seen" in wanted:
            found["file_to_pixel_ms"], found["file_to_pixel_ratio"] = seen_in_turns(
                browser, servers, desk, rounds=options.rounds, changes=options.changes
            )
        if "stop" in wanted:
            page = open_page(browser, ours, DESK)
            found["stop_to_file_ms"] = spread(click_to_file_ms(page, desk, options.clicks))
            page.context.close()
        if "cpu" in wanted:
            found["cpu_pct"] = load(browser, servers, options.seconds)
        if "memory" in wanted:
            with tabs(browser, ours, DESK, 1):
                course = rss_course(ours, options.minutes, 10.0, _progress)
            found["memory"] = {
                "minutes": options.minutes,
                "samples": len(course),
                "first_mib": course[0][1],
                "last_mib": course[-1][1],
                "most_mib": max(mib for _, mib in course),
                "slope_mib_per_hour": slope_mib_per_hour(course),
            }
    player.close()
    if "scripts" in wanted:
        found["script_ms"] = scripts(folder, browser, options.loads)
    return found


def scripts(folder: Path, browser: Browser, loads: int) -> dict[str, dict[str, float]]:
    """Page -> first run and p50 and worst of the warm ones, in ms, over a year of history."""
    paths = DeskPaths(folder / "year" / "var", DESK)
    _progress("a year of history")
    write_year(paths)
    player = DeskPlayer(paths.root, DESK, minutes=0)
    player.write()
    with PlayingDesk(player, every_s=1.0), Cockpit(paths.root, DESK) as server:
        times = script_times_ms(browser, server, DESK, loads)
    player.close()
    return {
        name: {"first": first, "warm_p50": percentile(warm, 50), "warm_worst": max(warm), "n": len(warm)}
        for name, (first, warm) in times.items()
    }


def main() -> int:
    """Measure, print, clean up."""
    parser = argparse.ArgumentParser(
        prog="bench/cockpit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Example: ./bench/cockpit --only memory --minutes 30",
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each of the two (5)")
    parser.add_argument("--changes", type=int, default=40, help="changes of the file in a turn, even (40)")
    parser.add_argument("--tabs", type=int, default=5, help="cold tabs of each kind (5)")
    parser.add_argument("--clicks", type=int, default=30, help="clicks on STOP (30)")
    parser.add_argument("--seconds", type=float, default=20, help="how long processor time is counted (20)")
    parser.add_argument("--minutes", type=float, default=1, help="how long memory is watched (1; the aim is for 30)")
    parser.add_argument("--loads", type=int, default=5, help="warm loads of each page (5)")
    parser.add_argument(
        "--only", nargs="+", choices=("seen", "cold", "stop", "cpu", "memory", "scripts"), help="not everything"
    )
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    options = parser.parse_args()
    if options.rounds < 1 or options.changes < 2 or options.changes % 2 or min(options.tabs, options.loads) < 1:
        parser.error("--rounds, --tabs and --loads are at least 1, --changes is even")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        parser.error("no Chromium on this machine")
    with tempfile.TemporaryDirectory(prefix="bench-cockpit-") as name, sync_playwright() as playwright:
        folder = Path(name)
        for each in ("state", "year"):
            (folder / each).mkdir()
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        found = measure(options, folder, browser)
        browser.close()
        machine = machine_line(folder)
    if options.json:
        json.dump({"machine": machine, "aims": AIMS, **found}, sys.stdout, indent=2)
        print()
    else:
        print_table(machine, found)
    return 0


def _progress(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
