"""What does telemetry cost: where it is not used, and where it is?

Whoever does not use it has one more thing to do: an observer looks, once for each event that it handles, whether
somebody follows it. Publishing has nothing more to do, because an instrumented subject is given another class. So the
first question compares an observer with one that does not look. The two take turns in one loop, a few hundred events at
a time, and the ratio is taken of each turn: what else the machine does then comes to both.

The second question is about what it costs where it is used: with OpenTelemetry's API alone, whose spans go nowhere, and
with its SDK, whose spans are all sampled and thrown away.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider

from benchmarks._harness import Bench, Case, Spread, Stopwatch
from benchmarks.peers import settle
from benchmarks.peers.evenflow import Tick, ticks
from evenflow import Subject
from evenflow._handling import Handling, Worker
from evenflow.telemetry import instrument

QUESTION = "What does telemetry cost: where it is not used, and where it is?"

UNUSED = "not instrumented"
API = "instrumented, no SDK"
SDK = "instrumented, SDK"

LIMIT = 1.02
_TURN = 200
"""Calls of handlers in a turn, of less than a millisecond."""


def run(bench: Bench) -> None:
    """What the look costs, and what the spans cost."""
    turns = bench.pick(quick=600, full=4_000)
    found = {observers: Spread.of(asyncio.run(compare_turns(turns, observers))) for observers in (1, 10)}
    bench.record(
        "unused",
        f"observers that nobody follows, beside observers that do not look; {turns:,} turns of {_TURN} calls",
        ("", "of those that do not look"),
        [(f"{observers} observers, {UNUSED}", str(ratio)) for observers, ratio in found.items()],
    )
    for observers, ratio in found.items():
        bench.expect(f"{observers} observers: not instrumented costs at most {LIMIT}", ratio, at_most=LIMIT)
    events = bench.pick(quick=500, full=5_000)
    for observers in (1, 10):
        bench.compare(
            f"used by {observers}",
            f"{observers} observers, {events:,} events, publish and drain: processor time for each event",
            {
                UNUSED: case(events, observers),
                API: case(events, observers, NoOpTracerProvider(), NoOpMeterProvider()),
                SDK: case(events, observers, TracerProvider(), MeterProvider([InMemoryMetricReader()])),
            },
            reference=UNUSED,
            per="event",
        )


async def compare_turns(turns: int, observers: int) -> list[float]:
    """Let observers and some that do not look take turns; returns the ratio of each turn to the two around it."""
    looking, bare = Subject(Tick, name="ticks"), Subject(Tick, name="ticks")
    for _ in range(observers):
        _observe(looking)
        observer = _observe(bare)
        observer._begin = partial(Bare, *observer._begin.args, **observer._begin.keywords)
    events = ticks(_TURN // observers)
    costs: dict[str, list[int]] = {"looking": [], "bare": []}
    async with looking, bare:
        await settle()
        for _ in range(turns + 20):
            for name, subject in (("bare", bare), ("looking", looking)):
                began = time.thread_time_ns()
                for event in events:
                    await subject.publish(event)
                await subject.drain()
                costs[name].append(time.thread_time_ns() - began)
    around = [(before + after) / 2 for before, after in pairwise(costs["bare"][20:])]
    return [cost / other for cost, other in zip(costs["looking"][20:], around, strict=False)]


class Bare(Handling):
    """The events in hand of an observer that cannot be followed."""

    async def _handle(self, worker: Worker, number: int, item: Any) -> None:
        self.running += 1
        try:
            error = await worker.call(item)
        except BaseException:
            self.cut_off[number] = self.in_hand.pop(number)
            raise
        finally:
            self.running -= 1
        del item
        self._over(number, error)


def case(
    events: int, observers: int, tracer_provider: TracerProvider | None = None, meter_provider: Any = None
) -> Case:
    """One round: each observer is called with every event; instrumented, if there are providers."""

    async def round_(watch: Stopwatch) -> None:
        subject = Subject(Tick, name="ticks")
        made = [_observe(subject) for _ in range(observers)]
        sent = ticks(events)
        used = meter_provider is not None
        with (
            instrument(subject, tracer_provider=tracer_provider, meter_provider=meter_provider)
            if used
            else nullcontext()
        ):
            async with subject:
                await settle()
                with watch(events):
                    for event in sent:
                        await subject.publish(event)
                    await subject.drain()
                handled = [observer.statistics().handled for observer in made]
        if handled != [events] * observers:
            raise RuntimeError(f"{handled} calls, where each should have had {events}")

    return round_


def _observe(subject: Subject[Tick]) -> Any:
    async def handle(_: Tick) -> None:
        pass

    return subject.observe(handle, Tick)
