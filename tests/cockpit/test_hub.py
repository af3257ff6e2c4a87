import asyncio
from pathlib import Path

import pytest

from cockpit.context import CockpitContext
from cockpit.desk_view import DeskView
from cockpit.hub import Hub, fingerprint
from cockpit.reader import Reader
from tests.support.desk_player import DeskPlayer


def hub_of(player: DeskPlayer) -> Hub:
    return Hub(CockpitContext(root=player.paths.root, desk=player.desk))


async def test_two_pages_share_one_watcher_and_both_hear_a_change(player: DeskPlayer) -> None:
    hub = hub_of(player)
    first, second = hub.stream(player.paths, Reader()), hub.stream(player.paths, Reader())
    for stream in (first, second):
        assert await anext(stream) == b"retry: 500\n\n"
        assert b'"state":"green"' in await anext(stream)
    assert len([task for task in asyncio.all_tasks() if task.get_name() == "watch demo"]) == 1
    player.mood = "red"
    player.write()
    assert b'"state":"red"' in await anext(first)
    assert b'"state":"red"' in await anext(second)
    hub.close()
    assert [part async for part in first] == []
    assert [part async for part in second] == []


async def test_the_watcher_ends_with_its_last_reader(player: DeskPlayer) -> None:
    stream = hub_of(player).stream(player.paths, Reader())
    await anext(stream)
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(3):
        while any(task.get_name() == "watch demo" for task in asyncio.all_tasks()):  # noqa: ASYNC110 -- the task is the event
            await asyncio.sleep(0.01)


async def test_a_failing_look_ends_the_stream_loudly_and_the_next_one_works(
    player: DeskPlayer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = hub_of(player)
    with monkeypatch.context() as broken:
        broken.setattr(DeskView, "encoded", lambda _view, _now_us: 1 // 0)
        async with asyncio.timeout(3):
            assert [part async for part in hub.stream(player.paths, Reader())] == [b"retry: 500\n\n"]
    await asyncio.sleep(0)  # the task's callbacks run one turn after its end
    assert "ZeroDivisionError" in capsys.readouterr().err
    stream = hub.stream(player.paths, Reader())
    await anext(stream)
    assert b"event: page" in await anext(stream)
    hub.close()
    assert [part async for part in stream] == []


def test_a_touch_changes_the_fingerprint(player: DeskPlayer, tmp_path: Path) -> None:
    before = fingerprint(player.paths)
    assert fingerprint(player.paths) == before
    (player.paths.control / "stop").touch()
    assert fingerprint(player.paths) != before
