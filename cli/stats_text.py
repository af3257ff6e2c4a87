"""The figures of a past as text: most important first, units in the head, n beside each."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cli.output import coloured, console, say
from cli.plain_tables import DASH, NARROW_BELOW, add, number, plural, section, show, table, usd

if TYPE_CHECKING:
    from state.statistics.days import Flag, Period
    from state.statistics.hours import HourRow
    from state.statistics.measures import Percentiles, Ratio
    from state.statistics.past import Past
    from state.statistics.statement import Grouping

MOST_ROWS = 30
ENOUGH = 5
"""Days from which on a distribution is shown."""
_FLAGS: "dict[Flag, str]" = {
    "partial": "nothing on file says where the day began",
    "gap": "minutes without a sample",
    "by_equity": "P&L taken from the change of equity",
    "unsampled": "days without samples lie before it",
    "restarted": "written by more than one run",
    "off_light": "the light was not green all the time",
}
_PARTS = (
    ("delta_usd", "delta", 1, "what the hedge left of the delta"),
    ("gamma_usd", "gamma", 1, "curvature"),
    ("theta_usd", "theta", 1, "time"),
    ("vega_usd", "vega", 1, "implied volatility"),
    ("other_usd", "other", 1, "what the greeks do not explain"),
    ("slippage_usd", "slippage", -1, "fills against the decisions' mids"),
    ("commission_usd", "commission", -1, ""),
)


def print_past(
    past: "Past", title: str, by: "Grouping", zone: ZoneInfo, *, is_run: bool, caveats: Sequence[str] = ()
) -> None:
    """Everything, most important first; there is at least one day. `caveats` must be read before the figures."""
    days = past.days
    span = days[0].day if len(days) == 1 else f"{days[0].day} to {days[-1].day}"
    say(coloured(f"{_one_line(title)}: {len(days)} {plural(len(days), 'day', 'days')}, {span}", "bold"))
    for caveat in caveats:
        say(coloured(_one_line(caveat), "yellow"))
    _figures(past)
    _attribution(past)
    if by != "hour":
        _periods(past, by)
    _hours(past, zone)
    _distribution(past)
    _execution(past, is_run=is_run)
    _refusals(past, is_run=is_run)
    _drawdowns(past, zone)
    _notes(past)


def _one_line(text: str) -> str:
    """A file's words on one line."""
    return " ".join(text.split())


def _figures(past: "Past") -> None:
    from state.statistics.drawdowns import SHALLOWEST_PCT

    total, wins = past.total, past.wins
    assert total is not None  # noqa: S101 - there is at least one day
    deepest = past.drawdowns[0] if past.drawdowns else None
    rows = table(("figure", "l"), ("value", "r"), ("unit", "l"), ("n", "r"), ("of", "l"))
    add(rows, "P&L, net of commissions", usd(total.pnl_usd), "USD", total.n, "days")
    add(rows, "return, compounded", number(total.return_pct, 3, signed=True), "%", len(past.returns_pct), "days")
    add(rows, "win rate", number(wins.rate_pct, 1), "%", wins.n, f"days, {wins.won} won, {wins.lost} lost")
    if wins.low_pct is not None and wins.high_pct is not None:
        add(rows, "  its 95 % interval", f"{wins.low_pct:.1f} .. {wins.high_pct:.1f}", "%", wins.n, "days (Wilson)")
    add(rows, "Sharpe, annualised", *_ratio(past.sharpe))
    add(rows, "Sortino, annualised", *_ratio(past.sortino))
    depth = f"above -{SHALLOWEST_PCT:g}" if deepest is None else number(-deepest.depth_pct, 3)
    add(rows, "deepest drawdown", depth, "%", len(past.curve.ts_us), "samples")
    add(rows, "wear per 10,000 USD traded", usd(total.wear_per_10k), "USD", total.wear_days, "days")
    add(rows, "value traded", usd(past.sizes.value_usd, signed=False), "USD", past.sizes.n, "hedges")
    show(rows)


def _ratio(ratio: "Ratio") -> tuple[str, str, int, str]:
    from state.statistics.measures import MIN_DAYS

    words = "days" if ratio.value is not None or ratio.n >= MIN_DAYS else f"days, from {MIN_DAYS} on it is given"
    return number(ratio.value, 2, signed=True), "", ratio.n, words


def _attribution(past: "Past") -> None:
    total = past.total
    if total is None or total.parts is None:
        return
    section(f"Where it came from, USD (n {total.split_days} {plural(total.split_days, 'day', 'days')})")
    rows = table(("part", "l"), ("USD", "r"), ("", "l"))
    signed = [(name, sign * total.parts[key], about) for key, name, sign, about in _PARTS]
    for name, value, about in signed:
        add(rows, name, usd(value), about)
    add(rows, "together", usd(sum(value for _, value, _ in signed)), "")
    show(rows)


def _periods(past: "Past", by: "Grouping") -> None:
    from typing import cast

    from state.statistics.days import By

    found = past.by(cast("By", by))
    shown = found[-MOST_ROWS:]
    more = f", the newest {len(shown)} of {len(found)}; all of them: --csv FILE" if len(found) > len(shown) else ""
    section(f"By {by}{more}")
    narrow = console().width < NARROW_BELOW
    heads = [(by, "l"), ("n", "r"), ("P&L USD", "r"), ("return %", "r"), ("won", "r"), ("hedges", "r")]
    heads += [] if narrow else [("equity USD", "r"), ("slippage USD", "r"), ("commission USD", "r")]
    heads += [("traded USD", "r"), ("wear", "r")] + ([] if narrow else [("flags", "w")])
    rows = table(*heads)
    for each in shown:
        add(rows, *_period_cells(each, narrow=narrow))
    show(rows)


def _period_cells(each: "Period", *, narrow: bool) -> list[object]:
    parts = each.parts or {}
    marks = "*" if narrow and each.flags else ""
    cells: list[object] = [
        each.name + marks,
        each.n if each.n == each.days else f"{each.n}/{each.days}",
        usd(each.pnl_usd),
        number(each.return_pct, 3, signed=True),
        each.won,
        DASH if each.hedges is None else each.hedges,
    ]
    if not narrow:
        costs = (usd(parts.get(name), signed=False) for name in ("slippage_usd", "commission_usd"))
        cells += [usd(each.equity_usd, signed=False), *costs]
    cells += [number(each.traded_usd, 0), usd(each.wear_per_10k)]
    return cells if narrow else [*cells, " ".join(each.flags)]


def _hours(past: "Past", zone: ZoneInfo) -> None:
    hours = past.by_hour_of_day(zone.key)
    if not hours:
        return
    section(f"By hour of the day ({zone.key})")
    rows = table(
        ("hour", "l"), ("n days", "r"), ("won", "r"), ("P&L USD", "r"), ("hedges", "r"), ("shares", "r"),
        ("their P&L to the close USD", "r"), ("refused", "r"),
    )  # fmt: skip
    for row in hours:
        add(rows, *_hour_cells(row))
    show(rows)


def _hour_cells(row: "HourRow") -> tuple[object, ...]:
    name = "night" if row.hour is None else f"{row.hour:02d}:00"
    return (
        name,
        row.days,
        row.won,
        usd(row.pnl_usd),
        row.hedges,
        number(row.shares, 0),
        usd(row.hedge_pnl_usd),
        row.refused,
    )


def _distribution(past: "Past") -> None:
    found = past.histogram
    section(f"P&L by day: how it is spread, USD (n {found.n} {plural(found.n, 'day', 'days')})")
    if found.n < ENOUGH:
        say(f"a spread of fewer than {ENOUGH} days would look like knowledge; it is shown from then on")
        return
    rows = table(*((f"p{name:g}", "r") for name in past.quantiles))
    add(rows, *(usd(value) for value in past.quantiles.values()))
    show(rows)
    most, room = max(found.counts), max(10, min(60, console().width - 44))
    bars = table(("from", "r"), ("to", "r"), ("days", "r"), ("", "l"))
    for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        add(bars, usd(low), usd(high), count, "#" * round(count / most * room) or ("." if count else ""))
    show(bars)


def _execution(past: "Past", *, is_run: bool) -> None:
    found = past.sizes
    section("Hedges")
    if found.n == 0:
        say("no hedge was filled in these days")
        return
    rows = table(("measure", "l"), ("sum", "r"), ("p50", "r"), ("p95", "r"), ("p99", "r"), ("unit", "l"), ("n", "r"))
    add(rows, "size", number(found.shares, 0), *_three(found.shares_each, 0), "shares", found.n)
    add(rows, "slippage", "", *_three(found.slippage_bps, 2), "bps", found.slippage_bps.n)
    add(rows, "slippage", usd(found.slippage_usd), "", "", "", "USD", found.known)
    latency = past.latency_ms
    add(rows, "decision to wire", "", *_three(latency, 2), "ms", latency.n)
    show(rows)
    if is_run and latency.n == 0:
        say(coloured("A backtest's orders need no wire: the latency it models is in its summary (venue).", "dim"))


def _three(found: "Percentiles", decimals: int) -> tuple[str, str, str]:
    return number(found.p50, decimals), number(found.p95, decimals), number(found.p99, decimals)


def _refusals(past: "Past", *, is_run: bool) -> None:
    total = sum(past.refused.values())
    section(f"Refusals by rule (n {total:,})")
    if total == 0:
        say("nothing was refused in these days")
        return
    rows = table(("rule", "l"), ("refused", "r"), ("share %", "r"))
    for rule, count in past.refused.items():
        add(rows, rule, f"{count:,}", number(count / total * 100, 1))
    show(rows)
    what = "stretch of moments with one and the same refusal" if is_run else "new refusal of the journal"
    say(coloured(f"One is one {what}.", "dim"))


def _drawdowns(past: "Past", zone: ZoneInfo) -> None:
    section(f"Drawdowns, deepest first (times {zone.key})")
    if not past.drawdowns:
        say("equity never fell by 0.01 % from a peak")
        return
    rows = table(
        ("depth %", "r"), ("depth USD", "r"), ("peak", "l"), ("trough", "l"), ("recovered", "l"), ("days", "r")
    )
    for each in past.drawdowns:
        recovered = "not yet" if each.recovered_us is None else _moment(each.recovered_us, zone)
        places = (_moment(each.peak_us, zone), _moment(each.trough_us, zone), recovered)
        add(rows, number(-each.depth_pct, 3), usd(-each.depth_usd), *places, number(each.days, 1))
    show(rows)


def _moment(time_us: int, zone: ZoneInfo) -> str:
    return dt.datetime.fromtimestamp(time_us / 1e6, zone).strftime("%Y-%m-%d %H:%M")


def _notes(past: "Past") -> None:
    """What the figures are to be read with, on the last lines: where the eye rests."""
    notes = []
    flagged: dict[Flag, int] = {}
    for day in past.days:
        for flag in day.flags:
            flagged[flag] = flagged.get(flag, 0) + 1
    notes += [f"{flag}: {n} {plural(n, 'day', 'days')}: {_FLAGS[flag]}" for flag, n in flagged.items()]
    if past.missing:
        notes.append(f"weekdays without a sample (holidays, or it did not run): {_some(past.missing)}")
    if past.source.unreadable:
        notes.append(f"{past.source.unreadable} lines of the history are no samples and are left out")
    sent, filled = sum(day.hedges or 0 for day in past.days), past.sizes.n
    if sent != filled:
        notes.append(f"hedges: {sent:,} sent, by day; elsewhere {filled:,} own orders that filled, a flatten's too")
    if notes:
        is_careful = flagged or past.source.unreadable or sent != filled
        section("To be read with care" if is_careful else "Left out")
        for note in notes:
            say(note)


def _some(days: Sequence[str]) -> str:
    return ", ".join(days[:5]) + (f" and {len(days) - 5} more" if len(days) > 5 else "")
