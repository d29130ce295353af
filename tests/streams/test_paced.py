"""What is due at a time: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from evenflow.streams import Stream
from evenflow.testing import marbles, record

from .drawing import check, on_both_loops
from .probes import Bench, Boom

Case = tuple[str, Callable[[], Stream[Any]], str, dict[str, Any]]

CASES: list[Case] = [
    ("debounce", lambda: marbles("-a-bc----d----|").debounce(3), "-------c----d-|", {}),
    ("debounce is flushed by the end", lambda: marbles("-a-b|").debounce(3), "----(b|)", {}),
    ("debounce lets go of what an error meets", lambda: marbles("-a-b#").debounce(3), "----#", {}),
    ("debounce of nothing", lambda: marbles("--|").debounce(3), "--|", {}),
    ("debounce for no time", lambda: marbles("-a-b|").debounce(0), "-a-b|", {}),
    ("sample", lambda: marbles("-ab----c----|").sample(3), "---b-----c--|", {}),
    ("sample ends at a tick, after what is left", lambda: marbles("-a--b|").sample(3), "---a--(b|)", {}),
    ("sample ends at a tick, with nothing left", lambda: marbles("-a--|").sample(3), "---a--|", {}),
    ("sample lets go of what an error meets", lambda: marbles("-a--b#").sample(3), "---a-#", {}),
    (
        "batches by time",
        lambda: marbles("-a-b----c|").batches(within=3),
        "----x----(y|)",
        {"x": ("a", "b"), "y": ("c",)},
    ),
    ("batches by both", lambda: marbles("-ab-c----|").batches(2, 3), "--x----y-|", {"x": ("a", "b"), "y": ("c",)}),
    ("batches by time, before an error", lambda: marbles("-a#").batches(within=3), "--(x#)", {"x": ("a",)}),
    ("batches of nothing", lambda: marbles("--|").batches(within=1), "--|", {}),
]


@pytest.mark.parametrize("name, make, expected, values", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(
    name: str, make: Callable[[], Stream[Any]], expected: str, values: dict[str, Any]
) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected, **values)


def test_what_was_due_before_the_reader_came_waits_for_it() -> None:
    """A debounced event that is due is not replaced by the next one: the source waits instead."""

    async def main() -> None:
        async with marbles("a----b----c----|").debounce(2) as chain:
            await anyio.sleep(20)
            assert [event async for event in chain] == ["a", "b", "c"]

    on_both_loops(main)


def test_an_error_takes_nothing_back_that_was_due_before_it() -> None:
    """Only what was not yet due is dropped, however late the reader is."""

    async def main() -> None:
        for make in (lambda s: s.debounce(2), lambda s: s.sample(2)):
            async with make(marbles("a---#", error=Boom())) as chain:
                await anyio.sleep(20)
                assert await chain.receive() == "a"
                with pytest.raises(Boom):
                    await chain.receive()

    on_both_loops(main)


def test_what_was_sampled_before_the_reader_came_waits_for_it() -> None:
    """The newest event between two ticks is yielded, however late the reader is."""

    async def main() -> None:
        async with marbles("-ab-cd---|").sample(3) as chain:
            await anyio.sleep(20)
            assert await chain.receive() == "b"
            assert (await chain.receive()) in {"c", "d"}

    on_both_loops(main)


def test_a_full_batch_waits_for_the_reader_and_the_source_with_it() -> None:
    """``batches(2, within=5)`` holds two events and one more, however long nobody reads."""

    async def main() -> None:
        bench = Bench(100)
        async with bench.source().batches(2, 5) as chain:
            await anyio.sleep(60)
            assert bench.probes[0].given <= 3
            assert await chain.receive() == (0, 1)
            assert await chain.receive() == (2, 3)

    on_both_loops(main)


def test_sample_keeps_its_clock_while_nothing_comes() -> None:
    """Its ticks are counted from its start, not from the events."""

    async def main() -> None:
        recording = await record(marbles("-------a-|").sample(2))
        assert recording.times == [8.0]

    on_both_loops(main)
