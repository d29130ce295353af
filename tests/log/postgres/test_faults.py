"""A server that dies, stands still, or cannot be reached, while 20 tasks publish and three groups consume.

What must hold: nothing is lost whose publish had returned, nothing comes again after its ``ack`` had returned, the order
is kept, nobody hangs, and everything goes on by itself.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from evenflow import LogError
from evenflow.log import DurableSubject
from evenflow.log.postgres import PostgresLog
from tests.conformance.kit import PATIENCE
from tests.proxy import Proxy
from tests.servers import Postgres, postgres_programs

from .kit import Placed, log_on, needs_postgres

ROUNDS = int(os.environ.get("EVENFLOW_SERVER_KILLS", "3"))
PUBLISHERS = 20
GROUPS = ("billing", "mail", "search")

pytestmark = [needs_postgres, pytest.mark.timeout(60 + 30 * ROUNDS)]


@contextmanager
def own_server() -> Generator[Postgres]:
    """A server that this test may kill."""
    programs = postgres_programs()
    assert programs is not None
    server = Postgres(programs)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Load:
    """Tasks that publish and consume, and what they know."""

    def __init__(self, orders: DurableSubject[Placed]) -> None:
        self.orders = orders
        self.confirmed: set[int] = set()
        self.acknowledged: dict[str, set[int]] = {group: set() for group in GROUPS}
        self.again: list[str] = []
        self.seen: list[int] = []
        self.stopping = False
        self._next = 0

    async def publish(self) -> None:
        while not self.stopping:
            self._next += 1
            n = self._next
            while True:
                try:
                    await self.orders.publish(Placed(n=n), id=f"order-{n}")
                except LogError:
                    continue  # not stored, or not known: the same id again
                break
            self.confirmed.add(n)

    async def consume(self, group: str) -> None:
        async with self.orders.deliveries(group, ack_wait=5.0, retry_after=0.1) as deliveries:
            async for batch in deliveries.batches(50):
                try:
                    for one in batch:
                        if one.event.n in self.acknowledged[group]:
                            self.again.append(f"{group}: {one.event.n}")
                    await batch.ack()
                except LogError:
                    continue  # not known: it may come again
                self.acknowledged[group].update(one.event.n for one in batch)

    async def read(self) -> None:
        async with self.orders.subscribe(since="start") as feed:
            async for event in feed:
                self.seen.append(event.n)

    async def until_all_is_there(self) -> None:
        """Wait until what was confirmed has come to everybody."""
        with anyio.fail_after(PATIENCE):
            while not all(self.confirmed <= numbers for numbers in (set(self.seen), *self.acknowledged.values())):
                await anyio.sleep(0.05)

    def check(self, stored: list[int]) -> None:
        """What holds at the end."""
        assert self.again == []
        assert self.confirmed <= set(stored), "an event was lost whose publish had returned"
        assert len(stored) == len(set(stored)), "an event is stored twice under one id"
        assert self.seen == stored[: len(self.seen)], "a reader saw another order than the log's"


@asynccontextmanager
async def under_load(log: PostgresLog) -> AsyncGenerator[Load]:
    """The load, while the block runs; then it must come to rest, and everything must hold."""
    orders = log.subject("orders", Placed)
    load = Load(orders)
    async with log:
        async with anyio.create_task_group() as tasks:
            for _ in range(PUBLISHERS):
                tasks.start_soon(load.publish)
            for group in GROUPS:
                tasks.start_soon(load.consume, group)
            tasks.start_soon(load.read)
            yield load
            load.stopping = True
            await load.until_all_is_there()
            tasks.cancel_scope.cancel()
        load.check([record.event.n async for record in orders.read()])


async def go_on(load: Load, count: int = 200) -> None:
    """Wait until so many more events were confirmed."""
    goal = len(load.confirmed) + count
    with anyio.fail_after(PATIENCE):
        while len(load.confirmed) < goal:
            await anyio.sleep(0.01)


def run(main: Callable[[], Awaitable[None]]) -> None:
    anyio.run(main)


def test_a_server_that_is_killed_and_started_again_loses_nothing() -> None:
    """At random moments, and nobody who uses the log does anything about it."""
    chance = random.Random(1)

    async def main() -> None:
        with own_server() as server:
            async with under_load(log_on(server, publish_timeout=PATIENCE)) as load:
                for _ in range(ROUNDS):
                    await go_on(load, chance.randrange(50, 400))
                    server.kill()
                    await anyio.sleep(chance.random() * 0.3)
                    await anyio.to_thread.run_sync(server.start)
                await go_on(load)

    run(main)


def test_a_server_that_stands_still_is_waited_for() -> None:
    """Nothing fails, and nothing is done twice."""

    async def main() -> None:
        with own_server() as server:
            async with under_load(log_on(server, publish_timeout=PATIENCE)) as load:
                await go_on(load)
                os.kill(server.pid, signal.SIGSTOP)
                stopped = [int(pid) for pid in _children(server.pid)]
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)
                await anyio.sleep(3)
                for pid in (*stopped, server.pid):
                    os.kill(pid, signal.SIGCONT)
                await go_on(load)

    run(main)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()


def test_connections_that_are_cut_are_made_again() -> None:
    """Cut at any moment, in the middle of an answer too, and then refused for a while."""
    chance = random.Random(2)

    async def main() -> None:
        with own_server() as server:
            async with Proxy(server.port) as proxy:
                dsn = server.dsn.replace(f":{server.port}/", f":{proxy.port}/")
                async with under_load(log_on(server, dsn=dsn, publish_timeout=PATIENCE)) as load:
                    for round_ in range(3 * ROUNDS):
                        await go_on(load, chance.randrange(20, 200))
                        await proxy.cut(half=round_ % 2 == 1)
                        if round_ % 3 == 2:
                            async with proxy.refusing():
                                await anyio.sleep(0.3)
                    await go_on(load)

    run(main)


def test_a_server_that_is_away_for_too_long_is_an_error_in_bounded_time() -> None:
    """For whoever publishes or reads; ``connected`` says it, and everything works once the server is back."""

    async def main() -> None:
        with own_server() as server:
            log = log_on(server, publish_timeout=1.0)
            orders: Any = log.subject("orders", Placed)
            async with log:
                await orders.publish(Placed(n=1))
                assert log.connected.value
                server.kill()
                for attempt in (lambda: orders.publish(Placed(n=2)), orders.end, orders.groups):
                    with anyio.fail_after(PATIENCE), pytest.raises(LogError) as failed:
                        await attempt()
                    assert not failed.value.stored, "what was on its way when the server died may be unknown"
                with anyio.fail_after(PATIENCE), pytest.raises(LogError) as failed:
                    await orders.publish(Placed(n=2))
                assert failed.value.stored is False
                assert not log.connected.value
                await anyio.to_thread.run_sync(server.start)
                with anyio.fail_after(PATIENCE):
                    while True:
                        try:
                            await orders.publish(Placed(n=3))
                        except LogError:
                            continue
                        break
                assert log.connected.value
                assert [record.event.n async for record in orders.read()] == [1, 3]

    run(main)


def test_a_log_whose_server_is_away_closes_in_bounded_time() -> None:
    """And it can be opened again."""

    async def main() -> None:
        with own_server() as server:
            log = log_on(server, publish_timeout=1.0)
            orders: Any = log.subject("orders", Placed)
            await log.start()
            await orders.publish(Placed(n=1))
            server.kill()
            with anyio.fail_after(PATIENCE):
                await log.aclose()
            with pytest.raises(LogError, match="cannot be opened"):
                await log.start()
            await anyio.to_thread.run_sync(server.start)
            async with log:
                assert [record.event.n async for record in orders.read()] == [1]

    run(main)
