"""The tables of one backtest: figures, days, findings, and what it was run with. Pure: a summary in, text out."""

import itertools
from collections.abc import Mapping

from cockpit import wording
from cockpit.reader import Reader
from cockpit.runs import spoken, wordings
from cockpit.runs.columns import RunColumns
from cockpit.tables import Row, Table
from state.runs.reading import RunLook
from state.runs.records import Figures, RatioValue, Summary, VenueModel
from state.statistics.days import PARTS, signed

MOST_DAYS = 400
"""More than a year of sessions; the parquet holds all."""


def figure_rows(figures: Figures, reader: Reader) -> dict[str, str]:
    """Name of a figure -> its value with its unit. Whoever compares runs shows the same rows."""
    return {
        "pnl": f"{wording.usd(figures.pnl_usd, signed=True)} USD",
        "final_equity": f"{wording.usd(figures.final_equity_usd)} USD",
        "drawdown": f"{wording.percent(-abs(figures.max_drawdown_pct))} · "
        f"{wording.usd(-abs(figures.max_drawdown_usd))} USD",
        "sharpe": _ratio(figures.sharpe, reader),
        "sortino": _ratio(figures.sortino, reader),
        "won_days": reader.say("backtests.of_days", won=figures.won_days, n=figures.days),
        "hedges": f"{wording.shares(float(figures.hedges))} · "
        + reader.say("backtests.per_session", n=wording.number(figures.hedges_per_session, decimals=1)),
        "shares_traded": f"{wording.shares(figures.shares_traded)} · {wording.usd(figures.value_traded_usd)} USD",
        "slippage": f"{wording.usd(figures.slippage_usd)} USD · {wording.number(figures.slippage_bps, decimals=2)} bps",
        "commission": f"{wording.usd(figures.attribution.commission_usd)} USD",
        "wear": f"{wording.number(figures.wear_per_10k_usd, decimals=2, signed=True)} USD",
        "mean_delta": _shares(figures.mean_abs_net_delta_shares, reader),
        "max_delta": _shares(figures.max_abs_net_delta_shares, reader),
        "max_own": _shares(figures.max_abs_own_shares, reader),
        "out_of_band": wording.percent(figures.time_out_of_band_pct, decimals=1),
    }


def _ratio(value: RatioValue, reader: Reader) -> str:
    return wordings.ratio(value, reader).replace("\n", " · ")


def _shares(value: float | None, reader: Reader) -> str:
    return f"{wording.shares(value)} {wording.unit('shares', reader)}"


def figures_table(summary: Summary, reader: Reader) -> Table:
    """What the run came to, each figure with its unit."""
    to = _columns(reader)
    found = {} if summary.figures is None else figure_rows(summary.figures, reader)
    return Table(
        title=reader.say("backtests.tables.figures"),
        aside=reader.say(
            "backtests.counts",
            decisions=f"{summary.decisions:,d}",
            needed=f"{summary.needed:,d}",
            hedged=f"{summary.hedged:,d}",
        ),
        columns=(to.left("figure"), to.right("value")),
        rows=tuple(
            Row(key=name, cells=(reader.say(f"backtests.figures.{name}"), value)) for name, value in found.items()
        ),
        empty=reader.say("backtests.nothing"),
    )


def day_table(summary: Summary, reader: Reader) -> Table:
    """One row for each session, newest first."""
    to = _columns(reader)
    shown = tuple(itertools.islice(reversed(summary.days), MOST_DAYS))
    names = ("pnl", "equity", "slippage", "commission")
    money = {name: to.right(name, "USD", sort=True) for name in names}
    return Table(
        title=reader.say("backtests.tables.days"),
        aside=reader.say("backtests.days_shown", shown=len(shown), n=len(summary.days)),
        columns=(
            to.left("day", link=True, sort=True),
            money["pnl"],
            money["equity"],
            to.right("hedges", "n", sort=True),
            to.right("refused", "n", sort=True),
            money["slippage"],
            money["commission"],
        ),
        rows=tuple(
            Row(
                key=day.day,
                cells=(
                    day.day,
                    wording.usd(day.pnl_usd, signed=True),
                    wording.usd(day.equity_usd),
                    str(day.hedges),
                    str(day.refusals),
                    wording.usd(day.slippage_usd),
                    wording.usd(day.commission_usd),
                ),
            )
            for day in shown
        ),
        empty=reader.say("backtests.nothing"),
    )


def findings_table(summary: Summary, reader: Reader) -> Table:
    """What was odd in the data or in the run; flagged, never skipped in silence."""
    to = _columns(reader)
    return Table(
        title=reader.say("backtests.tables.findings"),
        aside=f"n = {len(summary.findings)}" if summary.findings else "",
        columns=(
            to.left("finding"),
            to.right("count", "n"),
            to.left("instrument"),
            to.left("first", unit=reader.zone_name),
            to.left("text", wrap=True),
        ),
        rows=tuple(
            Row(
                key=f"{number}",
                cells=(
                    reader.say_known("backtests.codes", each.code, each.code.replace("_", " ")),
                    wording.shares(float(each.count)),
                    each.instrument or wording.DASH,
                    reader.day_and_time(each.first_ts),
                    spoken.finding(each, reader),
                ),
            )
            for number, each in enumerate(summary.findings)
        ),
        empty=reader.say("backtests.no_findings"),
    )


def model_rows(model: VenueModel, reader: Reader) -> dict[str, str]:
    """Name of an assumption of the simulated venue -> its value in words."""

    def usd(value: float) -> str:
        return f"{wording.number(value, decimals=4).rstrip('0').rstrip('.')} USD"

    partial = model.partial_fill_shares
    return {
        "extra_spread": usd(model.extra_spread_usd),
        "slippage": f"{wording.number(model.slippage_bps, decimals=2)} bps",
        "latency": f"{wording.shares(model.latency_ms)} ms",
        "partial_fill": reader.say("backtests.whole")
        if partial is None
        else reader.say("backtests.slices", shares=wording.shares(partial)),
        "displayed_size": reader.say(f"backtests.{'touch_size' if model.fill_displayed_size else 'any_size'}"),
        "commission": reader.say(
            "backtests.commission",
            share=usd(model.commission_usd_share),
            least=usd(model.commission_minimum_usd),
            contract=usd(model.commission_usd_contract),
        ),
    }


def model_table(summary: Summary, reader: Reader) -> Table:
    """How the simulated venue fills: every assumption, also those that change nothing."""
    rows = model_rows(summary.venue, reader)
    return _facts("model", {reader.say(f"backtests.model.{name}"): value for name, value in rows.items()}, reader)


def origin_table(run: RunLook, summary: Summary, reader: Reader) -> Table:
    """Whose decisions, over which data, by which version: enough to do it again."""
    data, profile = summary.data, summary.profile
    overrides = ", ".join(f"{key}={value}" for key, value in profile.overrides.items())
    facts: Mapping[str, str] = {
        "run": run.run_id,
        "profile": profile.name,
        "overrides": overrides or wording.DASH,
        "profile_hash": profile.hash,
        "data": reader.phrase(data.description),
        "spec": data.spec,
        "data_hash": data.hash,
        "from": reader.day_and_time(data.first_ts),
        "to": reader.day_and_time(data.last_ts),
        "sessions": wording.shares(float(data.sessions)),
        "steps": f"{data.steps:,d} · " + reader.say("backtests.events", n=f"{data.events:,d}"),
        "speed": _speed(summary, reader),
        "version": summary.version,
        "created": reader.day_and_time(summary.created_ts),
    }
    return _facts("origin", {reader.say(f"backtests.origin.{name}"): value for name, value in facts.items()}, reader)


def _speed(summary: Summary, reader: Reader) -> str:
    seconds = f"{wording.number(summary.seconds, decimals=2)} s"
    rate = summary.data.steps / summary.seconds if summary.seconds > 0 else None
    path = reader.say(f"backtests.path.{summary.path}")
    return seconds if rate is None else f"{seconds} · {wording.number(rate)} {reader.say('backtests.rate')} · {path}"


def _facts(name: str, facts: Mapping[str, str], reader: Reader) -> Table:
    to = _columns(reader)
    return Table(
        title=reader.say(f"backtests.tables.{name}"),
        columns=(to.left("fact"), to.left("value", wrap=True)),
        rows=tuple(Row(key=fact, cells=(fact, value)) for fact, value in facts.items()),
        empty="",
    )


def refusal_rows(summary: Summary) -> list[tuple[str, int, int]]:
    """(rule, moments refused, stretches of them), most moments first."""
    ordered = sorted(summary.refused.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(rule, moments, summary.new_refusals.get(rule, 0)) for rule, moments in ordered]


def refusal_table(summary: Summary, reader: Reader) -> Table:
    """What held hedges back, and how often."""
    to = _columns(reader)
    return Table(
        title=reader.say("backtests.tables.refusals"),
        columns=(to.left("rule"), to.right("moments", "n"), to.right("stretches", "n")),
        rows=tuple(
            Row(key=rule, cells=(wording.rule(rule, reader), f"{moments:,d}", f"{stretches:,d}"))
            for rule, moments, stretches in refusal_rows(summary)
        ),
        empty=reader.say("backtests.no_refusals"),
    )


def attribution_table(summary: Summary, reader: Reader) -> Table:
    """Where the P&L came from; costs with their minus, so that the rows add up to the total."""
    to = _columns(reader)
    rows: tuple[Row, ...] = ()
    if summary.figures is not None:
        parts = summary.figures.attribution
        found = [(reader.say(f"history.parts.{name}"), signed(name, getattr(parts, name))) for name in PARTS]
        found.append((reader.say("backtests.total"), parts.total_usd))
        rows = tuple(Row(key=name, cells=(name, wording.usd(value, signed=True))) for name, value in found)
    return Table(
        title=reader.say("backtests.tables.attribution"),
        columns=(to.left("part"), to.right("pnl", "USD")),
        rows=rows,
        empty=reader.say("backtests.nothing"),
    )


def _columns(reader: Reader) -> RunColumns:
    return RunColumns(lambda name: reader.say(f"backtests.columns.{name}"))
