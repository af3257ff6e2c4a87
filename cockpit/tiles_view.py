"""The four key figures, each with the limit it must be read against. Pure."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from cockpit import wording
from cockpit.reader import Reader
from cockpit.tables import strategy_state
from state.records import Limit, Snapshot

Tone = Literal["calm", "warn", "alarm"]
NEAR_PCT = 85.0
DRAWDOWN_LIMIT = "drawdown_pct"


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """One key figure. `used_pct` of its limit, None where it has none."""

    name: str
    label: str
    value: str
    unit: str
    note: str
    used_pct: float | None
    tone: Tone


def tiles(snapshot: Snapshot | None, reader: Reader) -> tuple[Tile, ...]:
    """Equity, drawdown, net delta and hedges of the day."""
    return (
        _equity(snapshot, reader),
        _drawdown(snapshot, reader),
        _net_delta(snapshot, reader),
        _hedges(snapshot, reader),
    )


def held(snapshot: Snapshot | None) -> str:
    """`+240 TWX`: the desk's own shares of its underlying."""
    if snapshot is None or snapshot.own_shares is None:
        return wording.DASH
    symbol = snapshot.instruments[0].symbol if snapshot.instruments else ""
    return f"{wording.shares(snapshot.own_shares, signed=True)} {symbol}".rstrip()


def limit_named(limits: tuple[Limit, ...], *names: str) -> Limit | None:
    """The first limit with one of these names."""
    return next((limit for name in names for limit in limits if limit.name == name), None)


def _used_pct(limit: Limit | None) -> float | None:
    if limit is None:
        return None
    if limit.limit <= 0:
        return 100.0
    return abs(limit.used) / limit.limit * 100


def _tone(used_pct: float | None) -> Tone:
    if used_pct is None or used_pct < NEAR_PCT:
        return "calm"
    return "alarm" if used_pct >= 100 else "warn"


def _equity(snapshot: Snapshot | None, reader: Reader) -> Tile:
    pnl = None if snapshot is None else snapshot.daily_pnl_usd
    return Tile(
        name="equity",
        label=reader.say("tiles.equity"),
        value=wording.usd(None if snapshot is None else snapshot.equity_usd),
        unit="USD",
        note=reader.say("tiles.desk_today", pnl=wording.usd(pnl, signed=True)),
        used_pct=None,
        tone="calm",
    )


def _drawdown(snapshot: Snapshot | None, reader: Reader) -> Tile:
    limits = () if snapshot is None else snapshot.limits
    limit = limit_named(limits, DRAWDOWN_LIMIT)
    used = _used_pct(limit)
    value = None if snapshot is None else snapshot.drawdown_pct
    told = wording.DASH if limit is None else wording.drawdown(limit.limit)
    return Tile(
        name="drawdown",
        label=reader.say("tiles.drawdown"),
        value=wording.number(None if value is None else -abs(value), decimals=2),
        unit="%",
        note=reader.say("tiles.limit", limit=told),
        used_pct=used,
        tone=_tone(used),
    )


def _net_delta(snapshot: Snapshot | None, reader: Reader) -> Tile:
    state = None if snapshot is None else strategy_state(snapshot)
    delta = None if state is None else state.greeks.net_delta_shares
    limits = () if snapshot is None else snapshot.limits
    threshold_shares = hedge_threshold(snapshot)
    hard = limit_named(limits, "max_delta_limit", "max_net_delta_shares")
    account = None if snapshot is None else snapshot.account_net_delta_shares
    notes: list[str] = []
    if threshold_shares is not None:
        notes.append(reader.say("tiles.hedged_from", shares=wording.shares(threshold_shares)))
    if hard is not None:
        notes.append(reader.say("tiles.limit", limit=f"±{wording.shares(hard.limit)}"))
    notes.append(reader.say("tiles.account", shares=wording.shares(account, signed=True)))
    # Reaching the hedge threshold is what the desk is for; only the hard limit is a reason to change colour.
    scale = threshold_shares if threshold_shares is not None else None if hard is None else hard.limit
    used = None if scale is None or delta is None or scale <= 0 else abs(delta) / scale * 100
    return Tile(
        name="net_delta",
        label=reader.say("tiles.net_delta"),
        value=wording.number(delta, decimals=1, signed=True),
        unit=reader.say("tiles.shares"),
        note=" · ".join(notes),
        used_pct=used,
        tone=_tone(_used_pct(hard)) if hard is not None else "calm",
    )


def hedge_threshold(snapshot: Snapshot | None) -> float | None:
    """|net delta| in shares from which the gamma scalper hedges, as its self check states it."""
    if snapshot is None:
        return None
    limits = (check.limit for check in snapshot.self_check.checks if check.name == "closed_delta")
    return next((float(limit) for limit in limits if isinstance(limit, int | float)), None)


def _hedges(snapshot: Snapshot | None, reader: Reader) -> Tile:
    counters: Mapping[str, object] = {}
    if snapshot is not None and snapshot.counters is not None:
        counters = snapshot.counters
    hedges = counters.get("hedges_today")
    limits = () if snapshot is None else snapshot.limits
    limit = limit_named(limits, "max_daily_hedge_count")
    used = _used_pct(limit)
    notes = [reader.say("tiles.limit", limit=wording.DASH if limit is None else wording.number(limit.limit))]
    refused = counters.get("refused_today")
    if isinstance(refused, dict):
        total = sum(count for count in refused.values() if isinstance(count, int))
        notes.append(reader.say("tiles.held_back", count=total))
    return Tile(
        name="hedges",
        label=reader.say("tiles.hedges"),
        value=wording.number(float(hedges)) if isinstance(hedges, int | float) else wording.DASH,
        unit="",
        note=" · ".join(notes),
        used_pct=used,
        tone=_tone(used),
    )
