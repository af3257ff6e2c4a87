"""Two to five backtests side by side: figures with their difference to the first, and what they were run with. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from cockpit import wording
from cockpit.reader import Reader
from cockpit.runs import backtest_list, backtest_tables
from cockpit.tables import Column, Row, Table
from state.runs.reading import RunLook
from state.runs.records import Figures, ProfileInfo, Summary

_NUMBERS = {
    "pnl": "pnl_usd", "final_equity": "final_equity_usd", "drawdown": "max_drawdown_pct", "won_days": "won_days",
    "hedges": "hedges", "shares_traded": "shares_traded", "slippage": "slippage_usd", "wear": "wear_per_10k_usd",
    "mean_delta": "mean_abs_net_delta_shares", "max_delta": "max_abs_net_delta_shares", "max_own": "max_abs_own_shares",
    "out_of_band": "time_out_of_band_pct",
}  # fmt: skip
_WHOLE = ("won_days", "hedges")


def comparable(runs: Sequence[RunLook]) -> list[RunLook]:
    """Those that have come to figures."""
    return [run for run in runs if run.summary is not None and run.summary.figures is not None]


def figures_table(runs: Sequence[RunLook], reader: Reader) -> Table:
    """A row for each figure, a column for each run; below each but the first its difference to the first."""
    told = [run.summary for run in runs if run.summary is not None and run.summary.figures is not None]
    rows: list[Row] = []
    if told:
        shown = [backtest_tables.figure_rows(_figures(summary), reader) for summary in told]
        for name in shown[0]:
            cells = [reader.say(f"backtests.figures.{name}"), shown[0][name]]
            for summary, figures in zip(told[1:], shown[1:], strict=True):
                apart = _difference(name, _figures(told[0]), _figures(summary))
                cells.append(f"{figures[name]}\n{apart}" if apart else figures[name])
            rows.append(Row(key=name, cells=tuple(cells)))
        rows += [_same_or_not(name, values, reader) for name, values in _run_with(told).items()]
    return Table(
        title=reader.say("backtests.compare.figures"),
        aside=reader.say("backtests.compare.differences"),
        columns=(Column(name="figure", label=reader.say("backtests.columns.figure")), *_run_columns(runs)),
        rows=tuple(rows),
        empty=reader.say("backtests.nothing"),
    )


def _figures(summary: Summary) -> Figures:
    if summary.figures is None:
        raise ValueError(f"run {summary.run_id} came to nothing")
    return summary.figures


def _run_columns(runs: Sequence[RunLook]) -> tuple[Column, ...]:
    return tuple(
        Column(name=f"run{place}", label=run.title, unit=run.run_id if run.title != run.run_id else None,
               align="right", two_lines=True)
        for place, run in enumerate(runs)
    )  # fmt: skip


def _difference(name: str, first: Figures, other: Figures) -> str:
    a, b = _number(name, first), _number(name, other)
    if a is None or b is None:
        return ""
    if name == "drawdown":  # a depth: deeper is a larger minus, as it is shown
        a, b = -abs(a), -abs(b)
    decimals = 0 if name in _WHOLE else 2
    return f"Δ {wording.number(b - a, decimals=decimals, signed=True)}"


def _number(name: str, figures: Figures) -> float | None:
    if name in ("sharpe", "sortino"):
        value: float | None = getattr(figures, name).value
        return value
    if name == "commission":
        return figures.attribution.commission_usd
    found = getattr(figures, _NUMBERS[name])
    return None if found is None else float(found)


def _run_with(told: Sequence[Summary]) -> dict[str, list[str]]:
    return {
        "data": [summary.data.spec for summary in told],
        "data_hash": [summary.data.hash[:12] for summary in told],
        "from": [_day(summary.data.first_ts) for summary in told],
        "to": [_day(summary.data.last_ts) for summary in told],
        "sessions": [wording.shares(summary.data.sessions) for summary in told],
        "profile": [summary.profile.name for summary in told],
        "profile_hash": [summary.profile.hash[:12] for summary in told],
        "version": [summary.version for summary in told],
    }


def _day(ts: str | None) -> str:
    return wording.DASH if ts is None else ts[:10]


def apart(runs: Sequence[RunLook], reader: Reader) -> str:
    """Why figures cannot simply be held against each other: other days or other data; empty where they can."""
    told = [(run.title, run.summary) for run in runs if run.summary is not None and run.summary.figures is not None]
    spans = [f"{title} {backtest_list.span(summary, reader)}" for title, summary in told]
    if len({(_day(s.data.first_ts), _day(s.data.last_ts), s.data.sessions) for _, s in told}) > 1:
        return reader.say("backtests.compare.other_days", runs="; ".join(spans))
    if len({summary.data.hash for _, summary in told}) > 1:
        return reader.say("backtests.compare.other_data", runs="; ".join(f"{t} {s.data.spec}" for t, s in told))
    return ""


def _same_or_not(name: str, values: Sequence[str], reader: Reader) -> Row:
    """What the runs were run with: a difference is said, for it may be the reason of all others."""
    same = len(set(values)) == 1
    cells = [values[0], *(reader.say("backtests.compare.same") if same else value for value in values[1:])]
    return Row(key=name, cells=(reader.say(f"backtests.origin.{_ORIGIN.get(name, name)}"), *cells))


_ORIGIN = {"data": "spec"}


def keys_table(runs: Sequence[RunLook], reader: Reader) -> Table:
    """The profile keys and venue assumptions in which the runs differ."""
    told = [run.summary for run in runs if run.summary is not None]
    valued = [_values_of(summary.profile) for summary in told]
    is_whole = all(known for _, known in valued)
    found = [values for values, _ in valued]
    keys = sorted({key for values in found for key in values})
    differing = [key for key in keys if len({values.get(key, wording.DASH) for values in found}) > 1]
    rows = [Row(key=key, cells=(key, *(values.get(key, wording.DASH) for values in found))) for key in differing]
    models = [backtest_tables.model_rows(summary.venue, reader) for summary in told]
    rows += [
        Row(key=f"model {name}", cells=(reader.say(f"backtests.model.{name}"), *(model[name] for model in models)))
        for name in (models[0] if models else {})
        if len({model[name] for model in models}) > 1
    ]
    return Table(
        title=reader.say("backtests.compare.keys"),
        aside="" if is_whole else reader.say("backtests.compare.overrides_only"),
        columns=(Column(name="key", label=reader.say("backtests.columns.key"), wrap=True), *_run_columns(runs)),
        rows=tuple(rows),
        empty=reader.say("backtests.compare.no_key"),
    )


def _values_of(info: ProfileInfo) -> tuple[dict[str, str], bool]:
    """Dotted key -> value of the profile as it was run; of a run that does not tell them the overrides alone."""
    if info.settings:
        return dict(info.settings), True
    return {key: _shown(value) for key, value in info.overrides.items()}, False


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
