"""A backtest's words: what must be read first stands above the figures, and nothing sticks out of 80 columns."""

from pathlib import Path

import pytest

from cli import backtest_text, plain_tables
from cli.backtest_text import report_text
from state.runs.folder import backtest_paths
from state.runs.records import Finding
from tests.support.run_folders import summary

HALTED = Finding(
    code="halted",
    text="the desk halted and hedged no more from then on: daily_loss (loss 355.36 USD, limit 300.00)",
    first_ts="2026-01-06T15:01:02.000000Z",
)


def test_a_halt_is_told_above_the_figures(tmp_path: Path) -> None:
    lines = report_text(summary("one", findings=(HALTED,)), backtest_paths(tmp_path, "one")).splitlines()
    halted = next(number for number, line in enumerate(lines) if line.startswith("HALTED"))
    assert "in session 2 of 2" in lines[halted]
    assert halted < next(number for number, line in enumerate(lines) if line.startswith("P&L"))


def test_an_interrupted_run_says_how_far_it_came(tmp_path: Path) -> None:
    text = report_text(summary("one", status="interrupted"), backtest_paths(tmp_path, "one"))
    assert "INTERRUPTED: 2 sessions played, up to 2026-01-06 21:00 UTC; the figures end there" in text


def test_no_line_is_wider_than_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    for module in (backtest_text, plain_tables):
        monkeypatch.setattr(module, "console", lambda: Console(width=80))
    told = summary("one", findings=(HALTED,), refused={"min_price_move": 15}, new_refusals={"min_price_move": 19})
    body, _, _ = report_text(told, backtest_paths(tmp_path, "one")).rpartition("\n")
    assert max(len(line) for line in body.splitlines()) <= 80
    assert "15  moments by min_price_move, 19 lines in a journal" in body
