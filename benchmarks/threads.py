"""What does it cost to publish from another thread, if a slow reader makes that thread wait?

It is wall time, because the threads wait for each other: the loop's thread and the publishing threads take turns under
the interpreter's lock. Without evenflow there are two ways: one waits for room, as evenflow does; the other waits for
nothing and has no bound.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import anyio
import anyio.from_thread
import anyio.lowlevel

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks.peers.evenflow import Tick, ticks
from evenflow import Subject

QUESTION = "What does it cost to publish from another thread?"

_SAFE = "run_coroutine_threadsafe(queue.put(e)).result()"


def run(bench: Bench) -> None:
    """One thread, then four threads, and one subscription that reads all the time."""
    events = bench.pick(quick=1_000, full=4_000)
    for threads in bench.pick(quick=(4,), full=(1, 4)):
        results = bench.compare(
            f"{threads}",
            f"{threads} thread{'s' if threads > 1 else ''}, one subscriber, {events:,} events: wall time",
            {
                _SAFE: _by_hand(threads, events),
                "evenflow, publish_from_thread": _evenflow(threads, events),
                "anyio.from_thread.run(send)": _anyio(threads, events),
                "call_soon_threadsafe(queue.put_nowait), no bound": _unbounded(threads, events),
            },
            reference=_SAFE,
            per="event",
            figures=("wall", "cpu"),
            rounds=bench.pick(quick=5, full=9),
        )
        bench.bars(
            f"threads-{threads}",
            f"One event from {threads} thread{'s' if threads > 1 else ''}",
            {name: results.median(name) for name, rounds in results.rounds.items() if rounds},
            across="nanoseconds of wall time, logarithmic",
        )


async def _in_threads(count: int, events: int, work: Callable[[list[Tick]], None]) -> None:
    """Run the work in `count` threads, a share of the events in each, and wait for them without blocking the loop."""
    made = ticks(events)
    share = events // count
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    left = count
    failed: list[BaseException] = []

    def finished() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    def body(place: int) -> None:
        try:
            work(made[place * share : (place + 1) * share])
        except BaseException as error:  # noqa: ASYNC103 -- it is raised in the loop's thread
            failed.append(error)
        finally:
            loop.call_soon_threadsafe(finished)

    threads = [threading.Thread(target=body, args=(place,), daemon=True) for place in range(count)]
    for thread in threads:
        thread.start()
    await done.wait()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _evenflow(threads: int, events: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        async with asyncio.TaskGroup() as group, Subject(Tick) as subject:

            async def read() -> None:
                async with subject.subscribe(Tick) as subscription:
                    async for _ in subscription:
                        pass

            group.create_task(read())
            await asyncio.sleep(0)

            def work(mine: list[Tick]) -> None:
                for event in mine:
                    subject.publish_from_thread(event)

            with watch(events):
                await _in_threads(threads, events, work)

    return case


def _with_queue(
    threads: int,
    events: int,
    putting: Callable[[asyncio.Queue[Tick | None], asyncio.AbstractEventLoop], Put],
    bound: int,
) -> Case:
    async def case(watch: Stopwatch) -> None:
        queue: asyncio.Queue[Tick | None] = asyncio.Queue(bound)
        put = putting(queue, asyncio.get_running_loop())

        async def read() -> None:
            while await queue.get() is not None:
                pass

        def work(mine: list[Tick]) -> None:
            for event in mine:
                put(event)

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            with watch(events):
                await _in_threads(threads, events, work)
            await queue.put(None)

    return case


Put = Callable[[Tick], object]


def _by_hand(threads: int, events: int) -> Case:
    def putting(queue: asyncio.Queue[Tick | None], loop: asyncio.AbstractEventLoop) -> Put:
        return lambda event: asyncio.run_coroutine_threadsafe(queue.put(event), loop).result()

    return _with_queue(threads, events, putting, 64)


def _unbounded(threads: int, events: int) -> Case:
    def putting(queue: asyncio.Queue[Tick | None], loop: asyncio.AbstractEventLoop) -> Put:
        return lambda event: loop.call_soon_threadsafe(queue.put_nowait, event)

    return _with_queue(threads, events, putting, 0)


def _anyio(threads: int, events: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        send, receive = anyio.create_memory_object_stream[Tick](64)
        token = anyio.lowlevel.current_token()

        async def read() -> None:
            with receive:
                async for _ in receive:
                    pass

        def work(mine: list[Tick]) -> None:
            for event in mine:
                anyio.from_thread.run(send.send, event, token=token)

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            with watch(events):
                await _in_threads(threads, events, work)
            send.close()

    return case
