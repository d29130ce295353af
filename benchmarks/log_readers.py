"""What do the readers of a log cost its publishers, and what does the log keep in memory?

Latency is wall time from before `publish` until it has returned, one publish after the other, in the loop in which a
hundred subscriptions read history. What is published after the first of them has read it all is not counted. Memory is
the resident size of an interpreter of its own, in which one live subscription reads what is published.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Awaitable, Callable

import anyio

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks._logs import Ordered, log_in, new_file
from benchmarks._report import quantity
from benchmarks.memory import resident_bytes
from evenflow.log import DurableSubject

QUESTION = "What do the readers of a log cost its publishers, and its memory?"

ALONE, AMONG_READERS = "no reader", "100 subscribers replay"
_READERS = 100
_LONGEST = 40.0
"""Seconds of publishing in one round."""
_FEWEST = 30
"""Publishes that a round needs; the p99 of fewer than a hundred is the longest of them."""
_MARK = 50_000
"""Events between two looks at the memory."""


def run(bench: Bench) -> None:
    """Latency beside a replay, then memory over many events."""
    _latency(bench)
    _memory(bench)


def _latency(bench: Bench) -> None:
    history, publishes = bench.pick(quick=(20_000, 100), full=(50_000, 1_000))
    cases: dict[str, Case] = {
        ALONE: lambda watch: _publish_beside(watch, 0, history, publishes),
        AMONG_READERS: lambda watch: _publish_beside(watch, _READERS, history, publishes),
    }
    results = bench.compare(
        "log-latency", "One publish, awaited", cases, reference=ALONE, per="publish", figures=("p50", "p99"),
        rounds=bench.pick(quick=3, full=5),
    )  # fmt: skip
    bench.expect(
        "publish latency, p99, while 100 subscribers replay from the start",
        results.ratio(AMONG_READERS, to=ALONE, of="p99"),
        at_most=3,
    )


async def _publish_beside(watch: Stopwatch, readers: int, history: int, publishes: int) -> None:
    with new_file() as path:
        log, orders = log_in(path)
        async with log:
            await orders.publish_many(Ordered(order_id=n) for n in range(history))
            async with anyio.create_task_group() as tasks:
                counts = [0] * readers
                for place in range(readers):
                    tasks.start_soon(_replay, orders, counts, place)
                while not all(counts):  # noqa: ASYNC110 -- it is over in a moment, and not timed
                    await anyio.sleep(0.01)
                times = await _timed_publishes(orders, publishes, lambda: any(count >= history for count in counts))
                tasks.cancel_scope.cancel()
    if len(times) < _FEWEST:
        raise RuntimeError(f"only {len(times)} publishes before the first replay was over: too few")
    times.sort()
    watch.report(p50=times[len(times) // 2], p99=times[math.ceil(len(times) * 0.99) - 1])


async def _replay(orders: DurableSubject[Ordered], counts: list[int], place: int) -> None:
    async with orders.subscribe(since="start") as feed:
        async for batch in feed.batches():
            counts[place] += len(batch)


async def _timed_publishes(orders: DurableSubject[Ordered], publishes: int, is_over: Callable[[], bool]) -> list[int]:
    """The time of each publish, of so many or of as many as there is time for."""
    times: list[int] = []
    until = time.monotonic() + _LONGEST
    for n in range(publishes):
        if is_over() or time.monotonic() > until:
            break
        before = time.perf_counter_ns()
        await orders.publish(Ordered(order_id=n))
        times.append(time.perf_counter_ns() - before)
    return times


def _memory(bench: Bench) -> None:
    most, seconds = bench.pick(quick=(200_000, 120.0), full=(10_000_000, 120.0))
    found: list[list[int]] = bench.child(grown, most, seconds)
    bench.record(
        "log-memory",
        f"The process after a number of events, all of them read live (at most {seconds:.0f} s, or {most:,} events)",
        ["events", "resident"],
        [[f"{count:,}", quantity(resident, "B")] for count, resident in found],
    )
    (first, before), (last, after) = found[0], found[-1]
    bench.expect(f"resident size from {first:,} to {last:,} events", after / before, at_most=1.1)


def grown(most: int, seconds: float) -> list[tuple[int, int]]:
    """The resident bytes of the process after each `_MARK` events, until there are so many, or the time is over."""
    found: list[tuple[int, int]] = []

    async def publish_and_read(orders: DurableSubject[Ordered]) -> None:
        until, count = time.monotonic() + seconds, 0
        async with orders.subscribe() as feed, anyio.create_task_group() as tasks:
            wait_for = await _counting(feed.batches(), tasks)
            while count < most and time.monotonic() < until:
                await orders.publish_many(Ordered(order_id=n) for n in range(1_000))
                count += 1_000
                await wait_for(count)
                if count % _MARK == 0:
                    gc.collect()
                    found.append((count, resident_bytes()))
            tasks.cancel_scope.cancel()

    async def measured() -> None:
        with new_file() as path:
            log, orders = log_in(path)
            async with log:
                await publish_and_read(orders)

    anyio.run(measured)
    return found


async def _counting(batches: object, tasks: anyio.abc.TaskGroup) -> Callable[[int], Awaitable[None]]:
    """Read all batches in a task; the result waits until so many events were read."""
    read, wanted, reached = 0, math.inf, anyio.Event()

    async def count() -> None:
        nonlocal read
        async for batch in batches:  # type: ignore[attr-defined]  # a stream of batches
            read += len(batch)
            if read >= wanted:
                reached.set()

    async def wait_for(number: int) -> None:
        nonlocal wanted, reached
        wanted, reached = number, anyio.Event()
        if read < number:
            await reached.wait()

    tasks.start_soon(count)
    return wait_for
