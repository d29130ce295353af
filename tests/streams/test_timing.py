"""In time: drawings, and what only words can say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from evenflow.streams import Stream, interval, stream, timer
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
    ("throttle", lambda: marbles("-ab-cd---e|").throttle(3), "-a--c----e|", {}),
    ("sample", lambda: marbles("-ab----c----|").sample(3), "---b-----c--|", {}),
    ("sample ends at a tick, after what is left", lambda: marbles("-a--b|").sample(3), "---a--(b|)", {}),
    ("sample ends at a tick, with nothing left", lambda: marbles("-a--|").sample(3), "---a--|", {}),
    ("sample lets go of what an error meets", lambda: marbles("-a--b#").sample(3), "---a-#", {}),
    ("delay", lambda: marbles("-a--bc|").delay(2), "---a--bc|", {}),
    ("delay of an error is none", lambda: marbles("-a-b#").delay(2), "---a#", {}),
    ("timeout", lambda: marbles("-a-b----c|").timeout(3), "-a-b--#", {}),
    ("timeout that is not needed", lambda: marbles("--a--b-|").timeout(3), "--a--b-|", {}),
    ("batches by size", lambda: marbles("-a-b-c|").batches(2), "---x--(y|)", {"x": ("a", "b"), "y": ("c",)}),
    ("batches before an error", lambda: marbles("-a-b-c#").batches(2), "---x--(y#)", {"x": ("a", "b"), "y": ("c",)}),
    (
        "batches by time",
        lambda: marbles("-a-b----c|").batches(within=3),
        "----x----(y|)",
        {"x": ("a", "b"), "y": ("c",)},
    ),
    ("batches by both", lambda: marbles("-ab-c----|").batches(2, 3), "--x----y-|", {"x": ("a", "b"), "y": ("c",)}),
    ("batches by time, before an error", lambda: marbles("-a#").batches(within=3), "--(x#)", {"x": ("a",)}),
    ("batches of all that waits", lambda: marbles("-(ab)-c|").batches(), "-x-y|", {"x": ("a", "b"), "y": ("c",)}),
    ("batches of nothing", lambda: marbles("--|").batches(within=1), "--|", {}),
    ("interval", lambda: interval(2).take(3).map(str), "--0-1-(2|)", {}),
    ("timer", lambda: timer(3).map(str), "---(0|)", {}),
    ("timer at once", lambda: timer(0).map(str), "(0|)", {}),
]


@pytest.mark.parametrize("name, make, expected, values", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(
    name: str, make: Callable[[], Stream[Any]], expected: str, values: dict[str, Any]
) -> None:
    """The same events at the same times with the same end as in ReactiveX."""
    check(make, expected, **values)


def test_timeout_says_how_long_it_has_waited() -> None:
    """The error is Python's own ``TimeoutError``; one that the source raises goes out as it is."""
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


def test_what_was_due_before_the_reader_came_waits_for_it() -> None:
    """A debounced event whose silence is over is not replaced by the next: the source waits instead."""

    async def main() -> None:
        async with marbles("a----b----c----|").debounce(2) as chain:
            await anyio.sleep(20)
            assert [event async for event in chain] == ["a", "b", "c"]

    on_both_loops(main)


def test_an_error_takes_nothing_back_that_was_due_before_it() -> None:
    """Only what was not due yet is let go of, however late the reader is."""

    async def main() -> None:
        for make in (lambda s: s.debounce(2), lambda s: s.sample(2)):
            async with make(marbles("a---#", error=Boom())) as chain:
                await anyio.sleep(20)
                assert await chain.receive() == "a"
                with pytest.raises(Boom):
                    await chain.receive()

    on_both_loops(main)


def test_what_was_sampled_before_the_reader_came_waits_for_it() -> None:
    """The same for ``sample``: of each stretch between two ticks the newest is given."""

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


def test_delay_holds_so_many_and_then_the_source_waits() -> None:
    """1,024 events on their way; the rest is asked for when there is room."""

    async def main() -> None:
        bench = Bench(3_000)
        async with bench.source().delay(10) as chain:
            await anyio.sleep(5)
            assert bench.probes[0].given == 1_024
            assert [event async for event in chain] == list(range(3_000))

    on_both_loops(main)


def test_a_late_reader_gets_every_number_of_an_interval() -> None:
    """What is due is given at once, nothing is left out, and the clock is not put back."""

    async def main() -> None:
        async with interval(1) as ticks:
            assert await ticks.receive() == 0
            start = anyio.current_time()
            await anyio.sleep(3.5)
            assert [await ticks.receive() for _ in range(4)] == [1, 2, 3, 4]
            assert anyio.current_time() - start == pytest.approx(4)

    on_both_loops(main)


def test_a_cancelled_wait_for_a_tick_takes_no_tick() -> None:
    """The number that was waited for is the next to be given."""

    async def main() -> None:
        recording = []
        ticks = interval(1)
        for _ in range(3):
            with anyio.move_on_after(0.4):
                recording.append(await ticks.receive())
        assert recording == [0] or await ticks.receive() == 0

    on_both_loops(main)


def test_batches_of_all_that_waits_are_bounded_and_keep_an_error() -> None:
    """At most 1,024 events; what fails meanwhile is raised by the next read, after what came before it."""

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


def test_sample_keeps_its_clock_while_nothing_comes() -> None:
    """Its times are those of the clock it was started by, not of the events."""

    async def main() -> None:
        recording = await record(marbles("-------a-|").sample(2))
        assert recording.times == [8.0]

    on_both_loops(main)


@pytest.mark.parametrize("seconds", [-1, "1", None, True, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["debounce", "throttle", "sample", "delay", "timeout"])
def test_a_duration_that_is_none_is_refused(name: str, seconds: Any) -> None:
    """Seconds are a number, not negative, and not endless."""
    with pytest.raises((TypeError, ValueError), match=f"{name} expected"):
        getattr(stream([1]), name)(seconds)


@pytest.mark.parametrize("make", [lambda: stream([1]).sample(0), lambda: stream([1]).throttle(0), lambda: interval(0)])
def test_no_time_at_all_is_refused_where_it_makes_no_sense(make: Callable[[], object]) -> None:
    """Every zero seconds is never, or always."""
    with pytest.raises(ValueError, match="more than 0"):
        make()
