"""How long does an event take to reach a subscriber that waits for it, alone and among many under load?

Idle: one subscriber waits, and one event is published. The clock runs from before the publish until the subscriber has
the event; then everything comes to rest again. The first events of each round are not counted, for any peer: the
processor's caches are cold then, and the p99 would show mostly these. The same is measured several times in a row, and
of each place the least time counts: what another program on the machine does falls on another place each time, and what
a peer does once in so many events falls on the same. Otherwise one peer measured against itself differs by half.

Under load: bursts of events at a steady rate go to 100 subscribers, and every delivery is timed. It is wall time,
because the question is about waiting; so other work on the machine shows in the p99.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from reactivex.subject import Subject as RxSubject

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks.peers import settle
from benchmarks.peers.evenflow import Tick, ticks
from evenflow import Subject

QUESTION = "How long does an event take to reach its subscriber?"

HAND = "asyncio.Queue by hand"

_WARM_UP = 512
"""The number of idle events at the start of each round that are not counted."""

_PASS = 2_048
"""The number of idle events that are measured in a row: what comes once in a power of two falls on the same place."""

_PASSES = 4

Publish = Callable[[Tick], Awaitable[object]]
Receive = Callable[[], Awaitable[Tick]]
Link = Callable[[int], AbstractAsyncContextManager[tuple[Publish, list[Receive]]]]
"""Opens a link to a number of readers: how to publish, and how each reader waits for one event."""


def run(bench: Bench) -> None:
    """First idle, then under load."""
    idle = bench.compare(
        "idle",
        "One event to one waiting subscriber, and nothing else to do: from before the publish until it is received",
        {name: _idle(link) for name, link in _LINKS.items()},
        reference=HAND,
        per="event",
        figures=("p50", "p99"),
        rounds=9,
    )
    for figure in ("p50", "p99"):
        bench.expect(f"idle hand-over, {figure}, against {HAND}", idle.ratio("evenflow", of=figure), at_most=1.25)
    bench.bars(
        "latency-idle",
        "Idle hand-over, p99",
        {name: idle.median(name, "p99") for name in _LINKS if idle.rounds[name]},
        across="nanoseconds, logarithmic",
    )
    if not bench.quick:
        bench.compare(
            "load",
            "100 subscribers, 10 events every 4 ms: from before the publish until each subscriber has it",
            {name: _loaded(link, subscribers=100, bursts=150) for name, link in _LINKS.items()},
            reference=HAND,
            per="delivery",
            figures=("p50", "p99"),
            rounds=5,
        )


def _percentiles(watch: Stopwatch, waits: list[int]) -> None:
    waits.sort()
    watch.report(p50=waits[len(waits) // 2], p99=waits[len(waits) * 99 // 100])


def _idle(link: Link) -> Case:
    async def case(watch: Stopwatch) -> None:
        clock = time.perf_counter_ns
        waits: list[int] = []
        started = 0

        async def read(receive: Receive) -> None:
            while True:
                await receive()
                waits.append(clock() - started)

        async with link(1) as (publish, readers):
            reader = asyncio.create_task(read(readers[0]))
            await settle()
            for number, event in enumerate(ticks(_WARM_UP + _PASSES * _PASS), 1):
                started = clock()
                await publish(event)
                while len(waits) < number:  # noqa: ASYNC110 - waiting on an event would be measured, too
                    await asyncio.sleep(0)
                await asyncio.sleep(0)  # now the reader waits again
            reader.cancel()
            await asyncio.wait([reader])
        passes = [waits[start : start + _PASS] for start in range(_WARM_UP, len(waits), _PASS)]
        _percentiles(watch, [min(times) for times in zip(*passes, strict=True)])

    return case


def _loaded(link: Link, *, subscribers: int, bursts: int, burst: int = 10, every: float = 0.004) -> Case:
    async def case(watch: Stopwatch) -> None:
        clock = time.perf_counter_ns
        waits: list[int] = []
        made = ticks(bursts * burst)
        started = [0] * len(made)
        wanted = len(made) * subscribers

        async def read(receive: Receive) -> None:
            while True:
                event = await receive()
                waits.append(clock() - started[event.n])

        async with link(subscribers) as (publish, readers):
            tasks = [asyncio.create_task(read(reader)) for reader in readers]
            await settle()
            begin = time.perf_counter()
            for number in range(bursts):
                await asyncio.sleep(max(0.0, begin + number * every - time.perf_counter()))
                for event in made[number * burst : (number + 1) * burst]:
                    started[event.n] = clock()
                    await publish(event)
            while len(waits) < wanted:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        _percentiles(watch, waits)

    return case


@asynccontextmanager
async def _by_hand(count: int) -> AsyncIterator[tuple[Publish, list[Receive]]]:
    queues: list[asyncio.Queue[Tick]] = [asyncio.Queue(64) for _ in range(count)]

    async def publish(event: Tick) -> None:
        for queue in queues:
            await queue.put(event)

    yield publish, [queue.get for queue in queues]


@asynccontextmanager
async def _reactivex(count: int) -> AsyncIterator[tuple[Publish, list[Receive]]]:
    subject: RxSubject[Tick] = RxSubject()
    queues: list[asyncio.Queue[Tick]] = [asyncio.Queue() for _ in range(count)]
    for queue in queues:
        subject.subscribe(on_next=queue.put_nowait)

    async def publish(event: Tick) -> None:
        subject.on_next(event)

    yield publish, [queue.get for queue in queues]


@asynccontextmanager
async def _anyio(count: int) -> AsyncIterator[tuple[Publish, list[Receive]]]:
    with ExitStack() as stack:
        sends: list[MemoryObjectSendStream[Tick]] = []
        receives: list[MemoryObjectReceiveStream[Tick]] = []
        for _ in range(count):
            send, receive = anyio.create_memory_object_stream[Tick](64)
            sends.append(stack.enter_context(send))
            receives.append(stack.enter_context(receive))

        async def publish(event: Tick) -> None:
            for send in sends:
                await send.send(event)

        yield publish, [receive.receive for receive in receives]


@asynccontextmanager
async def _evenflow(count: int) -> AsyncIterator[tuple[Publish, list[Receive]]]:
    subject = Subject(Tick)
    async with AsyncExitStack() as stack:
        subscriptions = [await stack.enter_async_context(subject.subscribe(Tick)) for _ in range(count)]
        yield subject.publish, [subscription.__anext__ for subscription in subscriptions]


_LINKS: dict[str, Link] = {
    HAND: _by_hand,
    "evenflow": _evenflow,
    "reactivex, into queues": _reactivex,
    "anyio streams, as documented": _anyio,
}
