"""The rules that every operator keeps, tested for every operator; a new operator without an entry in the table fails.

All tests run in virtual time, on asyncio and on trio. ``make fuzz`` cancels four times as often.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Literal

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow import Subject
from evenflow.streams import Stream, stream
from evenflow.streams._node import Node
from evenflow.testing import run_virtual

from .probes import OPERATORS, Bench, Boom, Operator

Backend = Literal["asyncio", "trio"]

every_operator = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
both_loops = pytest.mark.parametrize("backend", ["asyncio", "trio"])

CANCELS = 1_000 if "EVENFLOW_FUZZ_EXAMPLES" in os.environ else 250
"""How many reads of one chain are cancelled; a thousand of each took 35 s of the suite."""

SINKS = {"for_each", "to_list", "reduce", "count", "any", "all", "first", "last", "publish_to"}


@pytest.fixture(autouse=True, scope="module")
def only_what_is_new() -> Iterator[None]:
    """Freeze older objects, so that the search for what is left alive is quick."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def operators() -> set[str]:
    """The operators and the sinks: every public method of a stream but those that anyio defines."""
    return {name for name in vars(Stream) if not name.startswith("_")} - {"receive"}


def test_every_operator_is_in_the_table() -> None:
    """An operator that is not in the table would not be tested by these rules."""
    named = {operator.name.partition("(")[0] for operator in OPERATORS}
    assert named | SINKS == operators()


@pytest.mark.parametrize("name", sorted(operators() - SINKS))
def test_every_docstring_says_what_is_held_back_and_whether_a_task_runs(name: str) -> None:
    """Each operator documents what it holds, whether it needs a task, and what a cancel does."""
    text = " ".join((getattr(Stream, name).__doc__ or "").split())
    assert "Holds" in text
    assert " task" in text
    assert "ancel" in text


async def read(chain: Stream[Any], most: int | None = None) -> list[Any]:
    out: list[Any] = []
    while most is None or len(out) < most:
        try:
            out.append(await chain.receive())
        except anyio.EndOfStream:
            break
    return out


def same(operator: Operator, got: Any, expected: Any) -> bool:
    return list(got) == list(expected) if operator.ordered else Counter(got) == Counter(expected)


def everything_alive() -> Counter[str]:
    """Count the nodes, streams, generators and tasks there are."""
    gc.collect()
    kinds = Counter(map(type, gc.get_objects()))
    return Counter({kind.__name__: count for kind, count in kinds.items() if issubclass(kind, LASTING)})


LASTING = (Node, Stream, asyncio.Task, AsyncGeneratorType, GeneratorType)


@pytest.mark.parametrize("operator", [o for o in OPERATORS if o.needs(10) < 10**6], ids=lambda operator: operator.name)
@both_loops
def test_a_reader_who_takes_ten_makes_the_source_give_ten(operator: Operator, backend: Backend) -> None:
    """Backpressure goes up: of a million events the source is asked for ten, and for as many more as the docstring allows."""

    async def main() -> None:
        bench = Bench(10**6, every=1.0 if operator.paced else 0.0)
        async with operator.make(bench.source(), bench) as chain:
            assert len(await read(chain, 10)) == 10
            for _ in range(50):
                await checkpoint()
            assert bench.probes[0].asked <= operator.needs(10) + operator.ahead
        assert bench.all_closed()

    run_virtual(main, backend=backend)


def chains_of_three() -> list[tuple[Operator, ...]]:
    """Return the same fifty chains each time."""
    fit = [o for o in OPERATORS if not o.paced and o.ahead < 1_000 and o.needs(10) < 10**6]
    draw = random.Random(4)
    return [tuple(draw.sample(fit, 3)) for _ in range(50)]


@pytest.mark.parametrize("three", chains_of_three(), ids=lambda three: " ".join(o.name for o in three))
def test_chains_of_three_pass_backpressure_up(three: tuple[Operator, ...]) -> None:
    """The source is asked for no more than what the three operators may hold together."""

    async def main() -> None:
        bench = Bench(10**6)
        chain, allowed = bench.source(), 10
        for operator in three:
            chain = operator.make(chain.enumerate().map(number), bench)
        for operator in reversed(three):
            allowed = operator.needs(allowed) + operator.ahead
        async with chain:
            assert len(await read(chain, 10)) == 10
            for _ in range(50):
                await checkpoint()
            assert bench.probes[0].asked <= allowed
        assert bench.all_closed()

    run_virtual(main)


def number(numbered: tuple[int, Any]) -> int:
    """Number the events anew, whatever the operator before made of them."""
    return numbered[0]


async def cancelled_at_random(chain: Stream[Any], cancels: int, draw: random.Random) -> tuple[list[Any], int]:
    """Read to the end, and cancel reads at random awaits and times; return the events, and the number of cancelled reads."""
    out: list[Any] = []
    hits = 0
    while True:
        with anyio.CancelScope() as scope:
            if hits < cancels:
                if draw.random() < 0.5:
                    scope.deadline = anyio.current_time() + draw.choice((0.0, 0.01, 0.3, 0.7))
                    await read_one(chain, out)
                else:
                    async with anyio.create_task_group() as group:
                        group.start_soon(cancel_after, draw.randrange(6), scope)
                        await read_one(chain, out)
                        group.cancel_scope.cancel()
            else:
                await read_one(chain, out)
            if out and out[-1] is END:
                return out[:-1], hits
        hits += scope.cancelled_caught


END = object()


async def read_one(chain: Stream[Any], out: list[Any]) -> None:
    try:
        out.append(await chain.receive())
    except anyio.EndOfStream:
        out.append(END)


async def cancel_after(turns: int, scope: anyio.CancelScope) -> None:
    for _ in range(turns):
        await checkpoint()
    scope.cancel()


def beats() -> list[Any]:
    """Each operator with a source of one event a second, and, where no clock matters, with one that is always ready."""
    slow = [pytest.param(operator, 1.0, id=f"{operator.name}-slow") for operator in OPERATORS]
    timed = {"combine_latest", "zip_latest"}
    fast = [o for o in OPERATORS if not o.paced and o.name not in timed]
    return slow + [pytest.param(operator, 0.0, id=f"{operator.name}-fast") for operator in fast]


@pytest.mark.parametrize("operator, every", beats())
@both_loops
def test_cancelling_at_random_awaits_loses_nothing(operator: Operator, every: float, backend: Backend) -> None:
    """After hundreds of cancelled reads, a thousand in `make fuzz`, the events are those of an undisturbed run, and nothing is left alive."""
    before = everything_alive()
    draw = random.Random(operator.name)

    async def undisturbed() -> list[Any]:
        bench = Bench(CANCELS * 2 // 5, every=every)
        async with operator.make(bench.source(), bench) as chain:
            return await read(chain)

    async def disturbed() -> None:
        bench = Bench(CANCELS * 2 // 5, every=every)
        async with operator.make(bench.source(), bench) as chain:
            got, hits = await cancelled_at_random(chain, CANCELS, draw)
        assert same(operator, got, expected)
        assert hits == CANCELS or not every
        assert bench.all_closed()

    expected = run_virtual(undisturbed, backend=backend, limit=1e8)
    run_virtual(disturbed, backend=backend, limit=1e8)
    assert everything_alive() - before == Counter()


@every_operator
def test_a_task_cancelled_by_asyncio_loses_nothing(operator: Operator) -> None:
    """``task.cancel()`` may hit any await, and the events are still those of an undisturbed run."""
    draw = random.Random(operator.name)

    async def undisturbed() -> list[Any]:
        bench = Bench(100, every=1.0)
        async with operator.make(bench.source(), bench) as chain:
            return await read(chain)

    async def disturbed() -> None:
        bench = Bench(100, every=1.0)
        out: list[Any] = []
        async with operator.make(bench.source(), bench) as chain:
            while END not in out:
                reading = asyncio.ensure_future(read_one(chain, out))
                if draw.random() < 0.6:
                    for _ in range(draw.randrange(8)):
                        await asyncio.sleep(0)
                    if draw.random() < 0.5:
                        await asyncio.sleep(draw.random())
                    reading.cancel()
                await asyncio.wait([reading])
                if not reading.cancelled():
                    reading.result()
        assert same(operator, out[:-1], expected)

    expected = run_virtual(undisturbed, limit=1e8)
    run_virtual(disturbed, limit=1e8)


@every_operator
@both_loops
def test_an_error_comes_as_it_is_after_what_came_before(operator: Operator, backend: Backend) -> None:
    """The reader gets the events, then the error itself, in no group, then the end; and everything is closed."""
    boom = Boom("no more")

    async def main() -> None:
        bench = Bench(3, every=1.0, error=boom)
        out: list[Any] = []
        async with operator.make(bench.source(), bench) as chain:
            try:
                async for event in chain:
                    out.append(event)
            except Boom as error:
                assert error is boom
                assert not operator.swallows
            else:
                assert operator.swallows
            assert same(operator, out, operator.before_error)
            with pytest.raises(anyio.EndOfStream):
                await chain.receive()
            assert bench.all_closed()

    run_virtual(main, backend=backend)


async def by_the_end(chain: Stream[Any]) -> None:
    async with chain:
        await read(chain)


async def by_leaving(chain: Stream[Any]) -> None:
    async with chain:
        async for _ in chain:
            break


async def by_a_body_that_raises(chain: Stream[Any]) -> None:
    boom = Boom("of the body")
    with pytest.raises(Boom) as raised:
        async with chain:
            await chain.receive()
            raise boom
    assert raised.value is boom


async def by_a_cancel(chain: Stream[Any]) -> None:
    with anyio.move_on_after(0.5) as scope:
        async with chain:
            await read(chain)
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def by_a_cancel_while_idle(chain: Stream[Any]) -> None:
    with anyio.move_on_after(1) as scope:
        async with chain:
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def by_never_reading(chain: Stream[Any]) -> None:
    async with chain:
        pass


async def by_never_entering(chain: Stream[Any]) -> None:
    await chain.aclose()


async def by_closing_inside(chain: Stream[Any]) -> None:
    async with chain:
        await chain.receive()
        await chain.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await chain.receive()


async def by_a_sink(chain: Stream[Any]) -> None:
    await chain.to_list()


async def by_a_sink_that_stops(chain: Stream[Any]) -> None:
    await chain.first()


WAYS_OUT: tuple[Callable[[Stream[Any]], Coroutine[Any, Any, None]], ...] = (
    by_the_end,
    by_leaving,
    by_a_body_that_raises,
    by_a_cancel,
    by_a_cancel_while_idle,
    by_never_reading,
    by_never_entering,
    by_closing_inside,
    by_a_sink,
    by_a_sink_that_stops,
)


@every_operator
@both_loops
def test_every_way_out_closes_every_source(operator: Operator, backend: Backend) -> None:
    """However a chain is left, all its sources are closed, and nothing is left running or alive."""
    before = everything_alive()

    async def main() -> None:
        for leave in WAYS_OUT:
            bench = Bench(3, every=1.0)
            await leave(operator.make(bench.source(), bench))
            assert (leave, [probe.closed > 0 for probe in bench.probes]) == (leave, [True] * len(bench.probes))
            assert tasks() == 1

    run_virtual(main, backend=backend, limit=1e8)
    assert everything_alive() - before == Counter()


def tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        import trio

        nursery = trio.lowlevel.current_task().parent_nursery
        return len(nursery.child_tasks) if nursery else 1


@every_operator
def test_an_operator_owns_its_source(operator: Operator) -> None:
    """A second operator on it, and reading it, are errors that name ``share``."""

    async def main() -> None:
        bench = Bench(3)
        source = bench.source()
        chain = operator.make(source, bench)
        with pytest.raises(RuntimeError, match="share"):
            source.map(str)
        with pytest.raises(RuntimeError, match="share"):
            await source.receive()
        with pytest.raises(RuntimeError, match="share"):
            async for _ in source:
                pass
        with pytest.raises(RuntimeError, match="share"):
            async with source:
                pass
        await chain.aclose()

    run_virtual(main)


@every_operator
def test_a_chain_that_needs_a_task_must_be_entered(operator: Operator) -> None:
    """Without ``async with`` it raises an error that says so; a chain without tasks is simply read."""

    async def main() -> None:
        bench = Bench(3, every=1.0)
        chain = operator.make(bench.source(), bench)
        if operator.tasks:
            with pytest.raises(RuntimeError, match="async with"):
                await chain.receive()
            with pytest.raises(RuntimeError, match="async with"):
                async for _ in chain:
                    pass
        else:
            await chain.receive()
        await chain.aclose()

    run_virtual(main)


@pytest.mark.parametrize("operator", [o for o in OPERATORS if not o.paced], ids=lambda operator: operator.name)
def test_two_readers_never_share_an_event(operator: Operator) -> None:
    """Reading a chain from two tasks is refused, or each event goes to one of them."""

    async def main() -> None:
        bench = Bench(5)
        out: list[Any] = []

        async def reader(chain: Stream[Any]) -> None:
            try:
                out.extend(await read(chain))
            except anyio.BusyResourceError:
                pass

        async with operator.make(bench.source(), bench) as chain, anyio.create_task_group() as group:
            group.start_soon(reader, chain)
            group.start_soon(reader, chain)
        bench = Bench(5)
        async with operator.make(bench.source(), bench) as chain:
            assert Counter(out) == Counter(await read(chain))

    run_virtual(main)


async def endless() -> AsyncIterator[int]:  # noqa: ASYNC124 -- it must be async
    number = 0
    while True:
        yield number
        number += 1


def test_an_async_generator_is_read_like_any_source() -> None:
    """A generator that never waits yields what it is asked for, and is closed."""

    async def main() -> None:
        generator = endless()
        async with stream(generator).map(lambda x: x + 1) as chain:
            assert await read(chain, 3) == [1, 2, 3]
        with pytest.raises(StopAsyncIteration):
            await anext(generator)

    run_virtual(main)


LOOPS_OF_OURS: dict[str, Callable[[Stream[int]], Coroutine[Any, Any, Any]]] = {
    "filter": lambda source: source.filter(lambda number: False).first(),
    "of_type": lambda source: source.of_type(str).first(),
    "skip": lambda source: source.skip(10**9).first(),
    "skip_while": lambda source: source.skip_while(lambda number: True).first(),
    "distinct_until_changed": lambda source: source.map(lambda number: 0).distinct_until_changed().skip(1).first(),
    "throttle": lambda source: source.throttle(10).skip(1).first(),
    "take_last": lambda source: source.take_last(1).first(),
    "batches": lambda source: source.batches(10**9).first(),
    "concat_map": lambda source: source.concat_map(lambda number: ()).first(),
    "catch": lambda source: source.catch(lambda error: ()).count(),
    "to_list": lambda source: source.to_list(),
    "reduce": lambda source: source.reduce(lambda so_far, number: so_far, 0),
    "count": lambda source: source.count(),
    "any": lambda source: source.any(lambda number: False),
    "all": lambda source: source.all(lambda number: True),
    "last": lambda source: source.last(),
    "for_each": lambda source: source.for_each(lambda number: None),
    "for_each(concurrency)": lambda source: source.for_each(lambda number: None, concurrency=4),
    "publish_to": lambda source: source.publish_to(Subject(int)),
}
"""What reads on by itself, without its reader asking for each event."""


@pytest.mark.parametrize("work", LOOPS_OF_OURS.values(), ids=LOOPS_OF_OURS)
@both_loops
def test_what_reads_a_source_that_never_waits_can_be_cancelled(
    work: Callable[[Stream[int]], Coroutine[Any, Any, Any]], backend: Backend
) -> None:
    """An operator that yields nothing, and a sink, let the loop turn while they read, so others run and a cancel arrives."""
    most = 10_000

    async def main() -> None:
        read = 0

        async def never_waits() -> AsyncIterator[int]:  # noqa: ASYNC124 -- it must be async
            nonlocal read
            # It ends, so that a loop which never turns makes this test fail instead of hang.
            while read < most:
                read += 1
                yield read

        async with anyio.create_task_group() as others:
            with anyio.CancelScope() as scope:
                others.start_soon(cancel_after, 1, scope)  # noqa: ASYNC111 -- it cancels the scope while that is open
                with suppress(anyio.EndOfStream):
                    await work(stream(never_waits))
        assert scope.cancelled_caught
        assert read < most

    run_virtual(main, backend=backend)
