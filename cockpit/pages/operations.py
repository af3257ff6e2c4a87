"""The Operations page: the journal, newest first, and the whole life of one intent. Composition only."""

from collections.abc import Sequence

import streamlit as st

from cockpit import components, context, journal_view, tables
from cockpit.cache_keepers import keepers
from cockpit.pages import frame
from state.layout import DeskPaths
from state.query import Filter, GroupBy, JournalIndex, TooManyGroups, newest
from state.records import JournalLine, JournalType
from state.times import us_from_iso


def page() -> None:
    """Filters, the table, and the command line that prints the same."""
    paths = frame.current_paths()
    try:
        last = newest(paths.journal, Filter(), 1)
    except OSError as error:
        st.error(f"The journal cannot be read: {error.strerror}", icon="⚠️")
        return
    asked = _filters(us_from_iso(last[0].ts) if last else None)
    for problem in asked.problems:
        st.warning(problem)
    if asked.wanted.intent_id is not None:
        _life(paths, asked.wanted.intent_id)
    index = JournalIndex.of(paths)
    if asked.count_by is None:
        _newest(paths, index, asked, any_line=bool(last))
    else:
        _counts(paths, index, asked.wanted, asked.count_by)
    _say_indexing(paths)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"The same in a shell: `{context.current().shell(journal_view.cli_words(asked, paths.desk))}`")
        st.button("Look again", key="look-again")
    if last:
        why = context.current().shell(journal_view.why_words(last[0].ts, paths.desk))
        st.caption(f"Why a moment was decided as it was, with every rule's numbers: `{why}`")


def _newest(paths: DeskPaths, index: JournalIndex, asked: journal_view.Asked, *, any_line: bool) -> None:
    found = journal_view.look_up(index, asked)
    shown = len(found.lines)
    aside = f"newest first · {shown} shown" + (f" (the newest {asked.limit})" if shown == asked.limit else "")
    if found.left_out:
        aside += f" · {found.left_out} routine lines left out"
    _table(
        found.lines, key=f"journal-{paths.desk}", title="Journal", aside=aside, empty=_empty(paths, any_line=any_line)
    )
    _warn(found.problems)


def _counts(paths: DeskPaths, index: JournalIndex, wanted: Filter, by: GroupBy) -> None:
    try:
        counted = index.count_by(wanted, (by,))
    except TooManyGroups as error:
        st.warning(str(error))
        return
    table = tables.counts(counted, by, frame.current_reader(), quantity=wanted.types is not None)
    components.table(key=f"counts-{paths.desk}", data={"table": tables.plain(table)}, on_follow_change=lambda: None)
    _warn(counted.problems)


def _warn(problems: tuple[str, ...]) -> None:
    for problem in problems:
        st.warning(problem)


def _say_indexing(paths: DeskPaths) -> None:
    """Answers are the same with and without the cache; only their speed differs."""
    progress = keepers.keep(paths)
    if progress.is_building and progress.todo_bytes > 0:
        share_pct = 100 * progress.done_bytes / progress.todo_bytes
        st.caption(f"Older operations are being indexed ({share_pct:.0f} %); until then looking far back takes longer.")
    elif progress.problem is not None:
        st.caption(f"Looking far back is slow: {progress.problem}")


def _empty(paths: DeskPaths, *, any_line: bool) -> str:
    if any_line:
        return "No operation matches these filters."
    start = context.current().shell(f"up --desk {paths.desk}")
    return f"Nothing yet: intents, orders, fills, refusals and commands appear here once the desk runs ({start})."


def _filters(newest_us: int | None) -> journal_view.Asked:
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        span = st.segmented_control(
            "Time back", list(journal_view.SPANS_S), default=journal_view.ALL_TIME, key="span", bind="query-params"
        )
        since = st.text_input(
            "Since (UTC)", key="since", bind="query-params", placeholder="2014-06-05 14:30", width=170
        )
        until = st.text_input(
            "Until (UTC)", key="until", bind="query-params", placeholder="2014-06-05 16:00", width=170
        )
        side = st.selectbox(
            "Side", journal_view.SIDES, index=None, key="side", bind="query-params", placeholder="both", width=100
        )
        reason = st.text_input("Reason", key="reason", bind="query-params", placeholder="every", width=150)
        intent = st.text_input("Intent", key="intent", bind="query-params", placeholder="every", width=230)
        text = st.text_input("Text in reason or status", key="text", bind="query-params", width=190)
        types = st.multiselect(
            "Types",
            [kind.value for kind in JournalType],
            key="type",
            bind="query-params",
            placeholder="every operation",
            width=300,
        )
        limit = st.selectbox(
            "Show", [str(limit) for limit in journal_view.LIMITS], key="limit", bind="query-params", width=90
        )
        count = st.selectbox(
            "Count by", journal_view.COUNTS, index=None, key="count", bind="query-params", placeholder="no", width=110
        )
        routine = st.toggle(
            "Routine lines", key="routine", bind="query-params", help="Checkpoints of the ledger and state transitions."
        )
    values = {"span": span, "since": since, "until": until, "intent": intent, "text": text, "limit": limit}
    values |= {"side": side, "reason": reason, "count": count, "routine": "yes" if routine else None}
    return journal_view.ask(values, tuple(types), newest_us=newest_us)


def _life(paths: DeskPaths, intent_id: str) -> None:
    life = JournalIndex.of(paths).life_of_intent(intent_id)
    _table(
        life.lines,
        key=f"life-{paths.desk}",
        title=f"The life of {intent_id}",
        aside="oldest first, with its orders, fills and commissions",
        empty="No operation has this intent. Copy one from the journal's Intent column.",
    )


def _follow(key: str) -> None:
    """A click on an intent: put it into the filter, and with it into the address."""
    chosen = st.session_state[key].follow
    if chosen is not None and chosen["name"] == "intent":
        st.session_state["intent"] = chosen["value"]


def _table(lines: Sequence[JournalLine], *, key: str, title: str, aside: str, empty: str) -> None:
    table = tables.journal(lines, frame.current_reader(), title=title, aside=aside, empty=empty)
    components.table(key=key, data={"table": tables.plain(table)}, on_follow_change=lambda: _follow(key))
