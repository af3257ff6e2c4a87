"""Answers from the journal that a page's script must not wait for: counts, exports, and why a moment went as it did."""

import asyncio
import threading
from collections.abc import Iterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from cockpit import journal_view
from cockpit.context import CockpitContext
from cockpit.decision_trace import trace_view
from cockpit.journal_totals import JournalTotals
from cockpit.journal_view import Asked
from cockpit.reader import Reader
from cockpit.routes.answers import json_answer, paths_of, reader_of
from cockpit.why_runner import WhyFailed, WhyRunner
from state.layout import DeskPaths
from state.query import MEDIA_TYPES, Filter, Format, JournalIndex, encode, newest
from state.query.filters import time_of
from state.times import iso_from_us

EXPORTS_AT_ONCE = 2
"""Each takes a good part of a core: a third one waits until the operator asks again."""
COUNTS_AT_ONCE = 2
"""Each may go through a year of lines; those beyond wait, and are dropped when nobody waits for them any more."""
_VALUES = ("span", "since", "until", "side", "reason", "text", "order", "intent", "count", "limit", "routine", "at")


class JournalRoutes:
    """The handlers, for the desks of one root."""

    def __init__(self, context: CockpitContext) -> None:
        self._context = context
        self._totals = JournalTotals()
        self._why = WhyRunner()
        self._lock = threading.Lock()
        self._exports = 0
        self._counting = asyncio.Semaphore(COUNTS_AT_ONCE)

    async def count(self, request: Request) -> Response:
        """How many operations match, and how many of them are newer than the page that asks (`newer_than`)."""
        paths, reader = paths_of(self._context, request), reader_of(request)
        async with self._counting:
            if await request.is_disconnected():
                return Response(status_code=499)
            return await run_in_threadpool(self._count, paths, request, reader)

    def _count(self, paths: DeskPaths, request: Request, reader: Reader) -> Response:
        newer = request.query_params.get("newer_than", "")
        try:
            asked = _asked(paths, request, reader)
            total = self._totals.total(
                paths,
                asked.counted,
                routine=asked.shows_routine,
                newer_than=int(newer) if newer.isascii() and newer.isdecimal() and len(newer) <= 15 else None,
            )
        except OSError as error:
            return json_answer({"ok": False, "error": error.strerror or str(error)}, 500)
        return json_answer(
            {"ok": True, "total": total.total, "newer": total.newer, "is_newer_bounded": total.is_newer_bounded}
        )

    async def export(self, request: Request) -> Response:
        """Every operation of the filter, streamed: `operations.csv`, `.jsonl` or `.parquet`."""
        paths, reader = paths_of(self._context, request), reader_of(request)
        form = str(request.path_params["form"])
        if form not in MEDIA_TYPES:
            return json_answer({"ok": False, "error": reader.say("operations.export.no_format")}, 404)
        if self._exports >= EXPORTS_AT_ONCE:
            return json_answer({"ok": False, "error": reader.say("operations.export.busy")}, 503)
        try:
            asked = await run_in_threadpool(_asked, paths, request, reader)
            if asked.problems:
                return json_answer({"ok": False, "error": " ".join(asked.problems)}, 400)
            name = await run_in_threadpool(file_name, paths, asked, form)
        except OSError as error:
            return json_answer({"ok": False, "error": error.strerror or str(error)}, 500)
        return StreamingResponse(
            self._pieces(paths, asked, form),
            media_type=MEDIA_TYPES[form],
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
                "Content-Encoding": "identity",  # compressing would take longer than the network
                "X-Content-Type-Options": "nosniff",
            },
        )

    def _pieces(self, paths: DeskPaths, asked: Asked, form: Format) -> Iterator[bytes]:
        with self._lock:
            self._exports += 1
        try:
            lines = JournalIndex.of(paths).each(asked.wanted, routine=asked.shows_routine, intent=asked.intent)
            yield from encode(lines, form)
        finally:
            with self._lock:
                self._exports -= 1

    async def why(self, request: Request) -> Response:
        """The full trace of a moment (`at`), by the command that replays the tape. Ends with who asked."""
        paths, reader = paths_of(self._context, request), reader_of(request)
        asked = journal_view.ask(_values(request), (), newest_us=None, reader=reader)
        if asked.at_us is None:
            return json_answer({"ok": False, "error": " ".join(asked.problems)}, 400)
        at_iso = iso_from_us(asked.at_us)
        asking = asyncio.ensure_future(self._why.ask(paths, at_iso))
        leaving = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return Response(status_code=499)
            answer = trace_view(asking.result(), reader)
        except WhyFailed as failed:
            detail = str(failed)
            return json_answer(
                {"ok": False, "error": reader.say(f"operations.why.failed.{failed.code}", detail=detail)}
            )
        finally:
            for task in (asking, leaving):
                task.cancel()
            await asyncio.gather(asking, leaving, return_exceptions=True)
        return json_answer({"ok": True, "trace": answer})


async def _left(request: Request) -> None:
    """Returns when the client has closed the connection."""
    while not await request.is_disconnected():  # noqa: ASYNC110 - starlette has no event for it
        await asyncio.sleep(0.25)


def _values(request: Request) -> dict[str, str | None]:
    return {name: request.query_params.get(name) for name in _VALUES}


def _asked(paths: DeskPaths, request: Request, reader: Reader) -> Asked:
    """The address's question, as the page would ask it. Raises OSError."""
    values = _values(request)
    newest_us = None
    if values["span"]:
        last = newest(paths.journal, Filter(), 1)
        newest_us = time_of(last[0]) if last else None
    return journal_view.ask(values, request.query_params.getlist("type"), newest_us=newest_us, reader=reader)


def file_name(paths: DeskPaths, asked: Asked, form: str) -> str:
    """`demo-operations-20140605T133000Z-20140605T164500Z.csv`: the desk and the time that it covers. Raises OSError."""
    index = JournalIndex.of(paths)
    ends: list[str] = []
    if asked.wanted.since_us is not None:
        ends.append(_compact(iso_from_us(asked.wanted.since_us)))
    else:
        ends += [_compact(line.ts) for line in index.oldest(Filter(), 1).lines]
    if asked.wanted.until_us is not None:
        ends.append(_compact(iso_from_us(asked.wanted.until_us)))
    else:
        ends += [_compact(line.ts) for line in index.newest(Filter(), 1).lines]
    return "-".join([paths.desk, "operations", *ends]) + f".{form}"


def _compact(iso: str) -> str:
    """Only what a file name and a header may hold, whatever stands in the journal."""
    text = "".join(letter for letter in iso[:19] if letter.isascii() and (letter.isdigit() or letter == "T"))
    return f"{text}Z"
