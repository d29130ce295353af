"""Which files and calls of ours does one event cross?

`python -m benchmarks.trace` prints a table, and with `--calls` every call.

A reader waits in ``async for``. After a warm-up, one ``await subject.publish(event)`` is followed until the event lies
in the buffer, the reader has received it, and the reader waits for the next one.

Every entry into Python code that stands under ``src/evenflow`` is a call: functions, comprehensions, and each time that
a coroutine or a generator is resumed. Calls into C are not counted. What runs in the publisher's task is the publish
side, which the limits are for; everything else is the reader's side. Both sides together, with the wait for the next
event, a conflated publish crossed 11 files in 60 calls before the core was rebuilt.

Leaves with 1 where a limit is missed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import evenflow
from evenflow import Event, Subject, Subscription

SOURCE = str(Path(evenflow.__file__).parent)
WARM_UP = 50


class Order(Event):
    n: int
    region: str = "eu"


class Tick(Event):
    symbol: str
    price: int


@dataclass(frozen=True)
class Way:
    """One way to subscribe, the event that is published, and how much it may cross."""

    subscribe: Callable[[Subject[Any]], Subscription[Any]]
    event: Event
    files: int
    calls: int


# one file is the back end, which answers whether the publisher is being cancelled; anyio did, uncounted
WAYS = {
    "ordinary": Way(lambda subject: subject.subscribe(Order), Order(n=1), 5, 8),
    "conflated": Way(lambda subject: subject.subscribe(Tick, conflate=Tick.symbol), Tick(symbol="a", price=1), 7, 25),
    "conditional": Way(lambda subject: subject.subscribe(Order, where=Order.region == "eu"), Order(n=1), 8, 20),
}


@dataclass(frozen=True)
class Trace:
    """The calls that one event crossed, in order, on each side."""

    publisher: tuple[CodeType, ...]
    reader: tuple[CodeType, ...]

    @property
    def both(self) -> tuple[CodeType, ...]:
        return self.publisher + self.reader


def trace(way: Way) -> Trace:
    """Follow one warm event on a loop of its own."""
    return asyncio.run(_trace(way))


def files(calls: Iterable[CodeType]) -> int:
    """How many files these calls are in."""
    return len({code.co_filename for code in calls})


async def _trace(way: Way) -> Trace:
    publisher: list[CodeType] = []
    reader: list[CodeType] = []
    publishing = asyncio.current_task()

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(SOURCE):
            (publisher if asyncio.current_task() is publishing else reader).append(frame.f_code)

    subject = Subject(type(way.event))
    received = asyncio.Event()

    async def read(subscription: Subscription[Any]) -> None:
        async for _ in subscription:
            received.set()

    async with way.subscribe(subject) as subscription:
        reading = asyncio.create_task(read(subscription))
        await asyncio.sleep(0)  # the reader waits
        for _ in range(WARM_UP):
            await subject.publish(way.event)
            await received.wait()
            received.clear()
        before = sys.getprofile()
        sys.setprofile(profile)
        try:
            await subject.publish(way.event)
            await received.wait()
        finally:
            sys.setprofile(before)
        subject.close()
        await reading
    return Trace(tuple(publisher), tuple(reader))


def main() -> int:
    """Print the table, and return the exit code."""
    missed = False
    print(f"{'':12} {'publish side':>16} {'reader side':>16} {'together':>16} {'at most':>16}")
    for name, way in WAYS.items():
        found = trace(way)
        sides = (found.publisher, found.reader, found.both)
        cells = [_cell(files(side), len(side)) for side in sides]
        over = files(found.publisher) > way.files or len(found.publisher) > way.calls
        missed = missed or over
        print(name.ljust(12), *cells, _cell(way.files, way.calls), "FAIL" if over else "PASS")
        if "--calls" in sys.argv:
            for side, calls in zip(("publish", "read"), sides, strict=False):
                for code in calls:
                    print(f"    {side:8} {Path(code.co_filename).relative_to(SOURCE)} {code.co_qualname}")
    return int(missed)


def _cell(files: int, calls: int) -> str:
    return f"{files} files {calls:2} calls".rjust(16)


if __name__ == "__main__":
    sys.exit(main())
