"""A profile made of a cell: what it says, what it keeps out, and that nothing is ever half written or overwritten."""

from pathlib import Path
from typing import Any

import pytest

from config.loader import PROFILES_DIR, ProfileError, load_profile
from config.overrides import load_overridden
from daemon.backtest.sweep.made_profile import MadeProfileError, make_profile, profile_path
from state.runs.records import ProfileInfo, Searched, SweepPlan, Trial
from tests.support.sweeping import BAND, COOLDOWN, THRESHOLD, made_figures, made_plan, made_trial

CELLS = {0: (30.0, 10.0), 1: (60.0, 50.0), 2: (90.0, 40.0), 3: (120.0, 45.0), 4: (150.0, None)}
"""Number -> cooldown, P&L."""


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    """A folder of profiles with a base in it."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "base.yaml").write_text((PROFILES_DIR / "demo.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def swept(base: Path, profiles: Path, overrides: dict[str, Any] | None = None, **changes: Any) -> SweepPlan:
    loaded = load_overridden(str(base), overrides or {}, profiles_dir=profiles)
    info = ProfileInfo(name=base.stem, hash=loaded.hash, path=str(base), overrides=overrides or {})
    searched = Searched(key=COOLDOWN, low=30.0, high=150.0, step=30.0)
    return made_plan(searched, run_id="s1", profile=info, **changes)


TRIALS = [
    made_trial(
        n, pnl, {COOLDOWN: cooldown}, data_hash="d" * 64, problem=None if pnl is not None else "its process died"
    )
    for n, (cooldown, pnl) in CELLS.items()
]


def test_it_extends_the_base_with_the_cell_s_keys_and_says_what_is_known(profiles: Path) -> None:
    plan = swept(profiles / "base.yaml", profiles, {THRESHOLD: 8.0, "simulator.cash_usd": 5.0})
    path = profiles / "calm.yaml"
    made = make_profile(plan, TRIALS, 3, path, desk="calm-desk", profiles_dir=profiles)
    text = path.read_text(encoding="utf-8")
    assert load_profile("calm", profiles_dir=profiles) == made
    assert "extends: base\ndesk: calm-desk\n" in text
    assert made.profile.desk_name == "calm-desk"
    assert made.profile.gates.intent.hedge.cooldown_seconds == 120
    assert made.profile.gates.state.delta.threshold_hedge_shares == 8
    assert made.profile.simulator is not None
    assert made.profile.simulator.cash_usd != 5, "the market of a run is not the profile's that is made"
    evidence = [line for line in text.splitlines() if line.startswith("#")]
    for words in (
        "cell 3 of sweep s1",
        plan.profile.hash,
        "d" * 64,
        "5 cells, 1 of them failed; grid, seed 1",
        "hedged   5 hedges in 1 session",
        f"{COOLDOWN} from 30 to 150 by 30",
        "pnl_usd, the largest: 45, rank 2 of 4",
        "1 neighbours: too few to tell plateau from spike",
        "the sweep recommends cell 2 instead",
        "how the cell does on new data is not known",
    ):
        assert any(words in line for line in evidence), words


def test_out_of_sample_is_told_for_each_fold(profiles: Path) -> None:
    plan = swept(profiles / "base.yaml", profiles, folds=(("i0", "o0"), ("i1", "o1")))
    trials: list[Trial] = [
        made_trial(n, pnl + fold, {COOLDOWN: cooldown}, fold=fold, sample=sample, figures=made_figures(pnl + fold))
        for fold, sample, factor in [(0, "in", 1), (0, "out", -1), (1, "in", 1), (1, "out", 2)]
        for n, (cooldown, pnl) in ((n, (c, p * factor)) for n, (c, p) in CELLS.items() if p is not None)
    ]
    make_profile(plan, trials, 1, profiles / "x.yaml", desk="x", profiles_dir=profiles)
    text = (profiles / "x.yaml").read_text(encoding="utf-8")
    assert "# sought   pnl_usd, the largest (mean of the folds in sample): 50.5, rank 1 of 4" in text
    assert "# unseen   fold 1: in sample 50, out of sample -50, the best in sample, rank 4 of 4 out of it" in text
    assert "# unseen   fold 2: in sample 51, out of sample 101, the best in sample, rank 1 of 4 out of it" in text


def test_a_base_that_has_no_name_is_written_out(profiles: Path, tmp_path: Path) -> None:
    base = tmp_path / "mine.yaml"
    base.write_text("extends: base\ndesk: mine\ngates: {state: {delta: {epsilon_band: 3}}}\n", encoding="utf-8")
    made = make_profile(swept(base, profiles), TRIALS, 0, tmp_path / "made.yaml", desk="made", profiles_dir=profiles)
    assert "extends" not in (tmp_path / "made.yaml").read_text(encoding="utf-8").replace("# ", "")
    assert made.profile.gates.state.delta.epsilon_band == 3
    expected = load_overridden(str(base), {COOLDOWN: 30.0}, profiles_dir=profiles).profile
    assert (made.profile.gates, made.profile.legs) == (expected.gates, expected.legs)


def test_nothing_is_overwritten_unasked(profiles: Path) -> None:
    plan, path = swept(profiles / "base.yaml", profiles), profiles / "calm.yaml"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(MadeProfileError, match="exists: choose another --as, or overwrite it with --force"):
        make_profile(plan, TRIALS, 0, path, desk="calm", profiles_dir=profiles)
    assert path.read_text(encoding="utf-8") == "precious"
    made = make_profile(plan, TRIALS, 0, path, desk="calm", force=True, profiles_dir=profiles)
    assert made.profile.gates.intent.hedge.cooldown_seconds == 30
    assert sorted(each.name for each in profiles.iterdir()) == ["base.yaml", "calm.yaml"]


def test_a_cell_that_makes_no_profile_leaves_nothing(profiles: Path) -> None:
    plan = swept(profiles / "base.yaml", profiles)
    wide = [made_trial(0, 1.0, {BAND: 400.0})]
    with pytest.raises(ProfileError, match="epsilon_band"):
        make_profile(plan, wide, 0, profiles / "x.yaml", desk="x", profiles_dir=profiles)
    with pytest.raises(ProfileError, match="desk"):
        make_profile(plan, TRIALS, 0, profiles / "x.yaml", desk="No Desk", profiles_dir=profiles)
    assert [each.name for each in profiles.iterdir()] == ["base.yaml"]


def test_refusals(profiles: Path, tmp_path: Path) -> None:
    base = profiles / "base.yaml"
    plan = swept(base, profiles)
    for number, words in ((99, "has no cell 99 to choose; its cells are 0 to 4"), (4, "its process died")):
        with pytest.raises(MadeProfileError, match=words):
            make_profile(plan, TRIALS, number, profiles / "x.yaml", desk="x", profiles_dir=profiles)
    with pytest.raises(MadeProfileError, match="its cells are none yet"):
        make_profile(plan, [], 0, profiles / "x.yaml", desk="x", profiles_dir=profiles)
    with pytest.raises(MadeProfileError, match=r"ends in \.yaml"):
        make_profile(plan, TRIALS, 0, profiles / "x.txt", desk="x", profiles_dir=profiles)
    with pytest.raises(MadeProfileError, match="cannot write"):
        make_profile(plan, TRIALS, 0, tmp_path / "none" / "x.yaml", desk="x", profiles_dir=profiles)
    base.write_text(base.read_text(encoding="utf-8").replace("cash_usd: 250000", "cash_usd: 1"), encoding="utf-8")
    with pytest.raises(MadeProfileError, match="has changed since sweep s1"):
        make_profile(plan, TRIALS, 0, profiles / "x.yaml", desk="x", profiles_dir=profiles)
    base.unlink()
    with pytest.raises(MadeProfileError, match="is gone"):
        make_profile(plan, TRIALS, 0, profiles / "x.yaml", desk="x", profiles_dir=profiles)


def test_where_a_name_lies() -> None:
    assert profile_path("calm") == PROFILES_DIR / "calm.yaml"
    assert profile_path("./calm.yaml") == Path("calm.yaml")
    assert profile_path("calm.yaml") == Path("calm.yaml")
