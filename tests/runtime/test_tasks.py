import asyncio

import pytest

from daemon.runtime.tasks import TaskDiedError, TaskOwner


async def forever() -> None:
    await asyncio.Event().wait()


def future() -> "asyncio.Future[int]":
    return asyncio.get_running_loop().create_future()


async def test_a_task_that_dies_stops_the_wait_and_is_named() -> None:
    async def dies() -> None:
        raise ZeroDivisionError("boom")

    owner = TaskOwner()
    owner.start("steady", forever())
    owner.start("unlucky", dies())
    with pytest.raises(TaskDiedError, match="task unlucky died: ZeroDivisionError: boom") as death:
        await owner.until(future())
    assert isinstance(death.value.cause, ZeroDivisionError)
    await owner.cancel_all()


async def test_a_task_that_returns_without_leave_stops_the_wait() -> None:
    owner = TaskOwner()
    owner.start("short", asyncio.sleep(0))
    with pytest.raises(TaskDiedError, match="task short returned unexpectedly"):
        await owner.until(future())


async def test_a_cancelled_task_counts_as_an_unexpected_end() -> None:
    owner = TaskOwner()
    owner.start("gone", forever())
    next(task for task in asyncio.all_tasks() if task.get_name() == "gone").cancel()
    with pytest.raises(TaskDiedError, match="gone"):
        await owner.until(future())


async def test_the_finish_wins_over_a_task_that_returns_with_it() -> None:
    finished = future()

    async def finishes() -> None:
        finished.set_result(3)

    owner = TaskOwner()
    owner.start("engine", finishes())
    assert await owner.until(finished) == 3


async def test_a_death_wins_over_a_finish_of_the_same_turn() -> None:
    finished = future()

    async def both() -> None:
        finished.set_result(0)
        raise ValueError("late")

    owner = TaskOwner()
    owner.start("both", both())
    with pytest.raises(TaskDiedError, match="late"):
        await owner.until(finished)


async def test_cancellation_goes_backwards_and_waits_for_each() -> None:
    ended: list[str] = []

    async def noted(name: str) -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    owner = TaskOwner()
    for name in ("first", "second", "third"):
        owner.start(name, noted(name))
    await asyncio.sleep(0)
    await owner.cancel_all()
    assert ended == ["third", "second", "first"]
    assert owner.names == ()


async def test_a_name_is_taken_once() -> None:
    owner = TaskOwner()
    owner.start("one", forever())
    with pytest.raises(ValueError, match="one"):
        owner.start("one", forever())
    await owner.cancel_all()
