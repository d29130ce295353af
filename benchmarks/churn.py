"""What does it cost to subscribe and to close, among few subscriptions and among very many?

A WebSocket client subscribes when it connects, and closes its subscription when it leaves. The cost must not depend on
the number of other subscriptions: neither in the list of subscriptions, nor in a route that was computed before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reactivex.subject import Subject as RxSubject

from benchmarks._harness import Bench, Case, Results, Stopwatch
from benchmarks.peers.evenflow import Tick, ticks
from evenflow import Event, Subject, Subscription

QUESTION = "What does it cost to subscribe and to close?"

_TIMES = 1_000


class Other(Event):
    """The event that the standing subscriptions want; nobody publishes it."""

    n: int


def run(bench: Bench) -> None:
    """Subscribe and close, without and with an event in between, as the number of standing subscriptions grows."""
    counts = bench.pick(quick=(10, 10_000), full=(10, 100, 1_000, 10_000, 100_000))
    alone = _grow(bench, "alone", "subscribe, close", counts, with_event=False)
    among = _grow(bench, "event", "subscribe, publish, close", counts, with_event=True)
    for what, results in (("subscribe, close", alone), ("subscribe, publish, close", among)):
        bench.expect(f"{what} with {counts[-1]:,} there against 10", results.ratio(_label(counts[-1])), at_most=1.5)
    bench.compare(
        "peers",
        "subscribe and close, with 1,000 there",
        {
            "a set of asyncio.Queue": _queues(1_000),
            "evenflow": _evenflow(1_000, with_event=False),
            "reactivex": _reactivex(1_000),
        },
        reference="a set of asyncio.Queue",
        per="subscription",
    )
    bench.lines(
        "churn",
        "The cost to subscribe and close",
        "subscriptions that exist already",
        {
            "evenflow: subscribe, close": {count: alone.median(_label(count)) for count in counts},
            "evenflow: subscribe, publish, close": {count: among.median(_label(count)) for count in counts},
        },
        up="nanoseconds of processor time",
    )


def _label(count: int) -> str:
    return f"{count:,} there"


def _grow(bench: Bench, key: str, what: str, counts: tuple[int, ...], *, with_event: bool) -> Results:
    return bench.compare(
        key,
        f"{what}: processor time for each, as the number of other subscriptions grows",
        {_label(count): _evenflow(count, with_event=with_event) for count in counts},
        reference=_label(10),
        per="subscription",
        rounds=bench.pick(quick=3, full=7),
    )


@asynccontextmanager
async def _standing(count: int) -> AsyncIterator[Subject[Tick | Other]]:
    """A subject with `count` subscriptions to an event that is not published."""
    subject = Subject(Tick | Other)
    there: list[Subscription[Other]] = [subject.subscribe(Other) for _ in range(count)]
    try:
        yield subject
    finally:
        for subscription in there:
            subscription.close()


def _evenflow(count: int, *, with_event: bool) -> Case:
    async def case(watch: Stopwatch) -> None:
        event = ticks(1)[0]
        async with _standing(count) as subject:
            with watch(_TIMES):
                for _ in range(_TIMES):
                    subscription = subject.subscribe(Tick)
                    if with_event:
                        await subject.publish(event)
                    subscription.close()

    return case


def _queues(count: int) -> Case:
    def case(watch: Stopwatch) -> None:
        there = {asyncio.Queue[Tick](64) for _ in range(count)}
        with watch(_TIMES):
            for _ in range(_TIMES):
                queue = asyncio.Queue[Tick](64)
                there.add(queue)
                there.discard(queue)

    return case


def _nothing(_: Tick) -> None:
    """A callback that is never called."""


def _reactivex(count: int) -> Case:
    def case(watch: Stopwatch) -> None:
        subject: RxSubject[Tick] = RxSubject()
        there = [subject.subscribe(on_next=_nothing) for _ in range(count)]
        with watch(_TIMES):
            for _ in range(_TIMES):
                subject.subscribe(on_next=_nothing).dispose()
        for subscription in there:
            subscription.dispose()

    return case
