"""What is due at a time: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from evenflow import Subject
from evenflow.streams import Stream, interval, stream
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
    ("throttle with the last", lambda: marbles("-abc-----d--|").throttle(3, trailing=True), "-a--c----d--|", {}),
    (
        "throttle with the last pauses after the last, too",
        lambda: marbles("-ab---c---d---|").throttle(3, trailing=True),
        "-a--b--c--d---|",
        {},
    ),
    (
        "throttle with the last, of single events",
        lambda: marbles("-a----b|").throttle(3, trailing=True),
        "-a----b|",
        {},
    ),
    (
        "throttle lets the end wait for the last",
        lambda: marbles("-ab|").throttle(3, trailing=True),
        "-a--(b|)",
        {},
    ),
    ("throttle lets the end wait for nothing", lambda: marbles("-a-|").throttle(3, trailing=True), "-a-|", {}),
    ("throttle lets go of what an error meets", lambda: marbles("-ab#").throttle(3, trailing=True), "-a-#", {}),
    (
        "what comes when a pause ends is in it",
        lambda: marbles("-a--(bc)------|").throttle(3, trailing=True),
        "-a--c------|",
        {},
    ),
    (
        "throttle at the very end of a pause",
        lambda: marbles("-ab-c----d|").throttle(3, trailing=True),
        "-a--c----d|",
        {},
    ),
    (
        "batches by time",
        lambda: marbles("-a-b----c|").batches(within=3),
        "----x----(y|)",
        {"x": ("a", "b"), "y": ("c",)},
    ),
    ("batches by both", lambda: marbles("-ab-c----|").batches(2, 3), "--x----y-|", {"x": ("a", "b"), "y": ("c",)}),
    ("batches by time, before an error", lambda: marbles("-a#").batches(within=3), "--(x#)", {"x": ("a",)}),
    (
        "windows end on the clock's multiples, whatever has come",
        lambda: marbles("-a-b----c|").batches(within=3, aligned=True),
        "---x-----(y|)",
        {"x": ("a", "b"), "y": ("c",)},
    ),
    (
        "a window without events yields nothing",
        lambda: marbles("--a-------b----|").batches(within=3, aligned=True),
        "---x--------y--|",
        {"x": ("a",), "y": ("b",)},
    ),
    (
        "what comes when a window ends is in it",
        lambda: marbles("--ab--c---|").batches(within=3, aligned=True),
        "---x--y---|",
        {"x": ("a", "b"), "y": ("c",)},
    ),
    (
        "what comes at the start is in the first window",
        lambda: marbles("a-b----|").batches(within=3, aligned=True),
        "---x---|",
        {"x": ("a", "b")},
    ),
    (
        "a window closes early when its batch is full",
        lambda: marbles("-abc-----|").batches(2, within=4, aligned=True),
        "--x-y----|",
        {"x": ("a", "b"), "y": ("c",)},
    ),
    (
        "windows before an error",
        lambda: marbles("-a--b#").batches(within=3, aligned=True),
        "---x-(y#)",
        {"x": ("a",), "y": ("b",)},
    ),
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


def test_throttle_with_the_last_keeps_what_is_due_for_a_slow_reader() -> None:
    """Neither the first event nor one that waited for the end of a pause is replaced by a later one."""

    async def main() -> None:
        async with marbles("-ab------c|").throttle(3, trailing=True) as chain:
            assert await chain.receive() == "a"
            await anyio.sleep(20)
            assert [event async for event in chain] == ["b", "c"]

    on_both_loops(main)


def test_throttle_is_one_operator_with_and_without_the_last() -> None:
    """Both are refused without a duration, and say the operator's name."""
    with pytest.raises(ValueError, match="throttle expected more than 0 seconds, not 0"):
        stream([1]).throttle(0, trailing=True)
    assert "throttle" in repr(stream([1]).throttle(1, trailing=True))


def test_batches_by_time_alone_are_never_split() -> None:
    """One has as many events as come in its time, up to 65,536; one more is an error after these."""

    async def main() -> None:
        assert [len(batch) for batch in await stream(range(65_536)).batches(within=1).to_list()] == [65_536]
        for aligned in (False, True):
            got: list[tuple[int, ...]] = []
            with pytest.raises(RuntimeError, match=r"has collected 65,536 events.*size="):
                await stream(range(70_000)).batches(within=1, aligned=aligned).for_each(got.append)
            assert got == [tuple(range(65_536))]

    on_both_loops(main)


def test_a_window_that_is_due_waits_for_a_slow_reader() -> None:
    """It is not replaced and gets no event of a later window; the source waits instead."""

    async def main() -> None:
        async with marbles("-a--b--c--|").batches(within=3, aligned=True) as chain:
            await anyio.sleep(20)
            assert [batch async for batch in chain] == [("a",), ("b",), ("c",)]

    on_both_loops(main)


def test_windows_end_at_the_same_moment_for_every_reader() -> None:
    """Two streams that were started at different times close their batches together, at the multiples of the clock."""

    async def main() -> None:
        times: list[float] = []

        async def read(after: float) -> None:
            await anyio.sleep(after)
            async with interval(1).batches(within=5, aligned=True) as chain:
                for _ in range(2):
                    await chain.receive()
                    times.append(anyio.current_time())

        async with anyio.create_task_group() as group:
            group.start_soon(read, 0.25)
            group.start_soon(read, 3.5)
        assert times == [5.0, 5.0, 10.0, 10.0]

    on_both_loops(main)


def test_windows_need_a_length() -> None:
    """Without ``within``, and with a length of no time, they are refused where they are written."""
    source = stream([1])
    with pytest.raises(ValueError, match=r"aligned=True.*needs within="):
        source.batches(aligned=True)
    with pytest.raises(ValueError, match="batches expected more than 0 seconds, not 0"):
        source.batches(within=0, aligned=True)
    source.map(str)


def test_a_subscription_yields_windows_too() -> None:
    """``aligned`` passes through ``Subscription.batches``, which is refused without a length as well."""

    async def main() -> None:
        subject = Subject(int)
        async with subject, subject.subscribe() as feed:
            with pytest.raises(ValueError, match="needs within="):
                feed.batches(aligned=True)
            await anyio.sleep(1)
            async with feed.batches(within=3, aligned=True) as windows:
                await subject.publish_many([1, 2, 3])
                assert await windows.receive() == (1, 2, 3)
                assert anyio.current_time() == 3.0

    on_both_loops(main)


def test_sample_keeps_its_clock_while_nothing_comes() -> None:
    """Its ticks are counted from its start, not from the events."""

    async def main() -> None:
        recording = await record(marbles("-------a-|").sample(2))
        assert recording.times == [8.0]

    on_both_loops(main)
