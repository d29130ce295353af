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

import anyio

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks._logs import Ordered, handle_all, log_in, publish_from_tasks
from benchmarks.peers.sqlite_queues import IN_HAND, QUEUES, SETTLED, SQLiteQueue, after_a_kill

QUESTION = "What is a log on SQLite beside queues that store in SQLite, too?"

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
        EVENFLOW: lambda watch: publish_from_tasks(watch, 1, count),
        "evenflow, one by one, durability='process'": lambda watch: publish_from_tasks(watch, 1, count, "process"),
        "evenflow, 200 tasks": lambda watch: publish_from_tasks(watch, 200, 10 * count),
    }
    takes: dict[str, Case] = {
        EVENFLOW: lambda watch: handle_all(watch, 1, count),
        "evenflow, one by one, durability='process'": lambda watch: handle_all(watch, 1, count, durability="process"),
        "evenflow, 64 handlers": lambda watch: handle_all(watch, 64, 10 * count),
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
    log, orders = log_in(Path(folder) / "log.db")
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
    log, orders = log_in(Path(folder) / "log.db")
    found: list[int] = []
    async with log, orders.deliveries("g") as deliveries:
        with anyio.move_on_after(5):
            while len(found) < _ITEMS - SETTLED:
                async with await deliveries.receive() as delivery:
                    found.append(delivery.event.order_id)
    return found
