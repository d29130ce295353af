"""What the benchmarks of logs share: the event, a log in a folder of its own, and work that several of them time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import anyio

from benchmarks._harness import Stopwatch
from evenflow import Event
from evenflow.log import Delivery, DurableSubject, SQLiteLog

Durability = Literal["power", "process"]


class Ordered(Event):
    """An event of about 180 bytes."""

    order_id: int
    region: str = "eu"
    total: float = 1.5
    note: str = "x" * 120


@contextmanager
def new_file() -> Iterator[Path]:
    """A path in a folder that goes with this block."""
    with TemporaryDirectory() as folder:
        yield Path(folder) / "log.db"


def log_in(path: Path, durability: Durability = "power") -> tuple[SQLiteLog, DurableSubject[Ordered]]:
    """A log, and its one subject."""
    log = SQLiteLog(path, durability=durability)
    return log, log.subject("orders", Ordered)


def events(count: int, keys: int = 100) -> Iterator[Ordered]:
    """So many events, of so many regions."""
    return (Ordered(order_id=n, region=f"{n % keys}") for n in range(count))


async def publish_from_tasks(watch: Stopwatch, tasks: int, count: int, durability: Durability = "power") -> None:
    """Tasks that publish together, each one event after the other."""

    async def publish() -> None:
        for n in range(count // tasks):
            await orders.publish(Ordered(order_id=n))

    with new_file() as path:
        log, orders = log_in(path, durability)
        async with log:
            with watch(count):
                async with anyio.create_task_group() as group:
                    for _ in range(tasks):
                        group.start_soon(publish)


async def handle_all(
    watch: Stopwatch,
    concurrency: int,
    count: int,
    *,
    backlog: int = 0,
    durability: Durability = "power",
    **options: Any,
) -> None:
    """A group that a consumer handles; the time is for the first `count` of `backlog` events."""
    done, left = anyio.Event(), count

    async def handle(_: Delivery[Ordered]) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    with new_file() as path:
        log, orders = log_in(path, durability)
        orders.consume("g", handle, Ordered, concurrency=concurrency, buffer=max(64, 2 * concurrency), **options)
        async with log.opened(consumers=False):
            await orders.publish_many(events(max(count, backlog)))
        with watch(count):
            async with log:
                await done.wait()
