"""The tables of the History page. Pure: a summary and a reader in, text out."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cockpit import wording
from cockpit.history_summary import Summary
from cockpit.reader import Reader
from cockpit.tables import Column, Row, Table, plain
from state.statistics.days import PARTS, By, Period
from state.statistics.executions import sizes
from state.statistics.measures import Histogram, Ratio, WinRate
from state.times import iso_from_us

MOST_ROWS = 30
"""On the page; a CSV holds all."""
_COSTS = ("slippage_usd", "commission_usd")


def of_page(summary: Summary, reader: Reader, by: By) -> dict[str, dict[str, Any]]:
    """Name -> every table of the page, as plain values for its elements."""
    found = {
        "figures": key_figures(summary, reader),
        f"by-{by}": period_table(summary.by(by), reader, by=by),
        "tails": tail_table(summary, reader),
        "drawdowns": drawdown_table(summary, reader),
        "hours": hours_table(summary, reader),
        "execution": execution_table(summary, reader),
    }
    return {name: plain(table) for name, table in found.items()}


class _Columns:
    """Columns whose heads are under `history.columns`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def left(self, name: str, *, link: bool = False, wrap: bool = False) -> Column:
        return Column(name=name, label=self._reader.say(f"history.columns.{name}"), link=link, wrap=wrap)

    def right(self, name: str, unit: str | None = None) -> Column:
        return Column(name=name, label=self._reader.say(f"history.columns.{name}"), unit=unit, align="right")


def key_figures(summary: Summary, reader: Reader) -> Table:
    """The range in one column of statements, each with its n."""
    total, wins = summary.total, summary.wins
    rows: list[tuple[str, str, str]] = []

    def add(name: str, value: str, n: int) -> None:
        rows.append((reader.say(f"history.figures.{name}"), value, wording.shares(float(n))))

    if total is not None:
        add("pnl", f"{wording.usd(total.pnl_usd, signed=True)} USD", total.n)
        add("return", wording.percent(total.return_pct, signed=True), len(summary.returns_pct))
        add("wins", wording.percent(wins.rate_pct, decimals=1), wins.n)
        add("wins_interval", _interval(wins), wins.n)
        add("sharpe", _ratio(summary.sharpe, reader), summary.sharpe.n)
        add("sortino", _ratio(summary.sortino, reader), summary.sortino.n)
        deepest = summary.drawdowns[0] if summary.drawdowns else None
        add("drawdown", wording.DASH if deepest is None else wording.drawdown(deepest.depth_pct), len(summary.days))
        add("wear", f"{wording.number(total.wear_per_10k, decimals=2, signed=True)} USD", total.wear_days)
        add("hedges", wording.shares(float(summary.sizes.n)), summary.sizes.n)
        add("slippage", f"{wording.usd(summary.sizes.slippage_usd)} USD", summary.sizes.known)
        add("refused", wording.shares(float(sum(summary.refused.values()))), sum(summary.refused.values()))
    columns = _Columns(reader)
    return Table(
        title=reader.say("history.tables.figures"),
        aside=_span_words(summary, reader),
        columns=(columns.left("figure"), columns.right("value"), columns.right("n")),
        rows=tuple(Row(cells=row, key=row[0]) for row in rows),
        empty=reader.say("history.empty.figures"),
    )


def _interval(wins: WinRate) -> str:
    if wins.low_pct is None or wins.high_pct is None:
        return wording.DASH
    return f"{wins.low_pct:.1f} … {wins.high_pct:.1f} %"


def _ratio(ratio: Ratio, reader: Reader) -> str:
    return reader.say("history.too_few") if ratio.value is None else wording.number(ratio.value, decimals=2)


def _span_words(summary: Summary, reader: Reader) -> str:
    if not summary.days:
        return ""
    return reader.say("history.span_words", first=summary.days[0].day, last=summary.days[-1].day, n=len(summary.days))


def period_table(found: Sequence[Period], reader: Reader, *, by: By, most: int = MOST_ROWS) -> Table:
    """Days, weeks or months, newest first."""
    columns = _Columns(reader)
    shown = tuple(reversed(found))[:most]
    aside = reader.say("history.newest_of", shown=len(shown), n=len(found)) if len(found) > len(shown) else ""
    return Table(
        title=reader.say(f"history.tables.by_{by}"),
        aside=aside,
        columns=(
            columns.left(by, link=by == "day"),
            columns.right("days", "n"),
            columns.right("pnl", "USD"),
            columns.right("return", "%"),
            columns.right("won", "n"),
            columns.right("equity", "USD"),
            columns.right("hedges", "n"),
            columns.right("traded", "USD"),
            columns.right("wear", "USD"),
            columns.left("flags", wrap=True),
        ),
        rows=tuple(Row(cells=_period_cells(each, reader), key=each.name) for each in shown),
        empty=reader.say("history.empty.days"),
    )


def _period_cells(each: Period, reader: Reader) -> tuple[str, ...]:
    return (
        each.name,
        str(each.n) if each.n == each.days else f"{each.n}/{each.days}",
        wording.usd(each.pnl_usd, signed=True),
        wording.number(each.return_pct, decimals=2, signed=True),
        f"{each.won}/{each.n}" if each.n else wording.DASH,
        wording.usd(each.equity_usd),
        wording.DASH if each.hedges is None else str(each.hedges),
        wording.usd(each.traded_usd),
        wording.number(each.wear_per_10k, decimals=2, signed=True),
        ", ".join(reader.say(f"history.flags.{flag}") for flag in each.flags),
    )


def attribution_table(found: Sequence[Period], reader: Reader, *, by: By) -> Table:
    """Sums of each part, newest first; costs with their minus, so that a row adds up."""
    columns = _Columns(reader)
    parts = tuple(
        Column(name=name, label=reader.say(f"history.parts.{name}"), unit="USD", align="right") for name in PARTS
    )
    rows = []
    for each in tuple(reversed(found))[:MOST_ROWS]:
        values = {} if each.parts is None else each.parts
        signed = [-values[name] if name in _COSTS else values[name] for name in PARTS if name in values]
        rows.append(
            Row(
                cells=(
                    each.name,
                    str(each.split_days),
                    wording.usd(sum(signed), signed=True),
                    *(wording.usd(value, signed=True) for value in signed),
                )
            )
        )
    return Table(
        title=reader.say("history.tables.attribution"),
        columns=(columns.left(by), columns.right("days", "n"), columns.right("pnl", "USD"), *parts),
        rows=tuple(rows),
        empty=reader.say("charts.attribution.empty"),
    )


def drawdown_table(summary: Summary, reader: Reader) -> Table:
    """The deepest drawdowns of the range."""
    columns = _Columns(reader)
    zone = reader.zone_name
    rows = tuple(
        Row(
            cells=(
                wording.drawdown(each.depth_pct),
                wording.usd(-each.depth_usd),
                reader.day_and_time(iso_from_us(each.peak_us)),
                reader.day_and_time(iso_from_us(each.trough_us)),
                reader.say("history.not_recovered")
                if each.recovered_us is None
                else reader.day_and_time(iso_from_us(each.recovered_us)),
                wording.number(each.days, decimals=1),
            ),
            key=str(each.peak_us),
        )
        for each in summary.drawdowns
    )
    return Table(
        title=reader.say("history.tables.drawdowns"),
        aside=reader.say("history.asides.drawdowns", n=len(rows)),
        columns=(
            columns.right("depth"),
            columns.right("depth_usd", "USD"),
            msgspec.structs.replace(columns.left("peak"), unit=zone),
            msgspec.structs.replace(columns.left("trough"), unit=zone),
            msgspec.structs.replace(columns.left("recovered"), unit=zone),
            columns.right("lasted", "d"),
        ),
        rows=rows,
        empty=reader.say("history.empty.drawdowns"),
    )


def tail_table(summary: Summary, reader: Reader) -> Table:
    """The worst and the best days; each leads to its operations."""
    columns = _Columns(reader)
    return Table(
        title=reader.say("history.tables.tails"),
        aside=reader.say("history.asides.tails", n=len(summary.earning)),
        columns=(columns.left("day", link=True), columns.right("pnl", "USD"), columns.right("hedges", "n")),
        rows=tuple(
            Row(
                cells=(
                    day.day,
                    wording.usd(day.pnl_usd, signed=True),
                    wording.DASH if day.hedges is None else str(day.hedges),
                ),
                key=day.day,
            )
            for day in summary.tails
        ),
        empty=reader.say("history.empty.tails"),
    )


def calendar_table(summary: Summary, reader: Reader) -> Table:
    """Months by weekday would be unreadable as text: days in order, newest first."""
    return period_table(summary.by("day"), reader, by="day", most=400)


def distribution_table(found: Histogram, reader: Reader) -> Table:
    """The bins and how many days fell into each."""
    columns = _Columns(reader)
    return Table(
        title=reader.say("charts.distribution.title"),
        columns=(columns.right("from", "USD"), columns.right("to", "USD"), columns.right("days", "n")),
        rows=tuple(
            Row(cells=(wording.number(low, decimals=2), wording.number(high, decimals=2), str(count)))
            for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False)
        ),
        empty=reader.say("history.empty.tails"),
    )


def hedge_table(summary: Summary, reader: Reader) -> Table:
    """Hedges of each day, newest first."""
    columns = _Columns(reader)
    days = sorted(summary.hedges_by_day.items(), reverse=True)[:MOST_ROWS]
    return Table(
        title=reader.say("charts.hedges.title_day"),
        columns=(columns.left("day", link=True), columns.right("hedges", "n"), columns.right("shares")),
        rows=tuple(
            Row(cells=(day, str(len(each)), wording.shares(sum(one.quantity for one in each))), key=day)
            for day, each in days
        ),
        empty=reader.say("charts.hedges.empty"),
    )


def hour_table(summary: Summary, reader: Reader) -> Table:
    """Hedges of each hour of the exchange's day."""
    columns = _Columns(reader)
    return Table(
        title=reader.say("charts.hours.title"),
        columns=(columns.left("hour"), columns.right("hedges", "n"), columns.right("shares")),
        rows=tuple(
            Row(cells=(f"{hour:02d}:00", str(len(each)), wording.shares(sum(one.quantity for one in each))))
            for hour, each in summary.hedges_by_hour
        ),
        empty=reader.say("charts.hedges.empty"),
    )


def hours_table(summary: Summary, reader: Reader) -> Table:
    """What each hour of the exchange's day brought, the nights last."""
    columns = _Columns(reader)
    return Table(
        title=reader.say("history.tables.by_hour"),
        aside=reader.say("history.asides.by_hour"),
        columns=(
            columns.left("hour"),
            columns.right("days", "n"),
            columns.right("risen", "n"),
            columns.right("pnl", "USD"),
            columns.right("hedges", "n"),
            columns.right("shares"),
            columns.right("hedge_pnl", "USD"),
            columns.right("refused", "n"),
        ),
        rows=tuple(
            Row(
                cells=(
                    name := reader.say("history.night") if row.hour is None else f"{row.hour:02d}:00",
                    wording.shares(float(row.days)),
                    wording.shares(float(row.won)),
                    wording.usd(row.pnl_usd, signed=True),
                    wording.shares(float(row.hedges)),
                    wording.shares(row.shares),
                    wording.usd(row.hedge_pnl_usd, signed=True),
                    wording.shares(float(row.refused)),
                ),
                key=name,
            )
            for row in summary.by_hour_of_day()
        ),
        empty=reader.say("history.empty.hours"),
    )


def refusal_table(summary: Summary, reader: Reader) -> Table:
    """Refusals of each rule and their share."""
    columns = _Columns(reader)
    total = sum(summary.refused.values())
    return Table(
        title=reader.say("charts.refusals.title"),
        aside=_covered_words(summary, reader),
        columns=(columns.left("rule"), columns.right("refused", "n"), columns.right("share", "%")),
        rows=tuple(
            Row(
                cells=(
                    reader.say_known("rules", rule, rule.replace("_", " ")),
                    wording.shares(float(count)),
                    wording.number(count / total * 100, decimals=1),
                ),
                key=rule,
            )
            for rule, count in summary.refused.items()
        ),
        empty=reader.say("charts.refusals.empty"),
    )


def _covered_words(summary: Summary, reader: Reader) -> str:
    """From when on the journal is there to be counted."""
    since_us = summary.view.facts.since_us
    uncovered = [day for day in summary.days if not _is_covered(summary, day.day)]
    if since_us is None or not uncovered:
        return ""
    return reader.say("history.asides.covered", since=reader.day_and_time(iso_from_us(since_us)))


def _is_covered(summary: Summary, day: str) -> bool:
    found = summary.operations.get(day)
    return found is not None and found.is_covered


def execution_table(summary: Summary, reader: Reader) -> Table:
    """Slippage and latency of each day, newest first."""
    columns = _Columns(reader)
    rows = [_execution_cells(row) for row in reversed(execution_rows(summary, newest=MOST_ROWS))]
    return Table(
        title=reader.say("history.tables.execution"),
        aside=_covered_words(summary, reader),
        columns=(
            columns.left("day", link=True),
            columns.right("hedges", "n"),
            columns.right("slippage", "USD"),
            columns.right("slippage_p50", "bps"),
            columns.right("slippage_p95", "bps"),
            columns.right("sent", "n"),
            columns.right("latency_p50", "ms"),
            columns.right("latency_p95", "ms"),
            columns.right("latency_p99", "ms"),
            columns.right("refused", "n"),
        ),
        rows=tuple(Row(cells=cells, key=cells[0]) for cells in rows),
        empty=reader.say("history.empty.execution"),
    )


def _execution_cells(row: Mapping[str, object]) -> tuple[str, ...]:
    cells = [str(row["day"])]
    for name, value in list(row.items())[1:]:
        decimals = 0 if name in ("hedges", "sent", "refused") else 2
        cells.append(wording.number(value, decimals=decimals) if isinstance(value, int | float) else wording.DASH)
    return tuple(cells)


def execution_rows(summary: Summary, newest: int | None = None) -> list[dict[str, object]]:
    """One row a day, of all or of the newest; None where the journal does not reach, or nothing was sent."""
    rows: list[dict[str, object]] = []
    names = sorted({*(day.day for day in summary.days), *summary.operations})
    for name in names if newest is None else names[-newest:]:
        paid = sizes(summary.hedges_by_day.get(name, ()))
        done = summary.operations.get(name)
        sent = None if done is None or not done.is_covered else done.latency_ms
        rows.append(
            {
                "day": name,
                "hedges": paid.n,
                "slippage_usd": paid.slippage_usd,
                "slippage_p50_bps": paid.slippage_bps.p50,
                "slippage_p95_bps": paid.slippage_bps.p95,
                "sent": None if sent is None else sent.n,
                "latency_p50_ms": None if sent is None else sent.p50,
                "latency_p95_ms": None if sent is None else sent.p95,
                "latency_p99_ms": None if sent is None else sent.p99,
                "refused": None if done is None or not done.is_covered else sum(done.refused.values()),
            }
        )
    return rows
