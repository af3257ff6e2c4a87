"""The Health page: what is measured of real files and processes, and what its tables make of it."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import filelock
import msgspec
import pytest

from cockpit import context
from cockpit.context import CockpitContext
from cockpit.health import check_tables, logs, now_tables, record_tables, slow_tables
from cockpit.health.clock import ClockState, clock_state
from cockpit.health.disk import DiskUse, Growth, measure
from cockpit.health.job import last_examined, last_verified
from cockpit.health.jobs import Jobs, Progress
from cockpit.health.log_table import log_table
from cockpit.health.machine_states import machine_states
from cockpit.health.processes import Meter, Whereabouts, look_for, simulator_pid
from cockpit.health.vitals import Vitals, VitalsOfDesks
from cockpit.reader import DASH, Reader
from cockpit.tables import Row, Table
from config.schema import Storage
from state.lock_holder import DAEMON_LOCK, can_tell, holder_pid
from state.look import look_at
from state.reasons import REASONS
from state.records import Check, Limit, Posture, Snapshot
from tests.support.desk_player import DeskPlayer, wall_us

ENGLISH, CHINESE = Reader(), Reader(language="zh")
HERE = Whereabouts(own_pid=os.getpid(), own_version="0.1.0+abc", has_simulator=False)
DAEMON = Path(__file__).parents[2] / "daemon"


def row(table: Table, name: str) -> Row:
    return next(each for each in table.rows if each.cells[0] == name)


def vitals(player: DeskPlayer, *, reader: Reader = ENGLISH, late_s: float = 0) -> Vitals:
    here = CockpitContext(root=player.paths.root, desk="demo")
    context.configure(here)
    return VitalsOfDesks(here, Jobs()).of(player.paths, reader, wall_us() + int(late_s * 1e6))


def test_every_table_has_its_words_in_both_languages(player: DeskPlayer) -> None:
    english, chinese = vitals(player), vitals(player, reader=CHINESE)
    assert set(english.tables) == set(chinese.tables) >= {"processes", "checks", "disk", "records", "clock", "versions"}
    for name, table in english.tables.items():
        assert all(len(each.cells) == len(table.columns) for each in table.rows), name
        assert chinese.tables[name].title != table.title
    assert not english.is_old


def test_old_values_say_how_old_they_are(player: DeskPlayer) -> None:
    player.mood = "red"
    player.write()
    found = vitals(player, late_s=60)
    assert found.is_old
    for name in ("link", "checks", "limits", "latency"):
        assert found.tables[name].aside.startswith("NOT LIVE, 60 s old"), name
    assert row(found.tables["link"], "Snapshot's age").tone == "bad"
    assert row(found.tables["link"], "Quote of TWX, age").tone == "bad", "a quote grows old with its snapshot"


def test_a_desk_that_never_ran_has_a_page_of_dashes(tmp_path: Path) -> None:
    from state.layout import DeskPaths

    (tmp_path / "var").mkdir()
    here = CockpitContext(root=tmp_path / "var", desk="demo")
    context.configure(here)
    found = VitalsOfDesks(here, Jobs()).of(DeskPaths(tmp_path / "var", "demo"), ENGLISH, wall_us())
    assert found.tables["checks"].rows == ()
    assert row(found.tables["processes"], "Daemon").cells[1] in ("MISSING", "unknown")
    assert row(found.tables["disk"], "Free").cells[1] == DASH
    assert not (tmp_path / "var" / "demo").exists(), "looking must not make a desk"


# --- processes ------------------------------------------------------------------------------------
def test_the_holder_of_the_desks_lock_is_its_daemon(player: DeskPlayer) -> None:
    if not can_tell():
        pytest.skip("this system does not say who holds a lock")
    lock = filelock.FileLock(player.paths.folder / DAEMON_LOCK)
    snapshot = player.write()
    meter = Meter()
    with lock:
        assert holder_pid(player.paths.folder / DAEMON_LOCK) == os.getpid()
        found = {each.kind: each for each in look_for(player.paths, snapshot, HERE, meter.measure)}
        assert found["daemon"].pid == os.getpid()
        assert found["daemon"].state == "running"
        assert found["daemon"].version == "0.1.0"
        usage = found["daemon"].usage
        assert usage is not None
        assert usage.memory_bytes > 1_000_000
        assert usage.started_us < wall_us()
        assert usage.cpu_pct is None, "one look measures no time"
        assert meter.measure(os.getpid()) != usage
    found = {each.kind: each for each in look_for(player.paths, snapshot, HERE, meter.measure)}
    assert found["daemon"].state == "missing"
    assert found["supervisor"].state == "missing"
    assert found["simulator"].state == "unneeded"


def test_another_programs_desk_misses_nothing_of_ours(player: DeskPlayer) -> None:
    found = {each.kind: each.state for each in look_for(player.paths, player.write(), HERE, Meter().measure)}
    assert found["supervisor"] == "unneeded"
    assert found["daemon"] in ("unknown", "running")


def test_a_process_that_is_gone_or_not_ours_is_no_measurement() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    assert Meter().measure(int(done.stdout)) is None


def test_the_simulator_is_who_listens_at_its_port(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        (tmp_path / "port").write_text(str(server.getsockname()[1]))
        assert simulator_pid(tmp_path) == os.getpid()
    assert simulator_pid(tmp_path) is None
    assert simulator_pid(tmp_path / "nowhere") is None


def test_who_is_missing_is_named_with_the_command_that_starts_it(player: DeskPlayer) -> None:
    (player.paths.folder / DAEMON_LOCK).touch()
    table = vitals(player).tables["processes"]
    missing = row(table, "Daemon")
    if can_tell():
        assert missing.tone == "bad"
        assert missing.cells[-1].startswith("./bifrost supervise --profile")
        assert "--desk demo" in missing.cells[-1]
        (player.paths.control / "stop").touch()
        stopped = row(vitals(player).tables["processes"], "Daemon")
        assert (stopped.cells[1], stopped.cells[-1], stopped.tone) == ("stopped", "./bifrost start --desk demo", None)


# --- checks and limits ----------------------------------------------------------------------------
def test_every_check_of_our_daemon_leads_to_the_runbook() -> None:
    names = set()
    for file in (DAEMON / "core" / "self_check.py", DAEMON / "strategies" / "gamma_scalper" / "self_check.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_check" and node.args:
                names |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    assert len(names) > 30
    passing = [Check(name=str(name), ok=True, severity="red") for name in names]
    assert {check.name for check in passing if not check_tables.runbook_code(check)} == set()


def test_failed_checks_come_first_with_measure_limit_and_colour(player: DeskPlayer) -> None:
    player.mood = "red"
    table = check_tables.checks(player.write(), ENGLISH)
    first, second, *others = table.rows
    assert {first.cells[0], second.cells[0]} == {"quote age", "data lag"}
    assert first.cells[1:5] == ("FAILED", "14 s", "5.0 s", "red")
    assert first.cells[5] in REASONS
    assert (first.tone, second.tone) == ("bad", "bad")
    assert all(each.tone is None for each in others)
    assert "2 failed" in table.aside


@pytest.mark.parametrize(
    ("limit", "tone"),
    [
        (Limit(name="x", used=84, limit=100), None),
        (Limit(name="x", used=85, limit=100), "warn"),
        (Limit(name="x", used=10, limit=100, projected=90), "warn"),
        (Limit(name="x", used=-100, limit=100), "bad"),
        (Limit(name="x", used=0, limit=0), "bad"),
    ],
)
def test_a_limit_asks_for_a_look_from_85_percent_on(player: DeskPlayer, limit: Limit, tone: str | None) -> None:
    snapshot = msgspec.structs.replace(player.write(), limits=(limit,))
    assert now_tables.limits(snapshot, ENGLISH).rows[0].tone == tone


def test_a_wish_in_the_control_folder_that_nobody_knows_is_shown(player: DeskPlayer) -> None:
    (player.paths.control / "halt<b>").touch()
    (player.paths.control / "pause").touch()
    table = slow_tables.control_folder(look_at(player.paths, wall_us()).control, ["r-1.json"], ENGLISH)
    assert row(table, "halt<b>").tone == "warn"
    assert row(table, "pause").tone == "warn"
    assert "waits for the daemon" in row(table, "requests/r-1.json").cells[2]


# --- disk -----------------------------------------------------------------------------------------
def test_the_disk_is_measured_by_part_with_what_maintenance_would_do(player: DeskPlayer) -> None:
    player.tell_a_day()
    (player.paths.logs / "daemon.jsonl").write_text("x" * 100_000)
    old = player.paths.tape / "20260101T000000-1-0001.jsonl"
    old.write_text("{}\n" * 1000)
    os.utime(old, (1, 1))
    use = measure(player.paths, None, Storage(tape_keep_days=1), wall_us=wall_us())
    assert use.parts["logs"] >= 100_000
    assert use.reserve_bytes == 8 * 1024 * 1024
    assert use.freed is not None
    assert use.freed.remove_files == 1
    assert use.growth is None, "seconds say nothing of a day"
    assert use.days_left is None
    table = slow_tables.disk(use, "", ENGLISH, command="./bifrost maintain")
    assert "remove 1 files" in row(table, "Maintenance would").cells[1]
    later = measure(player.paths, None, None, wall_us=wall_us() + 2 * 86_400_000_000)
    assert later.growth is not None
    assert 1.9 < later.growth.over_days < 2.1
    assert later.freed is None
    assert later.growth.bytes_a_day * later.growth.over_days < 4 * 1024 * 1024, "what is kept back does not grow"


def test_days_left_count_to_where_no_hedge_leaves() -> None:
    use = DiskUse(
        free_bytes=1100, total_bytes=2000, parts={}, growth=Growth(bytes_a_day=100, over_days=7), reserve_bytes=None,
        freed=None, min_free_bytes=500,
    )  # fmt: skip
    assert use.days_left == pytest.approx(6)
    assert row(slow_tables.disk(use, "", ENGLISH, command=""), "Full in").tone == "warn"


# --- versions and clock ---------------------------------------------------------------------------
def test_a_file_or_checkout_that_changed_is_said(player: DeskPlayer) -> None:
    snapshot = player.write()
    same = slow_tables.Versions(own="a", checkout=snapshot.version or "", file_hash=snapshot.profile_hash)
    table = slow_tables.versions(snapshot, same, ENGLISH)
    assert row(table, "Daemon").tone is None
    assert row(table, "This cockpit").tone == "warn"
    assert "as its file says now" in row(table, "Profile, hash").cells[2]
    other = slow_tables.versions(snapshot, msgspec.structs.replace(same, file_hash="other"), ENGLISH)
    assert "restart to take it" in row(other, "Profile, hash").cells[2]
    unknown = slow_tables.versions(snapshot, msgspec.structs.replace(same, file_hash=None), ENGLISH)
    assert "cannot be compared" in row(unknown, "Profile, hash").cells[2]


def test_the_clock_says_whether_the_network_keeps_it(player: DeskPlayer) -> None:
    assert clock_state().is_synchronised in (True, False, None)
    snapshot = player.write()
    told = [
        row(slow_tables.clock(snapshot, ClockState(is_synchronised=kernel), wall_us(), ENGLISH), "Kept by the network")
        for kernel in (True, False, None)
    ]
    assert [each.cells[1] for each in told] == ["yes", "no", DASH]
    assert [each.tone for each in told] == [None, "warn", None]
    assert "NTP" in told[1].cells[2]
    assert "does not say" in told[2].cells[2]
    table = slow_tables.clock(snapshot, ClockState(is_synchronised=True), wall_us(), ENGLISH)
    assert "own time" in row(table, "Market time of the desk").cells[2]


# --- logs -----------------------------------------------------------------------------------------
LOG = """{"event": "started", "level": "info", "wall_ts": "2026-11-21T10:00:00.123456Z", "port": 7497}
{"event": "no <b>permission</b>", "level": "warning", "wall_ts": "2026-11-21T10:00:01.123456Z", "code": 201}
Traceback (most recent call last):
{"event": "crashed", "level": "error", "wall_ts": "2026-11-21T10:00:02.123456Z", "exception": "ValueError: x"}
"""


def test_a_log_is_read_from_its_end_at_a_level_and_with_a_text(tmp_path: Path) -> None:
    log = tmp_path / "daemon.jsonl"
    log.write_text(LOG)
    events = [line.event for line in logs.newest_lines(log, least_level="warning").lines]
    assert events == ["crashed", "Traceback (most recent call last):", "no <b>permission</b>"]
    assert [line.event for line in logs.newest_lines(log, least_level="debug", text="7497").lines] == ["started"]
    table = log_table("daemon.jsonl", logs.newest_lines(log, least_level="error"), ENGLISH)
    assert table.rows[0].tone == "bad"
    assert "ValueError: x" in table.rows[0].cells[3]
    assert logs.newest_lines(tmp_path / "none.jsonl", least_level="info").lines == ()


def test_a_large_log_costs_no_more_than_its_end(tmp_path: Path) -> None:
    log = tmp_path / "daemon.jsonl"
    line = '{"event": "tick", "level": "info", "wall_ts": "2026-11-21T10:00:00.000000Z", "n": "%07d"}\n'
    log.write_text("".join(line % n for n in range(60_000)))
    assert log.stat().st_size > 5_000_000
    found = logs.newest_lines(log, least_level="info")
    assert len(found.lines) == logs.MOST_LINES
    assert found.is_cut
    assert found.lines[0].detail == "n=0059999"
    none = logs.newest_lines(log, least_level="error")
    assert none.lines == ()
    assert none.is_cut, "what was not looked at is said"


def test_only_logs_are_offered(tmp_path: Path) -> None:
    for name in ("daemon.jsonl", "cockpit.log", "daemon.jsonl.1", "notes.txt"):
        (tmp_path / name).touch()
    assert logs.log_names(tmp_path) == ("daemon.jsonl", "cockpit.log")


# --- the long looks -------------------------------------------------------------------------------
def test_verifying_and_examining_leave_their_outcome_for_every_page(player: DeskPlayer) -> None:
    player.tell_a_day()
    snapshot = player.write()
    jobs = Jobs()
    jobs.start(player.paths, "verify")
    jobs.start(player.paths, "verify")  # the second asks for nothing new
    jobs.start(player.paths, "doctor")
    end = time.monotonic() + 60
    while jobs.progress(player.paths, "verify").is_running or jobs.progress(player.paths, "doctor").is_running:
        assert time.monotonic() < end
        time.sleep(0.02)
    found, seen = last_verified(player.paths), last_examined(player.paths)
    assert found is not None
    assert found.journal.ok
    assert found.journal.head_seq > 10
    assert seen is not None
    assert any(each.path == "journal" for each in seen.findings)
    table = record_tables.records(None, found, Progress(), ENGLISH, command="./bifrost verify")
    assert f"seq {found.journal.head_seq}" in row(table, "Journal, every byte").cells[1]
    file = next(iter(player.paths.journal.glob("*.jsonl")))
    file.write_bytes(file.read_bytes().replace(b"cooldown", b"cooldowm", 1))
    assert snapshot.seq > 0
    jobs.start(player.paths, "verify")
    while jobs.progress(player.paths, "verify").is_running:
        assert time.monotonic() < end
        time.sleep(0.02)
    table = record_tables.records(None, last_verified(player.paths), Progress(), ENGLISH, command="")
    broken = row(table, "Journal, every byte")
    assert broken.tone == "bad"
    assert broken.cells[1] == "BROKEN"
    jobs.close()
    jobs.start(player.paths, "verify")
    assert not jobs.progress(player.paths, "verify").is_running, "nothing begins after the end"


# --- the page's script ----------------------------------------------------------------------------
def test_the_page_runs_with_and_without_a_log(player: DeskPlayer, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.testing.v1 import AppTest

    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    context.configure(CockpitContext(root=player.paths.root, desk="demo"))

    def script() -> None:
        from cockpit.pages import health

        health.page()

    app = AppTest.from_function(script, default_timeout=30).run()
    assert not app.exception
    assert any("No log yet" in text.value for text in app.text)
    assert any("doctor --desk demo" in text.value for text in app.text)
    (player.paths.logs / "daemon.jsonl").write_text(LOG)
    (player.paths.logs / "odd`![x](http:x)`.log").write_text("x")
    app.query_params["log"] = "odd`![x](http:x)`.log"
    app.query_params["log-text"] = "[link](http://elsewhere)"
    app.run()
    assert not app.exception
    assert not any("elsewhere" in each.value or "http:" in each.value for each in [*app.markdown, *app.caption])
    assert app.button(key="verify-now").disabled is False


def test_the_states_are_said_in_words_with_their_codes(player: DeskPlayer) -> None:
    player.posture = Posture(name="HALTED", reason="daily_loss: loss 12.00 USD, limit 10.00")
    player.write()
    english, chinese = machine_states(read_snapshot(player), ENGLISH), machine_states(read_snapshot(player), CHINESE)
    assert row(english, "Options").cells == ("Options", "long gamma", "O1")
    assert row(english, "Posture").tone == "bad"
    posture = row(chinese, "许可级别").cells
    assert posture[1] == "只允许平仓"
    assert "亏损 12.00 USD" in posture[2]
    assert row(chinese, "守护进程").cells[1] == "运行中"
    assert row(chinese, "交易").cells[2] == row(english, "Trading").cells[1]
    assert row(english, "Trading").cells[2] == ""
    assert [each.cells[2][:1] for each in english.rows[-6:]] == list("ODMLES")
    assert machine_states(None, ENGLISH).rows[0].cells == ("Daemon", DASH, "")


def read_snapshot(player: DeskPlayer) -> Snapshot:
    found = look_at(player.paths, wall_us()).snapshot
    assert found is not None
    return found
