"""The worker, run by `evenflow worker` and ended with SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import anyio
import anyio.to_thread
import pytest

from evenflow import Event
from evenflow.log import GroupStatistics, SQLiteLog
from tests.examples.running import EXAMPLES

pytestmark = pytest.mark.asyncio

PARCELS, CUSTOMERS = 60, 6
SHIPPED = re.compile(r"shipped (\d+) to (\d+), attempt (\d+)")


class ParcelPacked(Event, name="shop.parcel.packed"):
    """The example's class, as another program would have it: the wire name is what counts."""

    parcel_id: int
    customer_id: int
    weight: float


def log_of(file: Path) -> SQLiteLog:
    return SQLiteLog(file, name="shipping")


async def pack(log: SQLiteLog, numbers: Iterable[int]) -> None:
    """Publish parcels, the customers in turn."""
    await log.subject("parcels", ParcelPacked).publish_many(
        ParcelPacked(parcel_id=number, customer_id=number % CUSTOMERS, weight=number) for number in numbers
    )


async def groups(file: Path) -> dict[str, GroupStatistics]:
    log = log_of(file)
    async with log:
        return {group.name: group for group in await log.subject("parcels", ParcelPacked).groups()}


@contextmanager
def worker(file: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker in the folder of the example."""
    with subprocess.Popen(
        [sys.executable, "-m", "evenflow.cli", "worker", "shipping:log"],
        cwd=EXAMPLES / "worker",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "SHIPPING_LOG": str(file), "PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], shipped: int) -> list[str]:
    """What the worker says, up to this many parcels."""
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        shipped -= line.startswith("shipped")
        if not shipped:
            break
    return said


def end(process: subprocess.Popen[str]) -> list[str]:
    """Send SIGTERM, and return what it still says."""
    assert process.stdout is not None
    process.send_signal(signal.SIGTERM)
    said = process.stdout.readlines()
    assert process.wait(timeout=100) == 0, said
    return said


def parcels_in(said: list[str]) -> list[tuple[Any, ...]]:
    """Number, customer and attempt of each parcel that was shipped."""
    return [tuple(int(part) for part in found.groups()) for line in said if (found := SHIPPED.match(line))]


async def test_sigterm_ends_it_cleanly_and_nothing_is_lost_or_counted(tmp_path: Path) -> None:
    """What was begun is finished, the rest is handled by the next worker, and no attempt was used up."""
    file = tmp_path / "shipping.db"
    async with log_of(file) as log:
        await pack(log, range(PARCELS))
    with worker(file) as process:
        said = read_until(process, 20)
        said += end(process)
    first = parcels_in(said)
    assert 20 <= len(first) < PARCELS, "it was ended in the middle"
    assert "shipping: ended\n" in said
    assert not any("Traceback" in line for line in said)

    left = (await groups(file))["shipping"]
    assert (left.in_hand, left.retrying, left.dead, left.members) == (0, 0, 0, 0)
    assert left.due == PARCELS - len(first), "what was fetched and not begun was given back at once"

    with worker(file) as process:
        said = read_until(process, PARCELS - len(first))
        said += end(process)
    shipped = first + parcels_in(said)
    assert sorted(number for number, _, _ in shipped) == list(range(PARCELS)), "each once"
    assert {attempt for _, _, attempt in shipped} == {1}
    assert_in_order(shipped)


async def test_two_workers_share_the_parcels_and_keep_the_order_of_each_customer(tmp_path: Path) -> None:
    """Both get some, no parcel is sent twice, and SIGTERM ends each with 0."""
    file, packed = tmp_path / "shipping.db", 0
    said: Queue[tuple[int, str]] = Queue()
    lines: tuple[list[str], list[str]] = ([], [])
    async with log_of(file) as log, anyio.create_task_group() as threads:
        with worker(file) as one, worker(file) as other:
            for which, process in enumerate((one, other)):
                threads.start_soon(anyio.to_thread.run_sync, pass_on, which, process, said)
            while not all(map(parcels_in, lines)):
                await pack(log, range(packed, packed + PARCELS))
                packed += PARCELS
                while len(parcels_in(lines[0] + lines[1])) < packed:
                    which, line = await anyio.to_thread.run_sync(said.get)
                    lines[which].append(line)
            for process in (one, other):
                process.send_signal(signal.SIGTERM)
                assert await anyio.to_thread.run_sync(process.wait) == 0
    assert sorted(number for number, _, _ in parcels_in(lines[0] + lines[1])) == list(range(packed)), "each once"
    for each in lines:
        assert_in_order(parcels_in(each))


def pass_on(which: int, process: subprocess.Popen[str], said: Queue[tuple[int, str]]) -> None:
    """Pass on what a worker says until it ends; runs in a thread."""
    assert process.stdout is not None
    for line in process.stdout:
        said.put((which, line))


def assert_in_order(shipped: list[tuple[Any, ...]]) -> None:
    """The parcels of each customer were sent in the order in which they were packed."""
    by_customer: dict[int, list[int]] = defaultdict(list)
    for number, customer, _ in shipped:
        by_customer[customer].append(number)
    for numbers in by_customer.values():
        assert numbers == sorted(numbers)
