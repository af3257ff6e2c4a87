import json
from pathlib import Path

from tests.cli.conftest import Cli


def test_list(cli: Cli) -> None:
    out = cli("profile", "list").out
    assert "demo                     desk demo, DEMO, simulated\n" in out
    names = [row["name"] for row in json.loads(cli("profile", "list", "--json").out)["profiles"]]
    assert names == ["demo", "paper", "recorded_day", "recorded_day_implied"]


def test_show_writes_out_every_default_with_hash_and_sources(cli: Cli, tmp_path: Path) -> None:
    out = cli("profile", "show", "recorded_day_implied").out
    assert out.startswith("# recorded_day_implied, hash ")
    assert "recorded_day.yaml" in out
    assert "volatility: implied" in out
    assert "stop_timeout_s: 10.0" in out
    found = json.loads(cli("--json", "profile", "show", "demo").out)
    assert found["profile"]["simulator"]["seed"] == 7


def test_what_show_prints_is_a_profile_of_the_same_hash(cli: Cli, tmp_path: Path) -> None:
    shown = tmp_path / "paper.yaml"
    shown.write_text(cli("profile", "show", "paper").out)
    hashes = [json.loads(cli("profile", "validate", name, "--json").out)["hash"] for name in ("paper", str(shown))]
    assert hashes[0] == hashes[1]


def test_validate_says_every_problem_on_a_line(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("underlying: {symbol: twx}\ngats: {}\n")
    answer = cli("profile", "validate", str(path))
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith(f"bifrost: {path}:1: underlying.symbol: must be a ticker")
    assert f"{path}:2: gats: unknown key; did you mean gates?" in answer.err
    found = json.loads(cli("profile", "validate", str(path), "--json").out)
    assert (found["ok"], len(found["problems"])) == (False, 2)


def test_validate_and_show_of_nothing(cli: Cli) -> None:
    for command in ("validate", "show"):
        answer = cli("profile", command, "dmo")
        assert answer.code == 2
        assert answer.err.endswith("did you mean demo?\n")
