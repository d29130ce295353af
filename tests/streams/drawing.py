"""Tests that are drawings: the sources, the chain, and what comes out of it. Each runs on both loops."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from evenflow.streams import Stream
from evenflow.testing import assert_drawn, marbles, run_virtual


def digits(drawing: str) -> Stream[Any]:
    """Make a stream of a drawing whose digits are numbers."""
    return marbles(drawing, **{str(number): number for number in range(10)})


def check(make: Callable[[], Stream[Any]], expected: str, **values: Any) -> None:
    """Run the stream, and compare what comes out with the drawing."""
    on_both_loops(lambda: assert_drawn(make(), expected, **values))


def on_both_loops(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test in virtual time, on asyncio and on trio."""
    for backend in ("asyncio", "trio"):
        run_virtual(main, backend=backend)
