"""One event at a time: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from evenflow import Event, when
from evenflow.streams import Stream, stream
from evenflow.testing import marbles

from .drawing import check, digits, on_both_loops


async def slowly_up(letter: str) -> str:
    await anyio.sleep(1)
    return letter.upper()


async def slowly_even(number: int) -> bool:
    await anyio.sleep(1)
    return number % 2 == 0


async def slowly_add(total: int, number: int) -> int:
    await anyio.sleep(1)
    return total + number


Case = tuple[str, Callable[[], Stream[Any]], str, dict[str, Any]]

CASES: list[Case] = [
    ("map", lambda: marbles("-a--b-|").map(str.upper), "-A--B-|", {}),
    ("map waits for an async function, and the source for it", lambda: marbles("-ab-|").map(slowly_up), "--AB|", {}),
    ("map awaits a coroutine, whoever made it", lambda: marbles("-a|").map(lambda x: slowly_up(x)), "--(A|)", {}),
    ("map of a function that fails", lambda: digits("-1-0-1|").map(lambda n: 1 // n), "-1-#", {}),
    ("filter", lambda: digits("-1-2-3-4-|").filter(lambda n: n % 2 == 0), "---2---4-|", {}),
    ("filter, async", lambda: digits("-1-2-|").filter(slowly_even), "----2|", {}),
    ("of_type", lambda: marbles("-ab|", a=1, b="x").of_type(str), "--x|", {}),
    ("scan", lambda: digits("-1-2-3-|").scan(lambda a, n: a + n, 0), "-1-3-6-|", {}),
    ("scan, async", lambda: digits("-1--2-|").scan(slowly_add, 5), "--6--8|", {}),
    ("enumerate", lambda: marbles("-a-b|").enumerate(), "-x-y|", {"x": (0, "a"), "y": (1, "b")}),
    ("pairwise", lambda: marbles("-a-b-c|").pairwise(), "---x-y|", {"x": ("a", "b"), "y": ("b", "c")}),
    ("pairwise of one", lambda: marbles("-a-|").pairwise(), "---|", {}),
    ("tap", lambda: marbles("-a-b|").tap(lambda _: "ignored"), "-a-b|", {}),
    ("tap, async", lambda: marbles("-a--b|").tap(slowly_up), "--a--(b|)", {}),
    ("start_with", lambda: marbles("--a|").start_with("x", "y"), "(xy)-a|", {}),
    ("start_with before an error", lambda: marbles("-#").start_with("x"), "x#", {}),
    ("distinct", lambda: marbles("-a-b-a-c|").distinct(), "-a-b---c|", {}),
    ("distinct by a key", lambda: digits("-1-3-2-4|").distinct(lambda n: n % 2), "-1---2--|", {}),
    ("distinct_until_changed", lambda: marbles("-a-a-b-a|").distinct_until_changed(), "-a---b-a|", {}),
    (
        "distinct_until_changed by a key",
        lambda: digits("-1-3-2-4|").distinct_until_changed(lambda n: n % 2),
        "-1---2--|",
        {},
    ),
    ("default_if_empty", lambda: marbles("---|").default_if_empty("x"), "---(x|)", {}),
    ("default_if_empty of something", lambda: marbles("-a-|").default_if_empty("x"), "-a-|", {}),
    ("default_if_empty of an error", lambda: marbles("--#").default_if_empty("x"), "--#", {}),
]


@pytest.mark.parametrize("name, make, expected, values", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(
    name: str, make: Callable[[], Stream[Any]], expected: str, values: dict[str, Any]
) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected, **values)


def test_an_event_whose_async_function_was_cancelled_is_kept_and_the_function_called_again() -> None:
    """A cancel while the function runs means another call, and never a lost event."""

    async def main() -> None:
        calls: list[str] = []

        async def note(letter: str) -> str:
            calls.append(letter)
            return await slowly_up(letter)

        async with marbles("ab|").map(note) as chain:
            for _ in range(2):
                with anyio.move_on_after(0.5):
                    await chain.receive()
            assert [event async for event in chain] == ["A", "B"]
        assert calls == ["a", "a", "a", "b"]

    on_both_loops(main)


def test_a_kept_event_is_kept_through_a_second_cancel_and_a_change_of_reader() -> None:
    """The next reader gets it, and the later events come after it."""

    async def main() -> None:
        async with stream([1, 2, 3]).scan(slowly_add, 0) as chain:
            for _ in range(3):
                with anyio.move_on_after(0.1):
                    await chain.receive()
            assert await chain.receive() == 1
            with anyio.move_on_after(0.1):
                await chain.receive()
            assert [event async for event in chain] == [3, 6]

    on_both_loops(main)


def test_a_condition_is_a_predicate() -> None:
    """A condition written for ``where`` can filter a stream, too."""

    class Placed(Event):
        total: int

    async def main() -> None:
        events = [Placed(total=n) for n in (1, 5, 9)]
        assert await stream(events).filter(Placed.total > 3).map(lambda e: e.total).to_list() == [5, 9]
        assert await stream(events).filter(when(Placed.total > 5)).count() == 1

    on_both_loops(main)


def test_a_function_that_raises_stop_async_iteration_ends_nothing_in_silence() -> None:
    """It raises ``RuntimeError``: only the source says when it ends."""

    async def stop(_: object) -> None:  # noqa: ASYNC124 -- it must be async
        raise StopAsyncIteration

    async def main() -> None:
        with pytest.raises(RuntimeError, match="StopAsyncIteration"):
            await stream([1]).map(stop).to_list()

    on_both_loops(main)


@pytest.mark.parametrize(
    "name", ["map", "filter", "scan", "tap", "distinct", "take_while", "flat_map", "catch", "finally_do"]
)
def test_what_cannot_be_called_is_refused_when_it_is_written(name: str) -> None:
    """The error names the operator and what it got, and the stream has no owner."""
    source = stream([1])
    with pytest.raises(TypeError, match=rf"{name} expected a function.*not 5"):
        getattr(source, name)(*((5, 0) if name == "scan" else (5,)))
    source.map(str)


def test_of_type_wants_a_class() -> None:
    """An instance is refused, with an error that says so."""
    with pytest.raises(TypeError, match="of_type expected a class, not 5"):
        stream([1]).of_type(5)
