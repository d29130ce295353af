"""The publishers: a task that samples the machine, and a thread that watches processes.

Each keeps its own books, where what `publish` returned is added up.
The ledger adds up what each subscription wanted, and the two sums must be equal.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import WouldBlock, current_time, from_thread, sleep_until, to_thread

if TYPE_CHECKING:
    from collections.abc import Generator

    from evenflow import Subject

    from ._events import Noticed
    from ._machine import Meters, Processes

LONGEST_PAUSE = 0.25
"""Seconds after which the thread checks whether it must end, at the latest."""


@dataclass
class Books:
    """The numbers of one publisher."""

    name: str
    rounds: int = 0
    """Samples taken, or looks at the list of processes."""
    published: int = 0
    wanted: int = 0
    """The sum of what `publish` returned."""
    waits: int = 0
    """Publishes that had to wait for room."""
    waited: float = 0.0
    """Seconds that they waited."""

    def enter(self, wanted: int) -> None:
        """Count a publish, and how many subscriptions wanted its event."""
        self.published += 1
        self.wanted += wanted

    @contextmanager
    def waiting(self) -> Generator[None]:
        """Measure how long a publish waits."""
        self.waits += 1
        started = time.monotonic()
        try:
            yield
        finally:
            self.waited += time.monotonic() - started


async def sample(machine: Subject[Noticed], meters: Meters, books: Books, rate: float) -> None:
    """Publish every source ``rate`` times a second, or as often as subscribers have room, until cancelled."""
    due = current_time()
    while True:
        for reading in await to_thread.run_sync(meters.read):
            await _publish(machine, reading, books)
        books.rounds += 1
        due = max(due + 1 / rate, current_time())
        await sleep_until(due)


async def _publish(machine: Subject[Noticed], event: Noticed, books: Books) -> None:
    # `await machine.publish(event)` would be enough. Trying first shows whether it has to wait.
    try:
        wanted = machine.publish_nowait(event)
    except WouldBlock:
        with books.waiting():
            wanted = await machine.publish(event)
    books.enter(wanted)


async def watch(machine: Subject[Noticed], processes: Processes, books: Books, rate: float) -> None:
    """Publish, from a thread, which processes start and end, until cancelled."""
    await to_thread.run_sync(_watch_in_thread, machine, processes, books, min(1 / rate, LONGEST_PAUSE))


def _watch_in_thread(machine: Subject[Noticed], processes: Processes, books: Books, pause: float) -> None:
    while True:
        from_thread.check_cancelled()
        for event in processes.changes():
            _publish_from_thread(machine, event, books)
        books.rounds += 1
        time.sleep(pause)


def _publish_from_thread(machine: Subject[Noticed], event: Noticed, books: Books) -> None:
    try:
        wanted = machine.publish_from_thread(event, timeout=0)
    except TimeoutError:
        with books.waiting():
            wanted = machine.publish_from_thread(event)
    books.enter(wanted)
