"""What does a group cost, beside a queue written by hand on the same `sqlite3`, in one process and in four?

Both do the same job, with the same settings, see `benchmarks/peers/queue_by_hand.py`. The queue runs in a thread
without an event loop. Time is wall time: waiting for the disk is what both do. With several processes it is the time
from the start until the last event is acknowledged.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import anyio

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks._logs import Ordered, events, handle_all, log_in, new_file
from benchmarks.peers import queue_by_hand
from evenflow.log import Delivery, DurableSubject

QUESTION = "What does a group cost, beside a queue by hand on sqlite3?"

_PROCESSES = 4
_QUIET = 1.0
"""Seconds without an event after which a process knows that all are handled."""


def run(bench: Bench) -> None:
    """One process, groups with an order, four processes."""
    rounds = bench.pick(quick=3, full=7)
    _one_process(bench, rounds)
    _ordered(bench, rounds)
    _four_processes(bench, rounds)


def _payloads(count: int) -> list[str]:
    return [Ordered(order_id=n).model_dump_json() for n in range(count)]


def _publish(path: Path, count: int) -> None:
    async def publish() -> None:
        log, orders = log_in(path)
        async with log:
            await orders.publish_many(events(count))

    anyio.run(publish)


# ---------------------------------------------------------------------- one process


def by_hand(in_one_commit: int, count: int) -> Case:
    """A queue by hand."""

    def handle(watch: Stopwatch) -> None:
        with new_file() as path, closing(queue_by_hand.connect(path)) as connection:
            queue_by_hand.fill(connection, _payloads(count))
            with watch(count):
                queue_by_hand.handle_all(connection, in_one_commit, Ordered.model_validate_json)

    return handle


def in_batches(size: int, count: int) -> Case:
    """A group that is read in batches."""

    async def handle(watch: Stopwatch) -> None:
        with new_file() as path:
            log, orders = log_in(path)
            async with log:
                await orders.publish_many(Ordered(order_id=n) for n in range(count))
                with watch(count):
                    await _handle_batches(orders, size, count)

    return handle


async def _handle_batches(orders: DurableSubject[Ordered], size: int, count: int) -> None:
    async with orders.deliveries("g", buffer=10 * size) as deliveries:
        left = count
        async for batch in deliveries.batches(size):
            async with batch:
                left -= len(batch)
            if not left:
                return


def with_handlers(concurrency: int, count: int, *, backlog: int = 0, **options: Any) -> Case:
    """A group that a consumer handles; the time is for the first `count` of `backlog` events."""
    return partial(_handle_all, concurrency, count, backlog, options)


async def _handle_all(concurrency: int, count: int, backlog: int, options: dict[str, Any], watch: Stopwatch) -> None:
    await handle_all(watch, concurrency, count, backlog=backlog, **options)


def _one_process(bench: Bench, rounds: int) -> None:
    count = bench.pick(quick=4_000, full=20_000)
    few = count // 8
    cases: dict[str, Case] = {
        "by hand, 100 a commit": by_hand(100, count),
        "evenflow, batches of 100": in_batches(100, count),
        "by hand, one a commit": by_hand(1, few),
        "evenflow, one handler": with_handlers(1, few),
        "evenflow, 64 handlers": with_handlers(64, count),
    }
    results = bench.compare(
        "log-groups", "A queue: claim, validate, acknowledge", cases, reference="by hand, 100 a commit", per="event",
        figures=("wall", "cpu"), rounds=rounds,
    )  # fmt: skip
    for what, case, reference, limit in (
        ("a group in batches of 100: time, of a queue by hand", "evenflow, batches of 100", "by hand, 100 a commit", 1),
        (
            "one handler one by one: time, of a queue by hand with a commit each",
            "evenflow, one handler",
            "by hand, one a commit",
            1 / 0.5,
        ),
        (
            "64 handlers: time, of a queue by hand with a commit each",
            "evenflow, 64 handlers",
            "by hand, one a commit",
            1 / 5,
        ),
    ):
        bench.expect(what, results.ratio(case, to=reference, of="wall"), at_most=limit)


def _ordered(bench: Bench, rounds: int) -> None:
    count, backlog = bench.pick(quick=(2_000, 20_000), full=(5_000, 100_000))
    order: dict[str, Any] = {"ordered_by": Ordered.region}
    cases: dict[str, Case] = {
        "no order": with_handlers(64, count),
        "100 keys": with_handlers(64, count, **order),
        f"100 keys, a backlog of {backlog:,}": with_handlers(64, count, backlog=backlog, **order),
    }
    results = bench.compare(
        "log-ordered", f"A group with an order: {count:,} events, 64 handlers", cases, reference="no order",
        per="event", figures=("wall", "cpu"), rounds=rounds,
    )  # fmt: skip
    bench.expect("a group with an order: time, of one without", results.ratio("100 keys", of="wall"), at_most=2.5)
    bench.expect(
        "a group with an order and a long backlog: time, of one with a short one",
        results.ratio(f"100 keys, a backlog of {backlog:,}", to="100 keys", of="wall"),
        at_most=1.5,
    )


# ---------------------------------------------------------------------- four processes


def _four_processes(bench: Bench, rounds: int) -> None:
    count = bench.pick(quick=8_000, full=40_000)
    few = count // 8
    cases: dict[str, Case] = {
        "by hand, 100 a commit": partial(_in_processes, "by_hand", 100, count),
        "evenflow, batches of 100": partial(_in_processes, "batches", 100, count),
        "by hand, one a commit": partial(_in_processes, "by_hand", 1, few),
        "evenflow, one handler each": partial(_in_processes, "handlers", 1, few),
        "evenflow, 64 handlers each": partial(_in_processes, "handlers", 64, count),
    }
    results = bench.compare(
        "log-processes", f"The same queue in {_PROCESSES} processes", cases, reference="by hand, 100 a commit",
        per="event", figures=("wall",), rounds=rounds,
    )  # fmt: skip
    for what, case, reference, limit in (
        ("in batches of 100", "evenflow, batches of 100", "by hand, 100 a commit", 1),
        ("one handler each", "evenflow, one handler each", "by hand, one a commit", 1 / 0.5),
        ("64 handlers each", "evenflow, 64 handlers each", "by hand, one a commit", 1 / 5),
    ):
        bench.expect(
            f"{_PROCESSES} processes, {what}: time, of a queue by hand that commits as often",
            results.ratio(case, to=reference, of="wall"),
            at_most=limit,
        )


def _in_processes(how: str, size: int, count: int, watch: Stopwatch) -> None:
    """Have four processes handle it all; each says when it had settled its last event, on the machine's clock."""
    with new_file() as path:
        if how == "by_hand":
            with closing(queue_by_hand.connect(path)) as connection:
                queue_by_hand.fill(connection, _payloads(count))
        else:
            _publish(path, count)
        code = "import sys; from benchmarks.log_groups import worker; worker(*sys.argv[1:])"
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", code, how, str(size), str(path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for _ in range(_PROCESSES)
        ]  # fmt: skip
        for process in workers:
            assert process.stdout is not None
            process.stdout.readline()
        began = monotonic()
        for process in workers:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [json.loads(process.communicate()[0]) for process in workers]
    handled = sum(number for number, _ in told)
    if handled < count:
        raise RuntimeError(f"only {handled} of {count} events were handled")
    watch.report(wall=(max(last for _, last in told) - began) * 1e9 / count)


def worker(how: str, size: str, path: str) -> None:
    """One of the processes: waits for the word, handles until there is nothing, and says how much and when."""
    if how == "by_hand":
        with closing(queue_by_hand.connect(Path(path))) as connection:
            _wait_for_the_word()
            handled = queue_by_hand.handle_all(connection, int(size), Ordered.model_validate_json)
        told = handled, monotonic()
    else:
        told = anyio.run(_batches if how == "batches" else _handlers, Path(path), int(size))
    sys.stdout.write(json.dumps(told))


def _wait_for_the_word() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


async def _batches(path: Path, size: int) -> tuple[int, float]:
    log, orders = log_in(path)
    handled, last = 0, 0.0
    async with log:
        _wait_for_the_word()
        async with orders.deliveries("g", buffer=5 * size) as deliveries:
            batches = deliveries.batches(size)
            while True:
                with anyio.move_on_after(_QUIET) as quiet:
                    async with await batches.receive() as batch:
                        pass
                if quiet.cancelled_caught:
                    return handled, last
                handled, last = handled + len(batch), monotonic()


async def _handlers(path: Path, concurrency: int) -> tuple[int, float]:
    log, orders = log_in(path)
    handled, last = 0, 0.0

    async def one(_: Delivery[Ordered]) -> None:
        nonlocal handled, last
        handled, last = handled + 1, monotonic()

    orders.consume("g", one, Ordered, concurrency=concurrency, buffer=max(64, 2 * concurrency))
    _wait_for_the_word()
    async with log:
        before = -1
        while before != handled:
            before = handled
            await anyio.sleep(_QUIET)
    return handled, last
