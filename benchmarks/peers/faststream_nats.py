"""FastStream on NATS JetStream: what somebody writes who takes a framework instead of the bare client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from faststream.nats import JStream, NatsBroker, PullSub

STREAM = "faststream"
SUBJECT = "faststream.orders"
GROUP = "workers"
_AT_ONCE = 1_000


@asynccontextmanager
async def broker(url: str) -> AsyncGenerator[Any]:
    """A broker that is connected, with a stream for the events, and runs no subscriber yet."""
    made: Any = NatsBroker(url, logger=None)
    try:
        client = await made.connect()
        await client.jetstream().add_stream(name=STREAM, subjects=["faststream.>"])
        yield made
    finally:
        await made.stop()


async def publish(connected: Any, tasks: int, events: Iterable[Any]) -> None:
    """Each task publishes one event after the other, and waits until it is stored."""
    rest = iter(events)

    async def work() -> None:
        for event in rest:
            await connected.publish(event, SUBJECT, stream=STREAM)

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())


async def publish_many(connected: Any, events: Iterable[Any]) -> None:
    """It has nothing for many at once: a thousand tasks."""
    await publish(connected, _AT_ONCE, events)


async def consume(connected: Any, event: type, number: int) -> None:
    """Handle up to a thousand at a time in a durable consumer; they are acknowledged when the function returns."""
    client = await connected.connect()
    done, seen = asyncio.Event(), 0

    async def handle(events: list[Any]) -> None:
        nonlocal seen
        seen += len(events)
        if seen >= number:
            done.set()

    handle.__annotations__["events"] = list[event]  # type: ignore[valid-type]  # FastStream reads it
    many = PullSub(batch_size=_AT_ONCE, batch=True)
    connected.subscriber(SUBJECT, stream=JStream(STREAM, declare=False), durable=GROUP, pull_sub=many)(handle)
    await connected.start()
    await done.wait()
    stream = client.jetstream()
    while (await stream.consumer_info(STREAM, GROUP)).num_ack_pending:  # noqa: ASYNC110 -- only the server knows
        await asyncio.sleep(0)
