"""What is a log on SQLite beside queues that store in SQLite, too?

The work is one text put, and later taken and acknowledged, one after the other in one thread or task, each as its
library does it by default. A log can do what the queues cannot: many tasks share a commit, so that is in the table too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import anyio

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks.log import Ordered
from benchmarks.peers.sqlite_queues import IN_HAND, QUEUES, SETTLED, SQLiteQueue, after_a_kill
from evenflow.log import Delivery, DurableSubject, SQLiteLog

QUESTION = "What is a log on SQLite beside queues that store in SQLite, too?"

Durability = Literal["power", "process"]
EVENFLOW = "evenflow, one by one"
_TEXT = Ordered(order_id=1).model_dump_json()
_ITEMS = 10


def run(bench: Bench) -> None:
    """Speed, then what a kill loses."""
    count, rounds = bench.pick(quick=(500, 3), full=(5_000, 5))
    there = [queue for queue in QUEUES if queue.missing is None]
    for queue in QUEUES:
        if queue.missing is not None:
            print(f"peer {queue.name} is not measured: {queue.missing}")
    puts: dict[str, Case] = {
        EVENFLOW: lambda watch: _publish(watch, 1, count, "power"),
        "evenflow, one by one, durability='process'": lambda watch: _publish(watch, 1, count, "process"),
        "evenflow, 200 tasks": lambda watch: _publish(watch, 200, 10 * count, "power"),
    }
    takes: dict[str, Case] = {
        EVENFLOW: lambda watch: _handle(watch, 1, count, "power"),
        "evenflow, one by one, durability='process'": lambda watch: _handle(watch, 1, count, "process"),
        "evenflow, 64 handlers": lambda watch: _handle(watch, 64, 10 * count, "power"),
    }
    for queue in there:
        puts[queue.name] = _put_by(queue, count)
        takes[queue.name] = _take_by(queue, count)
    for key, title, cases in (
        ("log-peers-put", "One item stored", puts),
        ("log-peers-take", "One item handled", takes),
    ):
        bench.compare(key, title, cases, reference=EVENFLOW, per="item", figures=("wall", "cpu"), rounds=rounds)
    _kills(bench, there)


def _put_by(queue: SQLiteQueue, count: int) -> Case:
    def put(watch: Stopwatch) -> None:
        with TemporaryDirectory() as folder:
            opened = queue.open(folder)
            with watch(count):
                for _ in range(count):
                    opened.put(_TEXT)

    return put


def _take_by(queue: SQLiteQueue, count: int) -> Case:
    def take(watch: Stopwatch) -> None:
        with TemporaryDirectory() as folder:
            opened = queue.open(folder)
            for _ in range(count):
                opened.put(_TEXT)
            with watch(count):
                while (taken := opened.get()) is not None:
                    Ordered.model_validate_json(taken[1])
                    opened.ack(taken[0])

    return take


def _log(folder: str, durability: Durability = "power") -> tuple[SQLiteLog, DurableSubject[Ordered]]:
    log = SQLiteLog(Path(folder) / "log.db", durability=durability)
    return log, log.subject("orders", Ordered)


async def _publish(watch: Stopwatch, tasks: int, count: int, durability: Durability) -> None:
    with TemporaryDirectory() as folder:
        log, orders = _log(folder, durability)

        async def publish() -> None:
            for n in range(count // tasks):
                await orders.publish(Ordered(order_id=n))

        async with log:
            with watch(count):
                async with anyio.create_task_group() as group:
                    for _ in range(tasks):
                        group.start_soon(publish)


async def _handle(watch: Stopwatch, handlers: int, count: int, durability: Durability) -> None:
    with TemporaryDirectory() as folder:
        log, orders = _log(folder, durability)
        done, left = anyio.Event(), count

        async def handle(_: Delivery[Ordered]) -> None:
            nonlocal left
            left -= 1
            if not left:
                done.set()

        orders.consume("g", handle, Ordered, concurrency=handlers, buffer=max(64, 2 * handlers))
        async with log.opened(consumers=False):
            await orders.publish_many(Ordered(order_id=n) for n in range(count))
        with watch(count):
            async with log:
                await done.wait()


# ---------------------------------------------------------------------- what a kill loses


def _kills(bench: Bench, queues: list[SQLiteQueue]) -> None:
    rows = [["evenflow", "each commit, or with the process", *_told(*_log_after_a_kill())]]
    for queue in queues:
        with TemporaryDirectory() as folder:
            rows.append([queue.name, queue.syncs, *_told(*after_a_kill(queue, Path(folder), _ITEMS))])
    bench.record(
        "log-peers-kill",
        f"A process is killed that has put {_ITEMS}, has acknowledged {SETTLED}, and has {IN_HAND} in hand",
        ["", "reaches the disk", "stored, not taken", "in hand", "acknowledged"],
        rows,
    )
    bench.expect(
        "events that evenflow lost with a kill", float(rows[0][2:4] != ["all there", "comes again"]), at_most=0
    )


def _told(found: list[int], confirmed: list[int]) -> list[str]:
    waiting, in_hand, settled = confirmed[SETTLED + IN_HAND :], confirmed[SETTLED], confirmed[:SETTLED]
    return [
        "all there" if set(waiting) <= set(found) else f"{len(set(waiting) - set(found))} lost",
        "comes again" if in_hand in found else "never comes again by itself",
        "comes again" if set(settled) & set(found) else "does not come again",
    ]


def _log_after_a_kill() -> tuple[list[int], list[int]]:
    """What another process gets of a log, and what had been confirmed to the one that was killed."""
    with TemporaryDirectory() as folder:
        code = "import sys; from benchmarks.log_peers import killed_in_hand; killed_in_hand(sys.argv[1])"
        done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=False)
        if done.returncode != -signal.SIGKILL:
            raise RuntimeError(f"it was not killed:\n{done.stderr}")
        return anyio.run(_rest, folder), [int(line) for line in done.stdout.split()]


def killed_in_hand(folder: str) -> None:
    """Publish, acknowledge, and die with an event in hand; says each publish that has returned."""
    anyio.run(_killed_in_hand, folder)


async def _killed_in_hand(folder: str) -> None:
    log, orders = _log(folder)
    async with log, orders.deliveries("g") as deliveries:
        for n in range(_ITEMS):
            await orders.publish(Ordered(order_id=n))
            sys.stdout.write(f"{n}\n")
        sys.stdout.flush()
        for _ in range(SETTLED):
            await (await deliveries.receive()).ack()
        await deliveries.receive()
        os.kill(os.getpid(), signal.SIGKILL)


async def _rest(folder: str) -> list[int]:
    log, orders = _log(folder)
    found: list[int] = []
    async with log, orders.deliveries("g") as deliveries:
        with anyio.move_on_after(5):
            while len(found) < _ITEMS - SETTLED:
                async with await deliveries.receive() as delivery:
                    found.append(delivery.event.order_id)
    return found
