"""Recompute a backtest's P&L from its decision table alone, with nothing of Bifrost.

python recompute_pnl.py FOLDER        exit 0 where it is the summary's to the cent

P&L = what the legs are worth now - what they cost + own shares x spot
- what the hedges paid (signed shares x average fill price) - their commissions
"""
# ruff: noqa: INP001 - an example is no package

import json
import sys
from pathlib import Path

import pandas as pd


def recomputed(table: pd.DataFrame) -> dict[str, float]:
    """The last row's P&L in USD and its parts; `table` has the columns of decisions.parquet."""
    hedges = table[table["hedged"] & (table["filled_shares"] > 0)]
    signed = hedges["filled_shares"].where(hedges["side"] == "BUY", -hedges["filled_shares"])
    last = table.dropna(subset=["option_value_usd", "option_cost_usd", "spot"]).iloc[-1]
    parts = {
        "legs_usd": float(last["option_value_usd"] - last["option_cost_usd"]),
        "shares_usd": float(last["own_shares"] * last["spot"] - (signed * hedges["price"]).sum()),
        "commission_usd": -float(hedges["commission_usd"].sum()),
    }
    return {**parts, "pnl_usd": sum(parts.values())}


def main(folder: Path) -> int:
    """Print both figures; 1 where they differ by a cent."""
    found = recomputed(pd.read_parquet(folder / "decisions.parquet"))
    stated = json.loads((folder / "summary.json").read_text())["figures"]["pnl_usd"]
    for name, value in found.items():
        sys.stdout.write(f"{name:<16}{value:>14,.2f}\n")
    sys.stdout.write(f"{'summary.json':<16}{stated:>14,.2f}\n")
    return int(abs(found["pnl_usd"] - stated) >= 0.005)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
