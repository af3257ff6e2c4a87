"""A bot of anybody's: the two of `examples/` run for real, are shown, judged and commanded like our own daemon.

They import nothing of ours; what they meet is the folder alone, commanded from a real browser and from a shell.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cockpit.wording import DASH
from state.chain import Head, seal
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import JournalLine, JournalType
from state.snapshot import read_snapshot
from tests.cockpit.conftest import CHROMIUM, CHROMIUM_ARGS
from tests.support.cockpit_process import CockpitProcess
from tests.support.schemas import desk_complaints
from tests.support.system import CHECKOUT, System, wait_for

SHELLS = [name for name in ("dash", "sh") if shutil.which(name)]
SMALLEST = "smallest-bot"
BOTS = {
    "plain-bot": [sys.executable, "-I", str(CHECKOUT / "examples" / "plain_bot.py")],
    "shell-bot": [SHELLS[0], str(CHECKOUT / "examples" / "shell_bot.sh")],
}

COMMANDS = {**BOTS, SMALLEST: [sys.executable, "-I", str(CHECKOUT / "examples" / "smallest_bot.py")]}


class Bot:
    """One bot's process and its desk, with nothing of this checkout in its environment."""

    def __init__(self, root: Path, name: str) -> None:
        self.paths = DeskPaths(root / "var", name)
        self.root, self.name = root, name
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = self.another()

    def another(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMANDS[self.name], f"var/{self.name}"],
            cwd=self.root,
            env={"PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def exit_code(self, timeout_s: float = 10) -> int:
        assert self.process is not None
        _, said = self.process.communicate(timeout=timeout_s)
        assert "Traceback" not in said
        return self.process.returncode

    def state(self) -> str | None:
        snapshot = read_snapshot(self.paths.snapshot).snapshot
        return None if snapshot is None else snapshot.daemon_state

    def lines(self) -> list[JournalLine]:
        return list(read_journal(self.paths.journal)) if self.paths.journal.exists() else []

    def receipts(self, command: str) -> list[str]:
        told = [line for line in self.lines() if line.data is not None and line.data.get("command") == command]
        return [f"{line.type} {line.status}" for line in told]

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of ours about this desk."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "cli", *arguments, "--desk", self.name],
            env={
                **os.environ,
                "PYTHONPATH": str(CHECKOUT),
                "BIFROST_ROOT": str(self.root / "var"),
                "BIFROST_RUN_DIR": str(self.root / "run"),
                "NO_COLOR": "1",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture(params=BOTS)
def bot(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bot]:
    """A running bot."""
    bot = Bot(tmp_path, request.param)
    tmp_path.joinpath("var").mkdir()
    bot.start()
    wait_for("its first word", lambda: bot.state() == "running", 15)
    yield bot
    bot.end()


def assert_healthy(bot: Bot) -> None:
    """What our own tools say of its files."""
    verified = bot.cli("verify")
    assert verified.returncode == 0, verified.stderr
    doctor = json.loads(bot.cli("doctor", "--json").stdout)
    assert [each for each in doctor["findings"] if each["severity"] == "fault"] == []
    said, seen = desk_complaints(bot.paths.folder)
    assert said == []
    assert seen["journal_line"] == len(bot.lines())


def test_the_smallest_bot_obeys_and_goes_on_with_its_chain(tmp_path: Path) -> None:
    tmp_path.joinpath("var").mkdir()
    bot = Bot(tmp_path, SMALLEST)
    for run in (1, 2):
        bot.start()
        wait_for("its first word", lambda: bot.state() == "running", 15)
        assert bot.cli("pause", "--wait", "5").returncode == 0
        wait_for("its pause", lambda: bot.state() == "paused", 5)
        assert bot.cli("stop", "--wait", "5").returncode == 0
        assert bot.exit_code() == 0
        assert_healthy(bot)
        assert [line.type for line in bot.lines()].count(JournalType.RUN_STOPPED) == run
        for name in ("stop", "pause"):
            (bot.paths.control / name).unlink()


def test_a_bot_is_live_and_its_files_hold(bot: Bot) -> None:
    status = bot.cli("status")
    assert status.returncode == 0, status.stdout
    assert "GREEN OK" in status.stdout
    assert bot.cli("doctor", "--watch", "7").returncode == 0, "its seq grows"
    wait_for("an operation", lambda: JournalType.REFUSED in [line.type for line in bot.lines()], 15)
    assert "dry_run" in bot.cli("ops").stdout
    assert_healthy(bot)


def test_touch_and_rm_are_commands(bot: Bot) -> None:
    pause, stop = bot.paths.control / "pause", bot.paths.control / "stop"
    pause.touch()
    wait_for("the pause", lambda: bot.state() == "paused", 5)
    assert bot.cli("status").returncode == 1
    pause.unlink()
    wait_for("the release", lambda: bot.state() == "running", 5)
    assert bot.receipts("pause") == ["control_seen seen", "control_done done", "control_done released"]
    stop.symlink_to("nowhere")
    assert bot.exit_code() == 0, "whatever lies there under that name"
    assert bot.state() == "stopped"
    assert bot.receipts("stop") == ["control_seen seen", "control_done done"]
    status = bot.cli("status")
    assert (status.returncode, "STOPPED" in status.stdout) == (3, True)
    assert_healthy(bot)


def test_a_flatten_is_refused_for_there_is_nothing_to_close(bot: Bot) -> None:
    (bot.paths.control / "flatten").touch()
    wait_for("the answer", lambda: len(bot.receipts("flatten")) == 2, 5)
    assert bot.receipts("flatten") == ["control_seen seen", "control_refused refused"]
    assert bot.state() == "running"
    wait_for("the red light", lambda: bot.cli("status").returncode == 2, 10, every_s=0.25)
    assert "flatten_refused" in bot.cli("status").stdout
    (bot.paths.control / "flatten").unlink()
    wait_for("the green light", lambda: bot.cli("status").returncode == 0, 10, every_s=0.25)
    assert bot.receipts("flatten")[2:] == ["control_done released"]


def test_our_commands_wait_for_its_receipts(bot: Bot) -> None:
    assert bot.cli("pause", "--reason", "lunch", "--wait", "6").returncode == 0
    assert bot.cli("resume", "--wait", "6").returncode == 0
    refused = bot.cli("flatten", "--reason", "x", "--wait", "6", "--yes")
    assert refused.returncode == 1
    assert "holds_nothing" in refused.stderr
    assert bot.cli("stop", "--wait", "8").returncode == 0
    assert bot.exit_code() == 0
    assert bot.cli("stop", "--wait", "8").returncode == 0, "it is over already"
    assert bot.cli("start").returncode == 0
    bot.start()
    wait_for("its second life", lambda: bot.state() == "running", 10)


def test_a_stop_that_stands_at_the_start_is_exit_3_and_the_chain_goes_on(bot: Bot) -> None:
    (bot.paths.control / "stop").touch()
    assert bot.exit_code() == 0
    left = bot.paths.folder / ".snapshot.json.1-0.tmp"
    left.touch()
    seen_before = read_snapshot(bot.paths.snapshot).snapshot
    lines_before = len(bot.lines())
    bot.start()
    assert bot.exit_code() == 3
    (bot.paths.control / "stop").unlink()
    bot.start()
    wait_for("its second life", lambda: bot.state() == "running", 10)
    seen_after = read_snapshot(bot.paths.snapshot).snapshot
    assert seen_before is not None
    assert seen_after is not None
    assert seen_after.seq > seen_before.seq
    assert len(bot.lines()) > lines_before
    assert not left.exists(), "what a dead writer left is cleaned"
    assert_healthy(bot)


def test_a_folder_without_control_pauses(bot: Bot) -> None:
    (bot.paths.control).rmdir()
    wait_for("the pause", lambda: bot.state() == "paused", 5)
    bot.paths.control.mkdir()
    wait_for("the release", lambda: bot.state() == "running", 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_stop_for_this_run(bot: Bot, number: signal.Signals) -> None:
    assert bot.process is not None
    bot.process.send_signal(number)
    assert bot.exit_code() == 0
    assert bot.state() == "stopped"
    assert not (bot.paths.control / "stop").exists()
    assert_healthy(bot)


def test_a_second_one_and_a_torn_end_are_refused(bot: Bot) -> None:
    second = bot.another()
    second.communicate(timeout=10)
    assert second.returncode == 4
    bot.end()
    (segment,) = bot.paths.journal.glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b'{"seq":\0\0\0')
    bot.start()
    assert bot.exit_code() == 5
    doctor = bot.cli("doctor")
    assert doctor.returncode == 1
    assert "unfinished" in doctor.stdout
    (bot.paths.journal / "20991231-0002.jsonl").touch()
    bot.start()
    assert bot.exit_code() == 5, "a segment that was begun and has no line does not tell where the chain stands"


def test_a_new_day_is_a_new_segment_and_old_ones_are_compressed(bot: Bot) -> None:
    """Days that it wrote before, a restart today, maintenance beside it: one chain all along."""
    bot.end()
    shutil.rmtree(bot.paths.journal)
    bot.paths.journal.mkdir()
    bot.paths.snapshot.unlink()
    head = Head()
    for day in range(1, 12):
        at = f"2026-01-{day:02d}T10:00:00.000000Z"
        line = {"seq": head.seq + 1, "ts": at, "wall_ts": at, "type": "transition", "desk": bot.name, "run_id": "r"}
        sealed, head = seal(head, json.dumps(line).encode())
        (bot.paths.journal / f"202601{day:02d}-{day:04d}.jsonl").write_bytes(sealed)
    bot.start()
    wait_for("its first word", lambda: bot.state() == "running", 15)
    (newest,) = bot.paths.journal.glob("*-0012.jsonl")
    assert not newest.name.startswith("202601")
    maintained = bot.cli("maintain", "--compress-after", "0")
    assert maintained.returncode == 0, maintained.stderr
    assert len(list(bot.paths.journal.glob("*.jsonl.gz"))) >= 9
    assert_healthy(bot)
    assert len(bot.lines()) > 11
    (bot.paths.control / "stop").touch()
    assert bot.exit_code() == 0
    assert_healthy(bot)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck on this machine")
def test_the_shell_bot_is_plain_posix() -> None:
    checked = ["shellcheck", "--shell=sh", BOTS["shell-bot"][1]]
    done = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# --- in the cockpit ---


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(bot: Bot, browser: Browser) -> Iterator[Page]:
    with CockpitProcess(bot.root / "var", desk=bot.name) as cockpit:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.goto(f"{cockpit.address}/?desk={bot.name}")
        page.wait_for_selector(".light[data-state]", timeout=30_000)
        yield page
        context.close()


def light_is(page: Page, state: str, word: str) -> None:
    expect(page.locator(f'.light[data-state="{state}"]')).to_be_visible(timeout=15_000)
    expect(page.locator(".word")).to_have_text(word)


@pytest.mark.browser
def test_a_bot_is_seen_and_commanded_from_the_cockpit(bot: Bot, page: Page) -> None:
    light_is(page, "green", "OK")
    expect(page.locator('.tile[data-name="equity"] .value')).to_have_text(DASH)

    page.locator("button.pause").click()
    light_is(page, "yellow", "PAUSED")
    wait_for("the bot's pause", lambda: bot.state() == "paused", 5)
    expect(page.locator(".receipt", has_text="Pause")).to_contain_text("in force")
    page.locator("button.resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume hedging").click()
    light_is(page, "green", "OK")
    expect(page.get_by_test_id("stDialog")).to_have_count(0, timeout=20_000)

    page.get_by_role("link", name="Operations").click()
    journal = page.locator(".frame", has_text="Journal")
    for text in ("run started", "dry_run", "control seen", "released"):
        expect(journal).to_contain_text(text)
    page.get_by_role("link", name="Now").click()

    page.locator("button.stop").click()
    assert bot.exit_code() == 0
    light_is(page, "not_live", "STOPPED")
    receipt = page.locator(".receipt", has_text="STOP").first
    for word in ("written", "seen", "done"):
        expect(receipt).to_contain_text(word)
    expect(receipt).not_to_contain_text("not seen")
    assert page.locator('.receipt[data-state="failed"]').count() == 0
    time.sleep(1.5)
    light_is(page, "not_live", "STOPPED")
    assert_healthy(bot)


def test_our_own_daemon_keeps_the_same_contract(demo: System) -> None:
    demo.start_simulator()
    demo.start_supervised()
    wait_for("a fill", lambda: demo.of(JournalType.FILL), 60)
    demo.cli("pause", "--reason", "test", "--wait", "10")
    (demo.paths.control / "pause").unlink()
    wait_for("a sample", lambda: any(demo.paths.history.glob("*.jsonl")), 30)
    living = json.loads(demo.cli("doctor", "--watch", "4", "--json").stdout)
    assert [each for each in living["findings"] if each["severity"] == "fault"] == []
    demo.cli("stop", "--wait", "15")
    wait_for("its last word", lambda: demo.snapshot().daemon_state == "stopped", 15)
    said, seen = desk_complaints(demo.paths.folder)
    assert said == []
    kinds = {"snapshot", "journal_line", "audit_line", "history_sample", "tape_checkpoint", "tape_event"}
    assert kinds <= set(seen)
    stopped = json.loads(demo.cli("doctor", "--json").stdout)
    assert [each for each in stopped["findings"] if each["severity"] in ("fault", "warning")] == []
