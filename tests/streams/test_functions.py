"""Functions that users give to operators and sinks: what they raise is an error, and never the end of the stream."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import anyio
import pytest

from evenflow import Event, Subject
from evenflow.streams import Stream, stream
from evenflow.testing import marbles, run_virtual

from .drawing import on_both_loops

Raises = Callable[..., Any]
OPERATORS: dict[str, Callable[[Stream[Any], Raises], Stream[Any]]] = {
    "map": lambda s, f: s.map(f),
    "map, several at once": lambda s, f: s.map(f, concurrency=3),
    "filter": lambda s, f: s.filter(f),
    "scan": lambda s, f: s.scan(f, 0),
    "tap": lambda s, f: s.tap(f),
    "distinct": lambda s, f: s.distinct(f),
    "distinct_until_changed": lambda s, f: s.distinct_until_changed(f),
    "take_while": lambda s, f: s.take_while(f),
    "skip_while": lambda s, f: s.skip_while(f),
    "flat_map": lambda s, f: s.flat_map(f),
    "concat_map": lambda s, f: s.concat_map(f),
    "switch_map": lambda s, f: s.switch_map(f),
    "exhaust_map": lambda s, f: s.exhaust_map(f),
    "group_by": lambda s, f: s.group_by(f),
    "finally_do": lambda s, f: s.finally_do(f),
    "catch": lambda s, f: s.map(lambda n: 1 / 0).catch(f),
    "map, read in batches": lambda s, f: s.map(lambda n: n if n < 1 else f(n)).batches(),
    "filter, read in batches": lambda s, f: s.filter(lambda n: n < 1 or f(n)).batches(),
    "the function of a source": lambda s, f: stream(f),
}
SINKS: dict[str, Callable[[Stream[Any], Raises], Coroutine[Any, Any, Any]]] = {
    "for_each": lambda s, f: s.for_each(f),
    "for_each, several at once": lambda s, f: s.for_each(f, concurrency=3),
    "reduce": lambda s, f: s.reduce(f, 0),
    "any": lambda s, f: s.any(f),
    "all": lambda s, f: s.all(f),
    "publish_to": lambda s, f: s.publish_to(Publishes(f)),
}
ENDS = [StopAsyncIteration, StopIteration]


class Publishes:
    """A publisher whose ``publish`` is the given function."""

    def __init__(self, publish: Raises) -> None:
        self.publish = publish


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "name, is_async",
    [
        *((name, False) for name in OPERATORS),
        *((name, True) for name in OPERATORS if name != "the function of a source" and "batches" not in name),
    ],
)
def test_a_function_that_raises_what_ends_an_iterator_has_failed(
    name: str, end: type[Exception], is_async: bool
) -> None:
    """Whatever operator it was given to, the reader gets a ``RuntimeError`` chained to it, and the stream has not just ended."""
    raised = end("mine")

    def fails(*_: object) -> Any:
        raise raised

    async def fails_later(*_: object) -> Any:
        raise raised

    async def main() -> None:
        with pytest.raises(RuntimeError) as seen:
            await OPERATORS[name](stream([0, 1, 2]), fails_later if is_async else fails).to_list()
        assert cause_of(seen.value) is end

    on_both_loops(main)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", SINKS)
def test_a_sink_raises_what_a_function_raised_as_an_error(name: str, end: type[Exception]) -> None:
    """``StopAsyncIteration`` and ``StopIteration`` come out as a ``RuntimeError`` that is chained to them."""
    raised = end("mine")

    def fails(*_: object) -> Any:
        raise raised

    async def main() -> None:
        with pytest.raises(RuntimeError) as seen:
            await SINKS[name](stream([0, 1, 2]), fails)
        assert seen.value.__cause__ is raised

    on_both_loops(main)


def cause_of(error: BaseException) -> type[BaseException] | None:
    """The class of the first error in the chain of causes."""
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error)


def test_an_iterable_that_raises_stop_async_iteration_has_failed() -> None:
    """An iterator says its end with ``StopIteration``, so anything else is an error, also where it is read in batches."""

    def broken() -> Any:
        yield 1
        raise StopAsyncIteration

    async def main() -> None:
        for chain in (stream(broken), stream(broken).batches(), stream(broken).merge([])):
            with pytest.raises(RuntimeError, match="StopAsyncIteration"):
                await chain.to_list()

    on_both_loops(main)


def test_an_error_that_looks_like_an_end_says_how_to_end_a_stream() -> None:
    """Whoever wanted to end the stream learns how."""

    def enough(_: object) -> None:
        raise StopAsyncIteration

    async def main() -> None:
        with pytest.raises(
            RuntimeError, match=r"raised StopAsyncIteration, which .* end it with take\(\), take_while\(\)"
        ):
            await stream([1]).map(enough).to_list()

    on_both_loops(main)


class Job(Event):
    n: int


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_cancellation_in_a_handler_goes_out_of_for_each(concurrency: int) -> None:
    """A handler that waits for a future which somebody gives up cancels ``for_each``: it does not return as at the end."""

    async def main() -> None:
        jobs = Subject(Job)
        answer = asyncio.get_running_loop().create_future()
        closed: list[bool] = []

        async def work(job: Job) -> None:
            if job.n == 2:
                await answer

        chain = jobs.subscribe(Job).finally_do(lambda: closed.append(True))
        worker = asyncio.create_task(chain.for_each(work, concurrency=concurrency))
        for n in range(5):
            await jobs.publish(Job(n=n))
        await asyncio.sleep(1)
        answer.cancel("given up")
        await asyncio.wait([worker])
        assert worker.cancelled()
        assert closed == [True]

    run_virtual(main)


def test_a_cancellation_in_a_handler_ends_the_handlers_beside_it() -> None:
    """It acts as an error does: nothing of ``for_each`` goes on alone."""

    async def main() -> None:
        answer = asyncio.get_running_loop().create_future()
        finished: list[int] = []

        async def work(number: int) -> None:
            if number == 1:
                await answer
            await asyncio.sleep(5)
            finished.append(number)

        worker = asyncio.create_task(stream(range(3)).for_each(work, concurrency=3))
        await asyncio.sleep(1)
        answer.cancel()
        await asyncio.wait([worker])
        assert worker.cancelled()
        assert finished == []
        assert asyncio.get_running_loop().time() == 1

    run_virtual(main)


# Python says so of the coroutine of a task that never began.
@pytest.mark.filterwarnings("ignore:coroutine 'Workers.run' was never awaited")
@pytest.mark.parametrize("begun", [False, True], ids=["before its first step", "while it handles"])
def test_a_handler_that_is_cancelled_by_somebody_else_cancels_for_each(begun: bool) -> None:
    """A stray ``task.cancel()`` on the task of one handler never looks like the end of the stream."""

    async def main() -> None:
        before = asyncio.all_tasks()
        worker = asyncio.create_task(stream(range(3)).for_each(lambda n: asyncio.sleep(5), concurrency=2))
        while not (handlers := asyncio.all_tasks() - before - {worker}):
            await asyncio.sleep(0)
        if begun:
            await asyncio.sleep(1)
        handlers.pop().cancel()
        del handlers
        await asyncio.wait([worker])
        assert worker.cancelled()

    run_virtual(main)
    gc.collect()


def test_a_source_that_is_cancelled_cancels_for_each() -> None:
    """The same where the source waits for what somebody gives up, and not a handler."""

    async def main() -> None:
        answer = asyncio.get_running_loop().create_future()

        async def source() -> AsyncIterator[int]:
            yield 1
            await answer

        worker = asyncio.create_task(stream(source).for_each(lambda n: None, concurrency=2))
        await asyncio.sleep(1)
        answer.cancel()
        await asyncio.wait([worker])
        assert worker.cancelled()

    run_virtual(main)


def test_a_time_limit_around_for_each_is_no_error() -> None:
    """Cancelling ``for_each`` itself, or closing around it, works with several handlers as with one."""

    async def main() -> None:
        for concurrency in (1, 3):
            with anyio.move_on_after(2.5) as scope:
                await marbles("abcdef").for_each(lambda _: anyio.sleep(1), concurrency=concurrency)
            assert scope.cancelled_caught

    on_both_loops(main)


def test_what_is_no_exception_goes_out_of_for_each_in_no_group() -> None:
    """A handler may raise a ``BaseException`` of its own: it is raised as it is, with several handlers as with one."""

    class Over(BaseException):
        pass

    async def over(_: object) -> None:
        raise Over

    async def main() -> None:
        for concurrency in (1, 3):
            with pytest.raises(Over):
                await stream(range(5)).for_each(over, concurrency=concurrency)

    on_both_loops(main)


LOST: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "merge": lambda s: s.merge(marbles("-")),
    "zip": lambda s: s.zip(marbles("-")),
    "zip_latest": lambda s: s.zip_latest(marbles("-")),
    "combine_latest": lambda s: s.combine_latest(marbles("-")),
    "race": lambda s: s.race(marbles("-")),
    "take_until": lambda s: marbles("-").take_until(s),
    "skip_until": lambda s: marbles("-").skip_until(s),
    "with_latest_from": lambda s: marbles("-").with_latest_from(s),
    "debounce": lambda s: s.debounce(1),
    "sample": lambda s: s.sample(1),
    "delay": lambda s: s.delay(1),
    "batches": lambda s: s.batches(2, 1),
    "flat_map": lambda s: s.flat_map(lambda x: [x]),
    "switch_map": lambda s: s.switch_map(lambda x: [x]),
    "exhaust_map": lambda s: s.exhaust_map(lambda x: [x]),
    "group_by": lambda s: s.group_by(str),
    "flat_map, in an inner stream": lambda s: stream([1]).flat_map(lambda _: s),
}


@pytest.mark.parametrize("name", LOST)
def test_a_task_of_an_operator_that_meets_a_cancellation_is_an_error_for_the_reader(name: str) -> None:
    """A source that waits for a future which somebody gives up ends the stream with an error: no reader waits for ever."""

    async def main() -> None:
        answer = asyncio.get_running_loop().create_future()

        async def source() -> AsyncIterator[int]:
            await answer
            yield 1

        async with LOST[name](stream(source)) as chain, asyncio.timeout(60):
            asyncio.get_running_loop().call_later(1, answer.cancel)
            with pytest.raises(RuntimeError, match="a task of this operator was cancelled"):
                await chain.receive()

    run_virtual(main)
