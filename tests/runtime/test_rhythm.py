"""When the line is probed."""

import asyncio
import contextlib

from daemon.core.link_fsm import LinkState
from daemon.runtime.rhythm import Prober, Silence


async def probes_of(prober: Prober, asked: list[int], *, until: int) -> None:
    task = asyncio.create_task(prober.run())
    async with asyncio.timeout(10):
        while len(asked) < until:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.001)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_link_is_probed_again_and_again_and_none_is_not() -> None:
    asked: list[int] = []
    states = [LinkState.SYNCED, LinkState.DOWN, LinkState.DOWN, LinkState.UP_UNSYNCED, LinkState.UPSTREAM_LOST]
    looked: list[LinkState] = []

    def link() -> LinkState:
        looked.append(states[len(looked) % len(states)])
        return looked[-1]

    prober = Prober(link=link, probe=lambda: asked.append(len(looked)), every_s=0.001)
    await probes_of(prober, asked, until=3)
    assert asked == [1, 4, 5]


async def test_a_market_that_speaks_is_not_probed_beside_its_steps() -> None:
    asked: list[int] = []
    stamps = [0]
    silence = Silence(lambda: stamps[0])
    verdicts: list[bool] = []

    def due() -> bool:
        stamps[0] += len(verdicts) < 5  # five stamps, then silence
        verdicts.append(silence())
        return verdicts[-1]

    prober = Prober(link=lambda: LinkState.SYNCED, probe=lambda: asked.append(len(verdicts)), every_s=0.001, due=due)
    await probes_of(prober, asked, until=2)
    assert verdicts[:7] == [False] * 5 + [True, True]
    assert asked == [6, 7]
