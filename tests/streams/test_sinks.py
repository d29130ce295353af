"""Out of a stream: what each sink returns, how far it reads, and that it closes the chain."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from evenflow import Subject
from evenflow.streams import Stream, stream
from evenflow.testing import marbles

from .drawing import digits, on_both_loops
from .probes import Bench, Boom

Sink = Callable[[Stream[Any]], Coroutine[Any, Any, Any]]


async def big(number: int) -> bool:
    await anyio.lowlevel.checkpoint()
    return number > 2


async def add(total: int, number: int) -> int:
    await anyio.lowlevel.checkpoint()
    return total + number


SINKS: list[tuple[str, Sink, Any, int]] = [
    ("to_list", lambda s: s.to_list(), [0, 1, 2, 3, 4], 6),
    ("reduce", lambda s: s.reduce(lambda a, n: a + n, 10), 20, 6),
    ("reduce, async", lambda s: s.reduce(add, 10), 20, 6),
    ("count", lambda s: s.count(), 5, 6),
    ("any", lambda s: s.any(lambda n: n > 2), True, 4),
    ("any, async", lambda s: s.any(big), True, 4),
    ("any of none", lambda s: s.any(lambda n: n > 9), False, 6),
    ("all", lambda s: s.all(lambda n: n < 9), True, 6),
    ("all, async, but one", lambda s: s.filter(lambda n: n > 0).all(big), False, 2),
    ("all but one", lambda s: s.all(lambda n: n < 2), False, 3),
    ("first", lambda s: s.first(), 0, 1),
    ("last", lambda s: s.last(), 4, 6),
    ("for_each", lambda s: s.for_each(lambda n: None), None, 6),
    ("for_each, several at once", lambda s: s.for_each(big, concurrency=3), None, 6),
]


@pytest.mark.parametrize("name, sink, expected, asked", SINKS, ids=[case[0] for case in SINKS])
def test_a_sink_reads_as_far_as_it_must_and_closes_the_chain(name: str, sink: Sink, expected: Any, asked: int) -> None:
    """It enters a chain that needs a task, returns the result, and leaves nothing open."""

    async def main() -> None:
        bench = Bench(5)
        assert await sink(bench.source()) == expected
        assert bench.probes[0].asked == asked
        assert bench.all_closed()
        bench = Bench(5, every=1.0)
        assert await sink(bench.source().merge([])) == expected
        assert bench.all_closed()

    on_both_loops(main)


@pytest.mark.parametrize("name, sink, expected, asked", SINKS, ids=[case[0] for case in SINKS])
def test_a_sink_raises_the_error_of_the_chain(name: str, sink: Sink, expected: Any, asked: int) -> None:
    """The error is raised as it is, in no group, with everything closed."""

    async def main() -> None:
        boom = Boom()
        bench = Bench(0, error=boom)
        with pytest.raises(Boom) as raised:
            await sink(bench.source().merge([]))
        assert raised.value is boom
        assert bench.all_closed()

    on_both_loops(main)


@pytest.mark.parametrize("name", ["first", "last"])
def test_nothing_has_no_first_and_no_last(name: str) -> None:
    """Both raise ``EndOfStream``."""

    async def main() -> None:
        with pytest.raises(anyio.EndOfStream):
            await getattr(stream([]), name)()

    on_both_loops(main)


def test_a_cancelled_sink_closes_the_chain() -> None:
    """Whoever cancels a sink has nothing to clean up."""

    async def main() -> None:
        bench = Bench(5, every=1.0)
        with anyio.move_on_after(2.5):
            await bench.source().debounce(0.1).to_list()
        assert bench.all_closed()

    on_both_loops(main)


def test_handlers_run_side_by_side_but_not_more_than_asked_for() -> None:
    """With ``concurrency=3`` three events are handled at once, and a fourth is not asked for."""

    async def main() -> None:
        bench = Bench(7)
        running: list[int] = []
        most = 0

        async def handle(number: int) -> None:
            nonlocal most
            running.append(number)
            most = max(most, len(running))
            assert bench.probes[0].given <= number + 4
            await anyio.sleep(1)
            running.remove(number)

        start = anyio.current_time()
        await bench.source().for_each(handle, concurrency=3)
        assert most == 3
        assert anyio.current_time() - start == pytest.approx(3)

    on_both_loops(main)


def test_a_handler_that_fails_cancels_the_others_and_its_error_goes_out_alone() -> None:
    """It is in no exception group, and the chain is closed."""

    async def main() -> None:
        boom = Boom()
        bench = Bench(7)
        finished: list[int] = []

        async def handle(number: int) -> None:
            await anyio.sleep(1)
            if number == 1:
                raise boom
            await anyio.sleep(1)
            finished.append(number)

        with pytest.raises(Boom) as raised:
            await bench.source().for_each(handle, concurrency=3)
        assert raised.value is boom
        assert finished == []
        assert bench.all_closed()

    on_both_loops(main)


def test_an_error_of_the_source_waits_for_the_handlers_of_what_came_before() -> None:
    """The handlers finish first, and then the error is raised."""

    async def main() -> None:
        finished: list[int] = []

        async def handle(number: int) -> None:
            await anyio.sleep(5)
            finished.append(number)

        with pytest.raises(Boom):
            await marbles("-12#", error=Boom(), **{"1": 1, "2": 2}).for_each(handle, concurrency=5)
        assert finished == [1, 2]

    on_both_loops(main)


def test_publish_to_publishes_one_by_one_and_waits_for_room() -> None:
    """A full subscription makes the source wait; the number of events is returned."""

    async def main() -> None:
        numbers = Subject(int)
        bench = Bench(5)
        async with numbers.subscribe(buffer=2) as slow, anyio.create_task_group() as group:
            counts: list[int] = []

            async def publish() -> None:
                counts.append(await bench.source().publish_to(numbers))

            group.start_soon(publish)
            await anyio.sleep(1)
            assert bench.probes[0].given == 3
            assert [await slow.receive() for _ in range(5)] == [0, 1, 2, 3, 4]
            await anyio.sleep(1)
            assert counts == [5]

    on_both_loops(main)


def test_what_cannot_be_published_to_is_refused() -> None:
    """``publish_to`` needs something with a ``publish`` method, and ``for_each`` a function."""

    async def main() -> None:
        with pytest.raises(TypeError, match=r"publish_to expected a subject.*not 5"):
            await stream([1]).publish_to(5)
        with pytest.raises(TypeError, match="for_each expected a function"):
            await stream([1]).for_each(5)
        with pytest.raises(ValueError, match=r"at least 1 handlers at once, not 0"):
            await stream([1]).for_each(print, concurrency=0)

    on_both_loops(main)


def test_a_sink_inside_the_async_with_of_its_chain_closes_it_and_leaves_the_tasks_to_that() -> None:
    """It does so whatever cancel scopes lie between the two."""

    async def main() -> None:
        async with digits("-1-2|").merge(digits("3|")) as chain:
            assert await chain.receive() == 3
            with anyio.move_on_after(100) as scope:
                assert await chain.to_list() == [1, 2]
            assert not scope.cancelled_caught

    on_both_loops(main)
