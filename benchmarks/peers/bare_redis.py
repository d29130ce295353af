"""redis-py alone: what somebody writes who keeps events in a stream, with a group of the server's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import redis.asyncio

STREAM = "bare"
GROUP = "workers"
_AT_ONCE = 1_000


def client(port: int) -> Any:
    """A client with as many connections as it asks for."""
    return redis.asyncio.Redis(port=port, max_connections=256, protocol=2)


async def publish(connected: Any, tasks: int, events: Iterable[bytes]) -> None:
    """Each task adds one event after the other."""
    rest = iter(events)

    async def work() -> None:
        for data in rest:
            await connected.xadd(STREAM, {b"data": data})

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())


async def publish_many(connected: Any, events: Iterable[bytes]) -> None:
    """A pipeline for each thousand."""
    pipeline = connected.pipeline(transaction=False)
    for data in events:
        pipeline.xadd(STREAM, {b"data": data})
        if len(pipeline) == _AT_ONCE:
            await pipeline.execute()
    await pipeline.execute()


async def consume(connected: Any, handle: Callable[[bytes], object], number: int) -> None:
    """Read a thousand for a group, handle them, acknowledge them together."""
    await connected.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    while number > 0:
        [(_, entries)] = await connected.xreadgroup(GROUP, "me", {STREAM: ">"}, count=_AT_ONCE)
        for _, fields in entries:
            handle(fields[b"data"])
        await connected.xack(STREAM, GROUP, *(entry for entry, _ in entries))
        number -= len(entries)
