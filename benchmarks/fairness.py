"""How long does another task wait while a publisher never sleeps?

A publisher calls `await publish` in a loop without a pause, and its subscribers keep up. One more task lets the loop
turn again and again, and notes how long each turn took. The target is for processor time, because on a shared machine
another process may use the core meanwhile; the wall time is shown beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks.peers import settle
from benchmarks.peers.evenflow import Tick, ticks
from evenflow import Subject, Subscription

QUESTION = "How long does another task wait while a publisher never sleeps?"

_LIMIT = 5e6
"""The target, in nanoseconds."""

_SUBSCRIPTIONS = 1_000


def run(bench: Bench) -> None:
    """The longest turn of the loop, for one event at a time, for many events at once, and for queues by hand."""
    events = bench.pick(quick=200, full=600)
    cases: dict[str, Case] = {
        "asyncio.Queue by hand": _by_hand(events),
        "evenflow": _evenflow(events, _read, many=False),
        "evenflow, batches": _evenflow(events, _read_batches, many=False),
        "evenflow, publish_many": _evenflow(events, _read_batches, many=True),
    }
    results = bench.compare(
        "turns",
        f"The longest wait of another task, and the 99th percentile: {_SUBSCRIPTIONS:,} subscribers that keep up",
        cases,
        reference="asyncio.Queue by hand",
        per="turn",
        figures=("longest", "p99", "longest_wall"),
        rounds=bench.pick(quick=5, full=11),
    )
    for name in cases:
        if name.startswith("evenflow"):
            longest = results.median(name) if results.rounds[name] else None
            bench.expect(f"{name}: the longest wait of another task, in nanoseconds", longest, at_most=_LIMIT)
    bench.bars(
        "fairness",
        f"The longest wait of another task, {_SUBSCRIPTIONS:,} subscribers",
        {name: results.median(name) / 1e6 for name in cases if results.rounds[name]},
        across="milliseconds of processor time, logarithmic",
    )


async def _watched(watch: Stopwatch, work: Callable[[], Awaitable[None]]) -> None:
    """Run the work, and beside it a task that notes how long each turn of the loop takes."""
    turns: list[int] = []
    walls: list[int] = []
    done = False

    async def turn() -> None:
        cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
        while not done:
            await asyncio.sleep(0)
            now, then = time.thread_time_ns(), time.perf_counter_ns()
            turns.append(now - cpu)
            walls.append(then - wall)
            cpu, wall = now, then

    turning = asyncio.create_task(turn())
    await settle()
    turns.clear()
    walls.clear()
    await work()
    done = True
    await turning
    turns.sort()
    watch.report(longest=turns[-1], p99=turns[len(turns) * 99 // 100], longest_wall=max(walls))


async def _read(subscription: Subscription[Tick]) -> None:
    async for _ in subscription:
        pass


async def _read_batches(subscription: Subscription[Tick]) -> None:
    async for _ in subscription.batches():
        pass


def _evenflow(events: int, read: Callable[[Subscription[Tick]], Awaitable[None]], *, many: bool) -> Case:
    async def case(watch: Stopwatch) -> None:
        subject = Subject(Tick)
        made = ticks(events)
        async with asyncio.TaskGroup() as group:
            for _ in range(_SUBSCRIPTIONS):
                group.create_task(_reading(subject.subscribe(Tick)))
            await settle()

            async def work() -> None:
                if many:
                    await subject.publish_many(made)
                else:
                    for event in made:
                        await subject.publish(event)

            await _watched(watch, work)
            subject.close()

    async def _reading(subscription: Subscription[Tick]) -> None:
        async with subscription:
            await read(subscription)

    return case


def _by_hand(events: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        queues: list[asyncio.Queue[Tick | None]] = [asyncio.Queue(64) for _ in range(_SUBSCRIPTIONS)]
        made = ticks(events)

        async def reading(queue: asyncio.Queue[Tick | None]) -> None:
            while await queue.get() is not None:
                pass

        async def work() -> None:
            for event in made:
                for queue in queues:
                    await queue.put(event)

        async with asyncio.TaskGroup() as group:
            for queue in queues:
                group.create_task(reading(queue))
            await settle()
            await _watched(watch, work)
            for queue in queues:
                await queue.put(None)

    return case
