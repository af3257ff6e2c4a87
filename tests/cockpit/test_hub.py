import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cockpit import hub as hub_module
from cockpit.context import CockpitContext
from cockpit.desk_view import DeskFiles
from cockpit.hub import Hub, Parts, TooManyStreamsError
from cockpit.reader import Reader
from tests.support.desk_player import DeskPlayer

HELLO = b": hello\n\n"
CHINESE = Reader(language="zh")


def hub_of(player: DeskPlayer) -> Hub:
    return Hub(CockpitContext(root=player.paths.root, desk=player.desk))


def parts_of(message: bytes) -> dict[str, Any]:
    event, _, data = message.partition(b"\ndata: ")
    assert event == b"event: page"
    found: dict[str, Any] = json.loads(data)
    return found


def watchers() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("watch ")]


async def until_light(stream: Any, state: str) -> dict[str, Any]:
    """The first message that says so; the light is not in one where it did not change."""
    async with asyncio.timeout(5):
        while True:
            parts = parts_of(await anext(stream))
            if parts.get("light", {}).get("state") == state:
                return parts


async def test_two_pages_share_one_watcher_and_both_hear_a_change(player: DeskPlayer) -> None:
    hub = hub_of(player)
    first, second = hub.stream(player.paths, Reader()), hub.stream(player.paths, CHINESE)
    for stream in (first, second):
        assert await anext(stream) == HELLO
        await until_light(stream, "green")
    assert watchers() == ["watch desk demo"], "another language reads no file again"
    player.mood = "red"
    player.write()
    assert (await until_light(first, "red"))["light"]["word"] == "STALE"
    assert (await until_light(second, "red"))["light"]["word"] != "STALE"
    hub.close()
    for stream in (first, second):
        assert [part async for part in stream] == []


async def test_a_message_holds_what_changed_and_a_new_page_gets_everything(player: DeskPlayer) -> None:
    hub = hub_of(player)
    first = hub.stream(player.paths, Reader())
    await anext(first)
    whole = parts_of(await anext(first))
    assert {"light", "tiles", "tables", "made_ms", "age_ms"} <= set(whole)
    beat = parts_of(await anext(first))
    assert beat["made_ms"] > whole["made_ms"]
    assert not {"tiles", "tables", "mode"} & set(beat), "nothing was written, so nothing is sent but the time"
    second = hub.stream(player.paths, Reader())
    await anext(second)
    assert set(parts_of(await anext(second))) == set(whole)


class _Page(msgspec.Struct):
    calm: int
    busy: int


def test_a_reader_who_skipped_messages_gets_all_that_changed_since() -> None:
    parts = Parts()
    for number, busy in enumerate((10, 11, 12), start=1):
        parts.take(_Page(calm=1, busy=busy), number)
    assert parts_of(parts.message(0)) == {"calm": 1, "busy": 12}
    assert parts_of(parts.message(1)) == {"busy": 12}
    assert parts_of(parts.message(3)) == {}


async def test_nothing_is_kept_of_a_reader_who_left(player: DeskPlayer) -> None:
    hub = hub_of(player)
    for zone in ("UTC", "Asia/Shanghai", "Europe/Berlin"):
        stream: Any = hub.stream(player.paths, Reader(zone=zone))
        await anext(stream)
        await anext(stream)
        await stream.aclose()
    assert (hub._watches, hub.open_streams) == ({}, 0)
    async with asyncio.timeout(3):
        while watchers():  # noqa: ASYNC110 -- the task is the event
            await asyncio.sleep(0.01)


async def test_streams_are_bounded(player: DeskPlayer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MOST_STREAMS", 2)
    hub = hub_of(player)
    streams: list[Any] = [hub.stream(player.paths, Reader()) for _ in range(2)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(TooManyStreamsError):
        hub.fleet(Reader())
    await streams[0].aclose()
    assert await anext(hub.fleet(Reader())) == HELLO


async def test_a_failing_look_ends_the_stream_loudly_and_the_next_one_works(
    player: DeskPlayer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = hub_of(player)
    with monkeypatch.context() as broken:
        broken.setattr(DeskFiles, "read", lambda _files, _now_us: 1 // 0)
        async with asyncio.timeout(3):
            assert [part async for part in hub.stream(player.paths, Reader())] == [HELLO]
    await asyncio.sleep(0)  # the task's callbacks run one turn after its end
    assert "ZeroDivisionError" in capsys.readouterr().err
    stream = hub.stream(player.paths, Reader())
    await anext(stream)
    await until_light(stream, "green")
    hub.close()
    assert [part async for part in stream] == []


async def test_the_fleet_is_one_stream_of_all_desks(player: DeskPlayer) -> None:
    stream = hub_of(player).fleet(Reader())
    await anext(stream)
    assert [desk["desk"] for desk in parts_of(await anext(stream))["desks"]] == ["demo"]
    second = DeskPlayer(player.paths.root, "second", minutes=1)
    second.mood = "red"
    second.write()
    async with asyncio.timeout(5):
        while True:
            desks = parts_of(await anext(stream)).get("desks", [])
            if [(desk["desk"], desk["state"]) for desk in desks] == [("second", "red"), ("demo", "green")]:
                break
    second.close()


def test_a_touch_changes_the_fingerprint(player: DeskPlayer, tmp_path: Path) -> None:
    files = DeskFiles(CockpitContext(root=tmp_path, desk="demo"), player.paths)
    before = files.fingerprint()
    assert files.fingerprint() == before
    (player.paths.control / "stop").touch()
    assert files.fingerprint() != before
