"""`bifrost stats`: the same code over a desk's files and over a backtest's folder, and what it says of nothing."""

import csv
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from cli import plain_tables, stats_text
from config.overrides import load_overridden
from daemon.backtest.feeds.opening import open_feed
from daemon.backtest.run import run_backtest
from daemon.backtest.run_folder import RunFolder
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.layout import DeskPaths
from state.runs import living
from state.runs.folder import backtest_paths
from state.runs.records import Finding, Summary, VenueModel
from tests.cli.conftest import Cli
from tests.support.year_of_history import write_year


@pytest.fixture
def year(root: Path) -> DeskPaths:
    """Thirty sessions of a desk."""
    paths = DeskPaths(root, "demo")
    write_year(paths, days=30, samples=900, operations=1500)
    return paths


@pytest.fixture
def run(root: Path) -> Summary:
    """Two made-up sessions played into `<root>/_backtests/two`."""
    over = {"simulator.synthetic.step_s": 60, "gates.state.market.stale_ts_threshold_ms": 180_000}
    loaded = load_overridden("demo", over)
    feed = open_feed("synthetic:5:2", loaded.profile, base=Path())
    out = backtest_paths(root, "two")
    return run_backtest(loaded, GammaScalper, feed, model=VenueModel(), out=out, overrides=over, title="two").summary


def test_a_desks_figures_with_their_n_and_units(cli: Cli, year: DeskPaths) -> None:
    answer = cli("stats", "--by", "week")
    assert answer.code == 0
    assert answer.err == ""
    told = json.loads(cli("stats", "--by", "week", "--json").out)
    assert told["desk"] == "demo"
    assert (told["days"], told["pnl_days"]) == (30, 30)
    assert answer.out.splitlines()[0] == "demo: 30 days, 2025-11-03 to 2025-12-12"
    assert f"P&L, net of commissions {told['pnl_usd']:+,.2f} USD 30 days" in " ".join(answer.out.split())
    for words in ("win rate", "Wilson", "wear per 10,000 USD traded", "By week", "2025-W45", "By hour of the day",
                  "Refusals by rule", "decision to wire", "bps", "Drawdowns", "together"):  # fmt: skip
        assert words in answer.out
    assert sum(told["refused"].values()) == sum(row["refused"] for row in told["hours"])
    assert sum(row["pnl_usd"] for row in told["periods"]) == pytest.approx(told["pnl_usd"])
    assert told["win_rate"]["n"] == 30


def test_a_backtests_figures_are_those_of_its_summary(cli: Cli, root: Path, run: Summary) -> None:
    assert run.figures is not None
    told = json.loads(cli("stats", "--run", "two", "--json").out)
    assert told["run_id"] == "two"
    assert told["pnl_usd"] == pytest.approx(run.figures.pnl_usd, abs=1e-5)
    assert told["hedges"]["n"] == run.figures.hedges > 5
    assert told["hedges"]["slippage_usd"] == pytest.approx(run.figures.slippage_usd, abs=1e-5)
    assert told["wear_per_10k"]["value"] == pytest.approx(run.figures.wear_per_10k_usd, abs=1e-5)
    assert told["attribution"]["gamma_usd"] == pytest.approx(run.figures.attribution.gamma_usd, abs=0.011)
    assert told["max_drawdown_usd"] == pytest.approx(run.figures.max_drawdown_usd, abs=1e-5)
    assert [row["pnl_usd"] for row in told["periods"]] == pytest.approx([day.pnl_usd for day in run.days])
    assert told["refused"] == {rule: n for rule, n in run.new_refusals.items() if rule in told["refused"]}
    elsewhere = json.loads(cli("stats", "--run", str(backtest_paths(root, "two").folder), "--json").out)
    assert {**elsewhere, "run_id": "two"} == told
    text = cli("stats", "--run", "two").out
    assert text.startswith("backtest two: demo, simulator.synthetic.step_s=60")
    assert "need no wire" in text


def test_a_halt_of_a_run_stands_above_its_figures(cli: Cli, root: Path, run: Summary) -> None:
    paths = backtest_paths(root, run.run_id)
    halted = Finding(code="halted", text="the daily loss", first_ts=f"{run.days[0].day}T15:00:00.000000Z")
    before = paths.summary.read_bytes()
    paths.summary.write_bytes(msgspec.json.encode(msgspec.structs.replace(run, findings=(halted,))))
    lines = cli("stats", "--run", run.run_id).out.splitlines()
    told = json.loads(cli("stats", "--run", run.run_id, "--json").out)
    paths.summary.write_bytes(before)
    assert lines[1].startswith("HALTED at")
    assert lines[1].endswith(": the daily loss")
    assert (told["run_id"], told["status"], told["caveats"]) == ("two", "finished", lines[1:2])


def test_the_csv_holds_every_row_of_the_chosen_table(cli: Cli, year: DeskPaths, tmp_path: Path) -> None:
    file = tmp_path / "days.csv"
    assert cli("stats", "--csv", str(file), "--json").code == 0
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert [row["day"] for row in rows][:2] == ["2025-11-03", "2025-11-04"]
    assert len(rows) == 30
    cli("stats", "--by", "hour", "--csv", str(file), "--json")
    hours = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert hours[-1]["hour"] == "night"
    assert sum(int(row["hedges"]) for row in hours) == sum(int(row["hedges"]) for row in rows)
    bad = cli("stats", "--csv", str(tmp_path / "no" / "x.csv"))
    assert (bad.code, "name a file that can be written" in bad.err) == (1, True)


def test_an_own_order_that_was_no_hedge_makes_two_numbers_and_both_are_said(cli: Cli, year: DeskPaths) -> None:
    assert "hedges:" not in cli("stats").out
    file = max(year.history.glob("*.jsonl"))
    fill = next(line for line in file.read_text(encoding="utf-8").splitlines() if '"kind":"fill"' in line)
    ref = json.loads(fill)["data"]["order_ref"]
    with file.open("a", encoding="utf-8") as history:  # of a flatten
        history.write(fill.replace(ref, "demo.ab12.closing").replace('"exec_key":"', '"exec_key":"closing-') + "\n")
    filled = json.loads(cli("stats", "--json").out)["hedges"]["n"]
    words = f"hedges: {filled - 1:,} sent, by day; elsewhere {filled:,} own orders that filled, a flatten's too"
    assert words in cli("stats").out


def test_since_and_until_keep_whole_days_and_say_when_none_is_left(cli: Cli, year: DeskPaths) -> None:
    told = json.loads(cli("stats", "--since", "2025-11-10", "--until", "2025-11-14", "--json").out)
    assert (told["first_day"], told["last_day"], told["days"]) == ("2025-11-10", "2025-11-14", 5)
    assert json.loads(cli("stats", "--since", "1d", "--json").out)["first_day"] == "2025-12-12"
    none = cli("stats", "--since", "2031-01-01")
    assert none.code == 0
    assert none.out == ("demo: no day between --since and --until; there are samples from 2025-11-03 to 2025-12-12\n")
    assert cli("stats", "--since", "lately").code == 2
    assert cli("stats", "--since", "2025-13-01").code == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--by", "year"), 2, "--by year: write one of day, week, month, hour"),
        (("--run", "gone"), 2, "no backtest 'gone'"),
        (("--run", "../x"), 2, "no backtest '../x'"),
        (("--run", ".x"), 2, "a run's name is"),
        (("--run", "two", "--desk", "demo"), 2, "leave one out"),
        (("--zone", "Mars/Base"), 2, "no such time zone"),
        (("--desk", "none"), 2, "no desk 'none'"),
    ],
)
def test_wrong_words_get_one_line_with_the_remedy(
    cli: Cli, year: DeskPaths, words: tuple[str, ...], code: int, said: str
) -> None:
    answer = cli("stats", *words)
    assert answer.code == code
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_a_desk_without_samples_says_what_makes_some(cli: Cli, root: Path) -> None:
    DeskPaths(root, "demo").create()
    answer = cli("stats")
    assert (answer.code, answer.out) == (
        0,
        "demo: no sample yet: its daemon writes one a minute while it runs: ./bifrost up\n",
    )
    assert json.loads(cli("stats", "--json").out)["days"] == 0


def test_a_run_that_did_not_end_or_is_damaged_is_named(
    cli: Cli, root: Path, run: Summary, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = backtest_paths(root, "two")
    paths.equity.write_bytes(b"not a table")
    assert "equity.parquet: cannot be read" in cli("stats", "--run", "two").err
    paths.equity.unlink()
    assert "equity.parquet: missing" in cli("stats", "--run", "two").err
    paths.summary.write_bytes(b"{")
    assert "summary.json: cannot be read" in cli("stats", "--run", "two").err
    paths.summary.unlink()
    paths.progress.unlink(missing_ok=True)
    gone = cli("stats", "--run", "two")
    assert (gone.code, "the run was killed and left no figures" in gone.err) == (1, True)
    folder = RunFolder(backtest_paths(root, "other"))
    folder.begin("opening")
    assert "the run was killed (opening)" in cli("stats", "--run", "other").err  # by its pid, no command of ours
    monkeypatch.setattr(living, "_is_ours", lambda words, kind: kind == "backtest")
    assert "the run has not ended yet (opening)" in cli("stats", "--run", "other").err
    folder.tell(0.0, "no space left", status="failed")
    assert "the run failed (no space left) and left no figures" in cli("stats", "--run", "other").err


@pytest.mark.parametrize("width", [80, 120])
def test_every_line_fits_the_terminal(cli: Cli, year: DeskPaths, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    def narrow() -> Console:
        return Console(width=width, highlight=False)

    for module in (plain_tables, stats_text):
        monkeypatch.setattr(module, "console", narrow)
    lines = cli("stats").out.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    days = [line for line in lines if line.startswith("2025-1") and "*" not in line]
    assert len(days) >= 30
    assert not [line for line in lines if line.startswith(" ") and line.strip() in ("USD", "%")]


def test_what_files_say_steers_no_terminal(cli: Cli, root: Path, run: Summary) -> None:
    paths = backtest_paths(root, "two")
    evil = "\x1b[2J[red]x"
    profile = msgspec.structs.replace(run.profile, name=evil)
    paths.summary.write_bytes(msgspec.json.encode(msgspec.structs.replace(run, profile=profile)))
    assert "\x1b[2J" not in cli("stats", "--run", "two").out
