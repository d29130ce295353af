"""One source and others that are watched: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from evenflow.streams import Stream, stream
from evenflow.testing import marbles

from .drawing import check, on_both_loops
from .probes import Bench

AX = ("a", "x")
AY = ("a", "y")
BX = ("b", "x")
BY = ("b", "y")

Case = tuple[str, Callable[[], Stream[Any]], str, dict[str, Any]]

CASES: list[Case] = [
    ("take_until", lambda: marbles("-a-b-c-d|").take_until(marbles("----x--|")), "-a-b|", {}),
    ("take_until the end of the other", lambda: marbles("-a-b|").take_until(marbles("--|")), "-a-b|", {}),
    ("take_until the error of the other", lambda: marbles("-a-b|").take_until(marbles("--#")), "-a#", {}),
    ("take_until it ends itself", lambda: marbles("-a|").take_until(marbles("----x|")), "-a|", {}),
    ("skip_until", lambda: marbles("-a-b-c-|").skip_until(marbles("--x--|")), "---b-c-|", {}),
    ("skip_until something that never comes", lambda: marbles("-a-b|").skip_until(marbles("-|")), "----|", {}),
    ("skip_until the error of the other", lambda: marbles("-a-b|").skip_until(marbles("--#")), "--#", {}),
    (
        "with_latest_from",
        lambda: marbles("a--b-c|").with_latest_from(marbles("-x--y-------|")),
        "---p-q|",
        {"p": BX, "q": ("c", "y")},
    ),
    ("with_latest_from an error", lambda: marbles("-a--b|").with_latest_from(marbles("x--#")), "-p-#", {"p": AX}),
    ("with_latest_from what has ended", lambda: marbles("-a|").with_latest_from(marbles("(xy|)")), "-p|", {"p": AY}),
    ("with_latest_from a list", lambda: stream("ab").with_latest_from("xy"), "(pq|)", {"p": AY, "q": BY}),
]


@pytest.mark.parametrize("name, make, expected, values", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(
    name: str, make: Callable[[], Stream[Any]], expected: str, values: dict[str, Any]
) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected, **values)


def test_the_other_is_read_once_and_closed() -> None:
    """``skip_until`` reads one event of the other source, then closes it."""

    async def main() -> None:
        bench = Bench(10, every=1.0)
        async with bench.source().skip_until(bench.source(first=0.5)) as chain:
            assert await chain.receive() == 1
            other = bench.probes[1]
            assert (other.asked, other.closed) == (1, 1)

    on_both_loops(main)


def test_take_until_ends_a_read_that_waits() -> None:
    """If the other source yields while the reader waits, the reader gets the end at once."""

    async def main() -> None:
        async with marbles("-a-").take_until(marbles("-----x")) as chain:
            assert await chain.receive() == "a"
            with pytest.raises(anyio.EndOfStream):
                await chain.receive()
            with pytest.raises(anyio.EndOfStream):
                await chain.receive()

    on_both_loops(main)
