"""The tables of the History page. Pure: a summary and a reader in, text out."""

from collections.abc import Sequence
from typing import Any

import msgspec

from cockpit import activity_tables, wording
from cockpit.history_columns import MOST_ROWS, Columns
from cockpit.history_summary import Summary
from cockpit.reader import Reader
from cockpit.tables import Column, Row, Table, plain
from state.statistics.days import PARTS, By, Period, signed
from state.statistics.measures import Histogram, Ratio, WinRate
from state.times import iso_from_us


def of_page(summary: Summary, reader: Reader, by: By) -> dict[str, dict[str, Any]]:
    """Name -> every table of the page, as plain values for its elements."""
    found = {
        "figures": key_figures(summary, reader),
        f"by-{by}": period_table(summary.by(by), reader, by=by),
        "tails": tail_table(summary, reader),
        "drawdowns": drawdown_table(summary, reader),
        "hours": activity_tables.hours_table(summary, reader),
        "execution": activity_tables.execution_table(summary, reader),
    }
    return {name: plain(table) for name, table in found.items()}


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
    columns = Columns(reader)
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
    columns = Columns(reader)
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
    columns = Columns(reader)
    parts = tuple(
        Column(name=name, label=reader.say(f"history.parts.{name}"), unit="USD", align="right") for name in PARTS
    )
    rows = []
    for each in tuple(reversed(found))[:MOST_ROWS]:
        values = {} if each.parts is None else each.parts
        shown = [signed(name, values[name]) for name in PARTS if name in values]
        rows.append(
            Row(
                cells=(
                    each.name,
                    str(each.split_days),
                    wording.usd(sum(shown), signed=True),
                    *(wording.usd(value, signed=True) for value in shown),
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
    columns = Columns(reader)
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
    columns = Columns(reader)
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
    columns = Columns(reader)
    return Table(
        title=reader.say("charts.distribution.title"),
        columns=(columns.right("from", "USD"), columns.right("to", "USD"), columns.right("days", "n")),
        rows=tuple(
            Row(cells=(wording.number(low, decimals=2), wording.number(high, decimals=2), str(count)))
            for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False)
        ),
        empty=reader.say("history.empty.tails"),
    )
