"""`why` on a real short run: simulator, supervised daemon, a pause, a kill; asked about every intent and refusal."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cli.errors import CommandError
from cli.profile_commands import load
from cli.why_answer import Answer, span_of
from cli.why_time import moment_us, zone_of
from cli.why_trace import find_out
from daemon.core.step import Core
from daemon.core.trace import DECISIONS, explained, trace
from daemon.runtime.clocks import wall_us
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.feeds.tape import read_book, read_core_events
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import JournalLine, JournalType
from state.tape import read_checkpoint, read_events
from state.times import iso_from_us, us_from_iso
from tests.cli.conftest import Cli
from tests.support.lean_day import write_lean_day
from tests.support.system import System, running, wait_for

PROFILE = """
extends: recorded_day
underlying: {{symbol: {symbol}}}
legs:
  - {{right: call, strike: {strike}, expiry: {expiry}}}
  - {{right: put, strike: {strike}, expiry: {expiry}}}
ib: {{port: PORT}}
greeks: {{risk_free_rate: 0.05, volatility: implied}}
gates:
  intent: {{hedge: {{cooldown_seconds: 900, min_price_move_pct: 0.3, max_hedge_shares_per_order: 60}}}}
simulator:
  replay: "{spec}"
  speed: 14400
  positions:
    - {{quantity: 10, right: call, strike: {strike}, expiry: {expiry}}}
    - {{quantity: 10, right: put, strike: {strike}, expiry: {expiry}}}
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A desk that hedged, refused, was paused by anna, and was killed and restarted once; now it is stopped."""
    root = tmp_path_factory.mktemp("why")
    made = write_lean_day(root / "lean")
    leg = made.legs[0]
    text = PROFILE.format(symbol=made.symbol, strike=leg.strike, expiry=leg.expiry, spec=made.spec)
    system = System(root, text)
    with running(system):
        system.start_simulator()
        system.start_supervised()
        wait_for("hedges and refusals", lambda: len(answers(system, "refused")) >= 3 and answers(system, "intent"))
        system.kill_daemon()
        wait_for("a second run", lambda: len(system.of(JournalType.RUN_STARTED)) == 2)
        known = len(answers(system, "refused"))
        wait_for("more of it", lambda: len(answers(system, "refused")) > known or system.replay_finished())
        (system.paths.control / "pause").write_text(json.dumps({"by": "anna", "reason": "lunch"}))
        wait_for("a refusal for the pause", lambda: paused(system) or system.replay_finished(), 60)
        assert system.cli("stop", "--wait", "20").returncode == 0
        yield system


def answers(system: System, kind: str) -> list[JournalLine]:
    return [line for line in system.of(JournalType(kind)) if line.tape_seq is not None]


def paused(system: System) -> list[JournalLine]:
    return [line for line in answers(system, "refused") if line.reason == "paused"]


def last_of_first_moment(system: System) -> JournalLine:
    """A capped hedge and its remainder are two intents of one market step: the last of them."""
    intents = answers(system, "intent")
    return [line for line in intents if line.ts == intents[0].ts][-1]


@pytest.fixture
def why(system: System, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask in this process; gives the JSON."""
    monkeypatch.setenv("BIFROST_ROOT", str(system.paths.folder.parent))
    monkeypatch.setenv("BIFROST_DESK", system.desk)

    def ask(at: str, *more: str) -> dict[str, Any]:
        answer = cli("why", "--at", at, "--json", *more)
        assert answer.code == 0, answer.err
        found: dict[str, Any] = json.loads(answer.out)
        return found

    return ask


def plain(records: Any) -> Any:
    """As the journal holds it: through JSON."""
    import msgspec

    return msgspec.json.decode(msgspec.json.encode(records))


def test_every_recorded_decision_is_replayed_with_its_numbers(system: System) -> None:
    """The property behind the command: for each intent and refusal the same verdict, the same numbers."""
    core = core_of(system)
    told = {(line.run_id, line.tape_seq): line for kind in DECISIONS for line in answers(system, kind.value)}
    assert {line.reason for line in told.values()} > {"cooldown", "hedge_needed"}
    checked = 0
    for path in sorted(system.paths.tape.glob("*.jsonl")):
        checkpoint = read_checkpoint(path)
        book = read_book(checkpoint, core.strategy)
        for tape_seq, event in read_core_events(path):
            found = trace(core, book, [(tape_seq, event)], event.ts_us)
            line = told.get((checkpoint.run_id, tape_seq))
            made = [] if found.last is None else [each for each in found.last.records if each.status != "not_sent"]
            assert bool(made) == (line is not None and line.status != "not_sent")
            if line is not None and made and found.last is not None:
                record = made[-1]
                assert (record.type, record.reason, record.side) == (line.type, line.reason, line.side)
                assert (record.quantity, record.state_code) == (line.quantity, line.state_code)
                assert plain(record.data) == line.data
                explanation = explained(core, found.last)
                rules = {r.rule: plain([r.ok, r.measured, r.limit, r.unit, r.waived]) for r in explanation.rules}
                assert line.data is not None
                assert {name: list(each.values()) for name, each in line.data["rules"].items()} == rules
                assert explanation.state_code == line.state_code
                assert explanation.refused == (line.reason if line.type is JournalType.REFUSED else None)
                checked += 1
            book = found.book
    assert checked == len([line for line in told.values() if line.status != "not_sent"])
    assert checked > 4


def core_of(system: System) -> Core:
    profile = load(str(system.profile)).profile
    return Core(profile, GammaScalper(profile))


def test_a_checkpoint_is_read_back_as_the_book_that_it_was(system: System) -> None:
    core = core_of(system)
    path = max(system.paths.tape.glob("*.jsonl"))
    checkpoint = read_checkpoint(path)
    book = read_book(checkpoint, core.strategy)
    assert plain(book) == json.loads(bytes(checkpoint.checkpoint))
    # Also in the middle of the day, with options' quotes, orders and greeks in it.
    for _, event in read_core_events(path):
        book, _ = core.step(book, event)
    import msgspec

    middle = msgspec.structs.replace(checkpoint, checkpoint=msgspec.Raw(msgspec.json.encode(book)))
    assert read_book(middle, core.strategy) == book


def test_a_refusal_is_answered_in_one_sentence(system: System, why: Any) -> None:
    line = next(each for each in answers(system, "refused") if each.reason == "cooldown")
    found = why(line.ts)
    assert found["source"] == "tape"
    assert found["notes"] == []
    assert found["refused"] == "cooldown"
    assert found["tape_seq"] == line.tape_seq
    assert line.data is not None
    assert line.quantity is not None
    measured = line.data["rules"]["cooldown"]["measured"]
    assert found["sentence"] == (
        f"a hedge of {line.quantity:g} shares ({line.side}) was refused by cooldown: {measured:g} s, limit 900 s"
    )
    assert found["rules"] == line.data["rules"]
    assert [each["seq"] for each in found["decided"]] == [line.seq]
    assert found["before"]["seq"] < line.seq < found["after"]["seq"]


def test_an_intent_is_followed_to_its_fill(system: System, why: Any) -> None:
    line = last_of_first_moment(system)
    found = why(line.ts)
    assert found["sentence"].endswith(f"was needed and allowed to leave; it went out as {line.order_ref}")
    assert found["state_code"] == line.state_code
    kinds = [each["type"] for each in found["life"]]
    assert kinds[0] == "order_sent"
    assert "fill" in kinds
    fill = next(each for each in found["life"] if each["type"] == "fill")
    signed = 1 if line.side == "BUY" else -1
    assert line.data is not None
    slippage = (fill["price"] - line.data["decision_mid"]) * signed * fill["quantity"]
    assert fill["data"]["slippage_usd"] == pytest.approx(slippage, abs=1e-6)


def test_a_pause_names_who_asked_for_it_and_why(system: System, why: Any) -> None:
    refused = paused(system)
    # Where the day ended in band, the pause is said besides.
    sentence = why(refused[0].ts if refused else "now")["sentence"]
    assert "the desk was paused by anna since " in sentence
    assert "(lunch)" in sentence


def test_in_between_the_newest_decision_counts_and_what_follows_is_shown(system: System, why: Any) -> None:
    intent = last_of_first_moment(system)
    after_us = us_from_iso(intent.ts) + 30_000_000
    found = why(iso_from_us(after_us))
    assert found["decided_at"] == intent.ts
    assert found["decided"] == []
    assert found["before"]["seq"] == intent.seq
    assert len(found["rules"]) >= 8
    assert [code["letter"] for code in found["codes"]] == list("ODMLES")


def test_clock_times_zones_and_now(system: System, why: Any) -> None:
    intent = answers(system, "intent")[0]
    assert why(intent.ts[11:16])["at"] == intent.ts
    new_york = f"{(int(intent.ts[11:13]) - 4):02d}:{intent.ts[14:16]}"
    assert why(new_york, "--zone", "America/New_York")["at"] == intent.ts
    assert why("now")["at"] == iso_from_us(span_of(system.paths).newest_us)


def test_the_text_answers_first_then_shows_the_rules(system: System, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_ROOT", str(system.paths.folder.parent))
    line = next(each for each in answers(system, "refused") if each.reason == "cooldown")
    answer = cli("why", "--at", line.ts, "--desk", system.desk)
    assert answer.code == 0
    assert answer.err == ""
    said = answer.out.splitlines()
    assert said[0].startswith(f"At {line.ts[:10]} {line.ts[11:19]}Z a hedge of ")
    assert any(each.startswith("cooldown ") and each.rstrip().endswith("NO") for each in said)
    assert any(each.startswith("before ") for each in said)
    assert "Traceback" not in answer.out


def test_a_changed_profile_is_said_loudly(system: System, why: Any, tmp_path: Path) -> None:
    changed = tmp_path / "desk.yaml"
    changed.write_text(system.profile.read_text().replace("cooldown_seconds: 900", "cooldown_seconds: 0"))
    line = next(each for each in answers(system, "refused") if each.reason == "cooldown")
    found = why(line.ts, "--profile", str(changed))
    assert found["notes"][0].startswith("THE PROFILE IS NOT THAT OF THE RUN")
    assert any("THE REPLAY DOES NOT GIVE WHAT THE JOURNAL SAYS" in note for note in found["notes"])


def test_a_profile_of_another_stock_is_refused(system: System) -> None:
    at_us = us_from_iso(answers(system, "intent")[0].ts)
    with pytest.raises(CommandError, match=r"hedged \w+, but profile recorded_day is of TWX; name that run's"):
        find_out(system.paths, at_us, span_of(system.paths), profile="recorded_day", progress=lambda _: None)


@pytest.fixture
def copy(system: System, tmp_path: Path) -> DeskPaths:
    """The same desk, to be broken."""
    shutil.copytree(system.paths.folder, tmp_path / system.desk)
    return DeskPaths(tmp_path, system.desk)


def ask(paths: DeskPaths, at_us: int) -> Answer:
    return find_out(paths, at_us, span_of(paths), profile=None, progress=lambda _: None)


def test_without_a_tape_the_journal_alone_answers(system: System, copy: DeskPaths) -> None:
    shutil.rmtree(copy.tape)
    line = next(each for each in answers(system, "refused") if each.reason == "cooldown")
    found = ask(copy, us_from_iso(line.ts))
    assert found.source == "journal"
    assert found.notes == ["no tape covers this moment (there is none)"]
    assert "by the journal alone, the answer at that moment was: refused " in found.sentence
    assert line.data is not None
    assert found.rules == line.data["rules"]


def test_a_damaged_tape_is_named_and_the_journal_answers(system: System, copy: DeskPaths) -> None:
    for path in copy.tape.glob("*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([lines[0], b'{"tape_seq":1,"event":{"event":"no such"}}\n', *lines[2:]]))
    found = ask(copy, us_from_iso(answers(system, "refused")[0].ts))
    assert found.source == "journal"
    assert "not an event" in found.notes[0]


def test_a_tape_that_ends_early_is_not_taken_for_the_end_of_the_run(system: System, copy: DeskPaths) -> None:
    first = min(copy.tape.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    lines = first.read_bytes().splitlines(keepends=True)
    for path in copy.tape.glob("*.jsonl"):
        path.unlink()
    first.write_bytes(b"".join(lines[:14]))
    assert len(list(read_events(first))) == 13
    refused = answers(system, "refused")[0]
    found = ask(copy, us_from_iso(refused.ts))
    assert found.source == "journal"
    assert "though the run went on" in found.notes[0]


def rewritten(paths: DeskPaths, lines: list[JournalLine]) -> None:
    """The journal again, sealed anew, with these lines."""
    import msgspec

    shutil.rmtree(paths.journal)
    paths.journal.mkdir()
    writer = JournalWriter(paths.journal, wall_us=wall_us)
    writer.open()
    numbered = [msgspec.structs.replace(line, seq=number) for number, line in enumerate(lines, start=1)]
    writer.append(numbered)
    writer.close()


@pytest.mark.parametrize("killed", [False, True])
def test_a_gap_between_two_runs_is_named(system: System, copy: DeskPaths, *, killed: bool) -> None:
    import msgspec

    lines = list(read_journal(copy.journal))
    assert lines[-1].type is JournalType.RUN_STOPPED
    ended_us = us_from_iso(lines[-1].ts)
    morning = iso_from_us(ended_us + 36_000_000_000)
    started = next(line for line in lines if line.type is JournalType.RUN_STARTED)
    again = msgspec.structs.replace(started, ts=morning, run_id="20991231T000000-1")
    rewritten(copy, [*(lines[:-1] if killed else lines), again])
    found = ask(copy, ended_us + 60_000_000)
    assert found.source == "journal"
    assert found.sentence.startswith("the daemon was not running: ")
    assert ("it was killed, or crashed" in found.sentence) == killed
    assert ("own orders confirmed cancelled" in found.sentence) != killed


def test_a_moment_outside_the_record_names_what_is_covered(system: System) -> None:
    span = span_of(system.paths)
    for at_us, word in ((span.first_us - 1, "before"), (span.newest_us + 3_000_000, "after")):
        with pytest.raises(CommandError, match=f"lies {word} the record of desk desk, which covers 20"):
            ask(system.paths, at_us)


def test_a_desk_that_does_not_exist_is_a_clear_error(cli: Cli) -> None:
    answer = cli("why", "--at", "14:03", "--desk", "nobody")
    assert answer.code == 2
    assert "no desk 'nobody'" in answer.err


def utc(text: str) -> int:
    return us_from_iso(text)


@pytest.mark.parametrize(
    ("text", "zone", "meant"),
    [
        ("14:03", "UTC", "2026-03-10T14:03:00Z"),
        ("14:03:12", "UTC", "2026-03-10T14:03:12Z"),
        ("14:03:12.5", "UTC", "2026-03-10T14:03:12.500000Z"),
        ("23:59", "UTC", "2026-03-09T23:59:00Z"),
        ("10:03", "America/New_York", "2026-03-10T14:03:00Z"),
        ("14:03Z", "America/New_York", "2026-03-10T14:03:00Z"),
        ("2026-03-07T10:03", "America/New_York", "2026-03-07T15:03:00Z"),
        ("2026-03-07T10:03:00+01:00", "America/New_York", "2026-03-07T09:03:00Z"),
        ("15m", "UTC", "2026-03-10T19:45:00Z"),
        ("now", "UTC", "2026-03-10T20:00:00Z"),
    ],
)
def test_times_as_they_are_spoken(text: str, zone: str, meant: str) -> None:
    newest_us, first_us = utc("2026-03-10T20:00:00Z"), utc("2026-03-01T00:00:00Z")
    assert moment_us(text, first_us=first_us, newest_us=newest_us, zone=zone_of(zone)) == utc(meant)


def test_the_day_before_a_change_of_clocks_keeps_its_clock_time() -> None:
    """New York went to summer time on 8 March 2026: 14:03 of the day before is five hours behind UTC, not four."""
    newest_us = utc("2026-03-08T12:00:00Z")
    found = moment_us("14:03", first_us=0, newest_us=newest_us, zone=ZoneInfo("America/New_York"))
    assert found == utc("2026-03-07T19:03:00Z")


def test_a_time_that_has_not_come_and_never_was_is_of_the_newest_day() -> None:
    newest_us, first_us = utc("2026-03-10T20:00:00Z"), utc("2026-03-10T13:00:00Z")
    found = moment_us("21:00", first_us=first_us, newest_us=newest_us, zone=zone_of("UTC"))
    assert found == utc("2026-03-10T21:00:00Z")


@pytest.mark.parametrize("text", ["soon", "25:00", "14.03", "2026-03-10", ""])
def test_what_is_no_moment_is_refused_with_the_ways_to_write_one(text: str) -> None:
    with pytest.raises(CommandError, match=r"--at .*(write|whole day)"):
        moment_us(text, first_us=0, newest_us=utc("2026-03-10T20:00:00Z"), zone=zone_of("UTC"))


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(CommandError, match="no such time zone"):
        zone_of("Mars/Olympus")
