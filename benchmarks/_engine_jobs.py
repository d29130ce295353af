"""The three jobs that are measured on each engine with a server, as evenflow does them: only the log differs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

import anyio

from benchmarks._harness import Stopwatch
from benchmarks.log import Ordered
from evenflow.log import DurableSubject

TASKS: Final = 100
"""How many tasks publish one event after the other."""

Job = Callable[[Stopwatch, DurableSubject[Ordered], int], Awaitable[None]]


def made_events(count: int) -> list[Ordered]:
    """So many of them."""
    return [Ordered(order_id=number) for number in range(count)]


async def from_tasks(publish: Callable[[Ordered], Awaitable[object]], made: Iterable[Ordered]) -> None:
    """Publish these from ``TASKS`` tasks, each one after the other."""
    rest = iter(made)

    async def work() -> None:
        for event in rest:
            await publish(event)

    async with anyio.create_task_group() as tasks:
        for _ in range(TASKS):
            tasks.start_soon(work)


async def publish(watch: Stopwatch, orders: DurableSubject[Ordered], count: int) -> None:
    """One by one, from many tasks."""
    made = made_events(count)
    with watch(count):
        await from_tasks(orders.publish, made)


async def publish_many(watch: Stopwatch, orders: DurableSubject[Ordered], count: int) -> None:
    """All together."""
    made = made_events(count)
    with watch(count):
        await orders.publish_many(made)


def consume(*, at_once: int, buffer: int) -> Job:
    """A group that handles and acknowledges so many at a time."""
    return partial(_consume, at_once=at_once, buffer=buffer)


async def _consume(watch: Stopwatch, orders: DurableSubject[Ordered], count: int, *, at_once: int, buffer: int) -> None:
    await orders.publish_many(made_events(count))
    left = count
    with watch(count):
        async with orders.deliveries("workers", Ordered, buffer=buffer) as deliveries:
            async for batch in deliveries.batches(at_once, within=0.2):
                async with batch:
                    left -= len(batch)
                if left <= 0:
                    break
