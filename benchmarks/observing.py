"""What does an observer pay for what it asks beside the events: the publisher's context, or order by key?

One subject has 10 observers with the same coroutine function, and one publisher that never sleeps. The time runs from
the first publish until `drain` returns, and is divided by the number of calls. The reference is the plain observer; an
observer that handles 8 events at a time is shown without an order, too, because that is what `ordered_by` adds to.
"""

from __future__ import annotations

from typing import Any

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks.peers import expect_all, settle
from benchmarks.peers.evenflow import Tick, ticks
from evenflow import Subject

QUESTION = "What does an observer pay for what it asks beside the events?"

PLAIN = "an observer"
CONTEXT = 'with `context="publisher"`'
CONCURRENT = "with `concurrency=8`"
ORDERED = "with `concurrency=8, ordered_by=`"

_OBSERVERS = 10
_KEYS = 100
"""Keys among the events; the observers handle eight events at a time, so that most of them have a key of their own."""


def run(bench: Bench) -> None:
    """The same handler, observed in four ways."""
    events = bench.pick(quick=500, full=10_000)
    cases: dict[str, Case] = {
        PLAIN: _case(events),
        CONTEXT: _case(events, context="publisher"),
        CONCURRENT: _case(events, concurrency=8),
        ORDERED: _case(events, concurrency=8, ordered_by=_key),
    }
    bench.compare(
        "observers",
        f"{_OBSERVERS} observers, buffer 64, {events:,} events: processor time for each call of a handler",
        cases,
        reference=PLAIN,
        per="call",
        rounds=bench.pick(quick=5, full=11),
    )


def _key(tick: Tick) -> int:
    return tick.n % _KEYS


def _case(events: int, **options: Any) -> Case:
    """One round: every observer has these options, and must have been called with every event."""

    async def round_(watch: Stopwatch) -> None:
        subject = Subject(Tick)
        counts = [0] * _OBSERVERS
        for place in range(_OBSERVERS):
            _observe(subject, counts, place, **options)
        made = ticks(events)
        async with subject:
            await settle()
            with watch(events * _OBSERVERS):
                for event in made:
                    await subject.publish(event)
                await subject.drain()
        expect_all(counts, _OBSERVERS, events)

    return round_


def _observe(subject: Subject[Tick], counts: list[int], place: int, **options: Any) -> None:
    async def handle(_: Tick) -> None:
        counts[place] += 1

    subject.observe(handle, Tick, **options)
