from pathlib import Path

import msgspec
import pytest

from config.loader import ProfileError, load_profile
from config.schema import Profile
from config.validation import schema_paths
from tests.config.conftest import Refusal

MINIMAL = "underlying: {symbol: TWX}\n"
SIMULATED = MINIMAL + "legs:\n  - {right: call, strike: 70, expiry: 2014-07-19}\n"

ONE_LINE = {
    "unknown key, near": (
        "gates:\n  intent:\n    hedge:\n      cooldown_second: 5\n",
        "p.yaml:5: gates.intent.hedge.cooldown_second: unknown key; did you mean cooldown_seconds?",
    ),
    "unknown key, elsewhere": (
        "min_dte: 5\n",
        "p.yaml:2: min_dte: unknown key; it belongs at gates.strategy.structure.min_dte",
    ),
    "misspelt extends": ("extend: demo\n", "p.yaml:2: extend: unknown key; did you mean extends?"),
    "below its bound": (
        "ib:\n  port: 0\n",
        "p.yaml:3: ib.port: must be a whole number ≥ 1 and ≤ 65535; found 0",
    ),
    "client id zero": (
        "ib: {client_id: 0}\n",
        "p.yaml:2: ib.client_id: must be a whole number ≥ 1 and ≤ 2147483647; found 0",
    ),
    "above its bound, with unit": (
        "gates: {guard: {risk: {max_drawdown_pct: 600}}}\n",
        "p.yaml:2: gates.guard.risk.max_drawdown_pct: must be a number > 0 and ≤ 100 (percent); found 600",
    ),
    "negative time": (
        "execution: {ack_deadline_s: -1}\n",
        "p.yaml:2: execution.ack_deadline_s: must be a number > 0 (seconds); found -1",
    ),
    "text for a number": (
        "gates: {state: {delta: {epsilon_band: ten}}}\n",
        "p.yaml:2: gates.state.delta.epsilon_band: must be a number ≥ 0 (shares); found the text 'ten'",
    ),
    "yes for true": ("live: yes\n", "p.yaml:2: live: must be true or false; found the text 'yes'"),
    "truth value for a number": (
        "ib: {connect_timeout: true}\n",
        "p.yaml:2: ib.connect_timeout: must be a number > 0 and ≤ 600 (seconds); found true",
    ),
    "null for a number": (
        "ib: {port: }\n",
        "p.yaml:2: ib.port: must be a whole number ≥ 1 and ≤ 65535; found nothing (null)",
    ),
    "not a number": (
        "greeks: {risk_free_rate: .nan}\n",
        "p.yaml:2: greeks.risk_free_rate: must be a finite number, found nan; it must be a number ≥ -0.05 and ≤ 0.5",
    ),
    "infinite where no bound is": (
        "execution: {target_shares: -.inf}\n",
        "p.yaml:2: execution.target_shares: must be a finite number, found -inf; it must be a number (shares)",
    ),
    "infinite by exponent": (
        "gates: {guard: {risk: {max_daily_loss_usd: 1e999}}}\n",
        (
            "p.yaml:2: gates.guard.risk.max_daily_loss_usd: must be a finite number, found inf; "
            "it must be a number > 0 (USD)"
        ),
    ),
    "wrong word": (
        "control: {flatten_target: all}\n",
        "p.yaml:2: control.flatten_target: must be one of zero, matched; found the text 'all'",
    ),
    "what a halt leaves": (
        "control: {on_halt: carry_on}\n",
        "p.yaml:2: control.on_halt: must be one of freeze, reduce; found the text 'carry_on'",
    ),
    "a limit switched off": (
        "gates: {guard: {risk: {max_orders_per_minute: null}}}\n",
        "p.yaml:2: gates.guard.risk.max_orders_per_minute: must be a whole number ≥ 0; found nothing (null)",
    ),
    "number or word": (
        "greeks: {volatility: 35}\n",
        (
            "p.yaml:2: greeks.volatility: must be a number > 0 and ≤ 5 (a year, 0.35 = 35 %), "
            "or one of implied, ib; found 35"
        ),
    ),
    "scalar for a section": (
        "ib: 7497\n",
        (
            "p.yaml:2: ib: must be a section of keys, found 7497; "
            "its keys are host, port, client_id, connect_timeout, account, restart_windows, upstream_deadline_s, "
            "allow_delayed"
        ),
    ),
    "no time of day": (
        "ib: {restart_windows: [{time: 24:00-01:00}]}\n",
        (
            "p.yaml:2: ib.restart_windows[0].time: must be local times as HH:MM-HH:MM, such as 23:45-00:45; "
            "found the text '24:00-01:00'"
        ),
    ),
    "a window without length": (
        "ib: {restart_windows: [{time: 01:00-01:00}]}\n",
        (
            "p.yaml:2: ib.restart_windows[0].time: 01:00-01:00 has no length; "
            "no hedge would leave, or always; give another end"
        ),
    ),
    "no such zone": (
        "ib: {restart_windows: [{time: 23:45-00:45, zone: America/New York}]}\n",
        (
            "p.yaml:2: ib.restart_windows[0].zone: 'America/New York' is no time zone; "
            "write an IANA name such as America/New_York"
        ),
    ),
    "no such weekday": (
        "ib: {restart_windows: [{time: 23:45-00:45, days: [monday]}]}\n",
        (
            "p.yaml:2: ib.restart_windows[0].days[0]: must be one of mon, tue, wed, thu, fri, sat, sun; "
            "found the text 'monday'"
        ),
    ),
    "a weekday twice": (
        "ib: {restart_windows: [{time: 23:45-00:45, days: [mon, mon]}]}\n",
        "p.yaml:2: ib.restart_windows[0].days: a day is listed twice; keep one",
    ),
    "too many windows": (
        "ib:\n  restart_windows:\n" + "    - {time: 23:45-00:45}\n" * 15,
        "p.yaml:3: ib.restart_windows: 15 windows; at most 14 are served, join some with `days`",
    ),
    "probes too slow for a dead line": (
        "daemon: {probe_every_s: 5, probe_timeout_s: 3}\n",
        (
            "p.yaml:2: daemon.probe_timeout_s: a dead line would be found only after 11 s "
            "(probe_every_s 5 and twice 3); lower one of them until it is 10 s or less"
        ),
    ),
    "section for a scalar": (
        "desk: {a: 1}\n",
        (
            "p.yaml:2: desk: must be a name of at most 31 of a-z, 0-9, _ and -, "
            "starting with a letter or digit, or null; "
            "found a section of keys"
        ),
    ),
    "scalar for a list": (
        "legs: 70\n",
        "p.yaml:2: legs: must be a list, found 70; write each item on a line of its own after `- `",
    ),
    "missing key in a list item": (
        "legs:\n  - right: call\n    expiry: 2014-07-19\n",
        "p.yaml:3: legs[0].strike: missing; it must be a number > 0",
    ),
    "no such day": (
        "legs:\n  - right: call\n    strike: 70\n    expiry: 2014-02-30\n",
        "p.yaml:5: legs[0].expiry: no such day: 2014-02-30; it must be a day of the calendar as YYYY-MM-DD",
    ),
    "odd day": (
        "gates: {strategy: {earnings: {dates: [19.07.2014]}}}\n",
        "p.yaml:2: gates.strategy.earnings.dates[0]: must be a day as YYYY-MM-DD; found the text '19.07.2014'",
    ),
    "twice": (
        "ib:\n  port: 1\n  host: localhost\n  port: 2\n",
        "p.yaml:5: ib.port: given twice (first on line 3); keep one",
    ),
    "name is the file's": ("name: x\n", "p.yaml:2: name: the name is the file's name; remove this line"),
    "a reserved desk": (
        "desk: _archive\n",
        (
            "p.yaml:2: desk: must be a name of at most 31 of a-z, 0-9, _ and -, "
            "starting with a letter or digit, or null; "
            "found the text '_archive'"
        ),
    ),
    "epsilon above threshold": (
        "gates: {state: {delta: {epsilon_band: 30}}}\n",
        (
            "p.yaml:2: gates.state.delta.epsilon_band: 30 shares is above threshold_hedge_shares (25); "
            "the band must not be wider than the threshold"
        ),
    ),
    "threshold at the limit": (
        "gates:\n  state:\n    delta:\n      threshold_hedge_shares: 500\n",
        (
            "p.yaml:5: gates.state.delta.threshold_hedge_shares: 500 shares is not below max_delta_limit (500); "
            "lower the threshold or raise the limit"
        ),
    ),
    "wide above extreme": (
        "gates:\n  state:\n    liquidity: {extreme_spread_pct: 0.1}\n",
        (
            "p.yaml:4: gates.state.liquidity.wide_spread_pct: 0.1 % is not below extreme_spread_pct (0.1 %); "
            "wide must come before extreme"
        ),
    ),
    "smallest hedge above the largest": (
        "gates: {intent: {hedge: {min_hedge_shares: 501}}}\n",
        (
            "p.yaml:2: gates.intent.hedge.min_hedge_shares: 501 is above max_hedge_shares_per_order (500); "
            "no hedge could ever be sent"
        ),
    ),
    "largest hedge above the position limit": (
        "gates: {guard: {risk: {max_position_shares: 100}}}\n",
        (
            "p.yaml:2: gates.intent.hedge.max_hedge_shares_per_order: 500 is above "
            "gates.guard.risk.max_position_shares (100); lower it or raise the position limit"
        ),
    ),
    "a target out of reach": (
        "execution: {target_shares: -2001}\n",
        (
            "p.yaml:2: execution.target_shares: -2001 is beyond gates.guard.risk.max_position_shares (2000); "
            "it could never be reached"
        ),
    ),
    "dte upside down": (
        "gates: {strategy: {structure: {min_dte: 40}}}\n",
        "p.yaml:2: gates.strategy.structure.min_dte: 40 days is above max_dte (35); no leg could ever be adopted",
    ),
    "trend below chop": (
        "gates: {state: {market: {trend_efficiency: 0.25}}}\n",
        (
            "p.yaml:2: gates.state.market.choppy_efficiency: 0.25 is not below trend_efficiency (0.25); "
            "a market cannot trend and chop at once"
        ),
    ),
    "quiet above high": (
        "gates: {state: {market: {quiet_volatility_pct: 60}}}\n",
        (
            "p.yaml:2: gates.state.market.quiet_volatility_pct: 60 % is above high_volatility_pct (50 %); "
            "quiet must come before high"
        ),
    ),
    "a gap that nobody believes": (
        "gates: {state: {market: {gap_pct: 21}}}\n",
        "p.yaml:2: gates.state.market.gap_pct: 21 % is above outlier_pct (20 %); no gap could ever be believed",
    ),
    "a fallback behind a number": (
        "greeks: {fallback: [implied]}\n",
        ("p.yaml:2: greeks.fallback[0]: implied can never be reached: the fixed 0.35 before it is always there"),
    ),
    "a fallback named twice": (
        "greeks: {volatility: ib, fallback: [implied, ib]}\n",
        "p.yaml:2: greeks.fallback[1]: ib stands there already; name each source once",
    ),
    "live without account": (
        "live: true\n",
        "p.yaml:2: live: live: true needs ib.account, the id of the one live account that may be traded",
    ),
    "live with a paper account": (
        "live: true\nib: {account: DU1234567}\n",
        "p.yaml:3: ib.account: DU1234567 is a paper account, but live: true; remove live or name the live account",
    ),
    "live beside a simulator": (
        "live: true\nib: {account: U1234567}\nsimulator: {speed: 2}\n",
        "p.yaml:2: live: live: true cannot stand beside a simulator section; remove one of them",
    ),
    "a live account without consent": (
        "ib: {account: U1234567}\n",
        "p.yaml:2: ib.account: U1234567 is a live account; say live: true to trade it, or name a paper account (DU...)",
    ),
    "another account than the simulator's": (
        "ib: {account: DU7654321}\nsimulator: {account: DU1234567}\n",
        "p.yaml:2: ib.account: DU7654321 is not simulator.account (DU1234567); remove one of them",
    ),
    "a simulator with a live-looking account": (
        "simulator: {account: U1234567}\n",
        (
            "p.yaml:2: simulator.account: must be DU and four to ten digits: a simulated account never looks live; "
            "found the text 'U1234567'"
        ),
    ),
    "a simulator on another machine": (
        "ib: {host: 192.168.1.5}\nsimulator: {speed: 2}\n",
        "p.yaml:2: ib.host: 192.168.1.5 is another machine, but the simulator runs on this one; use 127.0.0.1",
    ),
    "a leg twice": (
        "legs:\n  - {right: put, strike: 70, expiry: 2014-07-19}\n  - {right: put, strike: 70.0, expiry: 2014-07-19}\n",
        "p.yaml:4: legs[1]: the leg put 70 2014-07-19 is declared twice (legs[0]); keep one",
    ),
    "a position that is no leg": (
        "simulator:\n  positions:\n    - {quantity: 1, right: put, strike: 70, expiry: 2014-07-19}\n",
        (
            "p.yaml:4: simulator.positions[0]: the option put 70 2014-07-19 is not a declared leg; "
            "add it to legs or remove it here"
        ),
    ),
    "half an option": (
        "simulator: {positions: [{quantity: 1, right: put}]}\n",
        (
            "p.yaml:2: simulator.positions[0]: an option needs right, strike and expiry; "
            "shares of the underlying need none of them"
        ),
    ),
    "a position of nothing": (
        "simulator: {positions: [{quantity: 0}]}\n",
        "p.yaml:2: simulator.positions[0].quantity: 0 is no position; remove the entry or give a quantity",
    ),
    "a position twice": (
        "simulator: {positions: [{quantity: 1}, {quantity: 2}]}\n",
        "p.yaml:2: simulator.positions[1]: this position is listed twice; add the quantities into one entry",
    ),
    "an odd replay": (
        "simulator: {replay: 'csv:day.csv'}\n",
        "p.yaml:2: simulator.replay: 'csv:day.csv' is not lean:DIR:SYMBOL:YYYYMMDD",
    ),
    "a replay of another stock": (
        "simulator: {replay: 'lean:data:AAPL:20140605'}\n",
        "p.yaml:2: simulator.replay: replays AAPL, but underlying.symbol is TWX",
    ),
    "a leg that has expired on the replayed day": (
        "legs: [{right: put, strike: 70, expiry: 2014-06-04}]\nsimulator: {replay: 'lean:data:TWX:20140605'}\n",
        "p.yaml:2: legs[0].expiry: 2014-06-04 is before the simulated day 2014-06-05; the leg has expired",
    ),
}


@pytest.mark.parametrize("case", ONE_LINE)
def test_one_line_with_file_line_key_and_remedy(refusal: Refusal, case: str) -> None:
    text, expected = ONE_LINE[case]
    assert refusal(MINIMAL + text) == expected


NOT_A_PROFILE = {
    "empty": ("", "p.yaml:1: empty; a profile needs"),
    "only comments": ("# later\n", "p.yaml:1: empty; a profile needs"),
    "a list": ("- a\n- b\n", "p.yaml:1: the file must be a mapping"),
    "a word": ("hello\n", "p.yaml:1: the file must be a mapping"),
    "broken": ("a: [1,\nb: 2\n", "p.yaml:3: not valid YAML at column 1: "),
    "tabs": ("ib:\n\tport: 1\n", "p.yaml:2: not valid YAML at column 1: "),
    "two documents": ("a: 1\n---\nb: 1\n", "p.yaml:2: not valid YAML"),
    "an alias": ("a: &x 1\nb: *x\n", "p.yaml:2: an alias (*name) is not taken"),
    "a billion laughs": ("a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n", "p.yaml:2: an alias"),
    "an alias to itself": ("a: &x [*x]\n", "p.yaml:1: an alias"),
    "a python object": ("a: !!python/object/apply:os.system [ls]\n", "p.yaml:1: a: the tag tag:yaml.org,2002:python"),
    "a control character": ("a: \x01\n", "p.yaml:1: a character that YAML forbids"),
    "a key that is a list": ("[1, 2]: 3\n", "p.yaml:1: a key must be a plain name"),
    "very deep": ("[" * 1500, "p.yaml:1: nested too deeply"),
}


@pytest.mark.parametrize("case", NOT_A_PROFILE)
def test_a_file_that_is_no_profile_is_one_line(refusal: Refusal, case: str) -> None:
    text, start = NOT_A_PROFILE[case]
    found = refusal(text)
    assert found.startswith(start)
    assert "\n" not in found


def test_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"# ok\nunderlying: {symbol: TW\xff}\n")
    with pytest.raises(ProfileError, match=r"p\.yaml:2: not UTF-8 text; save the file as UTF-8"):
        load_profile(str(path))


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ProfileError, match="this is not a profile"):
        load_profile(str(path))


def test_missing_underlying_says_what_it_must_hold(refusal: Refusal) -> None:
    assert refusal("live: false\n") == (
        "p.yaml:1: underlying: missing; "
        "it must be a section with symbol, exchange, primary_exchange, currency, calendar"
    )


def test_every_problem_is_told_at_once_in_order(refusal: Refusal) -> None:
    lines = refusal("underlying: {symbol: twx}\nib: {port: x}\ngreek: {}\n").splitlines()
    assert [line.split(": ")[1] for line in lines] == ["underlying.symbol", "ib.port", "greek"]


def test_a_file_name_that_cannot_name_a_desk(tmp_path: Path) -> None:
    path = tmp_path / "My Desk.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    with pytest.raises(ProfileError, match="'My Desk' cannot name a desk; set desk:"):
        load_profile(str(path))
    path.write_text(MINIMAL + "desk: mine\n", encoding="utf-8")
    assert load_profile(str(path)).profile.desk_name == "mine"


def test_a_reserved_file_name(tmp_path: Path) -> None:
    path = tmp_path / "_archive.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    with pytest.raises(ProfileError, match="names that start with _ are reserved"):
        load_profile(str(path))


def test_share_positions_and_declared_legs_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        SIMULATED
        + "simulator:\n  replay: lean:data:TWX:20140605\n  positions:\n    - {quantity: -300, average_price: 70}\n"
        + "    - {quantity: 10, right: call, strike: 70, expiry: 2014-07-19}\n",
        encoding="utf-8",
    )
    assert len(msgspec.to_builtins(load_profile(str(path)).profile)["simulator"]["positions"]) == 2


def test_every_documented_key_is_known_and_name_is_not_the_operators() -> None:
    paths = schema_paths(Profile)
    assert "gates.guard.risk.max_daily_loss_usd" in paths
    assert "simulator.positions.quantity" in paths
    assert "name" not in paths
    assert len(paths) == len(set(paths))


def test_a_simulated_account_may_hold_what_no_leg_declares_where_positions_are_adopted(tmp_path: Path) -> None:
    text = "simulator:\n  positions:\n    - {quantity: 1, right: put, strike: 70, expiry: 2014-07-19}\n"
    adopting = "gates: {strategy: {structure: {adopt: true}}}\n"
    (tmp_path / "p.yaml").write_text(SIMULATED + adopting + text)
    assert load_profile("p", profiles_dir=tmp_path).profile.gates.strategy.structure.adopt
