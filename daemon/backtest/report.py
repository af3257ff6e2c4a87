"""The report of a run: one HTML file that needs nothing else, for a browser, a phone, a printer. Read-only.

Pictures are drawn here (`report_chart.py`) and not by a library: a plotting library inlined is five megabytes and a
second of script for a page that is read once, on a train. A year by the minute stays below a megabyte, because lines
are thinned with their peaks kept. Nothing is fetched, so the page tells nobody that it is read.
"""

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from daemon.backtest import report_figures, report_tables
from daemon.backtest.report_axis import axis_of, open_rows
from daemon.backtest.report_html import counted, diverging, esc, folded, nothing, section, tile
from daemon.backtest.report_style import SCRIPT, STYLE
from daemon.backtest.report_words import (
    EMPTY,
    FOOT,
    NOTHING,
    PARTS,
    SECTIONS,
    STATUS,
    TITLE,
    model_sentences,
    money,
    rule,
    tiles,
)
from state.atomic import replace_file
from state.runs.caveats import caveat_text, caveats
from state.runs.folder import BacktestPaths
from state.runs.records import Summary
from state.statistics.past import Past
from state.statistics.run_tables import (
    RunTableError,
    numbers,
    read_table,
    session_codes,
    source_of_tables,
    word_codes,
)
from state.undecodable import UNDECODABLE

MOST_ROWS_OPEN = 31
SHOWN_OF_DECISIONS = (
    "ts_us", "session", "spot", "net_delta_shares", "own_shares", "state_code", "needed", "hedged", "side",
    "quantity_shares", "price", "refused", "measured", "limit", "measured_text", "limit_text",
)  # fmt: skip
"""A run by the second has millions of rows: what is not shown is not read."""


def write_report(paths: BacktestPaths) -> Path:
    """Read a finished run's folder and write its `report.html`. Raises RunTableError, OSError."""
    try:
        summary = msgspec.json.decode(paths.summary.read_bytes(), type=Summary)
    except UNDECODABLE as error:
        raise RunTableError(f"{paths.summary}: cannot be read ({error}); run the backtest again") from error
    decisions = read_table(paths.decisions, SHOWN_OF_DECISIONS)
    equity, fills = read_table(paths.equity), read_table(paths.fills)
    replace_file(paths.report, page(summary, decisions, equity, fills).encode(), sync=False, mode=0o640)
    return paths.report


def page(summary: Summary, decisions: pa.Table, equity: pa.Table, fills: pa.Table) -> str:
    """The whole page."""
    body = [_header(summary)]
    if summary.figures is None:
        body.append(nothing(NOTHING if summary.problem is None else f"{NOTHING} {summary.problem}"))
        body.append(_findings(summary))
    else:
        body += _sections(summary, decisions, equity, fills)
    title = f"{TITLE} {summary.title or summary.run_id}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{esc(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>{''.join(body)}<footer>{esc(FOOT)}</footer></main><script>{SCRIPT}</script></body></html>\n"
    )


def _header(summary: Summary) -> str:
    profile, data = summary.profile, summary.data
    changed = ", ".join(f"{key} = {value}" for key, value in profile.overrides.items())
    created = summary.created_ts[:19].replace("T", " ")
    ran = esc(f"{created} UTC, version {summary.version}, {summary.seconds:,.1f} s")
    facts = [
        ("Data", esc(data.description)),
        ("", f"<code>{esc(data.spec)}</code>"),
        ("", esc(f"{data.sessions:,} sessions, {data.steps:,} market steps, {summary.decisions:,} decision moments")),
        ("Data hash", f"<code>{esc(data.hash)}</code>"),
        ("Profile", esc(profile.name) + (f", changed: {esc(changed)}" if changed else "")),
        ("Profile hash", f"<code>{esc(profile.hash)}</code>"),
        ("Venue model", "<br>".join(esc(each) for each in model_sentences(summary.venue))),
        ("Run", f"<code>{esc(summary.run_id)}</code>, {ran}"),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{told}</dd>" for name, told in facts)
    word = STATUS.get(summary.status, summary.status)
    warn = "" if summary.status == "finished" else " warn"
    problem = "" if summary.problem is None else f'<p class="warn">{esc(summary.problem)}</p>'
    problem += "".join(f'<p class="warn">{esc(caveat_text(each))}</p>' for each in caveats(summary))
    name = summary.title or f"{profile.name} on {data.description}"
    return (
        f'<header class="page"><p class="soft">{TITLE}</p><h1>{esc(name)}</h1>'
        f'<p><span class="badge{warn}">{esc(word)}</span></p>{problem}</header>'
        f'<div class="facts"><dl>{rows}</dl></div>'
    )


def _sections(summary: Summary, decisions: pa.Table, equity: pa.Table, fills: pa.Table) -> list[str]:
    past = Past(source_of_tables(equity, fills, decisions))
    moments = numbers(decisions, "ts_us", np.int64)
    drawn_rows = open_rows(numbers(equity, "ts_us", np.int64), moments, word_codes(decisions, "session")[0])
    equity = equity.filter(pa.array(drawn_rows))
    axis = axis_of(numbers(equity, "ts_us", np.int64), *session_codes(equity))
    figures = summary.figures
    net, cut = report_figures.delta(equity, decisions, axis, summary.profile.settings)
    priced, drawn = report_figures.hedges(equity, decisions, past, axis)
    too_many = "" if drawn or not past.hedges else f" {len(past.hedges):,} hedges are too many to draw one by one."
    return [
        "" if figures is None else f'<dl class="tiles">{"".join(tile(*each) for each in tiles(figures))}</dl>',
        _chart("equity", report_figures.equity(equity, axis), _key(("start", "equity at the start", "dash"))),
        _attribution(summary),
        _chart("hedges", priced, _key(("buy", "purchase", ""), ("sell", "sale", "")) if drawn else "", too_many),
        _refusals(summary),
        _chart(
            "delta",
            net,
            _key(("quiet", "nothing to do", "box"), ("limit", "a hedge is needed from here", "dash")),
            cut,
        ),
        _days(summary),
        _part("hours", report_tables.hours(past)),
        _slippage(summary, past, fills),
        _part("decisions", report_tables.decisions(decisions) if decisions.num_rows else ""),
        _findings(summary),
        _settings(summary),
    ]


def _part(key: str, body: str) -> str:
    title, about = SECTIONS[key]
    return section(key, title, about, body or nothing(EMPTY.get(key, "")))


def _chart(key: str, drawing: str, legend: str, more: str = "") -> str:
    title, about = SECTIONS[key]
    if not drawing:
        return section(key, title, about, nothing(EMPTY[key]))
    body = f'<div class="chart">{legend}{drawing}<p class="said">&nbsp;</p></div>'
    return section(key, title, about + more, body)


def _key(*rows: tuple[str, str, str]) -> str:
    """(colour role, words, kind) as a legend."""
    cells = "".join(
        f'<span><i class="{kind}" style="{"background" if kind == "box" else "border-color"}:var(--{_ROLES[role]})">'
        f"</i>{esc(words)}</span>"
        for role, words, kind in rows
    )
    return f'<div class="key">{cells}</div>'


_ROLES = {"start": "soft", "buy": "buy", "sell": "sell", "quiet": "quiet", "limit": "limit"}


def _attribution(summary: Summary) -> str:
    figures = summary.figures
    if figures is None:
        return ""
    rows = [
        (name, value := sign * getattr(figures.attribution, key), f"{money(value)} USD", about)
        for key, name, about, sign in PARTS
    ]
    total = figures.attribution.total_usd
    rows.append(("total", total, f"{money(total)} USD", "net of costs"))
    return _part("attribution", diverging(rows))


def _refusals(summary: Summary) -> str:
    rows = [
        (rule(name), count, f"began {summary.new_refusals.get(name, 0):,} times")
        for name, count in sorted(summary.refused.items(), key=lambda each: (-each[1], each[0]))
    ]
    share = f"{summary.needed:,} of {summary.decisions:,} moments wanted a hedge; {summary.hedged:,} sent one."
    return _part("refusals", counted(rows) + f'<p class="soft">{esc(share)}</p>' if rows else "")


def _days(summary: Summary) -> str:
    if not summary.days:
        return _part("days", "")
    rows = report_tables.days(summary)
    drawing = report_figures.sessions(summary)
    chart = f'<div class="chart">{drawing}</div>' if drawing else ""
    n = len(summary.days)
    return _part("days", chart + (rows if n <= MOST_ROWS_OPEN else folded(f"All {n:,} sessions as a table", rows)))


def _slippage(summary: Summary, past: Past, fills: pa.Table) -> str:
    drawing = report_figures.slippage(past)
    if not drawing or summary.figures is None:
        return _part("slippage", "")
    paid = past.sizes
    each = paid.slippage_bps
    spread = f"p50 {each.p50:.2f}, p95 {each.p95:.2f}, p99 {each.p99:.2f} bps"
    told = f"{money(summary.figures.slippage_usd, signed=False)} USD over {paid.known:,} hedges; {spread}."
    worst = folded("The fills that cost the most", report_tables.fills(fills))
    return _part("slippage", f'<p>{esc(told)}</p><div class="chart">{drawing}</div>{worst}')


def _findings(summary: Summary) -> str:
    return _part("findings", report_tables.findings(summary.findings) if summary.findings else "")


def _settings(summary: Summary) -> str:
    if not summary.profile.settings:
        return ""
    title, about = SECTIONS["settings"]
    n = len(summary.profile.settings)
    return section("settings", title, about, folded(f"All {n} keys", report_tables.settings(summary.profile)))
