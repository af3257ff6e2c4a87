import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from daemon.core.events import Control
from daemon.runtime.control_watch import ControlWatch
from state.control import RequestRead, assert_command, write_request
from state.records import OperatorRequest

AT = "2026-01-01T00:00:00.000000Z"


class Watched:
    """A running watch and all it said."""

    def __init__(self, folder: Path, poll_s: float) -> None:
        self.folder = folder
        self.seen: list[Control] = []
        self.requests: list[RequestRead] = []
        self.watch = ControlWatch(
            folder, changed=self.seen.append, requested=self.requests.append, now_us=lambda: 42, poll_s=poll_s
        )

    async def until(self, holds: Callable[[], bool], seconds: float = 3.0) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while not holds():
            assert asyncio.get_running_loop().time() < deadline, f"not seen in {seconds} s; seen: {self.seen}"
            await asyncio.sleep(0.005)

    def names(self) -> set[str]:
        return {file.name for file in self.seen[-1].files}


@pytest.fixture(params=[30.0, 0.05], ids=["inotify", "poll"])
async def watched(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Watched]:
    """Once with a poll so slow that only inotify can have seen it, once with a quick poll."""
    folder = tmp_path / "control"
    folder.mkdir()
    (folder / "requests").mkdir()
    watched = Watched(folder, request.param)
    task = asyncio.create_task(watched.watch.run())
    await watched.until(lambda: len(watched.seen) == 1)
    yield watched
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_first_look_reports_even_an_empty_folder(watched: Watched) -> None:
    first = watched.seen[0]
    assert (first.files, first.readable, first.ts_us) == ((), True, 42)


async def test_touch_and_rm_are_seen(watched: Watched) -> None:
    (watched.folder / "stop").touch()
    await watched.until(lambda: watched.names() == {"stop"})
    (watched.folder / "pause").touch()
    await watched.until(lambda: watched.names() == {"stop", "pause"})
    (watched.folder / "stop").unlink()
    await watched.until(lambda: watched.names() == {"pause"})


async def test_a_second_touch_is_news_because_it_renews_a_stale_flatten(watched: Watched) -> None:
    flatten = watched.folder / "flatten"
    flatten.touch()
    os.utime(flatten, (1, 1))
    await watched.until(lambda: bool(watched.seen[-1].files) and watched.seen[-1].files[0].age_ms > 1e9)
    os.utime(flatten)
    await watched.until(lambda: watched.seen[-1].files[0].age_ms < 60_000)


async def test_a_directory_named_stop_is_a_stop_and_content_does_not_matter(watched: Watched) -> None:
    (watched.folder / "stop").mkdir()
    (watched.folder / "pause").write_bytes(b"\xff\x00 not a note")
    await watched.until(lambda: watched.names() == {"stop", "pause"})
    assert not next(file for file in watched.seen[-1].files if file.name == "pause").readable


async def test_a_note_is_carried(watched: Watched) -> None:
    assert_command(watched.folder, "pause", by="ann", reason="lunch", at=AT)
    await watched.until(lambda: watched.names() == {"pause"})
    assert (watched.seen[-1].files[0].by, watched.seen[-1].files[0].reason) == ("ann", "lunch")


async def test_unknown_names_are_told_and_editors_leftovers_are_not(watched: Watched) -> None:
    (watched.folder / ".hidden").touch()
    (watched.folder / "stop~").touch()
    (watched.folder / "halt").touch()
    await watched.until(lambda: watched.seen[-1].unknown_names == ("halt",))
    assert watched.seen[-1].files == ()


async def test_reading_does_not_make_the_watch_look_again(watched: Watched) -> None:
    (watched.folder / "stop").write_text("")
    await watched.until(lambda: watched.names() == {"stop"})
    count = len(watched.seen)
    for _ in range(20):
        (watched.folder / "stop").read_text()
        await asyncio.sleep(0.005)
    assert len(watched.seen) == count


async def test_a_request_is_handed_over_once(watched: Watched) -> None:
    request = OperatorRequest(id="r1", command="reset", by="ann", reason="checked", at=AT)
    write_request(watched.folder / "requests", request)
    await watched.until(lambda: bool(watched.requests))
    (watched.folder / "pause").touch()
    await watched.until(lambda: watched.names() == {"pause"})
    assert [read.name for read in watched.requests] == ["r1.json"]
    assert watched.requests[0].request == request


async def test_a_deleted_folder_is_a_pause_and_a_recreated_one_is_watched_again(tmp_path: Path) -> None:
    folder = tmp_path / "control"
    folder.mkdir()
    watched = Watched(folder, 0.05)
    task = asyncio.create_task(watched.watch.run())
    await watched.until(lambda: len(watched.seen) == 1)
    shutil.rmtree(folder)
    await watched.until(lambda: not watched.seen[-1].readable)
    folder.mkdir()
    await watched.until(lambda: watched.seen[-1].readable)
    (folder / "stop").touch()
    await watched.until(lambda: watched.names() == {"stop"})
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_folder_may_be_missing_at_the_start(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "control", 0.02)
    task = asyncio.create_task(watched.watch.run())
    await watched.until(lambda: bool(watched.seen) and not watched.seen[-1].readable)
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "pause").touch()
    await watched.until(lambda: watched.seen[-1].readable and watched.names() == {"pause"})
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
