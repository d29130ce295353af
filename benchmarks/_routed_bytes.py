"""Bytes that come from a NATS server to a process that wants one event in a hundred."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.proxy import Proxy
from tests.servers import Nats

from benchmarks._logs import Ordered, events
from evenflow.log.nats import NATSLog

REGIONS = 100
AT_ONCE = 1_000
WANTED: Any = Ordered.region == "7"


async def bytes_of(count: int, *, routed: bool, where: Any) -> dict[str, float]:
    """The bytes for each event that is stored: by a reader of history, a group, and a live subscription."""
    async with _two(routed=routed) as (writer, reader, proxy):
        await writer.publish_many(events(count, REGIONS))
        wanted = count if where is None else count // REGIONS
        found: dict[str, float] = {}
        before = proxy.bytes_from_server
        assert len([record async for record in reader.read(where=where)]) == wanted
        found["history"] = (proxy.bytes_from_server - before) / count
        before = proxy.bytes_from_server
        await _handle(reader, where, wanted)
        found["a group"] = (proxy.bytes_from_server - before) / count
        async with reader.subscribe(where=where, buffer=AT_ONCE) as feed:
            before = proxy.bytes_from_server
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_receive(feed, wanted))
                await writer.publish_many(events(count, REGIONS))
            found["live"] = (proxy.bytes_from_server - before) / count
        return found


@asynccontextmanager
async def _two(*, routed: bool) -> AsyncIterator[tuple[Any, Any, Proxy]]:
    server = Nats()
    server.start()
    try:
        async with Proxy(server.port) as proxy:
            writer, reader = NATSLog(server.url, name="bench"), NATSLog(f"nats://127.0.0.1:{proxy.port}", name="bench")
            options: Any = {"routed_by": Ordered.region} if routed else {}
            async with writer, reader:
                one, other = (log.subject("orders", Ordered, **options) for log in (writer, reader))
                yield one, other, proxy
    finally:
        server.stop()


async def _handle(orders: Any, where: Any, count: int) -> None:
    left = count
    async with orders.deliveries("workers", where=where, buffer=AT_ONCE) as deliveries:
        async for batch in deliveries.batches(AT_ONCE, within=0.2):
            async with batch:
                left -= len(batch)
            if left <= 0:
                return


async def _receive(feed: Any, count: int) -> None:
    for _ in range(count):
        await feed.receive()
