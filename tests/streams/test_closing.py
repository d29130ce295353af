"""Reads that are cancelled around the end of a chain, and sources that never wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow.streams import Stream, stream, timer
from evenflow.testing import run_virtual

from .drawing import on_both_loops
from .probes import OPERATORS, Bench, Boom, Operator


class Goodbye:
    """An async generator that takes a moment to close, and counts how often it did."""

    def __init__(self) -> None:
        self.closed = 0

    async def events(self) -> AsyncIterator[int]:
        try:
            yield 1
            await anyio.sleep(100)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(2)
            self.closed += 1


WITH_A_TASK: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "merge": lambda s: s.merge([]),
    "zip_latest": lambda s: s.zip_latest(stream([1]).concat(timer(200))),
    "combine_latest": lambda s: s.combine_latest([1]),
    "delay": lambda s: s.delay(0.1),
    "flat_map": lambda s: s.flat_map(lambda n: [n]),
    "flat_map, as an inner stream": lambda s: stream([1]).flat_map(lambda _: s),
    "flat_map of a chain with a task": lambda s: stream([1]).flat_map(lambda _: s.merge([])),
    "switch_map, as an inner stream": lambda s: stream([1]).switch_map(lambda _: s.merge([])),
    "group_by": lambda s: s.group_by(str),
}


@pytest.mark.parametrize("name", WITH_A_TASK)
def test_a_read_that_is_cancelled_while_its_chain_closes_closes_it_once(name: str) -> None:
    """The cancellation goes out at once, however long a source takes to say good-bye, and the source is closed one time."""

    async def main() -> None:
        source = Goodbye()
        async with WITH_A_TASK[name](stream(source.events)).take(1) as chain:
            await chain.receive()
            await anyio.sleep(0.1)
            began = anyio.current_time()
            for _ in range(3):
                with anyio.move_on_after(0.5) as scope:
                    await chain.receive()
                assert scope.cancelled_caught
            assert anyio.current_time() - began == pytest.approx(1.5)
            await anyio.sleep(5)
            with pytest.raises(anyio.EndOfStream):
                await chain.receive()
        assert source.closed == 1

    on_both_loops(main)


@pytest.mark.parametrize("name", WITH_A_TASK)
def test_a_body_that_is_cancelled_closes_a_slow_source_once(name: str) -> None:
    """Whoever is cancelled inside the ``async with`` waits for the source to close, and the cancellation goes out."""

    async def main() -> None:
        source = Goodbye()
        with anyio.move_on_after(5) as scope:
            async with WITH_A_TASK[name](stream(source.events)) as chain:
                async for _ in chain:
                    pass
        assert scope.cancelled_caught
        assert source.closed == 1
        assert anyio.current_time() == pytest.approx(7)

    on_both_loops(main)


def test_sources_of_a_chain_that_was_cancelled_while_it_closed_are_closed_with_it() -> None:
    """Those that no task was reading are not forgotten."""

    async def main() -> None:
        source, bench = Goodbye(), Bench(10)
        with anyio.move_on_after(1):
            async with stream(source.events).merge(bench.source()) as chain:
                await chain.receive()
                await anyio.sleep(100)
        assert bench.all_closed()
        assert source.closed == 1

    on_both_loops(main)


def test_a_generator_that_is_closed_by_two_at_once_is_closed_by_the_first() -> None:
    """The second waits; Python would refuse it."""

    async def main() -> None:
        source = Goodbye()
        chain = stream(source.events()).map(str)
        assert await chain.receive() == "1"
        async with anyio.create_task_group() as group:
            group.start_soon(chain.aclose)
            group.start_soon(chain.aclose)
        assert source.closed == 1

    on_both_loops(main)


def events_without_a_wait(count: int) -> Callable[[], AsyncIterator[int]]:
    async def events() -> AsyncIterator[int]:  # noqa: ASYNC124 -- it must be async, and must not wait
        for number in range(count):
            yield number

    return events


class Fresh:
    """An async iterable: a new generator each time."""

    def __aiter__(self) -> AsyncIterator[int]:
        return events_without_a_wait(3)()


class Generators(Bench):
    """Its sources are generators that never wait, so no cancel can end one."""

    kind: str

    def source(self, **changes: Any) -> Stream[Any]:
        if changes.get("first", 0) >= 1_000:
            return super().source(**{**changes, "first": 100})
        make = events_without_a_wait(3)
        return stream({"a generator": make(), "a function": make, "an iterable": Fresh()}[self.kind])


async def read_with_limits(chain: Stream[Any], turns: int) -> list[Any]:
    """Read to the end, and cancel every other read after so many turns of the loop."""
    seen: list[Any] = []

    async def cancel_soon(scope: anyio.CancelScope) -> None:
        for _ in range(turns):
            await checkpoint()
        scope.cancel()

    async with chain, anyio.create_task_group() as group:
        try:
            while True:
                with anyio.CancelScope() as scope:
                    group.start_soon(cancel_soon, scope)  # noqa: ASYNC111 -- it cancels the scope while that is open
                    seen.append(await chain.receive())
                seen.append(await chain.receive())
        except anyio.EndOfStream:
            return seen  # noqa: ASYNC121 -- the group has one task, which has ended


@pytest.mark.parametrize("kind", ["a generator", "a function", "an iterable"])
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_generator_that_ended_by_itself_does_not_look_like_one_that_a_cancel_has_ended(
    operator: Operator, kind: str, backend: Literal["asyncio", "trio"]
) -> None:
    """Whenever reads are cancelled around its end, the events and then the end come, and no error."""

    async def main() -> None:
        bench = Generators(3)
        bench.kind = kind
        async with operator.make(bench.source(), bench) as chain:
            expected = Counter([event async for event in chain])
        for turns in (0, 1, 2, 3, 4, 5, 7, 9, 12):
            bench = Generators(3)
            bench.kind = kind
            seen = Counter(await read_with_limits(operator.make(bench.source(), bench), turns))
            # Of two tasks that are ready, trio runs any first, and then other pairs are combined.
            assert backend == "trio" or seen == expected

    run_virtual(main, backend=backend)


def test_a_time_limit_after_a_source_has_ended_is_not_an_error_of_that_source() -> None:
    """``merge`` of a generator that has ended and a channel that is closed later ends as any other."""

    async def short() -> AsyncIterator[int]:  # noqa: ASYNC124 -- it must be async
        yield 1

    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[int](10)
        async with stream(short()).merge(receive) as both:
            assert await both.receive() == 1
            with anyio.move_on_after(1) as scope:
                await both.receive()
            assert scope.cancelled_caught
            send.close()
            with pytest.raises(anyio.EndOfStream):
                await both.receive()

    on_both_loops(main)


def test_a_generator_that_an_operator_has_cut_off_is_not_started_again_as_an_empty_one() -> None:
    """``retry`` raises the error that it came from, and ``repeat`` says that it can be read only once."""

    async def slow() -> AsyncIterator[int]:
        yield 1
        await anyio.sleep(10)
        yield 2

    async def main() -> None:
        with pytest.raises(TimeoutError) as raised:
            await stream(slow()).timeout(1).retry(2).to_list()
        assert "can be read only once" in raised.value.__notes__[0]
        with pytest.raises(RuntimeError, match="can be read only once"):
            await stream(slow()).take_until(timer(2)).repeat(2).to_list()

    on_both_loops(main)


async def ones() -> AsyncIterator[int]:  # noqa: ASYNC124 -- it must be async, and must not wait
    while True:
        yield 1


async def fails_soon() -> AsyncIterator[int]:
    await anyio.sleep(0.01)
    raise Boom
    yield 1


TWO: dict[str, Callable[[], Stream[Any]]] = {
    "merge": lambda: stream(ones).merge(fails_soon),
    "merge, the other way round": lambda: stream(fails_soon).merge(ones),
    "zip": lambda: stream(ones).zip(fails_soon),
    "zip_latest": lambda: stream(ones).zip_latest(fails_soon),
    "combine_latest": lambda: stream(ones).combine_latest(fails_soon),
    "combine_latest of three": lambda: stream(ones).combine_latest(ones, fails_soon),
    "with_latest_from": lambda: stream(ones).with_latest_from(fails_soon),
    "with_latest_from, the other way round": lambda: stream(fails_soon).with_latest_from(ones),
    "take_until": lambda: stream(ones).take_until(fails_soon),
    "skip_until": lambda: stream(ones).skip_until(fails_soon),
    "flat_map": lambda: stream([ones, fails_soon]).flat_map(lambda source: source),
    "flat_map of many": lambda: stream(fails_soon).merge(stream(ones).flat_map(lambda n: [n])),
    "switch_map": lambda: stream(fails_soon).merge(stream(ones).switch_map(lambda n: [n])),
    "exhaust_map": lambda: stream(fails_soon).merge(stream(ones).exhaust_map(lambda n: [n])),
    "group_by": lambda: stream(fails_soon).merge(stream(ones).group_by(str)),
    "debounce": lambda: stream(fails_soon).merge(stream(ones).debounce(5)),
    "batches": lambda: stream(fails_soon).merge(stream(ones).batches(7, 5)),
    "delay": lambda: stream(fails_soon).merge(stream(ones).delay(5)),
}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", TWO)
def test_the_error_of_one_source_comes_though_another_never_waits(name: str, backend: str) -> None:
    """The loop turns, the error reaches the reader, and everything ends."""

    async def main() -> None:
        with anyio.fail_after(20), pytest.raises(Boom):
            async with TWO[name]() as chain:
                async for _ in chain:
                    pass

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "name", ["merge", "take_until", "skip_until", "with_latest_from", "race", "flat_map", "group_by"]
)
def test_a_chain_over_a_source_that_never_waits_can_be_cancelled(name: str, backend: str) -> None:
    """A time limit ends the reader, its tasks and the source, whatever becomes of the events."""
    never: Callable[[], Stream[Any]] = lambda: timer(100)  # noqa: E731
    chains: dict[str, Callable[[], Stream[Any]]] = {
        "merge": lambda: stream(ones).merge(never()),
        "take_until": lambda: stream(ones).take_until(never()),
        "skip_until": lambda: stream(ones).skip_until(never()),
        "with_latest_from": lambda: stream(ones).with_latest_from(never()),
        "race": lambda: stream(ones).race(never()),
        "flat_map": lambda: stream(ones).flat_map(lambda n: [n]),
        "group_by": lambda: stream(ones).group_by(str),
    }

    async def main() -> None:
        with anyio.move_on_after(0.02) as scope:
            await chains[name]().count()
        assert scope.cancelled_caught

    anyio.run(main, backend=backend)
