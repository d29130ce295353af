"""What does a publish cost if each of very many subscriptions wants something else?

Each client wants one key, two keys together, or prices between two bounds. The cost of a publish should follow the
subscriptions that want the event, not those that exist. Callables, which cannot be looked up, are measured beside them.

The subscriptions of a case are made once and stay. The events go to the same ten of them, which are far apart, so that
only the number of the other subscriptions grows, not the number of buffers that are written to. Each publish finds
empty buffers: the events of the last publish are received in between, outside the timed part. The cost of reading the
clocks is subtracted. "Each time another" has another client for each event: this adds reads of memory that is in no
cache.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reactivex import operators
from reactivex.subject import Subject as RxSubject

from benchmarks._harness import Bench, Case, Results, Stopwatch
from evenflow import Event, Subject, Subscription

QUESTION = "What does a publish cost if each of very many subscriptions wants something else?"

_TIMES = 1_000
_FEW = 50
_BUFFER = 1_024


class Quote(Event):
    """The event that is published."""

    key: int = 0
    place: int = 0
    price: float = 0.0


@dataclass
class Crowd:
    """`count` subscriptions, each to something else, and events that a few of them want."""

    count: int
    where: Callable[[int], Any]
    event: Callable[[int], Quote]
    takers: Callable[[Quote], Iterable[int]]
    times: int = _TIMES
    clients: int = 10
    subject: Subject[Quote] = field(init=False)
    there: list[Subscription[Quote]] = field(default_factory=list)
    events: list[Quote] = field(default_factory=list)

    def make(self) -> None:
        """Make all subscriptions, once."""
        if not self.there:
            self.subject = Subject(Quote)
            self.there = [
                self.subject.subscribe(Quote, where=self.where(number), buffer=_BUFFER) for number in range(self.count)
            ]
            self.events = [self.event(turn % self.clients * 7_919 % self.count) for turn in range(self.times)]

    def take(self, event: Quote) -> None:
        """Receive this event, so that the next publish finds empty buffers."""
        for number in self.takers(event):
            self.there[number].receive_nowait()

    async def publish(self, watch: Stopwatch) -> None:
        """Publish each event to empty buffers."""
        self.make()
        subject = self.subject
        await self._settle()
        wall_of_clock, cpu_of_clock = _clock()
        wall = cpu = 0
        for event in self.events:
            started, started_cpu = time.perf_counter_ns(), time.process_time_ns()
            await subject.publish(event)
            cpu += time.process_time_ns() - started_cpu
            wall += time.perf_counter_ns() - started
            self.take(event)
        count = len(self.events)
        watch.report(cpu=cpu / count - cpu_of_clock, wall=wall / count - wall_of_clock)

    async def _settle(self) -> None:
        """Bind the subject to this round's loop: this costs something for each subscription, once."""
        await self.subject.publish(self.events[0])
        self.take(self.events[0])

    async def churn(self, watch: Stopwatch) -> None:
        """Subscribe, publish an event that the new subscription wants, and close, among all the others."""
        self.make()
        subject, where = self.subject, self.where
        await self._settle()
        with watch(_TIMES):
            for turn, event in enumerate(self.events):
                subscription = subject.subscribe(Quote, where=where(turn % self.count), buffer=_BUFFER)
                await subject.publish(event)
                subscription.close()
        for event in self.events:
            self.take(event)


def _clock() -> tuple[float, float]:
    """What reading the clocks around one publish costs, in wall and processor time: half a microsecond."""
    walls: list[int] = []
    cpus: list[int] = []
    for _ in range(1_000):
        started, started_cpu = time.perf_counter_ns(), time.process_time_ns()
        cpus.append(time.process_time_ns() - started_cpu)
        walls.append(time.perf_counter_ns() - started)
    return statistics.median(walls), statistics.median(cpus)


Kind = tuple[Callable[[int], Any], Callable[[int], Quote], Callable[[Quote], Iterable[int]]]
KEY: Kind = (lambda n: Quote.key == n, lambda n: Quote(key=n), lambda quote: (quote.key,))
TWO_KEYS: Kind = (
    lambda n: (Quote.key == n % 300) & (Quote.place == n // 300),
    lambda n: Quote(key=n % 300, place=n // 300),
    lambda quote: (quote.key + 300 * quote.place,),
)
INTERVAL: Kind = (
    lambda n: (Quote.price >= n) & (Quote.price < n + 10),
    lambda n: Quote(price=max(n, 9) + 0.5),
    lambda quote: range(int(quote.price) - 9, int(quote.price) + 1),
)
CALLABLE: Kind = (lambda n: lambda quote: quote.key == n, lambda n: Quote(key=n), lambda quote: (quote.key,))
EVERYTHING: Kind = (lambda _: None, lambda n: Quote(key=n), lambda _: range(10))


def run(bench: Bench) -> None:
    """One key, two keys, intervals, subscribing and closing; then another library, and what is not indexed."""
    counts = bench.pick(quick=(10, 3_000), full=(10, 100, 1_000, 10_000, 100_000))
    keys = _grow(bench, "key", "each wants one key", KEY, counts)
    pairs = _grow(bench, "pair", "each wants two keys together", TWO_KEYS, counts)
    intervals = _grow(bench, "interval", "each wants an interval; ten match", INTERVAL, counts, ten=True, clients=1)
    churn = _grow(bench, "churn", "subscribe to a key, publish, close", KEY, counts, churn=True)
    spans = _grow(bench, "span-churn", "subscribe to an interval, publish, close", INTERVAL, counts, churn=True)
    many = _label(counts[-1])
    for what, found in (
        ("a publish to one key", keys),
        ("a publish to two keys together", pairs),
        ("subscribe to a key, publish, close", churn),
        ("subscribe to an interval, publish, close", spans),
    ):
        bench.expect(f"{what}, with {many} against {_label(10)}", found.ratio(many, to=_label(10)), at_most=1.5)
    bench.expect(f"ten of {many} intervals, against ten that want everything", intervals.ratio(many), at_most=5)
    _others(bench, counts[-1])
    if bench.quick:
        return
    others = _grow(bench, "key-other", "each wants one key; each time another", KEY, counts, clients=_TIMES)
    bench.lines(
        "selective",
        "A publish, where each subscription wants something else",
        "subscriptions",
        {
            what: {count: found.median(_label(count)) for count in counts}
            for what, found in (
                ("one key", keys),
                ("one key, each time another", others),
                ("two keys", pairs),
                ("an interval, ten match", intervals),
            )
        },
        up="nanoseconds of processor time",
    )
    bench.lines(
        "selective-churn",
        "To subscribe, publish and close",
        "subscriptions that exist already",
        {
            what: {count: found.median(_label(count)) for count in counts}
            for what, found in (("one key", churn), ("an interval", spans))
        },
        up="nanoseconds of processor time",
    )


def _label(count: int) -> str:
    return f"{count:,}"


def _grow(
    bench: Bench,
    key: str,
    what: str,
    kind: Kind,
    counts: Sequence[int],
    *,
    churn: bool = False,
    ten: bool = False,
    clients: int = 10,
) -> Results:
    crowds = {_label(count): Crowd(count, *kind, clients=clients) for count in counts}
    cases: dict[str, Case] = {name: crowd.churn if churn else crowd.publish for name, crowd in crowds.items()}
    if ten:
        cases["ten that want everything"] = Crowd(10, *EVERYTHING).publish
    results = bench.compare(
        key,
        f"{what}: processor time for each, as the number of other subscriptions grows",
        cases,
        reference="ten that want everything" if ten else _label(10),
        per="publish",
        rounds=bench.pick(quick=3, full=5),
    )
    for crowd in crowds.values():
        for subscription in crowd.there:
            subscription.close()
    crowds.clear()
    gc.collect()
    return results


def _others(bench: Bench, count: int) -> None:
    """A filter for each subscription in reactivex, and a callable for each subscription here."""
    filters = bench.pick(quick=1_000, full=10_000)
    indexed, asked = Crowd(count, *KEY), None if bench.quick else Crowd(filters, *CALLABLE, times=_FEW)
    reactive, ours = f"reactivex, a filter for each of {filters:,}", f"evenflow, one key each of {count:,}"
    results = bench.compare(
        "others",
        "each wants one key: a publish",
        {
            ours: indexed.publish,
            reactive: _reactivex(filters),
            **({} if asked is None else {f"evenflow, a callable for each of {filters:,}": asked.publish}),
        },
        reference=reactive,
        per="publish",
        rounds=3,
    )
    bench.expect(
        f"{ours}, against {reactive}",
        results.ratio(ours),
        at_most=bench.pick(quick=1 / 50, full=1 / 500),
    )


def _reactivex(count: int) -> Case:
    subject: RxSubject[Quote] = RxSubject()
    seen: list[Quote] = []

    def wants(number: int) -> Callable[[Quote], bool]:
        return lambda quote: quote.key == number

    for number in range(count):
        subject.pipe(operators.filter(wants(number))).subscribe(on_next=seen.append)
    events = [Quote(key=turn * 7_919 % count) for turn in range(_FEW)]

    def case(watch: Stopwatch) -> None:
        with watch(_FEW):
            for event in events:
                subject.on_next(event)
        seen.clear()

    return case
