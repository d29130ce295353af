"""What does an operator cost, beside aiostream and beside a bare `async for` that does the same work?

All read the same asynchronous generator and count what comes out. The bare loop is what a user would write without
backpressure through the chain, without cancelling that loses nothing, and without a chain that closes its sources.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiostream
from aiostream import pipe

from benchmarks._harness import Bench, Case, Stopwatch
from evenflow.streams import Stream, stream

QUESTION = "What does an operator cost?"

BARE = "bare async for"
THEIRS = "aiostream"
OURS = "evenflow"

_QUIET = 0.002
"""Seconds of silence that a debounce waits for. All events of a round come within that time."""


def double(number: int) -> int:
    return number * 2


def even(number: int) -> bool:
    return not number % 2


def add(total: int, number: int) -> int:
    return total + number


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def run(bench: Bench) -> None:
    """Measure a row for each operator, then what each map adds to a chain."""
    events = bench.pick(quick=4_000, full=15_000)
    rows = {row: {name: _case(read, events) for name, read in readers.items()} for row, readers in _ROWS.items()}
    ratios: dict[str, float] = {}
    for row, cases in rows.items():
        results = bench.compare(
            row,
            f"{row}: processor time for each event of the source",
            cases,
            reference=BARE,
            per="event",
            rounds=bench.pick(quick=5, full=9),
        )
        if THEIRS in cases:
            bench.expect(f"`{row}` against aiostream", results.ratio(OURS, THEIRS), at_most=1.0)
        if row in {"map", "filter"}:
            bench.expect(f"`{row}` against a bare `async for`", results.ratio(OURS), at_most=2.5)
        if results.rounds[OURS]:
            ratios[row] = results.median(OURS) / results.median(THEIRS) if THEIRS in cases else 0.0
    _chains(bench, events)
    bench.bars(
        "streams",
        "One event through an operator: evenflow, of aiostream's cost",
        {f"evenflow: {row}": ratio for row, ratio in ratios.items() if ratio},
        across="ratio, logarithmic",
    )


def _chains(bench: Bench, events: int) -> None:
    """Measure chains of up to five maps: five cost at most five times what one costs."""
    results = bench.compare(
        "chain",
        "a chain of so many maps: processor time for each event of the source",
        {f"{length}": _case(_chain(length), events) for length in bench.pick(quick=(0, 1, 5), full=range(6))},
        reference="0",
        per="event",
        rounds=bench.pick(quick=5, full=9),
    )
    bench.expect("a chain of five maps against one map", results.ratio("5", "1"), at_most=5.0)
    bench.lines(
        "streams-chain",
        "A chain of maps",
        "maps in the chain",
        {"evenflow": {1 + int(length): results.median(length) for length in results.rounds if int(length)}},
        up="nanoseconds of processor time for each event",
    )


Read = Callable[[int], Awaitable[int]]


def _case(read: Read, events: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        with watch(events):
            await read(events)

    return case


async def _counted(events: Stream[Any]) -> int:
    count = 0
    async with events:
        async for _ in events:
            count += 1
    return count


async def _theirs(events: Any) -> int:
    count = 0
    async with events.stream() as streamer:
        async for _ in streamer:
            count += 1
    return count


def _chain(length: int) -> Read:
    async def read(count: int) -> int:
        chain: Stream[int] = stream(numbers(count))
        for _ in range(length):
            chain = chain.map(double)
        return await _counted(chain)

    return read


def _bare(work: Callable[[int], object]) -> Read:
    async def read(count: int) -> int:
        seen = 0
        async for number in numbers(count):
            work(number)
            seen += 1
        return seen

    return read


async def _bare_filter(count: int) -> int:
    seen = 0
    async for number in numbers(count):
        if even(number):
            seen += 1
    return seen


async def _bare_scan(count: int) -> int:
    seen = total = 0
    async for number in numbers(count):
        total = add(total, number)
        seen += 1
    return seen


def _bare_five(number: int) -> int:
    return double(double(double(double(double(number)))))


async def _bare_merge(count: int) -> int:
    """Two tasks, one queue."""
    queue: asyncio.Queue[int | None] = asyncio.Queue(1)
    seen = 0

    async def put() -> None:
        async for number in numbers(count // 2):
            await queue.put(number)
        await queue.put(None)

    async with asyncio.TaskGroup() as group:
        ends = [group.create_task(put()), group.create_task(put())]
        ended = 0
        while ended < len(ends):
            if await queue.get() is None:
                ended += 1
            else:
                seen += 1
    return seen


async def _bare_debounce(count: int) -> int:
    """A timer that is reset by each event."""
    loop = asyncio.get_running_loop()
    out: list[int] = []
    timer: asyncio.TimerHandle | None = None
    last = 0
    async for last in numbers(count):
        if timer:
            timer.cancel()
        timer = loop.call_later(_QUIET, out.append, last)
    if timer:
        timer.cancel()
    out.append(last)
    return len(out)


_ROWS: dict[str, dict[str, Read]] = {
    "map": {
        BARE: _bare(double),
        THEIRS: lambda count: _theirs(aiostream.stream.iterate(numbers(count)) | pipe.map(double)),
        OURS: _chain(1),
    },
    "filter": {
        BARE: _bare_filter,
        THEIRS: lambda count: _theirs(aiostream.stream.iterate(numbers(count)) | pipe.filter(even)),
        OURS: lambda count: _counted(stream(numbers(count)).filter(even)),
    },
    "scan": {
        BARE: _bare_scan,
        THEIRS: lambda count: _theirs(aiostream.stream.iterate(numbers(count)) | pipe.accumulate(add)),
        OURS: lambda count: _counted(stream(numbers(count)).scan(add, 0)),
    },
    "five maps": {
        BARE: _bare(_bare_five),
        THEIRS: lambda count: _theirs(
            aiostream.stream.iterate(numbers(count))
            | pipe.map(double)
            | pipe.map(double)
            | pipe.map(double)
            | pipe.map(double)
            | pipe.map(double)
        ),
        OURS: _chain(5),
    },
    "merge": {
        BARE: _bare_merge,
        THEIRS: lambda count: _theirs(aiostream.stream.merge(numbers(count // 2), numbers(count // 2))),
        OURS: lambda count: _counted(stream(numbers(count // 2)).merge(stream(numbers(count // 2)))),
    },
    "debounce": {
        BARE: _bare_debounce,
        OURS: lambda count: _counted(stream(numbers(count)).debounce(_QUIET)),
    },
}
