"""The options that the desk hedges, with what is known of their prices. Pure: the snapshot in, text out."""

from collections.abc import Mapping

import msgspec

from cockpit import wording
from cockpit.reader import Reader
from cockpit.tables.model import Column, Columns, Row, Table, sortable
from state.records import GammaScalperState, InstrumentQuote, Leg, Snapshot
from state.undecodable import UNDECODABLE

POINTS = 100
"""The files hold vega per 1.00 of volatility; it is read per point, a hundredth of that."""


def strategy_state(snapshot: Snapshot | None) -> GammaScalperState | None:
    """The snapshot's strategy section, where it is a gamma scalper's; another desk's is not ours to read."""
    if snapshot is None or snapshot.strategy is None:
        return None
    try:
        return msgspec.convert(snapshot.strategy, GammaScalperState)
    except UNDECODABLE:
        return None


def legs(snapshot: Snapshot | None, reader: Reader) -> Table:
    """The options that the desk hedges, as wide as a laptop shows."""
    state = strategy_state(snapshot)
    to = Columns(reader, "legs")
    return _legs_table(
        snapshot,
        state,
        reader,
        columns=(
            to.left("leg"),
            to.right("quantity", "contracts"),
            to.right("price", "usd"),
            to.right("value", "usd"),
            to.right("pnl", "usd"),
            to.right("moneyness", "pct"),
            to.right("volatility", "pct_year"),
            to.left("source"),
            to.right("delta", "shares"),
            to.right("gamma", "shares_per_usd"),
            to.right("theta", "usd_day"),
        ),
        rows=() if state is None else tuple(_leg_row(leg, reader) for leg in state.legs),
    )


def legs_full(snapshot: Snapshot | None, reader: Reader) -> Table:
    """The same options with all that is known of their price: its two sides, its age and where it comes from."""
    state = strategy_state(snapshot)
    to = Columns(reader, "legs")
    quotes = {} if snapshot is None else {quote.symbol: quote for quote in snapshot.instruments}
    modelled = _modelled(snapshot)
    return _legs_table(
        snapshot,
        state,
        reader,
        columns=(
            to.left("leg"),
            to.right("quantity", "contracts"),
            to.right("price", "usd", two_lines=True),
            to.right("value", "usd"),
            to.right("pnl", "usd"),
            to.right("moneyness", "pct"),
            to.right("volatility", "pct_year", two_lines=True),
            to.right("delta", "shares"),
            to.right("gamma", "shares_per_usd"),
            to.right("theta", "usd_day"),
            to.right("vega", "usd_vol_point"),
        ),
        rows=()
        if state is None
        else tuple(_full_row(leg, quotes.get(leg.instrument), modelled, reader) for leg in state.legs),
    )


def _legs_table(
    snapshot: Snapshot | None,
    state: GammaScalperState | None,
    reader: Reader,
    *,
    columns: tuple[Column, ...],
    rows: tuple[Row, ...],
) -> Table:
    is_others = snapshot is not None and state is None
    return Table(
        title=reader.say("tables.legs.title"),
        aside="" if state is None else _whole_book(state, reader),
        columns=sortable(columns),
        rows=rows,
        empty=reader.say("tables.legs.none" if is_others else "tables.legs.empty"),
    )


def _whole_book(state: GammaScalperState, reader: Reader) -> str:
    greeks = state.greeks
    return reader.say(
        "tables.legs.aside",
        n=len(state.legs),
        delta=wording.shares(greeks.net_delta_shares, signed=True),
        gamma=wording.number(greeks.gamma, decimals=1),
        theta=wording.number(greeks.theta_usd_day, decimals=2),
        vega=wording.number(None if greeks.vega is None else greeks.vega / POINTS, decimals=1),
    )


def _leg_name(leg: Leg, reader: Reader) -> str:
    right = reader.say("tables.legs.call" if leg.right == "C" else "tables.legs.put")
    adopted = f"  ({reader.say('tables.legs.adopted')})" if leg.adopted else ""
    return f"{leg.expiry}  {leg.strike:g} {right}{adopted}"


def _volatility(leg: Leg) -> str:
    return wording.number(None if leg.implied_volatility is None else leg.implied_volatility * 100, decimals=1)


def _source(leg: Leg, reader: Reader) -> str:
    """Where the volatility comes from."""
    source = leg.volatility_source
    return wording.DASH if source is None else reader.say(f"tables.legs.sources.{source}")


def _leg_row(leg: Leg, reader: Reader) -> Row:
    return Row(
        key=leg.instrument,
        cells=(
            _leg_name(leg, reader),
            wording.shares(leg.quantity, signed=True),
            wording.number(leg.price, decimals=3),
            wording.usd(leg.value_usd),
            wording.usd(leg.pnl_usd, signed=True),
            wording.number(leg.moneyness_pct, decimals=2, signed=True),
            _volatility(leg),
            _source(leg, reader),
            wording.number(leg.delta_shares, decimals=1, signed=True),
            wording.number(leg.gamma, decimals=1),
            wording.number(leg.theta_usd_day, decimals=2, signed=True),
        ),
    )


def _full_row(leg: Leg, quote: InstrumentQuote | None, modelled: frozenset[str], reader: Reader) -> Row:
    volatility_age_ms = None if leg.volatility_age_s is None else leg.volatility_age_s * 1000
    quote_age_ms = None if quote is None else quote.quote_age_ms
    vega_a_point = None if leg.vega is None else leg.vega / POINTS
    return Row(
        key=leg.instrument,
        cells=(
            _leg_name(leg, reader),
            wording.shares(leg.quantity, signed=True),
            _with(wording.number(leg.price, decimals=3), _priced_by(leg, modelled, reader), quote_age_ms),
            wording.usd(leg.value_usd),
            wording.usd(leg.pnl_usd, signed=True),
            wording.number(leg.moneyness_pct, decimals=2, signed=True),
            _with(_volatility(leg), _source(leg, reader), volatility_age_ms),
            wording.number(leg.delta_shares, decimals=1, signed=True),
            wording.number(leg.gamma, decimals=1),
            wording.number(leg.theta_usd_day, decimals=2, signed=True),
            wording.number(vega_a_point, decimals=1),
        ),
    )


def _priced_by(leg: Leg, modelled: frozenset[str], reader: Reader) -> str:
    """What made the price: its own quote of two sides, else the model."""
    if leg.price is None:
        return wording.DASH
    by = "model" if leg.instrument in modelled else "quote"
    return reader.say(f"tables.legs.priced_by.{by}")


def _with(value: str, source: str, age_ms: float | None) -> str:
    """The value, and below it where it comes from and how old that is."""
    if source == wording.DASH:
        return value
    return f"{value}\n{source}" if age_ms is None else f"{value}\n{source}, {wording.age(age_ms)}"


def _modelled(snapshot: Snapshot | None) -> frozenset[str]:
    """Instruments whose mark is a model's, because they have no quote of two sides."""
    counters: Mapping[str, object] = {} if snapshot is None or snapshot.counters is None else snapshot.counters
    names = counters.get("modelled_marks")
    return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()
