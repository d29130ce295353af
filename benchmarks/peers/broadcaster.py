"""broadcaster with its memory backend."""

from __future__ import annotations

import asyncio

from broadcaster import Broadcast

from benchmarks._harness import Stopwatch
from benchmarks.peers import Peer, breathe, expect_all, settle, ticks


async def _read(broadcast: Broadcast, events: int) -> int:
    seen = 0
    async with broadcast.subscribe(channel="ticks") as subscriber:
        async for _ in subscriber:  # type: ignore[union-attr]  # typed as if it may yield None
            seen += 1
            if seen == events:
                break
    return seen


async def _fan_out(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    made = ticks(events)
    async with Broadcast("memory://") as broadcast, asyncio.TaskGroup() as group:
        readers = [group.create_task(_read(broadcast, events)) for _ in range(subscribers)]
        await settle()
        with watch(events * subscribers):
            for number, event in enumerate(made, 1):
                await broadcast.publish("ticks", event)
                if number % buffer == 0:
                    await breathe()
            await asyncio.wait(readers)
    expect_all((reader.result() for reader in readers), subscribers, events)


PEERS = (
    Peer(
        "broadcaster (memory)",
        "broadcaster",
        _fan_out,
        bounded="no",
        own_pace="yes",
        typed="no",
        ordered="yes",
        atomic="no",
        note="subscribers wait for ever when its listener dies",
    ),
)
