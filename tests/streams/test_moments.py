"""What comes first if several sources have something at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from evenflow.streams import interval, stream, timer
from evenflow.streams._moments import Turn, timetable_here
from evenflow.testing import drawn, marbles, record
from tests.testing.kit import both

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenflow.streams import Stream

CASES: dict[str, tuple[Callable[[], Stream[Any]], str]] = {
    "merge: all of the first, then all of the second": (
        lambda: marbles("-(ab)-|").merge(marbles("-(xy)-|")),
        "-(abxy)-|",
    ),
    "merge: an event of the first, then the error of the second": (
        lambda: marbles("-ab-c-#").merge(marbles("----#")),
        "-ab-(c#)",
    ),
    "merge: the error of the first, and nothing of the second": (
        lambda: marbles("--#").merge(marbles("--x")),
        "--#",
    ),
    "combine_latest: the first changes before the second": (
        lambda: marbles("-ab|").combine_latest(marbles("-xy|")).map("".join).map({"ax": "1", "bx": "2", "by": "3"}.get),
        "-1(23)|",
    ),
    "zip_latest: what the first has replaced is not paired": (
        lambda: marbles("-(ab)|").zip_latest(marbles("-x|")).map("".join).map({"ax": "1", "bx": "2"}.get),
        "-2|",
    ),
    "with_latest_from: the others change after the source": (
        lambda: (
            marbles("-ab|").with_latest_from(marbles("-xy|")).map("".join).map({"ax": "1", "bx": "2", "by": "3"}.get)
        ),
        "--2|",
    ),
    "skip_until: the event comes before it is wanted": (lambda: marbles("-ab|").skip_until(marbles("-x|")), "--b|"),
    "take_until: the event comes before the end": (lambda: marbles("-ab|").take_until(marbles("--x")), "-a(b|)"),
    "race: the first wins": (lambda: marbles("-ab|").race(marbles("-xy|")), "-ab|"),
    "switch_map: nothing of the old stream after the new event": (
        lambda: marbles("---a---b---|").switch_map(lambda _: marbles("--1-2-3-4|")),
        "-----1---1-2-3-4|",
    ),
    "switch_map: not even its error": (
        lambda: marbles("-a-b-|").switch_map(lambda name: marbles("-1#" if name == "a" else "-2|")),
        "--1-2|",
    ),
    "flat_map: the error of the source, and nothing of its streams": (
        lambda: marbles("-a#").flat_map(lambda _: marbles("-u|")),
        "--#",
    ),
    "exhaust_map: the event comes before the end of the stream that runs": (
        lambda: marbles("-a-b-c|").exhaust_map(lambda name: marbles("--|").start_with(name)),
        "-a---c-|",
    ),
    "delay: the error of the source before what was delayed": (lambda: marbles("-ab#").delay(2), "---#"),
    "timeout: an event of the last moment is in time": (lambda: marbles("-a--b|").timeout(3), "-a--b|"),
    "sample: the clock comes last": (lambda: marbles("--(a|)").sample(1), "--(a|)"),
    "clocks are sources too": (
        lambda: interval(1).map(lambda n: "abc"[n]).take(3).merge(timer(2).map(lambda _: "x")),
        "-a(bx)(c|)",
    ),
}


@pytest.mark.parametrize("case", CASES)
@both
async def test_at_one_moment_events_come_in_the_order_of_their_sources(case: str) -> None:
    """What the first source has at a moment has had its whole effect before the second is heard."""
    make, expected = CASES[case]
    assert await drawn(make()) == expected


@both
async def test_timers_come_after_the_sources() -> None:
    """A deadline of the program's own at the time of an event comes after the event."""
    seen: list[str] = []

    async def sleep() -> None:
        await anyio.sleep(2)
        seen.append("timer")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleep)
        await anyio.wait_all_tasks_blocked()
        await marbles("--a|").merge(marbles("--b|")).tap(seen.append).to_list()
    assert seen == ["a", "b", "timer"]


@both
async def test_times_that_differ_by_rounding_are_one_moment() -> None:
    """Three ticks of a tenth of a second and one of three tenths are at the same time."""
    chain = marbles("-b", tick=0.3).combine_latest(marbles("---a", tick=0.1)).merge(marbles("--x-|", tick=0.15))
    recording = await record(chain, until=1)
    assert recording.events == ((0.3, ("b", "a")), (0.3, "x"))


@both
async def test_a_source_that_was_cancelled_does_not_hold_up_the_clock() -> None:
    """If a read is cancelled, the others go on at their times, and the same source can be read again."""
    chain = marbles("-----a|")
    with anyio.move_on_after(2):
        await chain.receive()
    assert anyio.current_time() == 2
    assert await marbles("-x|").to_list() == ["x"]
    assert anyio.current_time() == 4
    assert await chain.receive() == "a"
    assert anyio.current_time() == 5


@both
async def test_an_event_that_is_late_is_there_at_once() -> None:
    """A slow reader gets what was due before without waiting for anyone."""
    chain = marbles("-ab|")
    await anyio.sleep(7)
    late = await chain.to_list()
    assert (late, anyio.current_time()) == (["a", "b"], 10)


@both
async def test_nothing_of_an_old_stream_follows_an_event_written_in_the_same_step() -> None:
    """With sources that do not keep time, too, an event that the source has had is the end of the stream before."""
    outer, source = anyio.create_memory_object_stream[int](10)
    inner, old = anyio.create_memory_object_stream[str](10)
    streams: list[Any] = [["new"], old]
    got: list[str] = []

    async def read() -> None:
        async with stream(source).switch_map(lambda _: stream(streams.pop())) as chain:
            got.extend([event async for event in chain])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        outer.send_nowait(1)
        await anyio.wait_all_tasks_blocked()
        outer.send_nowait(2)
        inner.send_nowait("old")
        outer.close()
        inner.close()
    assert got == ["new"]


@both
async def test_operators_of_several_streams_may_be_due_at_one_moment() -> None:
    """Each lets all sources go first, and then goes on itself, in the order in which they came to that."""
    got: list[str] = []

    async def read(letter: str) -> None:
        got.extend(await marbles(f"-{letter}------|").debounce(3).to_list())

    async with anyio.create_task_group() as tasks:
        for letter in "abc":
            tasks.start_soon(read, letter)
    assert sorted(got) == ["a", "b", "c"]


def test_in_real_time_a_source_sets_a_timer() -> None:
    """A loop whose clock does not jump knows no turns: each source comes at its time, as the loop has it."""

    async def main() -> None:
        turn = Turn()
        await turn.sleep_until(anyio.current_time())
        assert timetable_here() is None

    anyio.run(main)
