"""The columns of a run's three tables, as `docs/file-format.md` tells them: decisions, equity, fills.

`ts` says `ts_us` again (microseconds since 1970) as a timestamp. No wall time is in any column.
"""

import pyarrow as pa  # type: ignore[import-untyped]

TS = pa.timestamp("us", tz="UTC")
WORD = pa.dictionary(pa.int32(), pa.string())
"""Text that repeats."""

DECISIONS = pa.schema(
    [
        ("ts", TS),
        ("ts_us", pa.int64()),
        ("session", WORD),
        ("spot", pa.float64()),
        ("net_delta_shares", pa.float64()),
        ("own_shares", pa.float64()),
        ("option_value_usd", pa.float64()),
        ("option_cost_usd", pa.float64()),
        ("state_code", WORD),
        ("daemon_state", WORD),
        ("needed", pa.bool_()),
        ("hedged", pa.bool_()),
        ("side", WORD),
        ("quantity_shares", pa.float64()),
        ("filled_shares", pa.float64()),
        ("price", pa.float64()),
        ("commission_usd", pa.float64()),
        ("order_ref", pa.string()),
        ("refused", WORD),
        ("measured", pa.float64()),
        ("limit", pa.float64()),
        ("measured_text", pa.string()),
        ("limit_text", pa.string()),
    ]
)
EQUITY = pa.schema(
    [
        ("ts", TS),
        ("ts_us", pa.int64()),
        ("session", WORD),
        *(
            (name, pa.float64())
            for name in (
                "spot",
                "equity_usd",
                "pnl_usd",
                "day_pnl_usd",
                "drawdown_pct",
                "net_delta_shares",
                "own_shares",
                "delta_usd",
                "gamma_usd",
                "theta_usd",
                "vega_usd",
                "other_usd",
                "slippage_usd",
                "commission_usd",
                "traded_usd",
            )
        ),
        ("hedges_today", pa.int64()),
    ]
)
FILLS = pa.schema(
    [
        ("ts", TS),
        ("ts_us", pa.int64()),
        ("session", WORD),
        ("order_ref", pa.string()),
        ("exec_key", pa.string()),
        ("side", WORD),
        ("quantity_shares", pa.float64()),
        ("price", pa.float64()),
        ("decision_mid", pa.float64()),
        ("slippage_usd", pa.float64()),
        ("commission_usd", pa.float64()),
    ]
)
