"""psygnal: a signal with functions, and with coroutine functions, which share one queue in the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from psygnal import SignalInstance
from psygnal._async import clear_async_backend, set_async_backend

from benchmarks._harness import Stopwatch
from benchmarks.peers import Peer, breathe, counters, expect_all, settle, ticks


async def _callbacks(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:  # noqa: ARG001 - none here
    signal = SignalInstance((object,))
    counts, handlers = counters(subscribers)
    for handler in handlers:
        signal.connect(handler)
    made = ticks(events)
    with watch(events * subscribers):
        for event in made:
            signal.emit(event)
    expect_all(counts, subscribers, events)


async def _coroutines(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    set_async_backend("asyncio")
    try:
        await settle()
        await _emit_to_coroutines(watch, subscribers, events, buffer)
    finally:
        clear_async_backend()


async def _emit_to_coroutines(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
    signal = SignalInstance((object,))
    counts = [0] * subscribers
    left = events * subscribers
    handled = asyncio.Event()

    def slot(place: int) -> Callable[[object], Awaitable[None]]:
        async def handle(_: object) -> None:
            nonlocal left
            counts[place] += 1
            left -= 1
            if not left:
                handled.set()

        return handle

    slots = [slot(place) for place in range(subscribers)]  # this list keeps them alive: psygnal refers to them weakly
    for each in slots:
        signal.connect(each)
    made = ticks(events)
    with watch(events * subscribers):
        for number, event in enumerate(made, 1):
            signal.emit(event)
            if number % buffer == 0:
                await breathe()
        await handled.wait()
    expect_all(counts, subscribers, events)


PEERS = (
    Peer(
        "psygnal, callbacks",
        "psygnal",
        _callbacks,
        bounded="no buffer",
        own_pace="no",
        typed="at connect",
        ordered="by signal",
        atomic="no",
        note="compiled; an exception reaches the publisher",
    ),
    Peer(
        "psygnal, coroutines",
        "psygnal",
        _coroutines,
        bounded="no",
        own_pace="no",
        typed="at connect",
        ordered="yes",
        atomic="no",
        note="one queue and one task for the whole process",
    ),
)
