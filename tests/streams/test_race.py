"""`race`: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evenflow.streams import Stream
from evenflow.testing import marbles

from .drawing import check, on_both_loops
from .probes import Bench

Case = tuple[str, Callable[[], Stream[Any]], str, dict[str, Any]]

CASES: list[Case] = [
    ("race", lambda: marbles("--a-b|").race(marbles("-x-y--|")), "-x-y--|", {}),
    ("race of an end", lambda: marbles("--a-b|").race(marbles("-|")), "-|", {}),
    ("race of an error", lambda: marbles("--a-b|").race(marbles("-#")), "-#", {}),
]


@pytest.mark.parametrize("name, make, expected, values", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(
    name: str, make: Callable[[], Stream[Any]], expected: str, values: dict[str, Any]
) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected, **values)


def test_the_losers_of_a_race_are_closed_when_it_is_won() -> None:
    """They are closed at once, not at the end of the chain."""

    async def main() -> None:
        bench = Bench(10, every=1.0)
        async with bench.source(first=5).race(bench.source(first=1), bench.source(first=3)) as chain:
            assert await chain.receive() == 0
            assert [probe.closed for probe in bench.probes] == [1, 0, 1]
            assert await chain.receive() == 1

    on_both_loops(main)
