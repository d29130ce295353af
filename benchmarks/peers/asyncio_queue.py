"""What a user would write: an `asyncio.Queue` for each subscriber, and a loop that calls `put`."""

from __future__ import annotations

import asyncio

from benchmarks._harness import Stopwatch
from benchmarks.peers import Peer, Tick, expect_all, settle, ticks


async def _read(queue: asyncio.Queue[Tick | None]) -> int:
    seen = 0
    while await queue.get() is not None:
        seen += 1
    return seen


async def _fan_out(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    queues: list[asyncio.Queue[Tick | None]] = [asyncio.Queue(buffer) for _ in range(subscribers)]
    made = ticks(events)
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(_read(queue)) for queue in queues]
        await settle()
        with watch(events * subscribers):
            for event in made:
                for queue in queues:
                    await queue.put(event)
            for queue in queues:
                await queue.put(None)
            await asyncio.wait(readers)
    expect_all((reader.result() for reader in readers), subscribers, events)


PEERS = (
    Peer(
        "asyncio.Queue by hand",
        None,
        _fan_out,
        bounded="yes",
        own_pace="yes",
        typed="no",
        ordered="by publisher",
        atomic="no",
        note="a dozen lines; a cancelled publish reaches some of the queues",
    ),
)
