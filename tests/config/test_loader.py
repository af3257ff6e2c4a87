import hashlib
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.loader import ProfileError, load_profile, merge, profile_hash, profile_names
from config.schema import Profile, Underlying
from config.yaml_tree import Node, plain
from tests.config.conftest import Load, Refusal, Write

Tree = dict[str, object]

MINIMAL = "underlying: {symbol: TWX}\n"


def test_every_shipped_profile_loads_and_says_who_it_is() -> None:
    names = profile_names()
    assert names == ["demo", "paper", "recorded_day", "recorded_day_implied"]
    for name in names:
        loaded = load_profile(name)
        assert loaded.profile.name == loaded.profile.desk_name == name
        assert loaded.sources[0] == loaded.path


def test_shipped_desks_and_client_ids_do_not_collide() -> None:
    profiles = [load_profile(name).profile for name in profile_names()]
    assert len({profile.desk_name for profile in profiles}) == len(profiles)
    assert len({profile.ib.client_id for profile in profiles}) == len(profiles)


def test_paper_profile_can_reach_neither_a_simulator_nor_a_live_account() -> None:
    profile = load_profile("paper").profile
    assert profile.simulator is None
    assert not profile.live
    assert (profile.ib.host, profile.ib.port) == ("127.0.0.1", 7497)


def test_the_implied_day_differs_from_the_fixed_one_only_in_volatility_name_and_client_id() -> None:
    fixed = msgspec.to_builtins(load_profile("recorded_day").profile)
    loaded = load_profile("recorded_day_implied")
    implied = msgspec.to_builtins(loaded.profile)
    assert implied["greeks"].pop("volatility") == "implied"
    assert fixed["greeks"].pop("volatility") == 0.35
    for key in ("name", "ib"):
        fixed.pop(key), implied.pop(key)
    assert implied == fixed
    assert [path.stem for path in loaded.sources] == ["recorded_day_implied", "recorded_day"]


def test_a_minimal_profile_gets_every_default(write: Write, load: Load) -> None:
    write("p", MINIMAL)
    loaded = load("p")
    assert loaded.profile == Profile(name="p", underlying=Underlying(symbol="TWX"))


def test_by_path_and_an_unquoted_day_stays_text(write: Write) -> None:
    path = write("mine", MINIMAL + "legs:\n  - {right: call, strike: 70, expiry: 2014-07-19}\n")
    profile = load_profile(str(path)).profile
    assert profile.name == "mine"
    assert profile.legs[0].expiry == "2014-07-19"
    assert profile.legs[0].strike == 70.0


@pytest.mark.parametrize("symbol", ["ON", "NO", "Y", "TRUE1"])
def test_tickers_that_yaml_1_1_would_read_as_truth_values(write: Write, load: Load, symbol: str) -> None:
    write("p", f"underlying: {{symbol: {symbol}}}\n")
    assert load("p").profile.underlying.symbol == symbol


def test_exponents_without_a_point_are_numbers(write: Write, load: Load) -> None:
    write("p", MINIMAL + "gates: {guard: {risk: {max_daily_loss_usd: 1e4}}}\n")
    assert load("p").profile.gates.guard.risk.max_daily_loss_usd == 10_000.0


def test_extends_joins_sections_and_replaces_lists(write: Write, load: Load) -> None:
    write("base", MINIMAL + "desk: one\nlegs: [{right: call, strike: 70, expiry: 2014-07-19}]\nib: {port: 4002}\n")
    write("child", "extends: base\nlegs: [{right: put, strike: 60, expiry: 2014-07-19}]\nib: {client_id: 5}\n")
    profile = load("child").profile
    assert [(leg.right, leg.strike) for leg in profile.legs] == [("put", 60.0)]
    assert (profile.ib.port, profile.ib.client_id) == (4002, 5)
    assert profile.desk_name == "child", "a variant must not write into its parent's book"


def test_extends_can_remove_a_section_with_null(write: Write, load: Load) -> None:
    write("base", MINIMAL + "simulator: {speed: 5}\n")
    write("child", "extends: base\nsimulator: null\n")
    assert load("child").profile.simulator is None


def test_extends_in_a_circle_is_named(write: Write, load: Load, tmp_path: Path) -> None:
    write("a", "extends: b\n")
    write("b", "extends: c\n")
    write("c", "extends: a\n")
    with pytest.raises(ProfileError, match=r"c\.yaml:1: extends: goes in a circle: a -> b -> c -> a"):
        load("a")


def test_a_profile_cannot_extend_itself_by_path(write: Write, tmp_path: Path) -> None:
    path = write("a", "extends: a\n")
    with pytest.raises(ProfileError, match="circle: a -> a"):
        load_profile(str(path), profiles_dir=tmp_path)


def test_a_problem_in_the_base_names_the_base(write: Write, load: Load) -> None:
    write("base", MINIMAL + "\nib:\n  prot: 5\n")
    write("child", "# mine\nextends: base\n")
    with pytest.raises(ProfileError, match=r"base\.yaml:4: ib\.prot: unknown key; did you mean port\?"):
        load("child")


@pytest.mark.parametrize("value", ["no_such", "../base", "[a]", "7", "''"])
def test_extends_of_nothing_is_one_line(refusal: Refusal, value: str) -> None:
    lines = refusal(f"extends: {value}\n").splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("p.yaml:1: extends: ")


def test_a_missing_name_suggests_the_nearest() -> None:
    with pytest.raises(ProfileError, match="did you mean recorded_day"):
        load_profile("recorded_dya")
    with pytest.raises(ProfileError, match="known: demo, paper"):
        load_profile("zzzz")


def test_a_missing_path_and_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"gone\.yaml: no such profile file"):
        load_profile(str(tmp_path / "gone.yaml"))
    looping = tmp_path / "loop.yaml"
    looping.symlink_to(looping)
    with pytest.raises(ProfileError, match="no such profile file"):
        load_profile(str(looping))


def test_hash_follows_meaning_not_spelling(write: Write, load: Load) -> None:
    write("p", MINIMAL)
    plain_hash = load("p").hash
    write("p", "# a comment\nib: {port: 7497}\nunderlying:\n  symbol: 'TWX'\n")
    assert load("p").hash == plain_hash
    write("p", MINIMAL + "ib: {port: 7496}\n")
    assert load("p").hash != plain_hash


def test_hash_is_over_sorted_json_with_every_default(write: Write, load: Load) -> None:
    write("p", MINIMAL)
    loaded = load("p")
    text = json.dumps(msgspec.to_builtins(loaded.profile), sort_keys=True, separators=(",", ":"))
    assert loaded.hash == hashlib.sha256(text.encode()).hexdigest()


def _node(value: object) -> Node:
    if isinstance(value, dict):
        value = {key: _node(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_node(child) for child in value]
    return Node(value, Path("x.yaml"), 1, 1)


_scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", "yy"]) | st.just([1, 2])
_trees = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(_scalars, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6),
    max_size=3,
)


def _plain_merge(base: Tree, over: Tree) -> Tree:
    return dict(plain(merge(_node(base), _node(over))))


@settings(max_examples=40, deadline=None)
@given(_trees)
def test_merging_with_nothing_or_oneself_changes_nothing(tree: Tree) -> None:
    assert _plain_merge(tree, {}) == tree
    assert _plain_merge({}, tree) == tree
    assert _plain_merge(tree, tree) == tree


@settings(max_examples=40, deadline=None)
@given(_trees, _trees)
def test_every_key_of_the_child_wins_and_no_key_of_the_base_is_lost(base: Tree, over: Tree) -> None:
    merged = _plain_merge(base, over)
    assert set(merged) == set(base) | set(over)
    for key, value in over.items():
        if not isinstance(value, dict):
            assert merged[key] == value
    for key in set(base) - set(over):
        assert merged[key] == base[key]


@settings(max_examples=40, deadline=None)
@given(_trees, _trees, _trees)
def test_a_chain_merges_the_same_from_either_end_where_shapes_agree(a: Tree, b: Tree, c: Tree) -> None:
    # Replacing a section by a scalar forgets the section below it, so only chains without such a change associate.
    if _shape_clash(a, b) or _shape_clash(b, c) or _shape_clash(a, c):
        return
    assert _plain_merge(_plain_merge(a, b), c) == _plain_merge(a, _plain_merge(b, c))


def _shape_clash(a: Any, b: Any) -> bool:
    return any(
        isinstance(a[key], dict) != isinstance(b[key], dict)
        or (isinstance(a[key], dict) and _shape_clash(a[key], b[key]))
        for key in set(a) & set(b)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 65535), st.floats(0.001, 1e6, allow_nan=False))
def test_equal_profiles_have_equal_hashes_and_different_ones_do_not(port: int, loss: float) -> None:
    def build(port: int, loss: float) -> Profile:
        return msgspec.convert(
            {
                "name": "p",
                "underlying": {"symbol": "TWX"},
                "ib": {"port": port},
                "gates": {"guard": {"risk": {"max_daily_loss_usd": loss}}},
            },
            Profile,
        )

    assert profile_hash(build(port, loss)) == profile_hash(build(port, loss))
    assert profile_hash(build(port, loss)) != profile_hash(build(port % 65535 + 1, loss))
    assert profile_hash(build(port, loss)) != profile_hash(build(port, math.nextafter(loss, math.inf)))


def test_plain_forgets_places_only() -> None:
    assert plain(_node({"a": {"b": 1}, "c": None})) == {"a": {"b": 1}, "c": None}
