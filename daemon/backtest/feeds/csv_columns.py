"""The header of a csv file: which column is what.

| column | what it holds |
|---|---|
| `timestamp` | when the quote was known, ISO-8601 with its zone: `2014-06-05T09:31:00-04:00`, `2014-06-05T13:31:00Z` |
| `ts_s`, `ts_ms`, `ts_us` | instead of `timestamp`: seconds, milliseconds or microseconds since 1970 in UTC |
| `bid`, `ask` | of the underlying, USD |
| `mid` | instead of both: the middle; around it a spread is laid |
| `spread` | with `mid`: its spread, USD; without this column it is `simulator.synthetic.spread_usd` |
| `last`, `bid_size`, `ask_size` | optional, of the underlying |
| `LEG_bid`, `LEG_ask` | of one option, USD a share; both or neither |
| `LEG_volatility` | instead: a year (0.35 is 35 %); the option is quoted around its Black-Scholes value |
| `volatility` | the same for every leg that has no column of its own |

LEG is our id (`TWX 20140719 C 70`) or, shorter, `C70_2014-07-19`.
"""

import difflib
import re
from typing import Literal

import msgspec

from config.schema import Profile
from daemon.backtest.feeds.asked import option_contracts
from daemon.core.instruments import option_id, option_terms
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.model import SimContract

TIME_UNITS_US = {"ts_s": 1_000_000, "ts_ms": 1_000, "ts_us": 1}
"""Column -> microseconds in its unit."""
_PLAIN = ("timestamp", *TIME_UNITS_US, "bid", "ask", "mid", "spread", "last", "bid_size", "ask_size", "volatility")
_LEG = re.compile(r"(.+)_(bid|ask|volatility)$")
_SHORT = re.compile(r"([CP])(\d+(?:\.\d+)?)_(\d{4})-(\d{2})-(\d{2})$")


class LegColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Where one option's numbers stand; all None: nothing in the file speaks of it."""

    contract: SimContract
    bid: int | None = None
    ask: int | None = None
    volatility: int | None = None


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Index of each column, None where it is absent."""

    count: int
    time: int
    unit_us: int | None
    """None: ISO-8601."""
    bid: int | None
    ask: int | None
    mid: int | None
    spread: int | None
    last: int | None
    bid_size: int | None
    ask_size: int | None
    legs: tuple[LegColumns, ...]
    unused: tuple[str, ...]
    """Columns that nobody asked for."""


def parse_header(names: list[str], profile: Profile, place: str) -> Columns:
    """What the header says, for the legs of a profile. Raises FeedError that names the column and the remedy."""
    at: dict[str, int] = {}
    for index, name in enumerate(names):
        key = _normal(name, profile.underlying.symbol)
        if key in at:
            raise FeedError(f"{place}: the column {name!r} stands there twice")
        at[key] = index
    time = _time(at, place)
    _check_price(at, names, place)
    legs = tuple(_leg(contract, at, place, profile) for contract in option_contracts(profile))
    wanted = {index for leg in legs for index in (leg.bid, leg.ask, leg.volatility) if index is not None}
    unused = tuple(name for name, index in at.items() if name not in _PLAIN and index not in wanted)
    for name in unused:
        if _LEG.fullmatch(name) is None and (meant := difflib.get_close_matches(name, _PLAIN, 1, 0.75)):
            raise FeedError(f"{place}: the column {name!r} is not known; did you mean {meant[0]!r}?")
    return Columns(
        count=len(names),
        time=at[time],
        unit_us=TIME_UNITS_US.get(time),
        bid=at.get("bid"),
        ask=at.get("ask"),
        mid=None if "bid" in at else at.get("mid"),
        spread=at.get("spread"),
        last=at.get("last"),
        bid_size=at.get("bid_size"),
        ask_size=at.get("ask_size"),
        legs=legs,
        unused=unused,
    )


def _normal(name: str, symbol: str) -> str:
    """Plain names in lower case; an option's column as `<our id>_<what>`."""
    plain = name.strip()
    found = _LEG.fullmatch(plain)
    if found is None:
        return plain.lower()
    leg, what = found.groups()
    short = _SHORT.fullmatch(leg)
    if short is not None:
        right, strike, year, month, day = short.groups()
        return f"{option_id(symbol, year + month + day, right, float(strike))}_{what}"
    terms = option_terms(leg)
    if terms is None:
        return plain.lower()
    return f"{option_id(terms.symbol, terms.expiry, terms.right, terms.strike)}_{what}"


def _time(at: dict[str, int], place: str) -> str:
    found = [name for name in ("timestamp", *TIME_UNITS_US) if name in at]
    if len(found) == 1:
        return found[0]
    if found:
        raise FeedError(f"{place}: {' and '.join(found)} all say when; keep one of them")
    raise FeedError(f"{place}: no column says when; name it timestamp (ISO-8601 with zone), ts_s, ts_ms or ts_us")


def _check_price(at: dict[str, int], names: list[str], place: str) -> None:
    if ("bid" in at) != ("ask" in at):
        there, gone = ("bid", "ask") if "bid" in at else ("ask", "bid")
        raise FeedError(f"{place}: there is a column {there} but no column {gone}; give both, or mid alone")
    if "bid" not in at and "mid" not in at:
        near: list[str] = []
        for name in at:
            near += [f"{name!r} for {meant!r}" for meant in difflib.get_close_matches(name, ("bid", "ask", "mid"), 1)]
        hint = f" ({', '.join(near)}?)" if near else ""
        found = ", ".join(name.strip() for name in names[:12])
        raise FeedError(f"{place}: no columns bid and ask, nor mid{hint}; the columns are: {found}")


def _leg(contract: SimContract, at: dict[str, int], place: str, profile: Profile) -> LegColumns:
    def index(what: Literal["bid", "ask", "volatility"]) -> int | None:
        return at.get(f"{contract.instrument}_{what}")

    bid, ask, own = index("bid"), index("ask"), index("volatility")
    if (bid is None) != (ask is None):
        gone = "ask" if ask is None else "bid"
        raise FeedError(f"{place}: {contract.instrument} has no column {contract.instrument}_{gone}; give both sides")
    if bid is not None:
        return LegColumns(contract=contract, bid=bid, ask=ask)
    volatility = own if own is not None else at.get("volatility")
    fixed = [each for each in (profile.greeks.volatility, *profile.greeks.fallback) if not isinstance(each, str)]
    if volatility is None and not fixed:
        short = f"{contract.right}{contract.strike:g}_{_dashed(contract.expiry or '')}"
        raise FeedError(
            f"{place}: nothing prices the leg {contract.instrument}; add the columns {short}_bid and {short}_ask, or "
            "volatility, or give the profile a fixed number in greeks.volatility"
        )
    return LegColumns(contract=contract, volatility=volatility)


def _dashed(expiry: str) -> str:
    return f"{expiry[:4]}-{expiry[4:6]}-{expiry[6:]}"
