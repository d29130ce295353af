"""Litestar's channels with their memory backend. Events are bytes there, so the adapter sends bytes."""

from __future__ import annotations

import asyncio

from litestar.channels import ChannelsPlugin, Subscriber
from litestar.channels.backends.memory import MemoryChannelsBackend

from benchmarks._harness import Stopwatch
from benchmarks.peers import Peer, breathe, expect_all, settle


async def _read(subscriber: Subscriber, events: int) -> int:
    seen = 0
    async for _ in subscriber.iter_events():
        seen += 1
        if seen == events:
            break
    return seen


async def _fan_out(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    made = [str(number).encode() for number in range(events)]
    async with ChannelsPlugin(MemoryChannelsBackend(), channels=["ticks"]) as plugin:
        subscriptions = [await plugin.subscribe("ticks") for _ in range(subscribers)]
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(_read(subscription, events)) for subscription in subscriptions]
            await settle()
            with watch(events * subscribers):
                for number, event in enumerate(made, 1):
                    await plugin.wait_published(event, "ticks")
                    if number % buffer == 0:
                        await breathe()
                await asyncio.wait(readers)
    expect_all((reader.result() for reader in readers), subscribers, events)


PEERS = (
    Peer(
        "Litestar channels (memory)",
        "litestar",
        _fan_out,
        bounded="yes, but drops silently",
        own_pace="yes",
        typed="bytes",
        ordered="yes",
        atomic="no",
        note="measured without a bound, because its bound drops events",
    ),
)
