"""What do thousands of publishers cost that wait for one subscription?

The subscription holds one event, and 4,000 tasks publish one event each: all of them wait. Then nothing happens for a
while, and then a reader takes everything. The reference is `asyncio.Queue(1)` with 4,000 tasks in `put`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import process_time_ns

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks.peers.evenflow import Tick, ticks
from evenflow import Subject

QUESTION = "What do thousands of publishers cost that wait for one subscription?"

_LIMIT = 3
"""The target, in times of a queue by hand."""

_PUBLISHERS = 4_000
_IDLE = 1.5
"""Seconds in which nobody reads; three looks for a stall fall into them."""


def run(bench: Bench) -> None:
    """To begin to wait, to wait, and to go on."""
    cases: dict[str, Case] = {"asyncio.Queue by hand": _by_hand, "evenflow": _evenflow}
    results = bench.compare(
        "waiting",
        f"{_PUBLISHERS:,} publishers that wait for one subscription: to join, to idle for {_IDLE} s, to drain",
        cases,
        reference="asyncio.Queue by hand",
        per="publisher",
        figures=("join", "idle", "drain", "total"),
        rounds=bench.pick(quick=3, full=7),
    )
    for figure in ("join", "idle", "drain"):
        bench.expect(
            f"{_PUBLISHERS:,} publishers that wait, of a queue by hand: to {figure}",
            results.ratio("evenflow", of=figure),
            at_most=_LIMIT,
        )


async def _measured(
    watch: Stopwatch, put: Callable[[Tick], Awaitable[object]], take: Callable[[], Awaitable[object]]
) -> None:
    """Fill the one place, have everybody wait, do nothing for a while, and take everything."""
    first, *rest = ticks(1 + _PUBLISHERS)
    await put(first)
    began = process_time_ns()
    tasks = [asyncio.ensure_future(put(event)) for event in rest]
    await asyncio.sleep(0)
    joined = process_time_ns()
    for _ in range(round(_IDLE / 0.01)):  # a loop that does something else meanwhile, as loops do
        await asyncio.sleep(0.01)
    idled = process_time_ns()
    for _ in range(1 + _PUBLISHERS):
        await take()
    await asyncio.gather(*tasks)
    drained = process_time_ns()
    watch.report(
        join=(joined - began) / _PUBLISHERS,
        idle=(idled - joined) / _PUBLISHERS,
        drain=(drained - idled) / _PUBLISHERS,
        total=(drained - began) / _PUBLISHERS,
    )


async def _by_hand(watch: Stopwatch) -> None:
    queue: asyncio.Queue[Tick] = asyncio.Queue(1)
    await _measured(watch, queue.put, queue.get)


async def _evenflow(watch: Stopwatch) -> None:
    subject = Subject(Tick)
    async with subject.subscribe(Tick, buffer=1) as subscription:
        await _measured(watch, subject.publish, subscription.receive)
