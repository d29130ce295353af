"""reactivex: a Subject with callbacks, and with callbacks that put each event into a queue of their own."""

from __future__ import annotations

import asyncio
from functools import partial

from reactivex.subject import Subject

from benchmarks._harness import Stopwatch
from benchmarks.peers import Peer, Tick, breathe, counters, expect_all, settle, ticks


async def _callbacks(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:  # noqa: ARG001 - none here
    subject: Subject[Tick] = Subject()
    counts, handlers = counters(subscribers)
    for handler in handlers:
        subject.subscribe(on_next=handler)
    made = ticks(events)
    with watch(events * subscribers):
        for event in made:
            subject.on_next(event)
    expect_all(counts, subscribers, events)


async def _read(queue: asyncio.Queue[Tick | None]) -> int:
    seen = 0
    while await queue.get() is not None:
        seen += 1
    return seen


async def _into_queues(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    subject: Subject[Tick] = Subject()
    queues: list[asyncio.Queue[Tick | None]] = [asyncio.Queue() for _ in range(subscribers)]
    for queue in queues:
        subject.subscribe(on_next=queue.put_nowait, on_completed=partial(queue.put_nowait, None))
    made = ticks(events)
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(_read(queue)) for queue in queues]
        await settle()
        with watch(events * subscribers):
            for number, event in enumerate(made, 1):
                subject.on_next(event)
                if number % buffer == 0:
                    await breathe()
            subject.on_completed()
            await asyncio.wait(readers)
    expect_all((reader.result() for reader in readers), subscribers, events)


PEERS = (
    Peer(
        "reactivex, callbacks",
        "reactivex",
        _callbacks,
        bounded="no buffer",
        own_pace="no",
        typed="by checkers",
        ordered="if not re-entrant",
        atomic="no",
        note="an observer's exception reaches the publisher, and the others miss the event",
    ),
    Peer(
        "reactivex, into queues",
        "reactivex",
        _into_queues,
        bounded="no",
        own_pace="yes",
        typed="by checkers",
        ordered="if not re-entrant",
        atomic="no",
        note="no backpressure",
    ),
)
