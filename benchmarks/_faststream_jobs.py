"""The three jobs that are measured on each engine with a server, as FastStream does them: only the broker differs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any, Final

from benchmarks._engine_jobs import TASKS, made_events
from benchmarks._harness import Case, Stopwatch
from benchmarks.log import Ordered

FASTSTREAM: Final = "FastStream"

Running = Callable[[Any], AbstractAsyncContextManager[Any]]
"""Starts a server, and gives the broker that the peer makes for it, connected."""


def faststream_cases(peer_name: str, running: Running, count: int) -> dict[str, Case]:
    """Each job, by its name; empty where FastStream is not installed.

    Args:
        peer_name: the module in ``benchmarks/peers`` that has ``broker``, ``publish``, ``publish_many`` and
            ``consume``.
        running: a block with a server of its own for each measurement.
        count: how many events.
    """
    try:
        peer: Any = import_module(f"benchmarks.peers.{peer_name}")
    except ImportError:
        print("FastStream is not installed: it is not measured.")
        return {}

    async def publish(watch: Stopwatch, connected: Any, events: list[Ordered]) -> None:
        with watch(count):
            await peer.publish(connected, TASKS, events)

    async def publish_many(watch: Stopwatch, connected: Any, events: list[Ordered]) -> None:
        with watch(count):
            await peer.publish_many(connected, events)

    async def consume(watch: Stopwatch, connected: Any, events: list[Ordered]) -> None:
        await peer.publish_many(connected, events)
        with watch(count):
            await peer.consume(connected, Ordered, count)

    def case(work: Callable[[Stopwatch, Any, list[Ordered]], Awaitable[None]]) -> Case:
        async def measured(watch: Stopwatch) -> None:
            async with running(peer) as connected:
                await work(watch, connected, made_events(count))

        return measured

    return {"publish": case(publish), "publish-many": case(publish_many), "consume": case(consume)}
