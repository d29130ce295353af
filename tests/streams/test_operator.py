"""Operators: what they yield without waiting, which is what `batches()` and `timeout` ask them for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from evenflow.streams import Stream, stream
from evenflow.streams._node import Run
from evenflow.streams._operator import PassOn
from evenflow.streams._source import node_of
from evenflow.testing import marbles

from .drawing import on_both_loops
from .probes import Boom, half, twice

Case = tuple[str, Callable[[], Stream[Any]], list[tuple[Any, ...]]]

CASES: list[Case] = [
    ("a plain iterable", lambda: stream(range(3)), [(0, 1, 2)]),
    ("a function that gives one", lambda: stream(lambda: range(3)), [(0, 1, 2)]),
    ("map", lambda: stream(range(3)).map(str), [("0", "1", "2")]),
    ("map, async", lambda: stream(range(2)).map(twice), [((0, 0),), ((1, 1),)]),
    ("filter", lambda: stream(range(4)).filter(lambda n: n % 2), [(1, 3)]),
    ("filter, async", lambda: stream(range(4)).filter(half), [(0,), (2,)]),
    ("scan", lambda: stream(range(4)).scan(lambda a, n: a + n, 0), [(0, 1, 3, 6)]),
    ("enumerate", lambda: stream("ab").enumerate(), [((0, "a"), (1, "b"))]),
    ("pairwise", lambda: stream("abc").pairwise(), [(("a", "b"), ("b", "c"))]),
    ("take", lambda: stream(range(9)).take(3), [(0, 1, 2)]),
    ("take_while", lambda: stream(range(9)).take_while(lambda n: n < 3), [(0, 1, 2)]),
    ("skip", lambda: stream(range(4)).skip(2), [(2, 3)]),
    ("skip_while", lambda: stream(range(4)).skip_while(lambda n: n < 2), [(2, 3)]),
    ("start_with", lambda: stream(range(2)).start_with("a", "b"), [("a", "b", 0, 1)]),
    ("default_if_empty", lambda: stream([]).default_if_empty("x"), [("x",)]),
    ("default_if_empty of something", lambda: stream("ab").default_if_empty("x"), [("a", "b")]),
    ("distinct", lambda: stream("aba").distinct(), [("a", "b")]),
    ("distinct_until_changed", lambda: stream("aab").distinct_until_changed(), [("a", "b")]),
    ("of_type", lambda: stream([1, "a"]).of_type(str), [("a",)]),
    ("throttle", lambda: stream("ab").throttle(1), [("a",)]),
    ("tap", lambda: stream("ab").tap(lambda _: None), [("a", "b")]),
    ("finally_do", lambda: stream("ab").finally_do(lambda: None), [("a", "b")]),
    ("concat gives one at a time", lambda: stream("ab").concat("c"), [("a",), ("b",), ("c",)]),
]


@pytest.mark.parametrize("name, make, expected", CASES, ids=[case[0] for case in CASES])
def test_all_that_is_there_comes_in_one_batch(
    name: str, make: Callable[[], Stream[Any]], expected: list[tuple[Any, ...]]
) -> None:
    """Operators that know what is ready pass it on at once; the others yield one event a batch, and lose none."""

    async def main() -> None:
        assert await make().batches().to_list() == expected

    on_both_loops(main)


def fails_at_three(number: int) -> int:
    if number == 3:
        raise Boom
    return number


def breaks() -> Iterator[int]:
    yield from range(3)
    raise Boom


FAILING: list[tuple[str, Callable[[], Stream[Any]]]] = [
    ("a source", lambda: stream(breaks)),
    ("a source below an operator", lambda: stream(breaks).map(int)),
    ("a function", lambda: stream(range(9)).map(fails_at_three)),
    ("a function that decides", lambda: stream(range(9)).tap(fails_at_three).filter(lambda _: True)),
]


@pytest.mark.parametrize("name, make", FAILING, ids=[case[0] for case in FAILING])
def test_an_error_that_is_met_early_is_raised_by_the_read_that_waits(
    name: str, make: Callable[[], Stream[Any]]
) -> None:
    """It comes after the events before it, and then comes the end."""

    async def main() -> None:
        async with make().batches() as chain:
            assert await chain.receive() == (0, 1, 2)
            with pytest.raises(Boom):
                await chain.receive()
            with pytest.raises(anyio.EndOfStream):
                await chain.receive()

    on_both_loops(main)


def test_a_key_that_cannot_be_hashed_is_an_error_too() -> None:
    """An error of the operator itself is raised in the same way."""

    async def main() -> None:
        async with stream([0, 1, []]).distinct().batches() as chain:
            assert await chain.receive() == (0, 1)
            with pytest.raises(TypeError, match="unhashable"):
                await chain.receive()

    on_both_loops(main)


def test_an_event_that_was_put_back_is_in_the_next_batch() -> None:
    """An event whose function waits is yielded once, and in its place."""

    async def slow_at_two(number: int) -> int:
        await anyio.sleep(1)
        return number

    async def main() -> None:
        mixed = stream(range(5)).map(lambda n: slow_at_two(n) if n == 2 else n)
        async with mixed.batches() as chain:
            assert await chain.receive() == (0, 1)
            with anyio.move_on_after(0.5):
                await chain.receive()
            assert await chain.receive() == (2, 3, 4)
        put_back = stream(range(3)).map(slow_at_two)
        with anyio.move_on_after(0.5):
            await put_back.receive()
        assert await put_back.start_with("a").batches().to_list() == [("a",), (0,), (1,), (2,)]

    on_both_loops(main)


def test_what_lies_in_an_anyio_stream_is_there() -> None:
    """A memory stream can be asked without waiting."""

    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[int](5)
        async with send, stream(receive).map(lambda n: n * 2).batches() as chain:
            for number in range(3):
                send.send_nowait(number)
            assert await chain.receive() == (0, 2, 4)
            send.send_nowait(3)
            await send.aclose()
            assert await chain.receive() == (6,)
            with pytest.raises(anyio.EndOfStream):
                await chain.receive()

    on_both_loops(main)


def test_an_event_of_the_last_moment_comes_in_time() -> None:
    """``timeout`` asks once more before it gives up."""

    async def main() -> None:
        assert await marbles("---a--b|").timeout(3).to_list() == ["a", "b"]
        assert await marbles("---a--b|").map(str.upper).timeout(3).to_list() == ["A", "B"]

    on_both_loops(main)


def test_a_user_function_that_raises_would_block_has_failed() -> None:
    """The reader gets the error; it is not taken for a source that has nothing ready."""

    def blocks_at_two(number: int) -> int:
        if number == 2:
            raise anyio.WouldBlock
        return number

    async def main() -> None:
        async with stream(range(4)).map(blocks_at_two).batches() as chain:
            assert await chain.receive() == (0, 1)
            with pytest.raises(anyio.WouldBlock):
                await chain.receive()

    on_both_loops(main)


def test_an_event_that_was_put_back_is_kept_by_the_operator_and_yielded_first() -> None:
    """After that event the source is read on."""

    async def main() -> None:
        operator: PassOn[int] = PassOn(node_of([1, 2], "test"))
        reader = operator.open(Run(None))
        first = await anext(reader)
        operator.put_back(first)
        assert operator.next_nowait() == 1
        operator.put_back(first)
        assert [event async for event in operator] == [1, 2]

    on_both_loops(main)
