"""``map`` with several functions at once: drawings, a model of its times, and what a cancel leaves behind."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st

from evenflow import Subject
from evenflow.streams import Stream, stream
from evenflow.testing import marbles, record, run_virtual

from .drawing import check, digits, on_both_loops
from .probes import Bench, Boom

Case = tuple[str, Callable[[], Stream[Any]], str]


async def slowly(number: int) -> str:
    """Take as many seconds as the number says; 0 is wrong."""
    await anyio.sleep(number or 1)
    if not number:
        raise Boom
    return str(number)


def name(number: int) -> str:
    """Return the number's digit; 0 is wrong."""
    if not number:
        raise Boom
    return str(number)


CASES: list[Case] = [
    ("several at once", lambda: digits("-222------|").map(slowly, concurrency=3), "---222----|"),
    (
        "a quick one waits for a slow one before it",
        lambda: digits("-41-2----|").map(slowly, concurrency=3),
        "-----(41)(2)--|",
    ),
    ("one more has to wait until the first was taken", lambda: digits("-222|").map(slowly, concurrency=2), "---22(2|)"),
    ("one at a time", lambda: digits("-222|").map(slowly, concurrency=1), "---2-2-(2|)"),
    ("the end waits for the results", lambda: digits("-3|").map(slowly, concurrency=3), "----(3|)"),
    ("an error waits for the results before it", lambda: digits("-30-4---|").map(slowly, concurrency=4), "----(3#)"),
    ("an error of the source does, too", lambda: digits("-3#").map(slowly, concurrency=4), "----(3#)"),
    ("a sync function", lambda: digits("-1-2-3|").map(name, concurrency=4), "-1-2-3|"),
    ("an error of a sync function", lambda: digits("-1-0-3|").map(name, concurrency=4), "-1-#"),
    ("of nothing", lambda: digits("--|").map(slowly, concurrency=4), "--|"),
]


@pytest.mark.parametrize("name, make, expected", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(name: str, make: Callable[[], Stream[Any]], expected: str) -> None:
    """Results come in the order of the events, at the time at which they and all before them are ready."""
    check(make, expected)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 40)), max_size=12),
    st.integers(2, 5),
    st.sampled_from(["asyncio", "trio"]),
)
def test_times_are_those_of_a_row_of_workers(events: list[tuple[int, int]], concurrency: int, backend: Any) -> None:
    """An event begins when it has come and the result ``concurrency`` events before it was taken; results keep their order."""

    async def take(seconds: float) -> float:
        await anyio.sleep(seconds)
        return seconds

    async def source() -> Any:
        began = anyio.current_time()
        for comes, seconds in arrivals:
            await anyio.sleep_until(began + comes)
            yield seconds

    async def main() -> None:
        recording = await record(stream(source).map(take, concurrency=concurrency))
        assert recording.values == [seconds for _, seconds in arrivals]
        assert recording.times == pytest.approx(taken)

    arrivals: list[tuple[float, float]] = []
    taken: list[float] = []
    for number, (after, seconds) in enumerate(events):
        comes = after + (arrivals[-1][0] if arrivals else 0)
        # No two things at one moment: then it would not be defined which comes first.
        arrivals.append((comes, seconds + (number + 1) / 100))
        begins = max(comes, taken[number - concurrency]) if number >= concurrency else comes
        taken.append(max(begins + arrivals[-1][1], taken[-1] if taken else 0))
    run_virtual(main, backend=backend)


def test_a_cancelled_read_cancels_no_function() -> None:
    """The functions run on, each is called once, and the next read gets the result."""

    async def main() -> None:
        calls: list[int] = []

        async def work(number: int) -> int:
            calls.append(number)
            await anyio.sleep(1)
            return number

        async with stream(range(6)).map(work, concurrency=2) as chain:
            got: list[int] = []
            while len(got) < 6:
                with anyio.move_on_after(0.3):
                    got.append(await chain.receive())
        assert got == list(range(6))
        assert sorted(calls) == got

    on_both_loops(main)


def test_it_holds_no_more_than_it_says() -> None:
    """Without a reader it takes as many events as may run at once, and does not ask for another."""

    async def main() -> None:
        bench = Bench(100)
        async with bench.source().map(slowly_same, concurrency=3) as chain:
            await anyio.sleep(20)
            assert bench.probes[0].asked == 3
            assert await chain.receive() == 0
            await anyio.sleep(20)
            assert bench.probes[0].asked == 4

    on_both_loops(main)


async def slowly_same(number: int) -> int:
    await anyio.sleep(1)
    return number


def test_after_an_error_no_function_is_called_and_those_of_later_events_are_cancelled() -> None:
    """The reader gets the results before the error, then the error; nothing runs on behind its back."""

    async def main() -> None:
        begun: list[int] = []
        ended: list[int] = []

        async def work(number: int) -> int:
            begun.append(number)
            await anyio.sleep(5 if number == 2 else 1)
            if number == 1:
                raise Boom
            ended.append(number)
            return number

        async with Bench(9).source().map(work, concurrency=3) as chain:
            assert await chain.receive() == 0
            with pytest.raises(Boom):
                await chain.receive()
            await anyio.sleep(20)
        assert sorted(begun) == [0, 1, 2] or sorted(begun) == [0, 1, 2, 3]
        assert ended == [0]

    on_both_loops(main)


def test_after_an_error_the_source_is_not_read_on() -> None:
    """However late the reader is: no function is called, and at most the event that was asked for already is taken."""

    async def main() -> None:
        calls: list[int] = []

        async def work(number: int) -> int:
            calls.append(number)
            await anyio.sleep(1.5)
            raise Boom

        bench = Bench(100, every=1.0)
        async with bench.source().map(work, concurrency=10) as chain:
            await anyio.sleep(50)
            with pytest.raises(Boom):
                await chain.receive()
        assert calls == [0, 1]
        assert bench.probes[0].given == 3

    on_both_loops(main)


def test_a_retry_goes_on_after_the_events_that_were_held() -> None:
    """Of a source that can be read once, the event that failed and those in hand beside it are gone; no other is."""

    async def main() -> None:
        async def work(number: int) -> int:
            await anyio.sleep(1)
            if number == 2:
                raise Boom
            return number

        numbers = Subject(int)
        async with numbers, numbers.subscribe() as feed:
            await numbers.publish_many(list(range(6)))
            async with feed.map(work, concurrency=2).retry(2) as chain:
                assert [await chain.receive() for _ in range(4)] == [0, 1, 4, 5]

    on_both_loops(main)


@pytest.mark.parametrize("error", [StopAsyncIteration, StopIteration])
def test_a_function_that_raises_what_looks_like_an_end_has_failed(error: type[Exception]) -> None:
    """It ends nothing in silence, sync or async."""

    def at_once(_: int) -> int:
        raise error

    async def later(_: int) -> int:
        await anyio.sleep(1)
        raise error

    async def main() -> None:
        for function in (at_once, later):
            with pytest.raises(RuntimeError, match=error.__name__):
                await stream([1, 2, 3]).map(function, concurrency=2).to_list()

    on_both_loops(main)


async def a_stray_cancel(chain: Stream[Any], turns: int) -> None:
    """Wait a few turns of the loop, then cancel every function that runs, and not the task that reads."""
    before = asyncio.all_tasks()
    async with chain:
        reading = asyncio.all_tasks() - before
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - before - reading:
            task.cancel()
        assert await read_all(chain) == ["A", "B"]


async def read_all(chain: Stream[Any]) -> list[Any]:
    return [event async for event in chain]


@pytest.mark.parametrize("turns", range(8))
def test_a_function_that_somebody_else_cancels_is_called_again(turns: int) -> None:
    """Its event is kept, wherever the cancel hits it; no result is lost, and the order stays."""
    calls: list[str] = []

    async def up(letter: str) -> str:
        calls.append(letter)
        await asyncio.sleep(1)
        return letter.upper()

    run_virtual(lambda: a_stray_cancel(stream(["a", "b"]).map(up, concurrency=2), turns))
    assert set(calls) == {"a", "b"}
    assert max(Counter(calls).values()) <= 2


def test_a_function_that_cancels_itself_is_an_error_and_no_hang() -> None:
    """It is called once more, and then the reader is told, after the results before it."""
    calls: list[int] = []

    async def await_what_is_cancelled(number: int) -> int:
        calls.append(number)
        if number == 0:
            return number
        future: Awaitable[int] = asyncio.get_running_loop().create_future()
        future.cancel()  # type: ignore[attr-defined]
        return await future

    async def main() -> None:
        got: list[int] = []
        with pytest.raises(RuntimeError, match="cancelled twice"):
            await stream([0, 1]).map(await_what_is_cancelled, concurrency=2).for_each(got.append)
        assert got == [0]

    run_virtual(main)
    assert calls == [0, 1, 1]


def test_if_the_task_that_reads_is_cancelled_by_somebody_else_the_reader_is_told() -> None:
    """It gets the results of what had been read, then an error, and does not wait for ever."""

    async def main() -> None:
        before = asyncio.all_tasks()
        async with stream(marbles("ab----c|")).map(slowly_up, concurrency=4) as chain:
            reading = (asyncio.all_tasks() - before).pop()
            await asyncio.sleep(1.5)
            reading.cancel()
            assert [await chain.receive() for _ in range(2)] == ["A", "B"]
            with pytest.raises(RuntimeError, match="cancelled by somebody else"):
                await chain.receive()

    run_virtual(main)


async def slowly_up(letter: str) -> str:
    await anyio.sleep(1)
    return letter.upper()


@pytest.mark.parametrize("turns", range(6))
def test_leaving_early_awaits_or_closes_every_function(turns: int) -> None:
    """Python has no reason to warn of a coroutine that was never awaited, even if somebody else cancels at that moment."""

    async def main() -> None:
        before = asyncio.all_tasks()
        async with stream(range(9)).map(slowly_same, concurrency=3):
            reading = asyncio.all_tasks() - before
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            for task in asyncio.all_tasks() - before - reading:
                task.cancel()

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run_virtual(main)
        gc.collect()
    assert [str(warning.message) for warning in said] == []


def test_a_close_wakes_a_reader() -> None:
    """Whoever waits for a result learns that the chain was closed."""

    async def main() -> None:
        async with stream([1]).map(slowly_same, concurrency=2) as chain, anyio.create_task_group() as group:

            async def read() -> None:
                with pytest.raises(anyio.ClosedResourceError):
                    await chain.receive()

            group.start_soon(read)
            await anyio.sleep(0.5)
            await chain.aclose()

    on_both_loops(main)


def test_a_concurrency_below_one_is_refused() -> None:
    """It is refused where it is written, and the source stays free."""
    source = stream([1])
    with pytest.raises(ValueError, match="map expected at least 1 functions at once, not 0"):
        source.map(str, concurrency=0)
    source.map(str)
