"""aioreactive: an AsyncSubject that awaits its observers one after the other."""

from __future__ import annotations

from aioreactive import AsyncAnonymousObserver, AsyncSubject

from benchmarks._harness import Stopwatch
from benchmarks.peers import Peer, Tick, expect_all, ticks


async def _fan_out(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:  # noqa: ARG001 - none here
    subject: AsyncSubject[Tick] = AsyncSubject()
    counts = [0] * subscribers

    def observer(place: int) -> AsyncAnonymousObserver[Tick]:
        async def asend(_: Tick) -> None:
            counts[place] += 1

        return AsyncAnonymousObserver(asend)

    for place in range(subscribers):
        await subject.subscribe_async(observer(place))
    made = ticks(events)
    with watch(events * subscribers):
        for event in made:
            await subject.asend(event)
    expect_all(counts, subscribers, events)


PEERS = (
    Peer(
        "aioreactive",
        "aioreactive",
        _fan_out,
        bounded="no buffer",
        own_pace="no",
        typed="by checkers",
        ordered="by observer",
        atomic="no",
        note="the slowest observer slows all; backpressure ends at the first `merge`",
    ),
)
