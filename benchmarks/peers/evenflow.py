"""evenflow itself: one event at a time, many at a time, and observers."""

from __future__ import annotations

import asyncio

from benchmarks._harness import Stopwatch
from benchmarks.peers import FanOut, Peer, expect_all, settle
from evenflow import Event, Subject, Subscription


class Tick(Event):
    """The event that is delivered."""

    n: int


_pool: list[Tick] = []


def ticks(count: int) -> list[Tick]:
    """`count` events, which are made before the clock starts, and kept for the next round."""
    _pool.extend(Tick(n=n) for n in range(len(_pool), count))
    return _pool[:count]


async def _read(subscription: Subscription[Tick]) -> int:
    seen = 0
    async with subscription:
        async for _ in subscription:
            seen += 1
    return seen


async def _read_batches(subscription: Subscription[Tick]) -> int:
    seen = 0
    async with subscription:
        async for batch in subscription.batches():
            for _ in batch:
                seen += 1
    return seen


async def _publish(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    subject = Subject(Tick)
    made = ticks(events)
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(_read(subject.subscribe(Tick, buffer=buffer))) for _ in range(subscribers)]
        await settle()
        with watch(events * subscribers):
            for event in made:
                await subject.publish(event)
            subject.close()
            await asyncio.wait(readers)
    expect_all((reader.result() for reader in readers), subscribers, events)


async def _publish_to_batches(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    subject = Subject(Tick)
    made = ticks(events)
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(_read_batches(subject.subscribe(Tick, buffer=buffer))) for _ in range(subscribers)]
        await settle()
        with watch(events * subscribers):
            for event in made:
                await subject.publish(event)
            subject.close()
            await asyncio.wait(readers)
    expect_all((reader.result() for reader in readers), subscribers, events)


async def _publish_many(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    subject = Subject(Tick)
    made = ticks(events)
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(_read_batches(subject.subscribe(Tick, buffer=buffer))) for _ in range(subscribers)]
        await settle()
        with watch(events * subscribers):
            await subject.publish_many(made)
            subject.close()
            await asyncio.wait(readers)
    expect_all((reader.result() for reader in readers), subscribers, events)


async def _observers(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    subject = Subject(Tick)
    counts = [0] * subscribers

    def observe(place: int) -> None:
        async def handle(_: Tick) -> None:
            counts[place] += 1

        subject.observe(handle, Tick, buffer=buffer)

    for place in range(subscribers):
        observe(place)
    made = ticks(events)
    async with subject:
        await settle()
        with watch(events * subscribers):
            for event in made:
                await subject.publish(event)
            await subject.drain()
    expect_all(counts, subscribers, events)


def _peer(name: str, fan_out: FanOut, note: str = "") -> Peer:
    return Peer(
        name,
        None,
        fan_out,
        bounded="yes",
        own_pace="yes",
        typed="yes",
        ordered="yes",
        atomic="yes",
        note=note,
    )


PEERS = (
    _peer("evenflow", _publish, "`publish`, `async for`"),
    _peer("evenflow, batches", _publish_to_batches, "`publish`, `batches()`"),
    _peer("evenflow, publish_many", _publish_many, "`publish_many`, `batches()`"),
    _peer("evenflow, observers", _observers, "`publish`, coroutine functions"),
)
