"""What a changed key would have done on recorded days: runs compared moment by moment. Pure.

Nothing here decides or fills: both runs come from `run_backtest`, on the same data, and this module lays them side by
side. Refusals are told as stretches of moments, because a rule that refuses goes on refusing every tick until
something changes.
"""

import math
from typing import Any, Protocol

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from daemon.backtest.hedge_changes import HedgeChange, HedgeRow, hedge_changes, hedge_rows
from daemon.backtest.outcomes import Pair, Stretch, differing, is_refusal, outcomes, paired
from state.runs.records import Figures, Finding, Summary
from state.statistics.days import PARTS
from state.statistics.past import Past
from state.statistics.run_tables import refusal_stretches, source_of_tables


class RunTables(Protocol):
    """One run: its summary and its three tables."""

    @property
    def summary(self) -> Summary: ...  # noqa: D102
    @property
    def decisions(self) -> pa.Table: ...  # noqa: D102
    @property
    def equity(self) -> pa.Table: ...  # noqa: D102
    @property
    def fills(self) -> pa.Table: ...  # noqa: D102


class RuleCount(msgspec.Struct, frozen=True, kw_only=True):
    """One rule in both runs. Moments are decision moments; stretches are what a journal would hold as refusals."""

    rule: str
    base_moments: int
    changed_moments: int
    base_stretches: int
    changed_stretches: int
    vanished_moments: int
    """Refused by this rule in the base run, and not by it in the changed one."""
    appeared_moments: int


class DayDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One session in both runs, USD; None where a run has no P&L for it."""

    day: str
    base_pnl_usd: float | None
    changed_pnl_usd: float | None
    difference_usd: float | None
    base_hedges: int
    changed_hedges: int


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """The first moment at which the runs decide differently, both rows as they stand; None where a run has none."""

    ts_us: int
    session: str
    alike_before: int
    """Moments decided alike until then."""
    base: dict[str, Any] | None
    changed: dict[str, Any] | None


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that changed. `changed` minus `base` throughout; costs are positive when paid."""

    moments: int
    """Of either run."""
    alike: int
    """Moments with the same outcome, and hedges with the same side, quantity and price."""
    base: Figures | None
    changed: Figures | None
    pnl_difference_usd: float | None
    attribution_difference_usd: dict[str, float] | None
    """Part -> difference; the parts, costs subtracted, sum to `pnl_difference_usd`."""
    days: tuple[DayDifference, ...]
    hedges_same: int
    hedges_appeared: tuple[HedgeRow, ...]
    hedges_vanished: tuple[HedgeRow, ...]
    hedges_changed: tuple[HedgeChange, ...]
    rules: tuple[RuleCount, ...]
    refusals_vanished: tuple[Stretch, ...]
    """The base run's refusal is gone; what happened instead is the stretch's `changed`."""
    refusals_appeared: tuple[Stretch, ...]
    first: Divergence | None
    same_data: bool
    """Both runs read the same bytes; a changed key of the market itself makes other data."""


def compare(base: RunTables, changed: RunTables) -> WhatIf:
    """Lay two runs side by side. Raises KeyError, ValueError for tables that are not a backtest's."""
    pair = paired(outcomes(base.decisions), outcomes(changed.decisions))
    stretches = differing(pair)
    appeared, vanished, altered, same = hedge_changes(hedge_rows(base.decisions), hedge_rows(changed.decisions))
    altered_us = np.array([each.base.ts_us for each in altered], dtype=np.int64)
    unlike = (pair.base != pair.changed) | np.isin(pair.ts_us, altered_us)
    figures = base.summary.figures, changed.summary.figures
    pasts = [Past(source_of_tables(run.equity, run.fills, run.decisions)) for run in (base, changed)]
    return WhatIf(
        moments=int(pair.ts_us.size),
        alike=int(np.count_nonzero(~unlike)),
        base=figures[0],
        changed=figures[1],
        pnl_difference_usd=None if None in figures else figures[1].pnl_usd - figures[0].pnl_usd,  # type: ignore[union-attr]
        attribution_difference_usd=_attribution(*pasts),
        days=_days(base, changed, *pasts),
        hedges_same=same,
        hedges_appeared=appeared,
        hedges_vanished=vanished,
        hedges_changed=altered,
        rules=_rules(pair, base.decisions, changed.decisions),
        refusals_vanished=tuple(each for each in stretches if is_refusal(each.base)),
        refusals_appeared=tuple(each for each in stretches if is_refusal(each.changed)),
        first=_first(pair, unlike, base.decisions, changed.decisions),
        same_data=base.summary.data.hash == changed.summary.data.hash,
    )


def _attribution(base: Past, changed: Past) -> dict[str, float] | None:
    """From the days' parts before they are rounded, so that they sum to the difference of the P&L."""
    sums = []
    for past in (base, changed):
        parts = [day.parts for day in past.days if day.parts is not None]
        if not parts or len(parts) < len(past.days):
            return None
        sums.append({name: math.fsum(getattr(each, name) or 0.0 for each in parts) for name in PARTS})
    return {name: sums[1][name] - sums[0][name] for name in PARTS}


def _days(base: RunTables, changed: RunTables, base_past: Past, changed_past: Past) -> tuple[DayDifference, ...]:
    earned = [{day.day: day.pnl_usd for day in past.days} for past in (base_past, changed_past)]
    sent: list[dict[str, int]] = []
    for run in (base, changed):
        counts: dict[str, int] = {}
        for row in hedge_rows(run.decisions):
            counts[row.session] = counts.get(row.session, 0) + 1
        sent.append(counts)
    found = []
    for day in sorted({*earned[0], *earned[1]}):
        old, new = earned[0].get(day), earned[1].get(day)
        found.append(
            DayDifference(
                day=day,
                base_pnl_usd=old,
                changed_pnl_usd=new,
                difference_usd=None if old is None or new is None else new - old,
                base_hedges=sent[0].get(day, 0),
                changed_hedges=sent[1].get(day, 0),
            )
        )
    return tuple(found)


def _rules(pair: Pair, base: pa.Table, changed: pa.Table) -> tuple[RuleCount, ...]:
    """Every rule that refused in either run, the one with the greatest change first."""
    told = [_stretches(table) for table in (base, changed)]
    found = []
    for number, rule in enumerate(pair.words):
        if not is_refusal(rule):
            continue
        old, new = pair.base == number, pair.changed == number
        if not old.any() and not new.any():
            continue
        found.append(
            RuleCount(
                rule=rule,
                base_moments=int(np.count_nonzero(old)),
                changed_moments=int(np.count_nonzero(new)),
                base_stretches=told[0].get(rule, 0),
                changed_stretches=told[1].get(rule, 0),
                vanished_moments=int(np.count_nonzero(old & ~new)),
                appeared_moments=int(np.count_nonzero(new & ~old)),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.vanished_moments - each.appeared_moments, each.rule)))


def _stretches(decisions: pa.Table) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _, _, rule in refusal_stretches(decisions):
        counts[rule] = counts.get(rule, 0) + 1
    return counts


def _first(pair: Pair, unlike: "np.ndarray[Any, Any]", base: pa.Table, changed: pa.Table) -> Divergence | None:
    places = np.flatnonzero(unlike)
    if places.size == 0:
        return None
    at = int(places[0])
    return Divergence(
        ts_us=int(pair.ts_us[at]),
        session=str(pair.session[at]),
        alike_before=at,
        base=_row(base, int(pair.base_row[at])),
        changed=_row(changed, int(pair.changed_row[at])),
    )


def _row(decisions: pa.Table, row: int) -> dict[str, Any] | None:
    """One row as plain values, `ts` left out: `ts_us` says it."""
    if row < 0:
        return None
    found: dict[str, Any] = decisions.drop_columns(["ts"]).slice(row, 1).to_pylist()[0]
    return found


class Varied(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a varied key and what the run with it came to; `problem` where it came to nothing."""

    value: Any
    is_base: bool
    """The profile's own value."""
    figures: Figures | None
    refused: dict[str, int]
    """Rule -> new refusals: stretches of moments with one and the same refusal."""
    refused_moments: dict[str, int]
    findings: tuple[Finding, ...] = ()
    problem: str | None = None


def varied(value: Any, run: RunTables, *, is_base: bool = False) -> Varied:
    """One row of the table of a varied key."""
    summary = run.summary
    return Varied(
        value=value,
        is_base=is_base,
        figures=summary.figures,
        refused=_stretches(run.decisions),
        refused_moments=dict(summary.refused),
        findings=summary.findings,
        problem=summary.problem,
    )
