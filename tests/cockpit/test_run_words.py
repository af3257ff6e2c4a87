# ruff: noqa: RUF001 -- Chinese has its own punctuation
"""What a run tells of itself, in the reader's language: every finding that there is, and how far it is."""

import re

import pytest

from cockpit.reader import Reader
from cockpit.runs import spoken
from daemon.backtest.feeds.findings import SENTENCES, Findings
from daemon.backtest.leap.opening import DIFFERS
from daemon.backtest.oddities import CODES, Oddities
from state.runs.records import SCHEMA_VERSION, Finding, MarketReached, Progress, TrialsEnded
from tests.support.chinese import left_over_english

EN, ZH = Reader(language="en"), Reader(language="zh", zone="Asia/Shanghai")
DETAILS = (
    "",
    "line 7",
    "line 7: 100.00 to 50.00",
    "2014-06-05: 100.00 to 50.00, a factor of 0.5",
    "12 minutes from the open to line 9",
    "12 minutes before the close",
    "75 s",
    "20260105T143000Z-3.jsonl, 120 bytes",
)
"""As the feeds write them (daemon/backtest/feeds)."""
SETTLED = (
    ("expired_inside", "+10 contracts expired worthless"),
    ("expired_inside", "+10 contracts expired worthless, TWX last at 70.1200"),
    ("expired_inside", "+10 contracts exercised at 70, TWX last at 71.2300: worth 1.2300 USD a share, +1000 TWX"),
    ("expired_inside", "-10 contracts assigned at 70, -1000 TWX"),
    ("no_legs_left", "the -45 own shares are closed with a flatten"),
    ("no_legs_left", "the data ends before the -45 own shares can be closed"),
    ("no_legs_left", "no own share is left"),
    ("foreign_shares", "+100 TWX"),
    ("position_unexplained", "TWX: no execution explains TWX 120 instead of 20"),
    ("position_unexplained", "DEMO, TWX: no execution explains TWX 120 instead of 20, DEMO 0 instead of 10"),
    ("position_unexplained", "TWX: no execution explains it"),
)


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+)?", text.replace(",", "")))


def left_over(finding: Finding) -> list[str]:
    """English in a finding as a Chinese reader sees it, names of files and instruments aside."""
    return left_over_english(re.sub(r"\b(TWX|DEMO|\S+\.jsonl)", "", spoken.finding(finding, ZH)))


@pytest.mark.parametrize("code", SENTENCES)
def test_every_finding_of_the_data_is_chinese_with_its_numbers(code: str) -> None:
    for detail in DETAILS:
        findings = Findings()
        findings.add(code, instrument="DEMO", count=1234, detail=detail)
        (found,) = findings.rows()
        assert left_over(found) == []
        assert numbers(spoken.finding(found, ZH)) == {"1234"} | numbers(detail)
        assert spoken.finding(found, EN) == found.text


@pytest.mark.parametrize("code", CODES)
def test_every_finding_of_the_run_is_chinese_with_its_numbers(code: str) -> None:
    oddities = Oddities()
    oddities.note(code, "daily_loss", 0, count=7)
    (found,) = oddities.findings()
    said = spoken.finding(found, ZH)
    assert left_over(found) == []
    assert "当日亏损限额" in said
    assert ("7" in said) == ("7" in found.text or "first one" in found.text or code == "unknown_outcome")
    assert spoken.finding(found, EN) == found.text


@pytest.mark.parametrize(("code", "detail"), SETTLED)
def test_what_was_settled_is_chinese_with_its_numbers(code: str, detail: str) -> None:
    found = Finding(code=code, text="in English", detail=detail)
    assert left_over(found) == []
    assert numbers(spoken.finding(found, ZH)) == numbers(detail)


def test_what_nobody_can_say_stays_as_it_was_written() -> None:
    old = Finding(code="gap", text="minutes without a row: 7; first: line 3", count=7)
    assert spoken.finding(old, ZH) == old.text
    newer = Finding(code="comet", text="a comet was seen", detail="twice")
    assert spoken.finding(newer, ZH) == newer.text
    assert left_over(DIFFERS) == []


def told(text: str = "", **more: object) -> Progress:
    return Progress(
        schema=SCHEMA_VERSION, run_id="one", kind="backtest", status="running", pid=1, done=0.5, text=text,
        started_ts="", updated_ts="", seconds=1.0, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_how_far_a_run_is() -> None:
    reached = told(
        "2014-06-05 14:03, 1200 hedges", reached=MarketReached(ts="2014-06-05T14:03:00.000000Z", hedges=1200)
    )
    assert spoken.progress(reached, EN) == "2014-06-05 14:03:00Z, 1,200 hedges"
    assert spoken.progress(reached, ZH) == "2014-06-05 22:03:00 +08:00，已对冲 1,200 次"
    trials = told(trials=TrialsEnded(ended=14, total=64, failed=2, best=-812.4, best_cell=7))
    assert spoken.progress(trials, EN) == "14 of 64 trials · best \N{MINUS SIGN}812.40 (cell 7) · 2 failed"
    assert spoken.progress(trials, ZH) == "试验 14 / 64 · 最好 \N{MINUS SIGN}812.40（单元 7） · 失败 2"
    assert spoken.progress(told(trials=TrialsEnded(ended=0, total=64)), EN) == "0 of 64 trials"
    for text in ("starting", "opening csv:a b.csv", "interrupted before the first price"):
        assert spoken.progress(told(text), EN) == text
        assert left_over_english(spoken.progress(told(text), ZH).replace("csv:a b.csv", "")) == []
    assert spoken.progress(told("/nowhere.csv: no such file"), ZH) == "/nowhere.csv: no such file"
