"""The History page's tables of what the desk did: hedges, hours, refusals, execution. Pure: a summary in, text out."""

from collections.abc import Mapping

from cockpit import wording
from cockpit.history_columns import MOST_ROWS, Columns
from cockpit.history_summary import Summary
from cockpit.reader import Reader
from cockpit.tables import Row, Table
from state.statistics.executions import sizes
from state.times import iso_from_us


def hedge_table(summary: Summary, reader: Reader) -> Table:
    """Hedges of each day, newest first."""
    columns = Columns(reader)
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
    columns = Columns(reader)
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
    columns = Columns(reader)
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
    columns = Columns(reader)
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
    columns = Columns(reader)
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
