"""What an event costs a process and a server, on each engine: the table of explanation/scale.md.

    python docs/scale_figures.py [EVENTS]

It measures seconds of processor time, which a busy machine changes little, and not events a second, which it changes
much. Each job runs three times, and the median is shown. The servers are the tests' own: Valkey with
``appendfsync everysec``, PostgreSQL with its own settings.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "src"):
    sys.path.insert(0, str(folder))

from tests.addresses import EVERYWHERE  # noqa: E402 -- the same

from evenflow import Event, Subject  # noqa: E402 -- they are found now
from evenflow.log import from_url  # noqa: E402 -- the same

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TASKS = 100
AT_ONCE = 1_000
ROUNDS = 3
IDLE = 5.0
MANY = 1_000
FEW = 50
"""Events that a thousand subscriptions get: as many as their buffers hold."""


class Placed(Event):
    """An event of about 180 bytes."""

    order_id: int
    region: str = "eu"
    note: str = "x" * 120


class Spent:
    """The processor time of this process and of its children, per event, in microseconds."""

    def __init__(self) -> None:
        self.found: dict[str, list[tuple[float, float]]] = {}

    async def on(self, job: str, count: int, work: Callable[[], Awaitable[object]]) -> None:
        """Do the work, and note what it took."""
        own, servers = time.process_time(), _of_servers()
        await work()
        spent = (time.process_time() - own) * 1e6 / count, (_of_servers() - servers) * 1e6 / count
        self.found.setdefault(job, []).append(spent)

    def shown(self) -> str:
        """The medians: of the process, and where there is one, of the server."""
        cells = []
        for spent in self.found.values():
            own, server = (statistics.median(times) for times in zip(*spent, strict=True))
            cells.append(f"{own:,.0f} + {server:,.0f}" if server > 1 else f"{own:,.0f}")
        return " | ".join(cells)


def _of_servers() -> float:
    spent = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system + times.children_user + times.children_system  # of its ended ones, too
    return spent


async def on_a_log(address: str, count: int, spent: Spent) -> None:
    """Each job once, on a new log."""
    log = from_url(address)
    orders: Any = log.subject("orders", Placed)

    async def one_by_one() -> None:
        async def publish() -> None:
            for n in range(count // TASKS):
                await orders.publish(Placed(order_id=n))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(TASKS):
                tasks.create_task(publish())

    async def consume() -> None:
        done = 0
        async with orders.deliveries("g", buffer=AT_ONCE) as deliveries:
            async for batch in deliveries.batches(AT_ONCE):
                async with batch:
                    done += len(batch)
                if done >= 2 * count:
                    return

    async def read() -> None:
        async for _ in orders.read():
            pass

    async with log:
        await spent.on("publish", count, one_by_one)
        await spent.on("publish_many", count, lambda: orders.publish_many(Placed(order_id=n) for n in range(count)))
        await spent.on("consume", 2 * count, consume)
        await spent.on("read", 2 * count, read)


async def others(name: str, address: str) -> None:
    """What a process costs that waits, and what an event costs that a thousand subscriptions in one process want."""
    log = from_url(address)
    orders: Any = log.subject("orders", Placed)
    async with log, AsyncExitStack() as stack:
        async with orders.subscribe() as feed:
            await orders.publish(Placed(order_id=0))
            await feed.receive()
            began, own, servers = time.monotonic(), time.process_time(), _of_servers()
            await asyncio.sleep(IDLE)
            seconds = time.monotonic() - began
            idle = (time.process_time() - own) / seconds, (_of_servers() - servers) / seconds
        feeds = [await stack.enter_async_context(orders.subscribe()) for _ in range(MANY)]
        began = time.process_time()

        async def read(feed: Any) -> None:
            for _ in range(FEW):
                await feed.receive()

        async with asyncio.TaskGroup() as tasks:
            for feed in feeds:
                tasks.create_task(read(feed))
            await orders.publish_many(Placed(order_id=n) for n in range(FEW))
        each = (time.process_time() - began) * 1e6 / FEW / MANY
    print(f"| {name} | {idle[0]:.1%} + {idle[1]:.1%} | {each:.1f} |")


async def in_memory(count: int, spent: Spent) -> None:
    """One subscription in this process, for comparison."""
    orders = Subject(Placed)

    async def both() -> None:
        async with orders.subscribe() as feed, asyncio.TaskGroup() as tasks:

            async def publish() -> None:
                for n in range(count):
                    await orders.publish(Placed(order_id=n))

            tasks.create_task(publish())
            for _ in range(count):
                await feed.receive()

    await spent.on("publish and receive", count, both)


def main(count: int) -> None:
    """Print a row for each engine, and then another one."""
    spent = Spent()
    for _ in range(ROUNDS):
        asyncio.run(in_memory(count, spent))
    print(f"in memory: {spent.shown()} us an event, published and received")
    print("| engine | publish, 100 tasks | publish_many | batches, acknowledged | read |")
    for name, address in EVERYWHERE.items():
        spent = Spent()
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                asyncio.run(on_a_log(address(Path(folder)), count, spent))
        print(f"| {name} | {spent.shown()} |")
    print("| engine | an idle process, of a core | to each of a thousand subscriptions |")
    for name, address in EVERYWHERE.items():
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(others(name, address(Path(folder))))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
