"""pyee: an emitter with coroutine functions, which starts a task for each delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pyee.asyncio import AsyncIOEventEmitter

from benchmarks._harness import Stopwatch
from benchmarks.peers import Peer, breathe, expect_all, ticks


async def _fan_out(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    emitter = AsyncIOEventEmitter()
    counts = [0] * subscribers
    left = events * subscribers
    handled = asyncio.Event()

    def listener(place: int) -> Callable[[object], Awaitable[None]]:
        async def listen(_: object) -> None:
            nonlocal left
            counts[place] += 1
            left -= 1
            if not left:
                handled.set()

        return listen

    for place in range(subscribers):
        emitter.add_listener("tick", listener(place))
    made = ticks(events)
    with watch(events * subscribers):
        for number, event in enumerate(made, 1):
            emitter.emit("tick", event)
            if number % buffer == 0:
                await breathe()
        await handled.wait()
        await emitter.wait_for_complete()
    expect_all(counts, subscribers, events)


PEERS = (
    Peer(
        "pyee",
        "pyee",
        _fan_out,
        bounded="no",
        own_pace="a task each",
        typed="no",
        ordered="no",
        atomic="no",
        note="one task for every delivery, without a limit",
        most=20_000,
    ),
)
