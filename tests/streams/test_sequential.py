"""One stream after another: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from evenflow.streams import Stream, stream
from evenflow.testing import marbles

from .drawing import check, on_both_loops
from .probes import Probe

INNER = {"a": "12-3|", "b": "4-5|"}


def inner(letter: str) -> Stream[str]:
    return marbles(INNER[letter])


async def slowly(letter: str) -> Stream[str]:
    await anyio.sleep(2)
    return inner(letter)


Case = tuple[str, Callable[[], Stream[Any]], str, dict[str, Any]]

CASES: list[Case] = [
    ("concat", lambda: marbles("-a-|").concat(marbles("-b|")), "-a--b|", {}),
    ("concat after an error", lambda: marbles("-#").concat(marbles("-b|")), "-#", {}),
    ("concat of three", lambda: stream("a").concat("b", "c"), "(abc|)", {}),
    ("concat_map", lambda: marbles("-a-b-|").concat_map(inner), "-12-34-5|", {}),
    ("concat_map of an error of the source", lambda: marbles("-a-#").concat_map(inner), "-12-3#", {}),
    ("concat_map, async", lambda: marbles("-b-|").concat_map(slowly), "---4-5|", {}),
]


@pytest.mark.parametrize("name, make, expected, values", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(
    name: str, make: Callable[[], Stream[Any]], expected: str, values: dict[str, Any]
) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected, **values)


def test_a_stream_made_inside_may_need_a_task_if_the_chain_was_entered() -> None:
    """``concat_map`` needs no task; without ``async with`` an inner stream that needs one is refused."""

    async def main() -> None:
        assert await stream([1, 2]).concat_map(lambda n: stream([n]).debounce(1)).to_list() == [1, 2]
        chain = stream([1, 2]).concat_map(lambda n: stream([n]).debounce(1))
        with pytest.raises(RuntimeError, match="async with"):
            await chain.receive()

    on_both_loops(main)


def test_a_cancel_between_two_streams_is_made_up_for_by_the_next_read() -> None:
    """The stream that has ended is closed first, and the next one is read from its beginning."""

    class SlowToClose(Probe):
        async def aclose(self) -> None:
            await anyio.sleep(5)
            self.closed += 1

    async def main() -> None:
        first = SlowToClose(1)
        async with stream(first).concat("b") as chain:
            assert await chain.receive() == 0
            with anyio.move_on_after(1):
                await chain.receive()
            assert first.closed == 0
            assert [event async for event in chain] == ["b"]
            assert first.closed

    on_both_loops(main)
