"""How many: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evenflow.streams import Stream
from evenflow.testing import marbles

from .drawing import check, digits, on_both_loops
from .probes import Bench
from .test_transform import slowly_even

Case = tuple[str, Callable[[], Stream[Any]], str, dict[str, Any]]

CASES: list[Case] = [
    ("take ends with the last", lambda: marbles("-a-b-c-|").take(2), "-a-(b|)", {}),
    ("take more than there is", lambda: marbles("-a-|").take(2), "-a-|", {}),
    ("take nothing", lambda: marbles("-a-|").take(0), "|", {}),
    ("take leaves an error alone", lambda: marbles("-a#").take(1), "-(a|)", {}),
    ("take_last", lambda: marbles("-a-b-c-|").take_last(2), "-------(bc|)", {}),
    ("take_last of an error", lambda: marbles("-a-b-#").take_last(2), "-----#", {}),
    ("take_last of nothing", lambda: marbles("-a-|").take_last(0), "---|", {}),
    ("take_while", lambda: digits("-1-2-9-1|").take_while(lambda n: n < 3), "-1-2-|", {}),
    ("take_while, async", lambda: digits("-2--1-|").take_while(slowly_even), "--2--|", {}),
    ("skip", lambda: marbles("-a-b-c|").skip(2), "-----c|", {}),
    ("skip nothing", lambda: marbles("-a|").skip(0), "-a|", {}),
    ("skip_while", lambda: digits("-1-2-9-1|").skip_while(lambda n: n < 3), "-----9-1|", {}),
    ("skip_while, async", lambda: digits("-2--1-2|").skip_while(slowly_even), "-----12|", {}),
]


@pytest.mark.parametrize("name, make, expected, values", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(
    name: str, make: Callable[[], Stream[Any]], expected: str, values: dict[str, Any]
) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected, **values)


def test_take_does_not_ask_for_one_more() -> None:
    """The source is asked for exactly what is taken, and closed when the end is read."""

    async def main() -> None:
        bench = Bench(10)
        async with bench.source().take(2) as chain:
            assert [event async for event in chain] == [0, 1]
            assert bench.probes[0].asked == 2
            assert bench.all_closed()

    on_both_loops(main)
