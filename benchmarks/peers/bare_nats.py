"""nats-py alone: what somebody writes who keeps events in a stream, with a pull consumer of the server's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import nats
from nats.js.api import AckPolicy, ConsumerConfig

STREAM = "bare"
SUBJECT = "bare.orders"
_AT_ONCE = 1_000


async def connect(url: str) -> Any:
    """A connection, and a stream for the events."""
    made: Any = nats  # its options have no types
    client = await made.connect(url)
    await client.jetstream().add_stream(name=STREAM, subjects=["bare.>"])
    return client


async def publish(client: Any, tasks: int, events: Iterable[bytes]) -> None:
    """Each task publishes one event after the other."""
    stream, rest = client.jetstream(), iter(events)

    async def work() -> None:
        for data in rest:
            await stream.publish(SUBJECT, data)

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())


async def publish_many(client: Any, events: Iterable[bytes]) -> None:
    """A thousand at a time, then all their answers."""
    stream = client.jetstream(publish_async_max_pending=_AT_ONCE)
    futures: list[Any] = []
    for data in events:
        futures.append(await stream.publish_async(SUBJECT, data))
        if len(futures) == _AT_ONCE:
            await asyncio.gather(*futures)
            futures.clear()
    await asyncio.gather(*futures)


async def consume(client: Any, handle: Callable[[bytes], object], number: int) -> None:
    """Fetch a thousand, handle them, acknowledge them all with the last, and wait until that is known."""
    config = ConsumerConfig(ack_policy=AckPolicy.ALL, max_ack_pending=10 * _AT_ONCE)
    consumer = await client.jetstream().pull_subscribe("bare.>", durable="workers", stream=STREAM, config=config)
    while number > 0:
        messages = await consumer.fetch(_AT_ONCE, timeout=30)
        for message in messages:
            handle(message.data)
        await messages[-1].ack_sync()
        number -= len(messages)
