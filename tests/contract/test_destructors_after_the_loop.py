"""Whatever waited in a loop that has ended is collected in silence, but for the `ResourceWarning`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from evenflow import Event, State, Subject, share

from .kit import collect


class Tick(Event):
    """A number."""

    n: int = 0


async def a_reader(ticks: Subject[Tick]) -> None:
    """Waits for an event."""
    await ticks.subscribe(Tick).receive()


async def a_reader_in_a_block(ticks: Subject[Tick]) -> None:
    """Waits for an event, and would close its subscription."""
    async with ticks.subscribe(Tick) as feed:
        async for _ in feed:
            pass


async def a_batch_reader(ticks: Subject[Tick]) -> None:
    """Waits for a batch."""
    async with ticks.subscribe(Tick) as feed:
        await feed.batches().receive()


async def a_publisher(ticks: Subject[Tick]) -> None:
    """Waits for room."""
    feed = ticks.subscribe(Tick, buffer=1)
    await ticks.publish(Tick())
    await ticks.publish(Tick())
    feed.close()


async def a_drain(ticks: Subject[Tick]) -> None:
    """Waits for a reader."""
    feed = ticks.subscribe(Tick)
    await ticks.publish(Tick())
    await ticks.drain()
    feed.close()


async def an_observer(ticks: Subject[Tick]) -> None:
    """Handles for ever."""

    async def handle(_: Tick) -> None:
        await asyncio.Event().wait()

    ticks.observe(handle, Tick, concurrency=2)
    async with ticks:
        await ticks.publish(Tick())
        await ticks.publish(Tick())
        await ticks.drain()


async def a_wait_for(ticks: Subject[Tick]) -> None:
    """Waits for a value."""
    await State(0).wait_for(lambda value: value > 0)


async def a_chain(ticks: Subject[Tick]) -> None:
    """Operators, without a task."""
    await ticks.subscribe(Tick).map(lambda tick: tick.n).pairwise().to_list()


async def a_chain_with_tasks(ticks: Subject[Tick]) -> None:
    """Operators with a task each."""
    async with ticks.subscribe(Tick).debounce(5).merge(ticks.subscribe(Tick)) as both:
        await both.receive()


async def a_share(ticks: Subject[Tick]) -> None:
    """A source that many read."""
    async with share(ticks.subscribe(Tick)) as shared, shared.subscribe() as feed:
        await feed.receive()


WAITS: list[Callable[[Subject[Tick]], Coroutine[Any, Any, None]]] = [
    a_reader, a_reader_in_a_block, a_batch_reader, a_publisher, a_drain, an_observer, a_wait_for, a_chain,
    a_chain_with_tasks, a_share,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("waits", WAITS)
def test_what_waited_there_is_collected_in_silence(
    waits: Callable[[Subject[Tick]], Coroutine[Any, Any, None]], again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes out of a destructor, whether the subject goes as well or is used again before."""
    said: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: said.append(f"{one.object!r}: {one.exc_value!r}"))
    ticks = Subject(Tick)
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(waits(ticks)) for _ in range(1 if waits in (an_observer, a_drain) else 2)]

    async def settled() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    loop.run_until_complete(settled())
    waiting = asyncio.all_tasks(loop)
    assert waiting.issuperset(tasks)
    for task in waiting:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own words are not ours
    loop.close()
    if again:
        ticks.statistics()
    del tasks, waiting, task
    if not again:
        del ticks
    collect()
    assert said == []
