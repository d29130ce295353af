"""FastStream on Redis streams: what somebody writes who takes a framework instead of the bare client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from faststream.redis import RedisBroker, StreamSub

STREAM = "faststream"
GROUP = "workers"
_AT_ONCE = 1_000


@asynccontextmanager
async def broker(port: int) -> AsyncGenerator[Any]:
    """A broker that is connected, and runs no subscriber yet."""
    made: Any = RedisBroker(f"redis://127.0.0.1:{port}", protocol=2, max_connections=256, logger=None)
    try:
        await made.connect()
        yield made
    finally:
        await made.stop()


async def publish(connected: Any, tasks: int, events: Iterable[Any]) -> None:
    """Each task publishes one event after the other."""
    rest = iter(events)

    async def work() -> None:
        for event in rest:
            await connected.publish(event, stream=STREAM)

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())


async def publish_many(connected: Any, events: Iterable[Any]) -> None:
    """A pipeline for each thousand."""
    client = await connected.connect()
    async with client.pipeline(transaction=False) as pipeline:
        for number, event in enumerate(events, 1):
            await connected.publish(event, stream=STREAM, pipeline=pipeline)
            if number % _AT_ONCE == 0:
                await pipeline.execute()
        await pipeline.execute()


async def consume(connected: Any, event: type, number: int) -> None:
    """Handle a thousand at a time in a group, which are acknowledged when the function returns."""
    client = await connected.connect()
    await client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    done, seen = asyncio.Event(), 0
    which = StreamSub(STREAM, group=GROUP, consumer="me", batch=True, max_records=_AT_ONCE)

    async def handle(events: list[Any]) -> None:
        nonlocal seen
        seen += len(events)
        if seen >= number:
            done.set()

    handle.__annotations__["events"] = list[event]  # type: ignore[valid-type]  # FastStream reads it
    connected.subscriber(stream=which)(handle)
    await connected.start()
    await done.wait()
    while (await client.xpending(STREAM, GROUP))["pending"]:  # noqa: ASYNC110 -- only the server knows
        await asyncio.sleep(0)
