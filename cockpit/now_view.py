"""Everything the Now page shows, as one plain value made from the files' content. Pure.

The browser draws it as it is and adds only what it alone knows: how long ago it heard this.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from cockpit import tables, wording
from cockpit.control_panel import Controls, controls
from cockpit.reader import Reader
from cockpit.receipts import Receipt
from cockpit.tables import Table
from state.control import ControlRead
from state.light import Light, LightReason, LightState
from state.reasons import Severity
from state.records import Check, Limit, Snapshot
from state.times import iso_from_us

Tone = Literal["calm", "warn", "alarm"]
NEAR_PCT = 85.0
DRAWDOWN_LIMIT = "drawdown_pct"


class ShownReason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason of the light: the sentence, what was measured against which limit, where the runbook speaks of it."""

    code: str
    severity: Severity
    text: str
    measured: str
    runbook: str


class ShownLight(msgspec.Struct, frozen=True, kw_only=True):
    """The light. `age_ms` grows in the browser; beyond `age_limit_ms` it shows NOT LIVE by itself."""

    state: LightState
    word: str
    headline: str
    reasons: tuple[ShownReason, ...]
    age_ms: float | None
    age_limit_ms: float


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """The box that says whose money this is."""

    kind: wording.Kind
    word: str
    account: str


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """One key figure. `used_pct` of its limit, None where it has none."""

    name: str
    label: str
    value: str
    unit: str
    note: str
    used_pct: float | None
    tone: Tone


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The newest point of the chart, newer than the history's last."""

    x: str
    equity_usd: float | None
    drawdown_pct: float | None


class NowView(msgspec.Struct, frozen=True, kw_only=True):
    """The page. `made_ms` is this machine's wall clock when it was made, since the epoch."""

    desk: str
    made_ms: float
    light: ShownLight
    mode: Mode
    session: str
    market_time: str
    tiles: tuple[Tile, ...]
    controls: Controls
    tables: dict[str, Table]
    point: Point | None
    history_version: str


def build(
    snapshot: Snapshot | None,
    light: Light,
    control: ControlRead,
    *,
    desk: str,
    now_us: int,
    receipts: tuple[Receipt, ...],
    history_version: str,
    reader: Reader,
) -> NowView:
    """Put the page together. `now_us` is the wall clock at the look."""
    now_iso = iso_from_us(now_us)
    market_iso = None if snapshot is None else snapshot.ts
    return NowView(
        desk=desk,
        made_ms=now_us / 1000,
        light=shown_light(snapshot, light, desk=desk, now_iso=now_iso, reader=reader),
        mode=mode(snapshot),
        session="" if snapshot is None else wording.session(snapshot.session, now_iso=market_iso, reader=reader),
        market_time="" if snapshot is None else f"market {reader.day_and_time(snapshot.ts)}",
        tiles=tiles(snapshot),
        controls=controls(snapshot, light, control, receipts, reader),
        tables={
            "legs": tables.legs(snapshot),
            "positions": tables.positions(snapshot),
            "day_pnl": tables.day_pnl(snapshot),
            "orders": tables.working_orders(snapshot),
        },
        point=None if snapshot is None else _point(snapshot, reader),
        history_version=history_version,
    )


def shown_light(snapshot: Snapshot | None, light: Light, *, desk: str, now_iso: str, reader: Reader) -> ShownLight:
    """Green says what the strategy does; anything else says why. A command in a sentence names the desk it is about."""
    failed = {} if snapshot is None else {c.reason: c for c in snapshot.self_check.checks if not c.ok and c.reason}
    reasons = tuple(
        ShownReason(
            code=reason.code,
            severity=reason.severity,
            text=reason.sentence.replace("./bifrost ", f"./bifrost --desk {desk} "),
            measured=_measured(reason, failed.get(reason.code), now_iso=now_iso, reader=reader),
            runbook="" if reason.runbook is None else f"runbook: {reason.code}",
        )
        for reason in light.reasons
    )
    return ShownLight(
        state=light.state,
        word=reader.short_times(light.word, now_iso=None if snapshot is None else snapshot.ts),
        headline=headline(snapshot, light),
        reasons=reasons,
        age_ms=light.age_ms,
        age_limit_ms=light.oldest_ms if light.oldest_ms is not None else 3000.0,
    )


def _measured(reason: LightReason, check: Check | None, *, now_iso: str, reader: Reader) -> str:
    """The numbers behind a reason: from the failed check where there is one, with its unit."""
    if check is None or check.measured is None:
        return "" if reason.detail is None else reader.short_times(reason.detail, now_iso=now_iso)
    name = wording.check_name(check.name)
    text = f"{name} {wording.with_unit(check.name, check.measured)}"
    return text if check.limit is None else f"{text}, limit {wording.with_unit(check.name, check.limit)}"


def headline(snapshot: Snapshot | None, light: Light) -> str:
    """What the desk does right now, in the strategy's own words; blocked or not live, only the reasons speak."""
    if snapshot is None or light.state in ("red", "not_live"):
        return ""
    state = tables.strategy_state(snapshot)
    if state is not None and state.words:
        return state.words
    count = len(snapshot.self_check.checks)
    if light.state != "green" or count == 0:
        return ""
    return "The one check passes" if count == 1 else f"All {count} checks pass"


def mode(snapshot: Snapshot | None) -> Mode:
    """SIMULATED, PAPER or LIVE, and the account. Unknown is said as such."""
    kind = wording.account_kind(None if snapshot is None else snapshot.account_kind)
    word = "ACCOUNT UNKNOWN" if kind == "unknown" else kind.upper()
    return Mode(kind=kind, word=word, account="" if snapshot is None or snapshot.account is None else snapshot.account)


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


def tiles(snapshot: Snapshot | None) -> tuple[Tile, ...]:
    """Equity, drawdown, net delta and hedges of the day, each with what it is measured against."""
    return (_equity_tile(snapshot), _drawdown_tile(snapshot), _delta_tile(snapshot), _hedges_tile(snapshot))


def _equity_tile(snapshot: Snapshot | None) -> Tile:
    pnl = None if snapshot is None else snapshot.daily_pnl_usd
    return Tile(
        name="equity",
        label="Equity",
        value=wording.usd(None if snapshot is None else snapshot.equity_usd),
        unit="USD",
        note=f"desk today {wording.usd(pnl, signed=True)}",
        used_pct=None,
        tone="calm",
    )


def _drawdown_tile(snapshot: Snapshot | None) -> Tile:
    limits = () if snapshot is None else snapshot.limits
    limit = limit_named(limits, DRAWDOWN_LIMIT)
    used = _used_pct(limit)
    note = f"limit {wording.DASH}" if limit is None else f"limit {wording.drawdown(limit.limit)}"
    value = None if snapshot is None else snapshot.drawdown_pct
    return Tile(
        name="drawdown",
        label="Drawdown",
        value=wording.number(None if value is None else -abs(value), decimals=2),
        unit="%",
        note=note,
        used_pct=used,
        tone=_tone(used),
    )


def _delta_tile(snapshot: Snapshot | None) -> Tile:
    state = None if snapshot is None else tables.strategy_state(snapshot)
    delta = None if state is None else state.greeks.net_delta_shares
    limits = () if snapshot is None else snapshot.limits
    threshold_shares = _hedge_threshold(snapshot)
    hard = limit_named(limits, "max_delta_limit", "max_net_delta_shares")
    account = None if snapshot is None else snapshot.account_net_delta_shares
    notes = [] if threshold_shares is None else [f"hedged from ±{wording.shares(threshold_shares)}"]
    notes += [] if hard is None else [f"limit ±{wording.shares(hard.limit)}"]
    notes.append(f"account {wording.shares(account, signed=True)}")
    # Reaching the hedge threshold is what the desk is for; only the hard limit is a reason to change colour.
    scale = threshold_shares if threshold_shares is not None else None if hard is None else hard.limit
    used = None if scale is None or delta is None or scale <= 0 else abs(delta) / scale * 100
    return Tile(
        name="net_delta",
        label="Net delta",
        value=wording.number(delta, decimals=1, signed=True),
        unit="shares",
        note=" · ".join(notes),
        used_pct=used,
        tone=_tone(_used_pct(hard)) if hard is not None else "calm",
    )


def _hedge_threshold(snapshot: Snapshot | None) -> float | None:
    """|net delta| in shares from which the gamma scalper hedges, as its self check states it."""
    if snapshot is None:
        return None
    limits = (check.limit for check in snapshot.self_check.checks if check.name == "closed_delta")
    return next((float(limit) for limit in limits if isinstance(limit, int | float)), None)


def _hedges_tile(snapshot: Snapshot | None) -> Tile:
    counters: Mapping[str, object] = {}
    if snapshot is not None and snapshot.counters is not None:
        counters = snapshot.counters
    hedges = counters.get("hedges_today")
    limits = () if snapshot is None else snapshot.limits
    limit = limit_named(limits, "max_daily_hedge_count")
    used = _used_pct(limit)
    notes = [f"limit {wording.number(limit.limit)}" if limit is not None else f"limit {wording.DASH}"]
    refused = counters.get("refused_today")
    if isinstance(refused, dict):
        total = sum(count for count in refused.values() if isinstance(count, int))
        notes.append(f"{total} held back")
    return Tile(
        name="hedges",
        label="Hedges today",
        value=wording.number(float(hedges)) if isinstance(hedges, int | float) else wording.DASH,
        unit="",
        note=" · ".join(notes),
        used_pct=used,
        tone=_tone(used),
    )


def _point(snapshot: Snapshot, reader: Reader) -> Point:
    depth = snapshot.drawdown_pct
    return Point(
        x=reader.plot_time(snapshot.ts),
        equity_usd=snapshot.equity_usd,
        drawdown_pct=None if depth is None else -abs(depth),
    )
