"""The hedges of two runs side by side: which appeared, vanished or changed. Pure."""

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from state.statistics.run_tables import numbers, sessions, texts


class HedgeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One hedge of one run."""

    ts_us: int
    session: str
    side: str | None
    quantity_shares: float | None
    price: float | None
    """Average of its fills, USD; None where it did not fill."""
    net_delta_shares: float | None


class HedgeChange(msgspec.Struct, frozen=True, kw_only=True):
    """A hedge that both runs send at the same moment, with another side, quantity or price."""

    base: HedgeRow
    changed: HedgeRow


def hedge_rows(decisions: pa.Table) -> tuple[HedgeRow, ...]:
    """The hedges of a run in order of time."""
    sent = decisions.filter(decisions.column("hedged"))
    columns = {name: numbers(sent, name) for name in ("quantity_shares", "price", "net_delta_shares")}
    times, days, sides = numbers(sent, "ts_us", np.int64), sessions(sent), texts(sent, "side")
    return tuple(
        HedgeRow(
            ts_us=int(times[row]),
            session=days[row],
            side=sides[row],
            **{name: float(values[row]) if np.isfinite(values[row]) else None for name, values in columns.items()},
        )
        for row in range(sent.num_rows)
    )


def hedge_changes(
    base: tuple[HedgeRow, ...], changed: tuple[HedgeRow, ...]
) -> tuple[tuple[HedgeRow, ...], tuple[HedgeRow, ...], tuple[HedgeChange, ...], int]:
    """Appeared, vanished, changed, and how many are the same; matched by their moment, and by order within it."""
    old, new = _by_moment(base), _by_moment(changed)
    altered = tuple(
        HedgeChange(base=old[key], changed=new[key])
        for key in sorted(old.keys() & new.keys())
        if _differ(old, new, key)
    )
    same = len(old.keys() & new.keys()) - len(altered)
    appeared = tuple(new[key] for key in sorted(new.keys() - old.keys()))
    vanished = tuple(old[key] for key in sorted(old.keys() - new.keys()))
    return appeared, vanished, altered, same


def _by_moment(rows: tuple[HedgeRow, ...]) -> dict[tuple[int, int], HedgeRow]:
    found: dict[tuple[int, int], HedgeRow] = {}
    for row in rows:
        number = 0
        while (row.ts_us, number) in found:
            number += 1
        found[row.ts_us, number] = row
    return found


def _differ(old: dict[tuple[int, int], HedgeRow], new: dict[tuple[int, int], HedgeRow], key: tuple[int, int]) -> bool:
    a, b = old[key], new[key]
    return (a.side, a.quantity_shares, a.price) != (b.side, b.quantity_shares, b.price)
