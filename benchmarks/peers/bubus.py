"""bubus: pydantic events through one queue, which takes at most a hundred at a time, so each event is awaited."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Awaitable, Callable

from bubus import BaseEvent, EventBus

from benchmarks._harness import Stopwatch
from benchmarks.peers import Peer, expect_all


class BusTick(BaseEvent[None]):
    """The event for bubus, which accepts only its own class."""

    n: int


async def _fan_out(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:  # noqa: ARG001 - none here
    logging.getLogger("bubus").setLevel(logging.CRITICAL)
    bus = EventBus(parallel_handlers=False)
    counts = [0] * subscribers

    def handler(place: int) -> Callable[[BusTick], Awaitable[None]]:
        async def handle(_: BusTick) -> None:
            counts[place] += 1

        return handle

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns if two handlers have the same name
        for place in range(subscribers):
            bus.on(BusTick, handler(place))
    made = [BusTick(n=n) for n in range(events)]
    with watch(events * subscribers):
        for event in made:
            await bus.dispatch(event)
    await bus.stop(clear=True)
    expect_all(counts, subscribers, events)


PEERS = (
    Peer(
        "bubus",
        "bubus",
        _fan_out,
        bounded="whole bus",
        own_pace="no",
        typed="yes",
        ordered="yes",
        atomic="yes",
        note="one slow handler delays every bus of the process; keeps results and history",
        most=200,
    ),
)
