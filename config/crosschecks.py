"""What no single key can say: how the keys of a profile must fit together.

Each check is a small function that yields (path of the key at fault, what is wrong and the remedy).
"""

import re
from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.schema import Leg, Profile, SimulatedPosition

Complaint = tuple[str, str]
_REPLAY = re.compile(r"lean:(?P<dir>.+):(?P<symbol>[A-Za-z0-9. ]+):(?P<day>\d{8})\Z")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MAX_WINDOWS = 14
_DEAD_LINE_S = 10.0
"""Within this a line that only looks alive must be found dead."""


def _delta_bands(profile: Profile) -> Iterator[Complaint]:
    delta = profile.gates.state.delta
    if delta.epsilon_band > delta.threshold_hedge_shares:
        yield (
            "gates.state.delta.epsilon_band",
            (
                f"{delta.epsilon_band:g} shares is above threshold_hedge_shares ({delta.threshold_hedge_shares:g});"
                " the band must not be wider than the threshold"
            ),
        )
    if delta.threshold_hedge_shares >= delta.max_delta_limit:
        yield (
            "gates.state.delta.threshold_hedge_shares",
            (
                f"{delta.threshold_hedge_shares:g} shares is not below max_delta_limit ({delta.max_delta_limit:g});"
                " lower the threshold or raise the limit"
            ),
        )


def _spreads(profile: Profile) -> Iterator[Complaint]:
    liquidity = profile.gates.state.liquidity
    if liquidity.wide_spread_pct >= liquidity.extreme_spread_pct:
        yield (
            "gates.state.liquidity.wide_spread_pct",
            (
                f"{liquidity.wide_spread_pct:g} % is not below extreme_spread_pct ({liquidity.extreme_spread_pct:g} %);"
                " wide must come before extreme"
            ),
        )


def _hedge_sizes(profile: Profile) -> Iterator[Complaint]:
    hedge, risk = profile.gates.intent.hedge, profile.gates.guard.risk
    if hedge.min_hedge_shares > hedge.max_hedge_shares_per_order:
        yield (
            "gates.intent.hedge.min_hedge_shares",
            (
                f"{hedge.min_hedge_shares:g} is above max_hedge_shares_per_order"
                f" ({hedge.max_hedge_shares_per_order:g}); no hedge could ever be sent"
            ),
        )
    if hedge.max_hedge_shares_per_order > risk.max_position_shares:
        yield (
            "gates.intent.hedge.max_hedge_shares_per_order",
            (
                f"{hedge.max_hedge_shares_per_order:g} is above gates.guard.risk.max_position_shares"
                f" ({risk.max_position_shares:g}); lower it or raise the position limit"
            ),
        )
    if abs(profile.execution.target_shares) > risk.max_position_shares:
        yield (
            "execution.target_shares",
            (
                f"{profile.execution.target_shares:g} is beyond gates.guard.risk.max_position_shares"
                f" ({risk.max_position_shares:g}); it could never be reached"
            ),
        )


def _structure(profile: Profile) -> Iterator[Complaint]:
    structure = profile.gates.strategy.structure
    if structure.min_dte > structure.max_dte:
        yield (
            "gates.strategy.structure.min_dte",
            f"{structure.min_dte} days is above max_dte ({structure.max_dte}); no leg could ever be adopted",
        )


def _market_codes(profile: Profile) -> Iterator[Complaint]:
    market = profile.gates.state.market
    if market.quiet_volatility_pct > market.high_volatility_pct:
        yield (
            "gates.state.market.quiet_volatility_pct",
            (
                f"{market.quiet_volatility_pct:g} % is above high_volatility_pct ({market.high_volatility_pct:g} %);"
                " quiet must come before high"
            ),
        )
    if market.choppy_efficiency >= market.trend_efficiency:
        yield (
            "gates.state.market.choppy_efficiency",
            (
                f"{market.choppy_efficiency:g} is not below trend_efficiency ({market.trend_efficiency:g});"
                " a market cannot trend and chop at once"
            ),
        )
    if market.gap_pct > market.outlier_pct:
        yield (
            "gates.state.market.gap_pct",
            f"{market.gap_pct:g} % is above outlier_pct ({market.outlier_pct:g} %); no gap could ever be believed",
        )


def _volatility_sources(profile: Profile) -> Iterator[Complaint]:
    """After a fixed number nothing can follow: it is always there. A source named twice is a slip of the pen."""
    greeks = profile.greeks
    sources = (greeks.volatility, *greeks.fallback)
    for index, source in enumerate(greeks.fallback):
        path = f"greeks.fallback[{index}]"
        if not isinstance(sources[index], str):
            yield path, f"{source} can never be reached: the fixed {sources[index]:g} before it is always there"
        elif source in sources[: index + 1]:
            yield path, f"{source} stands there already; name each source once"


def _accounts(profile: Profile) -> Iterator[Complaint]:
    account = profile.ib.account
    if profile.live:
        if account is None:
            yield "live", "live: true needs ib.account, the id of the one live account that may be traded"
        elif account.startswith("D"):
            yield "ib.account", f"{account} is a paper account, but live: true; remove live or name the live account"
        if profile.simulator is not None:
            yield "live", "live: true cannot stand beside a simulator section; remove one of them"
    elif account is not None and not account.startswith("D"):
        yield "ib.account", f"{account} is a live account; say live: true to trade it, or name a paper account (DU...)"
    elif profile.simulator is not None and account not in (None, profile.simulator.account):
        yield "ib.account", f"{account} is not simulator.account ({profile.simulator.account}); remove one of them"


def _simulator_host(profile: Profile) -> Iterator[Complaint]:
    if profile.simulator is not None and profile.ib.host not in _LOOPBACK:
        yield "ib.host", f"{profile.ib.host} is another machine, but the simulator runs on this one; use 127.0.0.1"


def _restart_windows(profile: Profile) -> Iterator[Complaint]:
    windows = profile.ib.restart_windows
    if len(windows) > _MAX_WINDOWS:
        yield "ib.restart_windows", f"{len(windows)} windows; at most {_MAX_WINDOWS} are served, join some with `days`"
    for index, window in enumerate(windows):
        path = f"ib.restart_windows[{index}]"
        begin, _, end = window.time.partition("-")
        if begin == end:
            yield f"{path}.time", f"{window.time} has no length; no hedge would leave, or always; give another end"
        if len(set(window.days)) < len(window.days):
            yield f"{path}.days", "a day is listed twice; keep one"
        if not _is_zone(window.zone):
            yield f"{path}.zone", f"{window.zone!r} is no time zone; write an IANA name such as America/New_York"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown; no zone's name; a folder of the database
        return False
    return True


def _probes(profile: Profile) -> Iterator[Complaint]:
    every_s, timeout_s = profile.daemon.probe_every_s, profile.daemon.probe_timeout_s
    found_s = every_s + 2 * timeout_s
    if found_s > _DEAD_LINE_S:
        yield (
            "daemon.probe_timeout_s",
            (
                f"a dead line would be found only after {found_s:g} s (probe_every_s {every_s:g} and twice"
                f" {timeout_s:g}); lower one of them until it is {_DEAD_LINE_S:g} s or less"
            ),
        )


def _leg_key(leg: Leg | SimulatedPosition) -> tuple[str | None, float | None, str | None]:
    return (leg.right, leg.strike, leg.expiry)


def _words(leg: Leg | SimulatedPosition) -> str:
    return f"{leg.right} {leg.strike:g} {leg.expiry}" if leg.strike is not None else str(leg.right)


def _duplicate_legs(profile: Profile) -> Iterator[Complaint]:
    first: dict[object, int] = {}
    for index, leg in enumerate(profile.legs):
        if _leg_key(leg) in first:
            yield f"legs[{index}]", f"the leg {_words(leg)} is declared twice (legs[{first[_leg_key(leg)]}]); keep one"
        first.setdefault(_leg_key(leg), index)


def _simulated_positions(profile: Profile) -> Iterator[Complaint]:
    declared = {_leg_key(leg) for leg in profile.legs}
    seen: set[object] = set()
    for index, position in enumerate(profile.simulator.positions if profile.simulator is not None else ()):
        path, key = f"simulator.positions[{index}]", _leg_key(position)
        given = [part is not None for part in key]
        if any(given) and not all(given):
            yield path, "an option needs right, strike and expiry; shares of the underlying need none of them"
        elif all(given) and key not in declared and not profile.gates.strategy.structure.adopt:
            yield path, f"the option {_words(position)} is not a declared leg; add it to legs or remove it here"
        if position.quantity == 0:
            yield f"{path}.quantity", "0 is no position; remove the entry or give a quantity"
        if key in seen:
            yield path, "this position is listed twice; add the quantities into one entry"
        seen.add(key)


def _replay(profile: Profile) -> Iterator[Complaint]:
    if profile.simulator is None or profile.simulator.replay is None:
        return
    found = _REPLAY.match(profile.simulator.replay)
    if found is None:
        yield "simulator.replay", f"{profile.simulator.replay!r} is not lean:DIR:SYMBOL:YYYYMMDD"
    elif found["symbol"].upper() != profile.underlying.symbol:
        yield "simulator.replay", f"replays {found['symbol']}, but underlying.symbol is {profile.underlying.symbol}"


def _expired_legs(profile: Profile) -> Iterator[Complaint]:
    """A simulated desk knows its first day, so a leg that has expired by then is a slip of the pen."""
    simulator = profile.simulator
    if simulator is None:
        return
    found = _REPLAY.match(simulator.replay) if simulator.replay is not None else None
    start = simulator.synthetic.start_date if simulator.replay is None else None
    if found is not None:
        day = found["day"]
        start = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    for index, leg in enumerate(profile.legs):
        if start is not None and leg.expiry < start:
            yield f"legs[{index}].expiry", f"{leg.expiry} is before the simulated day {start}; the leg has expired"


_CHECKS: tuple[Callable[[Profile], Iterator[Complaint]], ...] = (
    _delta_bands,
    _spreads,
    _hedge_sizes,
    _structure,
    _market_codes,
    _volatility_sources,
    _accounts,
    _simulator_host,
    _restart_windows,
    _probes,
    _duplicate_legs,
    _simulated_positions,
    _replay,
    _expired_legs,
)


def cross_check(profile: Profile) -> list[Complaint]:
    """Every complaint of every check, in the order of the list."""
    return [complaint for check in _CHECKS for complaint in check(profile)]
