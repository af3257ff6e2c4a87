"""The tables of the report, from the run's tables and its summary. Pure."""

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from daemon.backtest.report_axis import moment
from daemon.backtest.report_html import table
from daemon.backtest.report_words import DASH, money, rule
from state.runs.records import Finding, ProfileInfo, Summary
from state.statistics.past import Past
from state.statistics.run_tables import numbers, refusal_stretches, texts

MOST_HEDGES = 8
MOST_FILLS = 12
_DECISION_HEADS = (
    ("time", "l"), ("price USD", "r"), ("net delta", "r"), ("own", "r"), ("state code", "l"), ("came of it", "l"),
    ("measured", "r"), ("limit", "r"), ("shown as", "l"),
)  # fmt: skip


def decisions(found: pa.Table) -> str:
    """Moments that tell the most: each rule's first refusal, the first hedges, the greatest net deltas."""
    why: dict[int, str] = {}
    for start, _, name in refusal_stretches(found):
        if f"first: {rule(name)}" not in why.values():
            why.setdefault(start, f"first: {rule(name)}")
    hedged = np.flatnonzero(np.asarray(found.column("hedged").to_numpy(), dtype=bool))
    for number, row in enumerate(hedged[:MOST_HEDGES].tolist(), start=1):
        why.setdefault(row, f"hedge {number}")
    delta = numbers(found, "net_delta_shares")
    if np.isfinite(delta).any():
        why.setdefault(int(np.nanargmax(delta)), "highest net delta")
        why.setdefault(int(np.nanargmin(delta)), "lowest net delta")
    rows = sorted(why)
    picked = found.take(pa.array(rows, pa.int64())).to_pylist() if rows else []
    cells = [
        (
            moment(row["ts_us"]),
            _number(row.get("spot"), 4),
            _number(row.get("net_delta_shares"), 1),
            _number(row.get("own_shares"), 0),
            row.get("state_code") or DASH,
            _outcome(row),
            _told(row, "measured"),
            _told(row, "limit"),
            why[place],
        )
        for place, row in zip(rows, picked, strict=True)
    ]
    return table(_DECISION_HEADS, cells, name="Decision moments")


def _outcome(row: dict[str, object]) -> str:
    if row.get("hedged"):
        price = row.get("price")
        quantity = _number(row.get("quantity_shares"), 0)
        return f"{row.get('side')} {quantity}" + ("" if price is None else f" at {_number(price, 4)}")
    if row.get("needed"):
        return "wanted, not sent" if row.get("refused") is None else f"refused: {rule(str(row['refused']))}"
    return "nothing to hedge"


def _told(row: dict[str, object], name: str) -> str:
    value = row.get(name)
    text = row.get(f"{name}_text")
    return f"{value:.6g}" if isinstance(value, float) else DASH if text is None else str(text)


def _number(value: object, decimals: int) -> str:
    if not isinstance(value, int | float):
        return DASH
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text.replace(",", "")) != 0 else text.lstrip("-")


def days(summary: Summary) -> str:
    """One row for each session."""
    heads = (
        ("session", "l"), ("P&L USD", "r"), ("equity USD", "r"), ("hedges", "r"), ("refusals", "r"),
        ("slippage USD", "r"), ("commission USD", "r"),
    )  # fmt: skip
    rows = (
        (
            day.day,
            money(day.pnl_usd),
            money(day.equity_usd, signed=False),
            f"{day.hedges:,}",
            f"{day.refusals:,}",
            money(day.slippage_usd, signed=False),
            money(day.commission_usd, signed=False),
        )
        for day in summary.days
    )
    return table(heads, rows, name="Sessions")


def hours(past: Past) -> str:
    """One row for each hour of the exchange's day, and the nights."""
    heads = (
        ("hour", "l"), ("sessions", "r"), ("risen", "r"), ("P&L USD", "r"), ("hedges", "r"), ("shares", "r"),
        ("hedges' P&L to the close USD", "r"), ("refusals", "r"),
    )  # fmt: skip
    rows = (
        (
            "night" if row.hour is None else f"{row.hour:02d}:00",
            f"{row.days:,}",
            f"{row.won:,}",
            money(row.pnl_usd),
            f"{row.hedges:,}",
            f"{row.shares:,.0f}",
            money(row.hedge_pnl_usd),
            f"{row.refused:,}",
        )
        for row in past.by_hour_of_day()
    )
    return table(heads, rows, name="Hours of the day")


def fills(found: pa.Table) -> str:
    """The fills that cost the most against the decisions' mids."""
    paid = numbers(found, "slippage_usd")
    worst = np.argsort(-np.nan_to_num(paid, nan=-np.inf), kind="stable")[:MOST_FILLS]
    heads = (
        ("time", "l"), ("side", "l"), ("shares", "r"), ("price USD", "r"), ("decision's mid USD", "r"),
        ("slippage USD", "r"), ("bps", "r"), ("order", "l"),
    )  # fmt: skip
    at, sides, refs = numbers(found, "ts_us", np.int64), texts(found, "side"), texts(found, "order_ref")
    quantity, price, mid = (numbers(found, name) for name in ("quantity_shares", "price", "decision_mid"))
    rows = []
    for row in worst.tolist():
        basis = quantity[row] * mid[row]
        bps = _number(float(paid[row] / basis * 10_000), 2) if np.isfinite(basis) and basis > 0 else DASH
        rows.append(
            (
                moment(int(at[row])),
                sides[row] or DASH,
                _number(float(quantity[row]), 0),
                _number(float(price[row]), 4),
                _number(float(mid[row]), 4) if np.isfinite(mid[row]) else DASH,
                money(float(paid[row])) if np.isfinite(paid[row]) else DASH,
                bps,
                refs[row] or DASH,
            )
        )
    return table(heads, rows, name="Fills that cost the most")


def findings(found: tuple[Finding, ...]) -> str:
    """One row for each kind of oddity."""
    rows = (
        (each.code.replace("_", " "), f"{each.count:,}", each.instrument or DASH, _short(each.first_ts), each.text)
        for each in found
    )
    heads = (("what", "l"), ("n", "r"), ("instrument", "l"), ("first, UTC", "l"), ("told", "w"))
    return table(heads, rows, name="What was odd")


def _short(ts: str | None) -> str:
    return DASH if ts is None else ts[:19].replace("T", " ")


def settings(profile: ProfileInfo) -> str:
    """Every key in force, the changed ones first."""
    keys = sorted(profile.settings, key=lambda key: (key not in profile.overrides, key))
    rows = ((key, profile.settings[key], "changed for this run" if key in profile.overrides else "") for key in keys)
    return table((("key", "l"), ("value", "l"), ("", "l")), rows, name="Settings")
