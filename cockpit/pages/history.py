"""The History page: what the desk has earned, from what, and how it was done. Composition only.

Figures ask for themselves (`/api/figure/…`), so that this script carries tables alone.
"""

import datetime as dt
import html
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import streamlit as st

from cockpit import components, context, history_csv, history_tables, wording
from cockpit.equity import Range, range_of
from cockpit.history_store import HistoryStore, stores
from cockpit.history_summary import Summary, summary_of
from cockpit.pages import frame, operations
from cockpit.reader import EXCHANGE, Reader
from state.layout import DeskPaths
from state.statistics.days import By
from state.times import iso_from_us, us_from_datetime

Name = TypeVar("Name", bound=str)
PERIODS: tuple[Range, ...] = ("1w", "1m", "3m", "1y", "all")
GROUPS: tuple[By, ...] = ("day", "week", "month")
_IN_A_SHELL = (("stats", "--by"), ("ops", "--count-by"))
_READING_TRIES = 300
_READING_WAIT_S = 0.2


def page() -> None:
    """Key figures and the curve first, then P&L in all its views, then how it was traded."""
    paths, reader = frame.current_paths(), frame.current_reader()
    span, by = _chosen(reader)
    store = stores.of(paths)
    _wait(store, reader)
    summary = summary_of(store, span)
    _say_problems(summary, reader)
    made = f"tables {span} {by} {reader.language} {reader.zone}"
    tables = store.memo(made, summary.view.version, lambda: history_tables.of_page(summary, reader, by))
    live = {**frame.live_data(), "chart_words": reader.words.area("charts.browser"), "range": span}
    left, right = st.columns([2, 3])
    with left:
        _table("figures", tables, paths)
    with right:
        _chart("equity", live, height=380)
    for source, height in (("daily", 300), ("calendar", 260), ("attribution", 380)):
        _chart(source, live, height=height)
    _table(f"by-{by}", tables, paths)
    left, right = st.columns(2)
    with left:
        _chart("distribution", live, height=320)
    with right:
        _table("tails", tables, paths)
    _table("hours", tables, paths)
    _table("drawdowns", tables, paths)
    for pair in (("hedges", "hours"), ("slippage", "latency")):
        for column, source in zip(st.columns(2), pair, strict=True):
            with column:
                _chart(source, live, height=320)
    _chart("refusals", live, height=260)
    _table("execution", tables, paths)
    _exports(paths, reader, span)
    shell = context.current().shell
    figures, counts = (shell(f"{command} --desk {paths.desk} {how} {by}") for command, how in _IN_A_SHELL)
    st.caption(f"{reader.say('history.shell')} `{figures}` · `{counts}`")
    st.caption(reader.say("history.day_rule"))


def _chosen(reader: Reader) -> tuple[Range, By]:
    """The range and the grouping, both in the address by names that no language changes."""
    with st.container(horizontal=True, key="history-choices"):
        span = _choice("range", PERIODS, "all", reader, label=reader.say("history.period"))
        by = _choice("by", GROUPS, "day", reader, label=reader.say("history.by"))
    return range_of(span), by


def _choice(name: str, options: Sequence[Name], default: Name, reader: Reader, *, label: str) -> Name:
    """One row of choices, `name` in the address."""
    key = f"history-{name}"
    if key not in st.session_state:
        wanted = st.query_params.get(name)
        st.session_state[key] = next((option for option in options if option == wanted), default)

    def remember() -> None:
        st.query_params[name] = st.session_state[key] or default

    chosen: Name | None = st.segmented_control(
        label,
        options,
        format_func=lambda option: reader.say(f"history.choices.{option}"),
        key=key,
        on_change=remember,
    )
    return chosen or default


def _wait(store: HistoryStore, reader: Reader) -> None:
    """The first look at a long history takes a moment, and says how far it is; later ones take none."""
    store.look(wait_s=_READING_WAIT_S)
    place = st.empty()
    for _ in range(_READING_TRIES):
        if store.is_read():
            break
        far = store.reading
        place.caption(reader.say("history.reading", done=far.done, todo=far.todo, operations=f"{far.operations:,d}"))
        store.look(wait_s=_READING_WAIT_S)
    place.empty()


def _say_problems(summary: Summary, reader: Reader) -> None:
    if summary.view.problem is not None:
        st.warning(reader.say("history.problem", problem=summary.view.problem).replace("$", r"\$"))
    if summary.view.unreadable:
        st.warning(reader.say("history.unreadable", n=wording.shares(float(summary.view.unreadable))))


def _chart(source: str, live: Mapping[str, Any], *, height: int) -> None:
    key = _key(f"history-{source}", live)
    components.chart(key=key, data={**live, "source": source, "height": height})


def _key(name: str, live: Mapping[str, Any]) -> str:
    """As `frame.live_key`: another desk, language or zone is another element."""
    return f"{name}-{live['desk']}-{live['lang']}-{live['tz'].replace('/', '-')}"


def _table(name: str, tables: Mapping[str, Any], paths: DeskPaths) -> None:
    found: Any = components.table(
        key=f"history-table-{name}-{paths.desk}", data={"table": tables[name]}, on_follow_change=lambda: None
    )
    if found.follow is not None and found.follow["name"] == "day":
        _to_operations(str(found.follow["value"]), paths)


def _to_operations(day: str, paths: DeskPaths) -> None:
    """The operations of a desk's day: from its first sample's day start at the exchange to the next."""
    try:
        date = dt.date.fromisoformat(day)
    except ValueError:
        return
    zone = ZoneInfo(EXCHANGE)
    since, until = (
        us_from_datetime(dt.datetime.combine(each, dt.time(), zone)) for each in (date, date + dt.timedelta(days=1))
    )
    query = {**frame.carried(), "desk": paths.desk, "since": _minute(since), "until": _minute(until)}
    # A page is known by its address: this one is the entry script's.
    st.switch_page(st.Page(operations.page, title="Operations", url_path="operations"), query_params=query)


def _minute(time_us: int) -> str:
    return iso_from_us(time_us)[:16].replace("T", " ")


def _exports(paths: DeskPaths, reader: Reader, span: Range) -> None:
    """Links to every table as a file; a browser asks for them by itself, no script of a page is in between."""
    links = []
    for name in history_csv.CSV:
        query = html.escape(urlencode({"desk": paths.desk, "range": span}))
        words = html.escape(reader.say(f"history.exports.{name}"))
        links.append(f'<a href="/api/history/{name}.csv?{query}" download>{words}</a>')
    said = html.escape(reader.say("history.export"))
    with st.container(key="history-export"):
        st.html(f"<p>{said} {' · '.join(links)}</p>")
