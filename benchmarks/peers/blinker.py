"""blinker: `send` with functions, `send_async` with coroutine functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from blinker import Signal

from benchmarks._harness import Stopwatch
from benchmarks.peers import Peer, counters, expect_all, ticks


async def _callbacks(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:  # noqa: ARG001 - none here
    signal = Signal()
    counts, handlers = counters(subscribers)
    for handler in handlers:
        signal.connect(handler)
    made = ticks(events)
    with watch(events * subscribers):
        for event in made:
            signal.send(event)
    expect_all(counts, subscribers, events)


async def _coroutines(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:  # noqa: ARG001 - none here
    signal = Signal()
    counts = [0] * subscribers

    def receiver(place: int) -> Callable[..., Awaitable[None]]:
        async def receive(_: object) -> None:
            counts[place] += 1

        return receive

    receivers = [
        receiver(place) for place in range(subscribers)
    ]  # this list keeps them alive: blinker refers to them weakly
    for each in receivers:
        signal.connect(each)
    made = ticks(events)
    with watch(events * subscribers):
        for event in made:
            await signal.send_async(event)
    expect_all(counts, subscribers, events)


PEERS = (
    Peer(
        "blinker, callbacks",
        "blinker",
        _callbacks,
        bounded="no buffer",
        own_pace="no",
        typed="no",
        ordered="no",
        atomic="no",
        note="a receiver's exception reaches the publisher, and the others miss the event",
    ),
    Peer(
        "blinker, coroutines",
        "blinker",
        _coroutines,
        bounded="no buffer",
        own_pace="no",
        typed="no",
        ordered="no",
        atomic="no",
        note="awaits its receivers one after the other",
    ),
)
