"""A load on a log that watches itself, for the tests of faults of each engine with a server.

Rule 1: what a publish has returned for must be there at the end, once; what an ack has returned for must not go out
        again. The load keeps both, and ``Load.check`` compares.
Rule 2: the machine is real, so is the clock: nothing relies on how long something takes, but on the stated bounds.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio

from evenflow import Event
from evenflow.log import LeaseLost, Log, LogError, Uncertain
from tests.conformance.kit import PATIENCE
from tests.contract.kit import run


class Placed(Event):
    """The event of these tests: which task published it, and its number there."""

    by: int
    n: int
    text: str = ""


def on_asyncio(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test in a real loop of asyncio."""

    @functools.wraps(test)
    def real(*arguments: Any, **named: Any) -> None:
        run(functools.partial(test, *arguments, **named), "asyncio", real=True)

    return real


class Load:
    """Tasks that publish and groups that consume, and what they were told."""

    def __init__(self, log: Log, *, tasks: int = 20, groups: tuple[str, ...] = ("a", "b", "c")) -> None:
        self.log = log
        self.orders = log.subject("orders", Placed)
        self.groups = groups
        self.stored: set[tuple[int, int]] = set()
        self.unknown: set[tuple[int, int]] = set()
        self.acked: dict[str, set[tuple[int, int]]] = {group: set() for group in groups}
        self.seen: dict[str, Counter[tuple[int, int]]] = {group: Counter() for group in groups}
        self.again: list[tuple[str, tuple[int, int]]] = []
        self.failed = 0
        self.longest = 0.0
        self._tasks = tasks
        self._is_over = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Publish and consume in this block; afterwards everything that was published is consumed."""
        async with anyio.create_task_group() as tasks:
            for group in self.groups:
                tasks.start_soon(self._consume, group)
            async with anyio.create_task_group() as publishers:
                for task in range(self._tasks):
                    publishers.start_soon(self._publish, task)
                yield
                self._is_over = True
            with anyio.fail_after(PATIENCE):
                while any(not self.stored <= self.seen[group].keys() for group in self.groups):
                    await anyio.sleep(0.02)
            tasks.cancel_scope.cancel()

    async def _publish(self, task: int) -> None:
        n = 0
        while not self._is_over:
            began = anyio.current_time()
            try:
                await self.orders.publish(Placed(by=task, n=n))
            except Uncertain:
                self.unknown.add((task, n))
            except LogError:
                self.failed += 1
            else:
                self.stored.add((task, n))
            self.longest = max(self.longest, anyio.current_time() - began)
            n += 1
            await anyio.sleep(0.02)

    async def _consume(self, group: str) -> None:
        async with self.orders.deliveries(group, Placed, ack_wait=5.0) as deliveries:
            async for delivery in deliveries:
                key = delivery.event.by, delivery.event.n
                if key in self.acked[group]:
                    self.again.append((group, key))
                self.seen[group][key] += 1
                with suppress(LogError, LeaseLost):
                    await delivery.ack()
                    self.acked[group].add(key)

    async def check(self) -> None:
        """Nothing lost, nothing twice, each publisher's events in its order, nothing again after its ack."""
        events = [(record.event.by, record.event.n) for record in await self.orders.read().to_list()]
        there = Counter(events)
        assert not self.stored - there.keys()
        assert not there.keys() - self.stored - self.unknown
        assert set(there.values()) <= {1}
        for task in range(self._tasks):
            mine = [n for by, n in events if by == task]
            assert mine == sorted(mine)
        assert not self.again


async def soon(condition: Callable[[], object | Awaitable[object]], seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    with anyio.fail_after(seconds):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await anyio.sleep(0.01)
