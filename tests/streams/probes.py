"""Sources that remember what they were asked for, and the table of all operators for the tests of their common rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from evenflow.streams import Stream, stream


class Boom(Exception):
    """The error of a source that fails."""


class Probe(AsyncIterator[Any]):
    """Yields numbers from 0 on, one every ``every`` seconds. It counts what it was asked for, and how often it was closed.

    It behaves as a good source does: a cancelled read takes nothing.
    """

    def __init__(
        self, count: int, *, every: float = 0.0, first: float = 0.0, error: Exception | None = None, turns: int = 1
    ) -> None:
        self.count = count
        self.every = every
        self.first = first
        self.error = error
        self.turns = turns
        self.asked = 0
        self.given = 0
        self.closed = 0
        self.began: float | None = None

    async def __anext__(self) -> int:
        if self.closed:
            raise anyio.ClosedResourceError
        if self.began is None:
            self.began = anyio.current_time()
        self.asked = self.given + 1
        for _ in range(self.turns):
            await checkpoint()
        if self.every or self.first:
            await anyio.sleep_until(self.began + self.first + self.given * self.every)
        if self.given >= self.count:
            raise self.error or StopAsyncIteration
        self.given += 1
        return self.given - 1

    async def aclose(self) -> None:
        self.closed += 1
        await checkpoint()


@dataclass
class Bench:
    """The sources of one chain, kept so that a test can look at them."""

    count: int
    every: float = 0.0
    error: Exception | None = None
    turns: int = 2
    probes: list[Probe] = field(default_factory=list)

    def probe(self, **changes: Any) -> Probe:
        options = {"every": self.every, "error": self.error, "turns": self.turns, "count": self.count, **changes}
        made = Probe(options.pop("count"), **options)
        self.probes.append(made)
        return made

    def source(self, **changes: Any) -> Stream[Any]:
        return stream(self.probe(**changes))

    def other(self) -> Stream[Any]:
        """Return a second source that comes half an interval later, and never fails."""
        return self.source(first=self.every / 2, error=None)

    def all_closed(self) -> bool:
        return all(probe.closed for probe in self.probes)


@dataclass(frozen=True)
class Operator:
    """How one operator is put to the rules.

    ``make`` puts it behind a source. To yield n events it needs ``needs(n)`` events of the source, and it may have asked
    for ``ahead`` more: both follow from what its docstring says that it holds.
    ``paced`` operators look at the clock or read the source as it comes, so a source that never waits is no use to them.
    ``before_error`` is what it yields before the error of a source that yields 0, 1, 2, one a second, and then fails.
    """

    name: str
    make: Callable[[Stream[Any], Bench], Stream[Any]]
    needs: Callable[[int], int] = lambda n: n
    ahead: int = 0
    paced: bool = False
    before_error: Sequence[Any] = (0, 1, 2)
    swallows: bool = False
    tasks: bool = False
    ordered: bool = True


async def half(number: int) -> bool:
    await checkpoint()
    return number % 2 == 0


async def twice(number: Any) -> Any:
    await checkpoint()
    return (number, number)


def never(bench: Bench) -> Stream[Any]:
    return bench.source(first=1e4, error=None)


OPERATORS: tuple[Operator, ...] = (
    Operator("map", lambda s, b: s.map(twice), before_error=[(0, 0), (1, 1), (2, 2)]),
    Operator(
        "map(concurrency)",
        lambda s, b: s.map(twice, concurrency=3),
        ahead=3,
        tasks=True,
        before_error=[(0, 0), (1, 1), (2, 2)],
    ),
    Operator("filter", lambda s, b: s.filter(half), needs=lambda n: 2 * n, before_error=[0, 2]),
    Operator("of_type", lambda s, b: s.of_type(object)),
    Operator("scan", lambda s, b: s.scan(lambda a, x: a + 1, 0), before_error=[1, 2, 3]),
    Operator("enumerate", lambda s, b: s.enumerate(), before_error=[(0, 0), (1, 1), (2, 2)]),
    Operator("pairwise", lambda s, b: s.pairwise(), needs=lambda n: n + 1, before_error=[(0, 1), (1, 2)]),
    Operator("tap", lambda s, b: s.tap(twice)),
    Operator("start_with", lambda s, b: s.start_with("a", "b"), before_error=["a", "b", 0, 1, 2]),
    Operator("distinct", lambda s, b: s.distinct()),
    Operator("distinct_until_changed", lambda s, b: s.distinct_until_changed()),
    Operator("default_if_empty", lambda s, b: s.default_if_empty("x")),
    Operator("take", lambda s, b: s.take(1000)),
    Operator("take_last", lambda s, b: s.take_last(2), needs=lambda n: 10**9, before_error=[]),
    Operator("take_while", lambda s, b: s.take_while(twice)),
    Operator("take_until", lambda s, b: s.take_until(never(b)), tasks=True),
    Operator("skip", lambda s, b: s.skip(1), needs=lambda n: n + 1, before_error=[1, 2]),
    Operator("skip_while", lambda s, b: s.skip_while(lambda x: False)),
    Operator("skip_until", lambda s, b: s.skip_until(["now"]), tasks=True),
    Operator("debounce", lambda s, b: s.debounce(0.25), ahead=1, paced=True, tasks=True),
    Operator("throttle", lambda s, b: s.throttle(0.25), paced=True),
    Operator("throttle(trailing)", lambda s, b: s.throttle(0.25, trailing=True), ahead=2, paced=True, tasks=True),
    Operator("sample", lambda s, b: s.sample(0.25), ahead=1, paced=True, tasks=True),
    Operator("delay", lambda s, b: s.delay(0.25), ahead=1_025, tasks=True),
    Operator("timeout", lambda s, b: s.timeout(3)),
    Operator("batches", lambda s, b: s.batches(), ahead=1_023, before_error=[(0,), (1,), (2,)]),
    Operator("batches(size)", lambda s, b: s.batches(2), needs=lambda n: 2 * n, before_error=[(0, 1), (2,)]),
    Operator(
        "batches(within)",
        lambda s, b: s.batches(2, 5),
        needs=lambda n: 2 * n,
        ahead=3,
        tasks=True,
        before_error=[(0, 1), (2,)],
    ),
    Operator(
        "batches(within alone)",
        lambda s, b: s.batches(within=1.5),
        needs=lambda n: 2 * n,
        ahead=3,
        paced=True,
        tasks=True,
        before_error=[(0, 1), (2,)],
    ),
    Operator(
        "batches(aligned)",
        lambda s, b: s.batches(within=1.5, aligned=True),
        needs=lambda n: 2 * n,
        ahead=3,
        paced=True,
        tasks=True,
        before_error=[(0, 1), (2,)],
    ),
    Operator("merge", lambda s, b: s.merge(never(b)), ahead=1, tasks=True),
    Operator(
        "merge(two)",
        lambda s, b: s.merge(b.other()),
        ahead=1,
        tasks=True,
        ordered=False,
        before_error=[0, 0, 1, 1, 2, 2],
    ),
    Operator("concat", lambda s, b: s.concat(b.other())),
    Operator("zip", lambda s, b: s.zip(b.other()), ahead=1, tasks=True, before_error=[(0, 0), (1, 1), (2, 2)]),
    Operator(
        "zip_latest",
        lambda s, b: s.zip_latest(b.other()),
        ahead=2,
        paced=True,
        tasks=True,
        before_error=[(0, 0), (1, 1), (2, 2)],
    ),
    Operator(
        "combine_latest",
        lambda s, b: s.combine_latest(b.other()),
        ahead=2,
        tasks=True,
        ordered=False,
        before_error=[(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)],
    ),
    Operator(
        "with_latest_from",
        lambda s, b: s.with_latest_from(["x"]),
        tasks=True,
        before_error=[(0, "x"), (1, "x"), (2, "x")],
    ),
    Operator("race", lambda s, b: s.race(never(b)), ahead=1, tasks=True),
    Operator("flat_map", lambda s, b: s.flat_map(lambda x: [x], concurrency=4), ahead=5, tasks=True, ordered=False),
    Operator(
        "flat_map(no limit)",
        lambda s, b: s.flat_map(twice),
        needs=lambda n: n // 2,
        ahead=10_001,
        tasks=True,
        ordered=False,
        before_error=[0, 0, 1, 1, 2, 2],
    ),
    Operator(
        "flat_map(async)",
        lambda s, b: s.flat_map(twice, concurrency=2),
        needs=lambda n: n // 2,
        ahead=3,
        tasks=True,
        ordered=False,
        before_error=[0, 0, 1, 1, 2, 2],
    ),
    Operator(
        "concat_map", lambda s, b: s.concat_map(twice), needs=lambda n: n // 2 + 1, before_error=[0, 0, 1, 1, 2, 2]
    ),
    Operator("switch_map", lambda s, b: s.switch_map(lambda x: [x]), ahead=1, paced=True, tasks=True),
    Operator("exhaust_map", lambda s, b: s.exhaust_map(lambda x: [x]), ahead=1, paced=True, tasks=True),
    Operator(
        "group_by",
        lambda s, b: s.group_by(lambda x: x % 2).flat_map(lambda pair: pair[1].map(lambda x: (pair[0], x))),
        ahead=4,
        tasks=True,
        ordered=False,
        before_error=[(0, 0), (1, 1), (0, 2)],
    ),
    Operator(
        "group_by(idle)",
        lambda s, b: s.group_by(lambda x: x % 2, idle=0.5).flat_map(lambda pair: pair[1]),
        ahead=4,
        tasks=True,
        ordered=False,
        before_error=[0, 1, 2],
    ),
    Operator("catch", lambda s, b: s.catch(lambda error: ["caught"]), before_error=[0, 1, 2, "caught"], swallows=True),
    Operator("retry", lambda s, b: s.retry(2)),
    Operator("repeat", lambda s, b: s.repeat(1)),
    Operator("finally_do", lambda s, b: s.finally_do(lambda: None)),
)
"""Every operator of the contract; `test_every_operator_is_in_the_table` checks that none is missing."""
