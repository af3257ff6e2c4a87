import asyncio

from daemon.runtime.timers import Timers


async def test_timers_fire_in_order_once_and_only_when_due() -> None:
    fired: list[str] = []
    timers = Timers(fired.append)
    timers.start("late", 30.0)
    timers.start("early", 5.0)
    timers.start("never", 5_000.0)
    assert set(timers.keys) == {"late", "early", "never"}
    await asyncio.sleep(0.08)
    assert fired == ["early", "late"]
    assert timers.keys == ("never",)
    timers.cancel_all()
    assert timers.keys == ()


async def test_the_same_key_replaces_and_unknown_keys_are_fine() -> None:
    fired: list[str] = []
    timers = Timers(fired.append)
    timers.start("ack", 5.0)
    timers.start("ack", 40.0)
    timers.cancel("unknown")
    await asyncio.sleep(0.02)
    assert fired == []
    await asyncio.sleep(0.05)
    assert fired == ["ack"]


async def test_a_cancelled_timer_does_not_fire() -> None:
    fired: list[str] = []
    timers = Timers(fired.append)
    timers.start("ack", 5.0)
    timers.cancel("ack")
    await asyncio.sleep(0.02)
    assert fired == []


async def test_a_handler_may_start_its_own_timer_again() -> None:
    fired: list[str] = []

    def again(key: str) -> None:
        fired.append(key)
        if len(fired) < 3:
            timers.start(key, 1.0)

    timers = Timers(again)
    timers.start("feed", 1.0)
    await asyncio.sleep(0.05)
    assert fired == ["feed", "feed", "feed"]
