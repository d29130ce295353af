"""A process that publishes from 20 tasks and consumes in three groups, and writes down what it knows, until it is killed.

``python -m tests.log.crash.program FILE JOURNAL NAME SECONDS`` publishes and consumes; with SECONDS 0 it consumes only,
until the groups have nothing left to do, and ends by itself.

Each line of the journal is one call of ``write`` with ``O_APPEND``, so a kill leaves whole lines alone:

    P id        publish has returned
    H group n attempt      a handler begins with the event of this number
    A group n   its ack has returned
"""

from __future__ import annotations

import os
import sys

import anyio

from evenflow import Event
from evenflow.log import Delivery, DurableSubject, SQLiteLog

PUBLISHERS = 20
GROUPS = ("plain", "ordered", "pulled")
KEYS = 5
MOST_BEHIND = 500
"""Events that a group may be behind before the publishers wait, so that the end does not take for ever."""


class Made(Event):
    """What is published: ``name`` says by whom, and ``key`` what it is ordered by."""

    name: str
    key: int


class Journal:
    """What the process knows, line by line."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, line: str) -> None:
        os.write(self._file, f"{line}\n".encode())


def made(log: SQLiteLog) -> DurableSubject[Made]:
    """The subject of all of this."""
    return log.subject("made", Made)


async def main(path: str, journal: Journal, name: str, seconds: float) -> None:
    log = SQLiteLog(path)
    subject = made(log)

    @subject.consumer("plain", concurrency=4, ack_wait=2.0)
    async def plain(delivery: Delivery[Made]) -> None:
        journal.write(f"H plain {delivery.offset.seq} {delivery.attempt}")

    @subject.consumer("ordered", concurrency=4, ordered_by=Made.key, ack_wait=2.0)
    async def ordered(delivery: Delivery[Made]) -> None:
        journal.write(f"H ordered {delivery.offset.seq} {delivery.attempt}")
        await anyio.lowlevel.checkpoint()

    async def pull() -> None:
        async with subject.deliveries("pulled", ack_wait=2.0) as deliveries:
            while True:
                delivery = await deliveries.receive()
                journal.write(f"H pulled {delivery.offset.seq} {delivery.attempt}")
                await delivery.ack()
                journal.write(f"A pulled {delivery.offset.seq}")

    behind = 0

    async def look() -> None:
        nonlocal behind
        while True:
            behind = max((group.due for group in await subject.groups()), default=0)
            await anyio.sleep(0.5)

    async def publish(task: int) -> None:
        number = 0
        while True:
            while behind > MOST_BEHIND:
                await anyio.sleep(0.02)
            which = f"{name}-{task}-{number}"
            await subject.publish(Made(name=which, key=number % KEYS), id=which)
            journal.write(f"P {which}")
            number += 1
            await anyio.sleep(0.02)

    async with log, anyio.create_task_group() as tasks:
        tasks.start_soon(pull)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if seconds:
            tasks.start_soon(look)
            for task in range(PUBLISHERS):
                tasks.start_soon(publish, task)
            await anyio.sleep(seconds)
        else:
            while any(group.due or group.in_hand or group.retrying for group in await subject.groups()):
                await anyio.sleep(0.5)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Journal(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
