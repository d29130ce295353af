"""Batches by size, and of everything that is waiting: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evenflow.streams import Stream, stream
from evenflow.testing import marbles

from .drawing import check, on_both_loops
from .probes import Boom

Case = tuple[str, Callable[[], Stream[Any]], str, dict[str, Any]]

CASES: list[Case] = [
    ("batches by size", lambda: marbles("-a-b-c|").batches(2), "---x--(y|)", {"x": ("a", "b"), "y": ("c",)}),
    ("batches before an error", lambda: marbles("-a-b-c#").batches(2), "---x--(y#)", {"x": ("a", "b"), "y": ("c",)}),
    ("batches of all that waits", lambda: marbles("-(ab)-c|").batches(), "-x-y|", {"x": ("a", "b"), "y": ("c",)}),
]


@pytest.mark.parametrize("name, make, expected, values", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(
    name: str, make: Callable[[], Stream[Any]], expected: str, values: dict[str, Any]
) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected, **values)


def test_batches_of_all_that_waits_are_bounded_and_keep_an_error() -> None:
    """They have at most 1,024 events; an error met meanwhile is raised by the next read, after the events before it."""

    def failing() -> Any:
        yield from range(3)
        raise Boom

    async def main() -> None:
        assert [len(batch) for batch in await stream(range(2_500)).batches().to_list()] == [
            256,
            256,
            256,
            256,
            256,
            256,
            256,
            256,
            256,
            196,
        ]
        got = []
        with pytest.raises(Boom):
            async for batch in stream(failing).batches():
                got.append(batch)
        assert got == [(0, 1, 2)]

    on_both_loops(main)
