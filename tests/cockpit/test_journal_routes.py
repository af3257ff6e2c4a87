"""Counts, exports and decision traces as routes: what they answer, how much at once, and what they refuse."""

import asyncio
import csv
import gc
import io
import os
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pyarrow.parquet as pq
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from cockpit import journal_view, why_runner
from cockpit.context import CockpitContext
from cockpit.journal_view import Asked
from cockpit.reader import EXCHANGE, Reader
from cockpit.routes.journal import COUNTS_AT_ONCE, JournalRoutes
from cockpit.why_runner import WhyFailed, WhyRunner
from state.query import ROUTINE, Filter, newest
from state.records import JournalLine, JournalType
from state.times import us_from_iso
from tests.support.desk_player import RUN_ID, DeskPlayer

FILLS = frozenset({JournalType.FILL})


@pytest.fixture
def routes(player: DeskPlayer) -> JournalRoutes:
    player.tell_a_day()
    player.record(JournalType.TRANSITION, status="ARMED", reason="in_band")
    return JournalRoutes(CockpitContext(root=player.paths.root, desk="demo"))


def request(query: dict[str, Any], **path_params: str) -> Request:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600)
        raise AssertionError

    text = urlencode({"desk": "demo", **query}, doseq=True).encode()
    scope = {"type": "http", "method": "GET", "headers": [], "query_string": text, "path_params": path_params}
    return Request(scope, receive)


def told(response: Response) -> dict[str, Any]:
    return msgspec.json.decode(response.body, type=dict[str, Any])


async def body_of(response: Response) -> bytes:
    assert isinstance(response, StreamingResponse)
    return b"".join([bytes(piece) async for piece in response.body_iterator])  # type: ignore[arg-type]


async def export(routes: JournalRoutes, form: str, **query: Any) -> bytes:
    response = await routes.export(request(query, form=form))
    assert response.status_code == 200
    return await body_of(response)


async def test_a_count_is_of_the_filter_and_tells_what_is_newer_than_the_page(
    routes: JournalRoutes, player: DeskPlayer
) -> None:
    lines = newest(player.paths.journal, Filter(), 1000)
    shown = [line for line in lines if line.type not in ROUTINE]
    first = told(await routes.count(request({"newer_than": str(lines[0].seq)})))
    assert first == {"ok": True, "total": len(shown), "newer": 0, "is_newer_bounded": False}
    player.record(JournalType.FILL, side="BUY", quantity=1.0)
    player.record(JournalType.TRANSITION, status="ARMED")
    again = told(await routes.count(request({"newer_than": str(lines[0].seq)})))
    assert (again["total"], again["newer"]) == (len(shown) + 1, 1)
    fills = told(await routes.count(request({"type": ["fill"], "newer_than": "x"})))
    assert (fills["total"], fills["newer"]) == (4, 0)
    with_routine = told(await routes.count(request({"routine": "true"})))
    assert with_routine["total"] == len(lines) + 2


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"type": ["fill", "refused"]},
        {"side": "BUY", "since": "2014-06-05 10:00 EDT"},
        {"intent": f"{RUN_ID}-2"},
        {"routine": "true", "limit": "50", "before": "5", "count": "type"},
        {"text": "PERMISSION"},
        {"span": "1 h"},
    ],
)
async def test_an_export_is_the_whole_filter_whatever_page_is_shown(
    routes: JournalRoutes, player: DeskPlayer, query: dict[str, Any]
) -> None:
    every = newest(player.paths.journal, Filter(), 1000)[::-1]
    types = query.get("type", ())
    asked = journal_view.ask(query, types, newest_us=us_from_iso(every[-1].ts), reader=Reader())
    from state.query import JournalIndex, matches

    pool = JournalIndex.of(player.paths).life_of_intent(asked.intent).lines if asked.intent else every
    expected = [
        line for line in pool if matches(line, asked.wanted) and (asked.shows_routine or line.type not in ROUTINE)
    ]
    assert expected
    raws = (await export(routes, "jsonl", **query)).splitlines()
    assert [msgspec.json.decode(raw, type=JournalLine) for raw in raws] == expected
    rows = list(csv.DictReader(io.StringIO((await export(routes, "csv", **query)).decode(), newline="")))
    assert [int(row["seq"]) for row in rows] == [line.seq for line in expected]
    table = pq.read_table(io.BytesIO(await export(routes, "parquet", **query)))
    assert table.column("seq").to_pylist() == [line.seq for line in expected]


async def test_an_exports_name_tells_the_desk_and_what_it_covers(routes: JournalRoutes) -> None:
    whole = await routes.export(request({}, form="csv"))
    assert 'filename="demo-operations-20140605T165000Z-20140605T165000Z.csv"' in whole.headers["content-disposition"]
    part = await routes.export(
        request({"since": "2014-06-05 10:00", "until": "2014-06-05 11:00", "tz": EXCHANGE}, form="jsonl")
    )
    assert "demo-operations-20140605T140000Z-20140605T150000Z.jsonl" in part.headers["content-disposition"]
    assert part.headers["cache-control"] == "no-store"


async def test_what_is_not_understood_is_refused_and_never_exported_as_something_else(routes: JournalRoutes) -> None:
    odd = await routes.export(request({"since": "noon", "lang": "zh"}, form="csv"))
    assert (odd.status_code, "不是时间" in told(odd)["error"]) == (400, True)
    assert (await routes.export(request({}, form="exe"))).status_code == 404


async def test_no_more_than_two_exports_run_at_once(routes: JournalRoutes) -> None:
    running = [await routes.export(request({}, form="csv")) for _ in range(2)]
    walks = []
    for response in running:
        assert isinstance(response, StreamingResponse)
        walks.append(response.body_iterator.__aiter__())
        await walks[-1].__anext__()
    assert (await routes.export(request({}, form="csv"))).status_code == 503
    async for _ in walks.pop():
        pass
    # Who leaves in the middle frees his place too.
    await walks.pop().aclose()
    running.clear()
    del response
    gc.collect()
    assert routes._exports == 0
    assert (await routes.export(request({}, form="csv"))).status_code == 200


# --- why ---


def fake_command(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(why_runner, "_words", lambda _paths, at: [sys.executable, "-c", code, at])


async def test_a_trace_is_the_commands_answer_as_tables(routes: JournalRoutes, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_command(
        monkeypatch,
        'import sys; print(\'{"source":"tape","sentence":"at \' + sys.argv[1] + \'"}\')',
    )
    answer = told(await routes.why(request({"at": "2014-06-05 10:30 EDT"})))
    assert answer["ok"]
    assert "14:30:00" in answer["trace"]["sentence"]
    assert (await routes.why(request({"at": "noon"}))).status_code == 400


async def test_a_command_that_refuses_is_told_in_its_own_words(
    routes: JournalRoutes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_command(
        monkeypatch, "import sys; sys.stderr.write('1,000 replayed\\nbifrost: lies before the record\\n'); sys.exit(2)"
    )
    answer = told(await routes.why(request({"at": "2014-06-05"})))
    assert answer == {"ok": False, "error": "No trace: lies before the record"}
    fake_command(monkeypatch, "print('no json')")
    assert not told(await routes.why(request({"at": "2014-06-05"})))["ok"]


async def test_a_replay_has_a_time_limit_and_only_one_runs(player: DeskPlayer, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_command(monkeypatch, "import time; time.sleep(600)")
    runner = WhyRunner(limit_s=0.5, patience_s=0.05)
    first = asyncio.ensure_future(runner.ask(player.paths, "now"))
    await asyncio.sleep(0)
    with pytest.raises(WhyFailed) as busy:
        await runner.ask(player.paths, "now")
    assert busy.value.code == "busy"
    with pytest.raises(WhyFailed) as too_long:
        await first
    assert too_long.value.code == "too_long"


async def test_a_reader_who_leaves_takes_his_replay_with_him(
    player: DeskPlayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = tmp_path / "begun"
    fake_command(
        monkeypatch,
        f"import os, pathlib, time; pathlib.Path({str(begun)!r}).write_text(str(os.getpid())); time.sleep(600)",
    )
    runner = WhyRunner()
    asking = asyncio.ensure_future(runner.ask(player.paths, "now"))
    while not (begun.exists() and begun.read_text()):  # noqa: ASYNC110 - the file is another process's
        await asyncio.sleep(0.02)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)


def test_the_command_is_our_own_and_names_desk_root_and_moment(player: DeskPlayer) -> None:
    words = why_runner._words(player.paths, "2014-06-05T14:30:00.000000Z")
    assert words[-8:] == ["why", "--desk", "demo", "--root", str(player.paths.root), "--at",
                          "2014-06-05T14:30:00.000000Z", "--json"]  # fmt: skip


def test_totals_of_many_filters_stay_bounded(player: DeskPlayer) -> None:
    from cockpit.journal_totals import MOST, JournalTotals

    totals = JournalTotals()
    for number in range(MOST + 5):
        totals.total(player.paths, Asked(wanted=Filter(text=str(number))).wanted, routine=True, newer_than=None)
    assert len(totals._counts) == MOST


async def test_counts_take_turns_and_none_is_made_for_who_has_left(
    routes: JournalRoutes, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    counted: list[str] = []

    def slow(_paths: object, asked: Request, _reader: object) -> Response:
        counted.append(asked.query_params["n"])
        begun.release()
        go_on.wait(20)
        return Response()

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    monkeypatch.setattr(routes, "_count", slow)
    first = [asyncio.create_task(routes.count(request({"n": str(number)}))) for number in range(COUNTS_AT_ONCE)]
    for _ in first:
        await asyncio.to_thread(begun.acquire)
    left = asyncio.create_task(routes.count(Request(request({"n": "left"}).scope, gone)))
    stays = asyncio.create_task(routes.count(request({"n": "stays"})))
    await asyncio.sleep(0)
    go_on.set()
    answers = await asyncio.wait_for(asyncio.gather(*first, left, stays), timeout=20)
    assert [answer.status_code for answer in answers] == [200] * COUNTS_AT_ONCE + [499, 200]
    assert sorted(counted) == sorted([*map(str, range(COUNTS_AT_ONCE)), "stays"])
