"""In time: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from evenflow.streams import Stream, interval, timer
from evenflow.testing import marbles

from .drawing import check, on_both_loops
from .probes import Bench

Case = tuple[str, Callable[[], Stream[Any]], str, dict[str, Any]]

CASES: list[Case] = [
    ("throttle", lambda: marbles("-ab-cd---e|").throttle(3), "-a--c----e|", {}),
    ("delay", lambda: marbles("-a--bc|").delay(2), "---a--bc|", {}),
    ("delay of an error is none", lambda: marbles("-a-b#").delay(2), "---a#", {}),
    ("timeout", lambda: marbles("-a-b----c|").timeout(3), "-a-b--#", {}),
    ("timeout that is not needed", lambda: marbles("--a--b-|").timeout(3), "--a--b-|", {}),
    ("interval", lambda: interval(2).take(3).map(str), "--0-1-(2|)", {}),
    ("timer", lambda: timer(3).map(str), "---(0|)", {}),
    ("timer at once", lambda: timer(0).map(str), "(0|)", {}),
]


@pytest.mark.parametrize("name, make, expected, values", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(
    name: str, make: Callable[[], Stream[Any]], expected: str, values: dict[str, Any]
) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected, **values)


def test_timeout_says_how_long_it_has_waited() -> None:
    """The error is Python's own ``TimeoutError``; one that the source raises comes as it is."""
    mine = TimeoutError("of the source")

    async def main() -> None:
        with pytest.raises(TimeoutError, match=r"no event within 1\.5 seconds"):
            await timer(5).timeout(1.5).to_list()
        with pytest.raises(TimeoutError) as raised:
            await marbles("-#", error=mine).timeout(5).to_list()
        assert raised.value is mine

    on_both_loops(main)


def test_a_slow_reader_is_no_fault_of_the_source() -> None:
    """The time of ``timeout`` runs while the reader waits, and only then."""

    async def main() -> None:
        async with marbles("-a-b|").timeout(2) as chain:
            assert await chain.receive() == "a"
            await anyio.sleep(10)
            assert await chain.receive() == "b"

    on_both_loops(main)


def test_delay_holds_a_limited_number_of_events_and_then_the_source_waits() -> None:
    """It holds 1,024 events, and asks for more when there is room."""

    async def main() -> None:
        bench = Bench(3_000)
        async with bench.source().delay(10) as chain:
            await anyio.sleep(5)
            assert bench.probes[0].given == 1_024
            assert [event async for event in chain] == list(range(3_000))

    on_both_loops(main)


def test_a_late_reader_gets_every_number_of_an_interval() -> None:
    """What is due is yielded at once, no number is left out, and the clock runs on."""

    async def main() -> None:
        async with interval(1) as ticks:
            assert await ticks.receive() == 0
            start = anyio.current_time()
            await anyio.sleep(3.5)
            assert [await ticks.receive() for _ in range(4)] == [1, 2, 3, 4]
            assert anyio.current_time() - start == pytest.approx(4)

    on_both_loops(main)


def test_a_cancelled_wait_for_a_tick_takes_no_tick() -> None:
    """The number that was waited for is the next to be yielded."""

    async def main() -> None:
        recording = []
        ticks = interval(1)
        for _ in range(3):
            with anyio.move_on_after(0.4):
                recording.append(await ticks.receive())
        assert recording == [0] or await ticks.receive() == 0

    on_both_loops(main)
