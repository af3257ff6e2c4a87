"""The Operations page: the journal, the whole life of one intent, and why a moment went as it did. Composition only."""

from contextlib import suppress
from html import escape
from urllib.parse import urlencode

import msgspec
import streamlit as st

from cockpit import components, context, decision_trace, intent_life, journal_view, tables, wording
from cockpit.cache_keepers import keepers
from cockpit.journal_damage import Notice, notices
from cockpit.journal_pages import JournalPage, look_up
from cockpit.journal_times import write_time
from cockpit.journal_view import Asked
from cockpit.pages import frame, operation_filters
from cockpit.reader import Reader
from state.layout import DeskPaths
from state.query import MEDIA_TYPES, Filter, JournalIndex, TooManyGroups, newest
from state.query.aggregates import MAX_GROUPS
from state.query.filters import time_of
from state.records import JournalLine
from state.snapshot import read_snapshot
from state.times import iso_from_us, us_from_iso


def page() -> None:
    """Filters, the table, and the command line that prints the same."""
    paths, reader = frame.current_paths(), frame.current_reader()
    try:
        _page(paths, reader)
    except OSError as error:
        # Our own words around the system's: a name of a file is no markup.
        _notice(Notice(text=reader.say("operations.unreadable", error=error.strerror or type(error).__name__)))


def _page(paths: DeskPaths, reader: Reader) -> None:
    """Raises OSError where the journal cannot be read."""
    last = newest(paths.journal, Filter(), 1)
    asked = operation_filters.draw(time_of(last[0]) if last else None, reader)
    for problem in asked.problems:
        _notice(Notice(text=problem))
    index = JournalIndex.of(paths)
    found = look_up(index, asked)
    if asked.at_us is not None:
        _why(paths, index, asked.at_us, reader)
    if asked.intent is not None:
        _life(asked.intent, found, reader)
    problems = found.problems
    if asked.count_by is None:
        _journal(paths, asked, found, last[0] if last else None, reader)
    else:
        problems = _counts(paths, index, asked, reader)
    for notice in notices(paths, problems, read_snapshot(paths.snapshot).snapshot, reader, context.current().shell):
        _notice(notice)
    _say_indexing(paths, reader)


def _notice(notice: Notice) -> None:
    """A sentence that may hold others' words, and where the runbook speaks of it."""
    words = frame.current_reader().say("operations.damage.runbook")
    link = "" if notice.href is None else f' <a href="{escape(notice.href)}">{escape(words)}</a>'
    st.html(f'<p role="status" style="margin: 0; line-height: 1.5">▲ {escape(notice.text)}{link}</p>')


def _journal(paths: DeskPaths, asked: Asked, found: JournalPage, last: JournalLine | None, reader: Reader) -> None:
    aside = [reader.say("operations.shown")]
    if found.left_out:
        aside.append(reader.say("operations.left_out", n=wording.shares(found.left_out)))
    start = context.current().shell(f"up --desk {paths.desk}")
    empty = reader.say("operations.no_match") if last is not None else reader.say("operations.empty", command=start)
    title = reader.say("operations.title")
    table = tables.journal(found.lines, reader, title=title, aside=" · ".join(aside), empty=empty)
    at_iso = None if asked.at_us is None else iso_from_us(asked.at_us)
    key = frame.live_key("journal")

    def on_follow() -> None:
        chosen = st.session_state[key].follow
        if chosen is not None:
            _follow(str(chosen["name"]), str(chosen["value"]), str(chosen["key"]), found.lines, reader)

    def on_turn() -> None:
        chosen = st.session_state[key].turn
        if chosen is not None:
            _turn(str(chosen["way"]), found)

    components.journal(
        key=key,
        data={
            **frame.live_data(),
            "texts": reader.words.area("journal"),
            "table": tables.plain(table),
            "selected": next((str(line.seq) for line in found.lines if line.ts == at_iso), None),
            "filter": _address(asked, reader),
            "total": found.total,
            "newest_seq": 0 if last is None else last.seq,
            "turns": {
                "newest": found.has_newer,
                "newer": found.newer is not None,
                "older": found.older is not None,
            },
            "exports": _exports(paths, asked, reader),
            "shell": _shell(paths, asked, found),
        },
        on_follow_change=on_follow,
        on_turn_change=on_turn,
    )


def _address(asked: Asked, reader: Reader) -> str:
    """The filter in an address's words, without the page of it that is shown."""
    whole = msgspec.structs.replace(asked, before=None, after=None, at_us=None, count_by=None)
    return urlencode(journal_view.query_of(whole, reader), doseq=True)


def _exports(paths: DeskPaths, asked: Asked, reader: Reader) -> list[dict[str, str]]:
    """None while the filter is not understood: an export of something else would mislead."""
    if asked.problems:
        return []
    asks = f"{urlencode({'desk': paths.desk, 'lang': reader.language, 'tz': reader.zone})}&{_address(asked, reader)}"
    return [{"label": form.upper(), "href": f"/api/export/operations.{form}?{asks}"} for form in MEDIA_TYPES]


def _shell(paths: DeskPaths, asked: Asked, found: JournalPage) -> dict[str, str]:
    shell = context.current().shell
    first = found.lines[0].seq if found.lines else None
    return {
        "page": shell(journal_view.cli_words(asked, paths.desk, newest_shown=first)),
        "export": shell(journal_view.export_words(asked, paths.desk)),
    }


def _follow(name: str, value: str, key: str, lines: tuple[JournalLine, ...], reader: Reader) -> None:
    """A click on an intent shows its life; one on "why" explains the line's moment. Both stand in the address."""
    if name == "intent":
        operation_filters.put("intent", value)
    elif name == "why":
        line = next((line for line in lines if str(line.seq) == key), None)
        if line is not None:
            _explain(line.ts, reader)


def _explain(ts: str, reader: Reader) -> None:
    """The page of the journal stays where it is: only the panel is added. A line without a time has no moment."""
    with suppress(ValueError):
        st.session_state["at"] = write_time(us_from_iso(ts), reader)


def _turn(way: str, found: JournalPage) -> None:
    if way == "older":
        operation_filters.turn_to("before", found.older)
    elif way == "newer":
        operation_filters.turn_to("after", found.newer)
    else:
        operation_filters.turn_to("before", None)


def _life(intent: str, found: JournalPage, reader: Reader) -> None:
    """The story is told from all of the intent's lines, whatever else the filter leaves out."""
    story = intent_life.life(intent, found.story, reader)
    key = frame.live_key("life")

    def on_close() -> None:
        if st.session_state[key].close is not None:
            operation_filters.put("intent", "")

    def on_why() -> None:
        chosen = st.session_state[key].why
        if chosen is not None:
            _explain(str(chosen["ts"]), reader)

    components.life(
        key=key,
        data={"life": msgspec.to_builtins(story), "texts": reader.words.area("journal")},
        on_close_change=on_close,
        on_why_change=on_why,
    )


def _why(paths: DeskPaths, index: JournalIndex, at_us: int, reader: Reader) -> None:
    at_iso = iso_from_us(at_us)
    verdict = decision_trace.verdict(decision_trace.decided_near(index, at_us), at_iso, reader)
    key = frame.live_key("why")

    def on_close() -> None:
        if st.session_state[key].close is not None:
            st.session_state["at"] = ""

    components.why(
        key=key,
        data={
            **frame.live_data(),
            "at": at_iso,
            "verdict": msgspec.to_builtins(verdict),
            "texts": reader.words.area("journal"),
            "shell": context.current().shell(journal_view.why_words(at_iso, paths.desk)),
        },
        on_close_change=on_close,
    )


def _counts(paths: DeskPaths, index: JournalIndex, asked: Asked, reader: Reader) -> tuple[str, ...]:
    """Counts in groups; what was wrong with the files on the way."""
    if asked.count_by is None:
        return ()
    try:
        counted = index.count_by(asked.wanted, (asked.count_by,))
    except TooManyGroups:
        _notice(Notice(text=reader.say("operations.too_many_groups", n=wording.shares(MAX_GROUPS))))
        return ()
    table = tables.counts(counted, asked.count_by, reader, quantity=asked.wanted.types is not None)
    components.table(
        key=f"{frame.live_key('counts')}-{asked.count_by}",
        data={**frame.live_data(), "table": tables.plain(table)},
        on_follow_change=lambda: None,
    )
    st.code(context.current().shell(journal_view.cli_words(asked, paths.desk)), language=None, wrap_lines=True)
    return counted.problems


def _say_indexing(paths: DeskPaths, reader: Reader) -> None:
    """Answers are the same with and without the cache; only their speed differs."""
    progress = keepers.keep(paths)
    if progress.is_building and progress.todo_bytes > 0:
        share = f"{100 * progress.done_bytes / progress.todo_bytes:.0f}"
        _notice(Notice(text=reader.say("operations.indexing", share=share)))
    elif progress.problem is not None:
        _notice(Notice(text=reader.say("operations.slow", problem=progress.problem)))
