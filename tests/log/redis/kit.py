"""What the tests of faults share: a server of each test's own, a proxy before it, and a load that watches itself.

Rule 1: what a publish has returned for must be there at the end, once; what an ack has returned for must not go out
        again. The load keeps both, and ``Load.check`` compares.
Rule 2: the machine is real, so is the clock: nothing relies on how long something takes, but on the stated bounds.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from anyio.abc import TaskGroup

from evenflow import Event
from evenflow.log import LeaseLost, LogError, Uncertain
from evenflow.log.redis import RedisLog
from tests.contract.kit import run

from .server import Server, free_port


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


@contextmanager
def own_server(**settings: str) -> Iterator[Server]:
    """A server for one test."""
    with TemporaryDirectory() as folder:
        server = Server(Path(folder), **settings)
        server.start()
        try:
            yield server
        finally:
            server.kill()


class Proxy:
    """Stands before a server on a port of its own.

    Attributes:
        delay: seconds that each piece is held back, in both directions.
        swallows: whether what the server answers is thrown away.
    """

    def __init__(self, server: Server, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.port = free_port()
        self.delay = 0.0
        self.swallows = False
        self._server = server
        self._open: set[asyncio.StreamWriter] = set()
        self._running = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        listening = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        try:
            yield self
        finally:
            listening.close()
            with anyio.move_on_after(5):
                while self._running or any("_accept_connection" in repr(task) for task in asyncio.all_tasks()):
                    self.cut()
                    await asyncio.sleep(0.01)

    def turn_to(self, server: Server) -> None:
        """From now on this server is behind it, as after a failover."""
        self._server = server
        self.cut()

    def cut(self) -> None:
        """Reset every connection, in both directions, in the middle of whatever it carries."""
        for writer in [*self._open]:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._running += 1
        try:
            await self._connect(reader, writer)
        finally:
            self._running -= 1

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server.port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, to_server}
        self._open |= both
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._carry, reader, to_server, False, tasks)
                tasks.start_soon(self._carry, from_server, writer, True, tasks)
        finally:
            self._open -= both
            for each in both:
                each.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool, tasks: TaskGroup
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if answers and self.swallows:
                    continue
                writer.write(data)
                await writer.drain()
        tasks.cancel_scope.cancel()


class Load:
    """Tasks that publish and groups that consume, and what they were told."""

    def __init__(self, log: RedisLog, *, tasks: int = 20, groups: tuple[str, ...] = ("a", "b", "c")) -> None:
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
    async def running(self) -> AsyncIterator[None]:
        """Publish and consume in this block; afterwards everything that was published is consumed."""
        async with anyio.create_task_group() as tasks:
            for group in self.groups:
                tasks.start_soon(self._consume, group)
            async with anyio.create_task_group() as publishers:
                for task in range(self._tasks):
                    publishers.start_soon(self._publish, task)
                yield
                self._is_over = True
            with anyio.fail_after(60):
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


async def soon(condition: Callable[[], object | Awaitable[object]], seconds: float = 20) -> None:
    """Wait until something holds."""
    with anyio.fail_after(seconds):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await anyio.sleep(0.01)
