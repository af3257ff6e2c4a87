"""A backtest's summary as an operator reads it: what it earned, what it did, what refused, what was odd."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.output import coloured, console
from cli.plain_tables import plural, wrapped
from state.runs.caveats import caveat_text, caveats
from state.statistics.measures import MIN_DAYS

if TYPE_CHECKING:
    from state.runs.folder import BacktestPaths
    from state.runs.records import Figures, RatioValue, Summary, VenueModel

_LABEL = 14
_AMOUNT = 14


def report_text(summary: "Summary", paths: "BacktestPaths") -> str:
    """The whole report."""
    lines = [*_head(summary), *_caveats(summary), "", *_body(summary), *_findings(summary), *_files(summary, paths)]
    return "\n".join(lines)


def model_text(model: "VenueModel") -> str:
    """How the venue filled, in one sentence."""
    parts = ["market orders fill at the touch"]
    if model.extra_spread_usd:
        parts.append(f"quotes {model.extra_spread_usd:g} USD wider")
    if model.slippage_bps:
        parts.append(f"{model.slippage_bps:g} bps worse")
    if model.latency_ms:
        parts.append(f"{model.latency_ms:g} ms late")
    if model.partial_fill_shares is not None:
        pace = ", one each step" if model.partial_fill_each_step else ""
        parts.append(f"in slices of {model.partial_fill_shares:g}{pace}")
    if model.fill_displayed_size:
        parts.append("limit orders within the size shown")
    costs = f"{model.commission_usd_share:g} USD a share, at least {model.commission_minimum_usd:g} USD an order"
    return f"{', '.join(parts)}; {costs}"


def _head(summary: "Summary") -> Iterator[str]:
    data = summary.data
    yield coloured(f"{summary.title or summary.run_id}: {summary.status} after {summary.seconds:.1f} s", "bold")
    yield from wrapped(f"{data.description}; {data.steps:,} moments of the market")
    changed = ", ".join(f"{key}={value}" for key, value in summary.profile.overrides.items())
    yield from wrapped(f"profile {summary.profile.name}{f' with {changed}' if changed else ''}")
    yield from wrapped(f"venue: {model_text(summary.venue)}")


def _caveats(summary: "Summary") -> Iterator[str]:
    """Above the figures: nobody may take them for calm ones first."""
    if summary.status == "interrupted":
        last = _utc(summary.data.last_ts)
        played = f"{summary.data.sessions:,} {plural(summary.data.sessions, 'session', 'sessions')} played"
        yield coloured(f"INTERRUPTED: {played}{f', up to {last}' if last else ''}; the figures end there", "yellow")
    for each in caveats(summary):
        yield from (coloured(line, "yellow") for line in wrapped(caveat_text(each)))


def _utc(ts: str | None) -> str:
    return "" if ts is None else f"{ts[:16].replace('T', ' ')} UTC"


def _body(summary: "Summary") -> Iterator[str]:
    figures = summary.figures
    if figures is None:
        yield from _line("figures", "none", summary.problem or "")
    else:
        yield from _money(figures)
        yield from _activity(figures)
    wanted = f"moments; a hedge was wanted at {summary.needed:,} of them and sent at {summary.hedged:,}"
    yield from _line("decisions", f"{summary.decisions:,}", wanted)
    for rule, count in summary.refused.items():
        told = summary.new_refusals.get(rule, 0)
        times = f", {told:,} {plural(told, 'line', 'lines')} in a journal" if told else ""
        yield from _line("refused", f"{count:,}", f"{plural(count, 'moment', 'moments')} by {rule}{times}")


def _money(figures: "Figures") -> Iterator[str]:
    of = figures.attribution
    yield from _line(
        "P&L",
        _usd(of.total_usd),
        f"USD net; equity from {figures.base_equity_usd:,.2f} to {figures.final_equity_usd:,.2f}",
    )
    earned = {"delta": of.delta_usd, "gamma": of.gamma_usd, "theta": of.theta_usd, "vega": of.vega_usd}
    costs = {"slippage": -of.slippage_usd, "commission": -of.commission_usd}
    for name, value in {**earned, "other": of.other_usd, **costs}.items():
        yield from _line(f"  {name}", _usd(value), "")
    depth = f"USD below a peak at worst ({figures.max_drawdown_pct:.2f} %)"
    yield from _line("drawdown", f"{figures.max_drawdown_usd:,.2f}", depth)
    yield from _line("Sharpe", _ratio(figures.sharpe), _ratio_note(figures.sharpe))
    yield from _line("Sortino", _ratio(figures.sortino), _ratio_note(figures.sortino))
    yield from _line("won", f"{figures.won_days}", f"of {figures.days} {plural(figures.days, 'day', 'days')}")


def _activity(figures: "Figures") -> Iterator[str]:
    traded = f"{figures.hedges_per_session:.1f} a session; {figures.shares_traded:,.0f} shares"
    paid = "" if figures.slippage_bps is None else f", slippage {figures.slippage_bps:.2f} bps"
    yield from _line("hedges", f"{figures.hedges:,}", f"{traded} for {figures.value_traded_usd:,.0f} USD{paid}")
    if figures.wear_per_10k_usd is not None:
        yield from _line(
            "wear", f"{figures.wear_per_10k_usd:,.2f}", "USD lost per 10,000 USD traded (negative: earned)"
        )
    if figures.mean_abs_net_delta_shares is not None and figures.max_abs_net_delta_shares is not None:
        out = figures.time_out_of_band_pct
        band = "" if out is None else f"; out of band at {out:.1f} % of moments"
        most = f"shares of |net delta| on average, at most {figures.max_abs_net_delta_shares:,.1f}{band}"
        yield from _line("exposure", f"{figures.mean_abs_net_delta_shares:,.1f}", most)


def _findings(summary: "Summary") -> Iterator[str]:
    if not summary.findings:
        return
    yield ""
    yield "odd, and told instead of passed over:"
    for each in summary.findings:
        about = "" if each.instrument is None else f"{each.instrument}: "
        since = "" if each.first_ts is None else f" (first {_utc(each.first_ts)})"
        count = "" if each.count == 1 or f"{each.count:,}" in each.text else f" [{each.count:,}]"
        yield from wrapped(f"{each.code}{count}  {about}{each.text}{since}", "  ")


def _files(summary: "Summary", paths: "BacktestPaths") -> Iterator[str]:
    yield ""
    yield f"data hash {summary.data.hash[:12]}, profile hash {summary.profile.hash[:12]}"
    yield f"report: {paths.report}" if paths.report.exists() else f"folder: {paths.folder}"


def _line(label: str, amount: str, note: str) -> list[str]:
    """A figure with its words; where they are too long for the terminal they go on below themselves."""
    column = _LABEL + _AMOUNT + 2
    room = max(24, console().width - column)
    first, *more = textwrap.wrap(note, room, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{label:<{_LABEL}}{amount:>{_AMOUNT}}  {first}".rstrip(), *(" " * column + line for line in more)]


def _usd(value: float) -> str:
    return f"{value:+,.2f}" if value else "0.00"


def _ratio(ratio: "RatioValue") -> str:
    return "-" if ratio.value is None else f"{ratio.value:.2f}"


def _ratio_note(ratio: "RatioValue") -> str:
    days = f"{ratio.n} day{'' if ratio.n == 1 else 's'}"
    return f"of {days}" if ratio.value is not None else f"{days}; told from {MIN_DAYS} on, where they vary"
