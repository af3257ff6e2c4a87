import json
from pathlib import Path

import filelock
import pytest
from rich.console import Console

from cli import journal_commands, journal_table
from state.layout import DeskPaths
from state.records import JournalType
from state.times import iso_from_us, us_from_iso
from tests.cli.conftest import Cli, Desk
from tests.support.journal_segments import write_segments

NOON_US = us_from_iso("2014-06-05T16:00:00Z")

NOTHING = "demo: no operation matches; ask for more time or fewer filters, or see all: ./bifrost ops"


@pytest.fixture
def day(desk: Desk) -> Desk:
    """Six operations, ten minutes apart, the last at noon in New York."""
    kinds = ("run_started", "intent", "order_sent", "fill", "refused", "transition")
    for index, kind in enumerate(kinds):
        ts = iso_from_us(NOON_US - (5 - index) * 600_000_000)
        of_order = {"intent_id": "r-1"} if kind == "intent" else {}
        if kind in ("order_sent", "fill"):
            of_order = (
                {"order_ref": "demo.ab.1", "intent_id": "r-1"} if kind == "order_sent" else {"order_ref": "demo.ab.1"}
            )
        if kind == "fill":
            of_order |= {"side": "SELL", "quantity": 49.0, "price": 70.525, "unit": "share"}
        if kind == "refused":
            of_order |= {"reason": "[red]cooldown[/red]"}
        desk.journal(JournalType(kind), ts=ts, **of_order)
    return desk


def _types(answer_out: str) -> list[str]:
    return [line["type"] for line in json.loads(answer_out)["operations"]]


def test_the_newest_oldest_first(cli: Cli, day: Desk) -> None:
    assert _types(cli("ops", "--json", "--limit", "2", "--all").out) == ["refused", "transition"]


def test_routine_lines_are_left_out_counted_and_had_by_name(cli: Cli, day: Desk) -> None:
    assert _types(cli("ops", "--json", "--limit", "2").out) == ["fill", "refused"]
    assert json.loads(cli("ops", "--json").out)["left_out"] == 1
    said = "1 routine lines (ledger_checkpoint, transition) left out; --all shows them"
    assert cli("ops").out.splitlines()[-1] == said
    assert cli("ops", "--since", "5m").out == f"{NOTHING}\n{said}\n"
    assert "left out" not in cli("ops", "--all").out
    assert _types(cli("ops", "--json", "--type", "transition").out) == ["transition"]


def test_the_head_says_whose_time_it_is(cli: Cli, desk: Desk) -> None:
    desk.journal(JournalType.RUN_STARTED)
    assert cli("ops").out.split()[1] == "time"
    desk.journal(JournalType.RUN_STARTED, ts=iso_from_us(NOON_US))
    assert cli("ops").out.split()[1] == "market"


def test_numbers_stand_under_their_unit_with_the_same_decimals(cli: Cli, day: Desk) -> None:
    day.journal(JournalType.FILL, order_ref="demo.ab.2", side="BUY", quantity=5.0, price=71.5, unit="share", ccy="USD")
    head, *rows, _ = cli("ops").out.splitlines()
    end = head.index("price (USD)") + len("price (USD)")
    assert [row[:end].split()[-1] for row in rows if " fill " in row] == ["70.525", "71.500"]
    assert "quantity (shares)" in head


def test_a_narrow_terminal_loses_nothing_that_matters(cli: Cli, day: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_table, "console", lambda: Console(width=80, highlight=False))
    day.journal(
        JournalType.CONTROL_REFUSED, ts=iso_from_us(NOON_US), status="refused", reason="request_refused",
        data={"command": "reset", "by": "jo", "detail": "still measured"},
    )  # fmt: skip
    lines = cli("ops").out.splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines)
    words = " ".join(" ".join(lines).split())
    for word in ("seq market time type about", "15:40:00 fill", "ab.1", "SELL 49", "70.525", "refused:"):
        assert word in words
    assert "\u2026" not in words


def test_a_command_is_named_with_its_words_and_its_giver(cli: Cli, desk: Desk) -> None:
    data = {"command": "reset", "by": "jo", "detail": "daily_loss still measures 3.50 USD, limit 0.50"}
    desk.journal(JournalType.CONTROL_REFUSED, status="refused", reason="request_refused", data=data)
    [row] = cli("ops").out.splitlines()[1:]
    assert "control_refused reset" in row
    assert "request_refused: daily_loss still measures 3.50 USD, limit 0.50 (by jo)" in row


def test_the_table_shows_what_was_traded_and_no_markup_is_obeyed(cli: Cli, day: Desk) -> None:
    out = cli("ops").out
    assert "2014-06-05 15:40:00" in out
    assert "SELL 49" in out
    assert "70.525" in out
    assert "[red]cooldown[/red]" in out


@pytest.mark.parametrize(
    ("arguments", "types"),
    [
        ("--type fill --type refused", ["fill", "refused"]),
        ("--since 2014-06-05T15:40:00Z --until 2014-06-05T16:00:00Z", ["fill", "refused"]),
        ("--since 15m", ["refused"]),
        ("--since 15m --all", ["refused", "transition"]),
        ("--until 45m", ["run_started"]),
        ("--since 2014-06-06", []),
        ("--intent r-1", ["intent", "order_sent", "fill"]),
        ("--intent r-1 --type fill", ["fill"]),
        ("--intent r-9", []),
        ("--side sell", ["fill"]),
        ("--side BUY", []),
        ("--reason [red]cooldown[/red]", ["refused"]),
        ("--reason cooldown", []),
        ("--text COOLDOWN", ["refused"]),
        ("--order demo.ab.1", ["order_sent", "fill"]),
        ("--before 4", ["run_started", "intent", "order_sent"]),
    ],
)
def test_filters(cli: Cli, day: Desk, arguments: str, types: list[str]) -> None:
    assert _types(cli("ops", "--json", *arguments.split()).out) == types


def test_a_span_that_ends_before_it_begins_is_told(cli: Cli, day: Desk) -> None:
    answer = cli("ops", "--since", "1h", "--until", "2h")
    assert answer.code == 2
    assert "swap them" in answer.err


def test_nothing_found_is_said(cli: Cli, desk: Desk) -> None:
    assert cli("ops").out == "demo: the journal is empty: nothing was done yet\n"
    desk.journal(JournalType.RUN_STARTED)
    assert cli("ops", "--type", "fill").out == f"{NOTHING}\n"
    assert cli("ops", "--type", "fill", "--count-by", "day").out == f"{NOTHING}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--type fil", "--type fil: no such operation; did you mean fill?"),
        ("--type zzz", "--type zzz: no such operation; known: run_started"),
        ("--side buys", "--side buys: write BUY or SELL"),
        ("--count-by dya", "--count-by dya: no such group; did you mean day?"),
        ("--count-by zzz", "--count-by zzz: no such group; known: day, week, month, type"),
        ("--count-by day --intent r-1", "--intent shows the life of one intent; leave --count-by out"),
        ("--since yesterday", "--since 'yesterday': write a time (2026-11-21T14:30:00Z)"),
        ("--until 2014-06-05T15:40:00", "--until '2014-06-05T15:40:00': write a time"),
    ],
)
def test_a_filter_that_cannot_be_meant(cli: Cli, day: Desk, arguments: str, words: str) -> None:
    answer = cli("ops", *arguments.split())
    assert answer.code == 2
    assert answer.err.startswith(f"bifrost: {words}")
    assert len(answer.err.splitlines()) == 1


def test_operations_are_counted_by_group(cli: Cli, day: Desk) -> None:
    found = json.loads(cli("ops", "--json", "--count-by", "day", "--count-by", "side", "--type", "fill").out)
    assert found["counts"] == [{"day": "2014-06-05", "side": "SELL", "count": 1, "quantity": 49.0}]
    assert (found["count_by"], found["problems"]) == (["day", "side"], [])
    by_type = json.loads(cli("ops", "--json", "--count-by", "type").out)["counts"]
    assert [(count["type"], count["count"]) for count in by_type] == sorted(
        (kind, 1) for kind in ("run_started", "intent", "order_sent", "fill", "refused", "transition")
    )


def test_counts_stand_right_aligned_over_their_sum(cli: Cli, day: Desk) -> None:
    for _ in range(11):
        day.journal(JournalType.REFUSED, ts=iso_from_us(NOON_US), reason="[b]gate")
    head, *rows, total = cli("ops", "--count-by", "reason", "--since", "1h").out.splitlines()
    assert head.split() == ["reason", "operations"]
    assert [row.split() for row in rows] == [["[b]gate", "11"], ["[red]cooldown[/red]", "1"], ["\u2013", "5"]]
    assert total.split() == ["all", "17"]
    assert {len(line.rstrip()) for line in (head, *rows, total)} == {len(head.rstrip())}
    day.journal(JournalType.FILL, side="BUY", quantity=1200.5)
    head, *_, total = cli("ops", "--count-by", "side", "--type", "fill").out.splitlines()
    assert head.split() == ["side", "operations", "quantity"]
    assert total.split() == ["all", "2", "1,249.5"]


@pytest.fixture
def long_ago(root: Path) -> DeskPaths:
    """A desk with three closed segments and one that is open."""
    paths = DeskPaths(root, "demo")
    paths.create()
    write_segments(paths.journal, [30, 30, 30, 10])
    return paths


def test_a_long_journal_is_cached_before_it_is_counted(
    cli: Cli, long_ago: DeskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = cli("ops", "--count-by", "month")
    assert not long_ago.cache.exists()
    monkeypatch.setattr(journal_commands, "READ_THROUGH_BYTES", 1000)
    assert cli("ops", "--count-by", "month") == answer
    assert len(list((long_ago.cache / "journal").glob("*.parquet"))) == 3


def test_a_cache_that_another_builds_or_that_cannot_be_written_is_done_without(
    cli: Cli, long_ago: DeskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = cli("ops", "--count-by", "type")
    monkeypatch.setattr(journal_commands, "READ_THROUGH_BYTES", 1000)
    folder = long_ago.cache / "journal"
    folder.mkdir(parents=True)
    with filelock.FileLock(folder / ".lock"):
        busy = cli("ops", "--count-by", "type")
    assert (busy.code, busy.out) == (0, answer.out)
    assert busy.err == "bifrost: another process builds the journal's cache; reading without it\n"
    (folder / ".lock").unlink()
    folder.rmdir()
    folder.write_text("in the way")
    without = cli("ops", "--count-by", "type")
    assert (without.code, without.out) == (0, answer.out)
    assert without.err.startswith(f"bifrost: the cache {folder} cannot be built: ")


def test_a_damaged_segment_is_said_with_the_answer(
    cli: Cli, long_ago: DeskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_commands, "READ_THROUGH_BYTES", 1000)
    second = sorted(long_ago.journal.glob("*.jsonl"))[1]
    second.write_bytes(second.read_bytes().replace(b"cooldown", b"Cooldown", 1))
    answer = cli("ops", "--count-by", "reason")
    assert answer.code == 0
    assert " Cooldown " in answer.out.replace("\n", " ")
    [said] = answer.err.splitlines()
    assert said.startswith(f"bifrost: not all of the journal can be trusted: {second}, line ")
    assert said.endswith("see docs/runbook.md#journal_damaged")
    assert json.loads(cli("ops", "--count-by", "reason", "--json").out)["problems"][0].startswith(str(second))
