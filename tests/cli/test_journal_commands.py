import json

import pytest
from rich.console import Console

from cli import journal_table
from state.records import JournalType
from state.times import iso_from_us, us_from_iso
from tests.cli.conftest import Cli, Desk

NOON_US = us_from_iso("2014-06-05T16:00:00Z")


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
    assert cli("ops", "--since", "5m").out == f"demo: no operation matches\n{said}\n"
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
    ],
)
def test_filters(cli: Cli, day: Desk, arguments: str, types: list[str]) -> None:
    assert _types(cli("ops", "--json", *arguments.split()).out) == types


def test_nothing_found_is_said(cli: Cli, desk: Desk) -> None:
    assert cli("ops").out == "demo: no operation matches\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--type fil", "--type fil: no such operation; did you mean fill?"),
        ("--type zzz", "--type zzz: no such operation; known: run_started"),
        ("--since yesterday", "--since 'yesterday': write a time (2026-11-21T14:30:00Z)"),
        ("--until 2014-06-05T15:40:00", "--until '2014-06-05T15:40:00': write a time"),
    ],
)
def test_a_filter_that_cannot_be_meant(cli: Cli, day: Desk, arguments: str, words: str) -> None:
    answer = cli("ops", *arguments.split())
    assert answer.code == 2
    assert answer.err.startswith(f"bifrost: {words}")
    assert len(answer.err.splitlines()) == 1
