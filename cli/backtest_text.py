"""A backtest's summary as an operator reads it: what it earned, what it did, what refused, what was odd."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from state.statistics.measures import MIN_DAYS

if TYPE_CHECKING:
    from state.runs.folder import BacktestPaths
    from state.runs.records import Figures, RatioValue, Summary, VenueModel

_LABEL = 14
_AMOUNT = 14


def report_text(summary: "Summary", paths: "BacktestPaths") -> str:
    """The whole report."""
    return "\n".join([*_head(summary), "", *_body(summary), *_findings(summary), *_files(summary, paths)])


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
    yield f"{summary.title or summary.run_id}: {summary.status} after {summary.seconds:.1f} s"
    yield f"{data.description}; {data.steps:,} moments of the market"
    changed = ", ".join(f"{key}={value}" for key, value in summary.profile.overrides.items())
    yield f"profile {summary.profile.name}{f' with {changed}' if changed else ''}; {model_text(summary.venue)}"


def _body(summary: "Summary") -> Iterator[str]:
    figures = summary.figures
    if figures is None:
        yield _line("figures", "none", summary.problem or "")
    else:
        yield from _money(figures)
        yield from _activity(figures)
    wanted = f"a hedge was wanted at {summary.needed:,} of them and sent at {summary.hedged:,}"
    yield _line("decisions", f"{summary.decisions:,}", wanted)
    for rule, count in summary.refused.items():
        stretches = summary.new_refusals.get(rule, 0)
        times = f", in {stretches:,} stretches" if stretches else ""
        yield _line("refused by", f"{count:,}", f"{rule}{times}")


def _money(figures: "Figures") -> Iterator[str]:
    of = figures.attribution
    yield _line(
        "P&L", _usd(of.total_usd), f"USD, on {figures.base_equity_usd:,.2f}; to {figures.final_equity_usd:,.2f}"
    )
    earned = {"delta": of.delta_usd, "gamma": of.gamma_usd, "theta": of.theta_usd, "vega": of.vega_usd}
    costs = {"slippage": -of.slippage_usd, "commission": -of.commission_usd}
    for name, value in {**earned, "other": of.other_usd, **costs}.items():
        yield _line(f"  {name}", _usd(value), "")
    depth = f"USD below a peak at worst ({figures.max_drawdown_pct:.2f} %)"
    yield _line("drawdown", f"{figures.max_drawdown_usd:,.2f}", depth)
    yield _line("Sharpe", _ratio(figures.sharpe), _ratio_note(figures.sharpe))
    yield _line("Sortino", _ratio(figures.sortino), _ratio_note(figures.sortino))
    yield _line("won days", f"{figures.won_days}", f"of {figures.days}")


def _activity(figures: "Figures") -> Iterator[str]:
    traded = f"{figures.hedges_per_session:.1f} a session, {figures.shares_traded:,.0f} shares"
    paid = "" if figures.slippage_bps is None else f", slippage {figures.slippage_bps:.2f} bps"
    yield _line("hedges", f"{figures.hedges:,}", f"{traded}, {figures.value_traded_usd:,.2f} USD{paid}")
    if figures.wear_per_10k_usd is not None:
        yield _line(
            "wear", f"{figures.wear_per_10k_usd:,.2f}", "USD lost for each 10,000 USD traded (negative: earned)"
        )
    if figures.mean_abs_net_delta_shares is not None and figures.max_abs_net_delta_shares is not None:
        band = "" if figures.time_out_of_band_pct is None else f"; out of band {figures.time_out_of_band_pct:.1f} %"
        most = f"shares of |net delta| on average, at most {figures.max_abs_net_delta_shares:,.1f}{band}"
        yield _line("exposure", f"{figures.mean_abs_net_delta_shares:,.1f}", most)


def _findings(summary: "Summary") -> Iterator[str]:
    if not summary.findings:
        return
    yield ""
    yield "odd, and told instead of passed over:"
    for each in summary.findings:
        about = "" if each.instrument is None else f"{each.instrument}: "
        since = "" if each.first_ts is None else f" (first {each.first_ts[:16].replace('T', ' ')} UTC)"
        count = "" if each.count == 1 else f" [{each.count:,}]"
        yield f"  {each.code}{count}  {about}{each.text}{since}"


def _files(summary: "Summary", paths: "BacktestPaths") -> Iterator[str]:
    yield ""
    yield f"data hash {summary.data.hash[:12]}, profile hash {summary.profile.hash[:12]}"
    yield f"report: {paths.report}" if paths.report.exists() else f"folder: {paths.folder}"


def _line(label: str, amount: str, note: str) -> str:
    return f"{label:<{_LABEL}}{amount:>{_AMOUNT}}  {note}".rstrip()


def _usd(value: float) -> str:
    return f"{value:+,.2f}" if value else "0.00"


def _ratio(ratio: "RatioValue") -> str:
    return "-" if ratio.value is None else f"{ratio.value:.2f}"


def _ratio_note(ratio: "RatioValue") -> str:
    days = f"{ratio.n} day{'' if ratio.n == 1 else 's'}"
    return f"of {days}" if ratio.value is not None else f"({days}; not told below {MIN_DAYS}, or where nothing varies)"
