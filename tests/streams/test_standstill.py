"""What is known of whoever waits for groups: whether it stands still, may stand still, is busy, or moves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow.streams import Stream, stream
from evenflow.streams._channel import Notifier
from evenflow.streams._standstill import INNER_STREAM, InnerStream, Motion, motion_of
from evenflow.testing import marbles

from .drawing import on_both_loops


def yes() -> bool:
    return True


def no() -> bool:
    return False


def test_a_stream_that_waits_for_no_group_moves() -> None:
    """So does one that waits for a group whose events can come."""

    async def main() -> None:
        stream = InnerStream(Notifier())
        assert stream.motion() is Motion.MOVES
        wait = stream.begin_to_wait(no)
        assert stream.motion() is Motion.MOVES
        del stream.waits[wait]
        stream.begin_to_wait(yes)
        assert stream.motion() is Motion.STANDS

    on_both_loops(main)


def test_a_time_limit_or_a_task_may_end_the_wait() -> None:
    """With a task it is not sure, and with a limit it will; a limit around the whole stream does not count."""

    async def main() -> None:
        with anyio.fail_after(100):
            stream = InnerStream(Notifier())
            wait = stream.begin_to_wait(yes)
            assert stream.motion() is Motion.STANDS
            stream.tasks = 1
            assert stream.motion() is Motion.MAY_STAND
            stream.tasks = 0
            stream.end_wait(wait)
            with anyio.move_on_after(50):
                stream.begin_to_wait(yes)
                await checkpoint()
            assert stream.motion() is Motion.MOVES

    on_both_loops(main)


def test_whoever_looks_is_told_when_a_wait_is_in_vain() -> None:
    """Only then, as looking costs something."""

    async def main() -> None:
        changed = Notifier()
        stream = InnerStream(changed)
        async with anyio.create_task_group() as group:
            group.start_soon(changed.wait)
            await anyio.sleep(1)
            stream.begin_to_wait(no)
            assert changed.is_awaited
            stream.begin_to_wait(yes)
            assert not changed.is_awaited

    on_both_loops(main)


def test_a_task_knows_the_stream_that_it_works_for() -> None:
    """The tasks that it starts know it, too; others do not."""

    async def main() -> None:
        seen: list[InnerStream | None] = []

        async def look() -> None:
            seen.append(INNER_STREAM.get())

        async def work() -> None:
            stream = InnerStream(Notifier())
            INNER_STREAM.reset(stream.enter())
            assert INNER_STREAM.get() is None
            stream.enter()
            seen.append(stream)
            async with anyio.create_task_group() as group:  # noqa: ASYNC112 -- a task of its own is the point
                group.start_soon(look)

        async with anyio.create_task_group() as group:  # noqa: ASYNC112 -- a task of its own is the point
            group.start_soon(work)
        assert seen[0] is seen[1]
        assert INNER_STREAM.get() is None

    on_both_loops(main)


@pytest.mark.parametrize(
    "known, expected",
    [
        ([Motion.STANDS, Motion.STANDS], Motion.STANDS),
        ([Motion.STANDS, Motion.MAY_STAND], Motion.MAY_STAND),
        ([Motion.STANDS, Motion.MOVES], Motion.MOVES),
        ([Motion.MAY_STAND, Motion.MOVES], Motion.MOVES),
    ],
)
def test_one_stream_that_moves_is_enough(known: list[Motion], expected: Motion) -> None:
    """All of them stand still only if each does."""

    async def main() -> None:
        streams: list[InnerStream] = []
        for motion in known:
            stream = InnerStream(Notifier())
            stream.begin_to_wait(no if motion is Motion.MOVES else yes)
            stream.tasks = int(motion is Motion.MAY_STAND)
            streams.append(stream)
        assert motion_of(streams) is expected

    on_both_loops(main)


# whoever takes groups and reads them

Pair = tuple[int, Stream[int]]
Read = Callable[[Pair], Coroutine[Any, Any, Any]]


def three_groups() -> Stream[Pair]:
    return stream(range(12)).group_by(lambda n: n % 3)


async def by_hand(read: Read) -> None:
    async with three_groups() as groups:
        async for pair in groups:
            await read(pair)


TAKERS: dict[str, Callable[[Read], Coroutine[Any, Any, Any]]] = {
    "map": lambda read: three_groups().map(read).to_list(),
    "filter": lambda read: three_groups().filter(read).to_list(),
    "for_each": lambda read: three_groups().for_each(read),
    "a loop": by_hand,
    "concat_map": lambda read: three_groups().concat_map(read).to_list(),
    "map, two at once": lambda read: three_groups().map(read, concurrency=2).to_list(),
    "flat_map, two at once": lambda read: three_groups().flat_map(read, concurrency=2).to_list(),
    "for_each, two at once": lambda read: three_groups().for_each(read, concurrency=2),
    "map, then for_each": lambda read: three_groups().map(read).for_each(str, concurrency=3),
}


async def to_the_end(pair: Pair) -> list[int]:
    return await pair[1].to_list()


async def in_a_loop(pair: Pair) -> list[int]:
    return [number async for number in pair[1]]


async def at_its_own_pace(pair: Pair) -> list[int]:
    return await pair[1].debounce(0.5).to_list()


async def with_another(pair: Pair) -> list[Any]:
    return await pair[1].merge(marbles("--x|")).map(str).to_list()


async def several_at_once(pair: Pair) -> list[Any]:
    return await pair[1].map(str, concurrency=3).to_list()


@pytest.mark.parametrize(
    "read, at_once",
    [(to_the_end, True), (in_a_loop, True), (at_its_own_pace, False), (with_another, False), (several_at_once, False)],
)
@pytest.mark.parametrize("kind", TAKERS)
def test_groups_that_are_read_before_the_next_is_taken_are_an_error_and_no_hang(
    kind: str, read: Read, at_once: bool
) -> None:
    """Whoever must take a further group, and reads one to its end first, is told how to read them side by side."""

    async def main() -> None:
        began = anyio.current_time()
        with anyio.fail_after(100), pytest.raises(RuntimeError, match=r"flat_map.*number of groups|concurrency"):
            await TAKERS[kind](read)
        assert anyio.current_time() - began <= (0 if at_once else 6)

    on_both_loops(main)


async def for_a_while(pair: Pair) -> list[int]:
    found: list[int] = []
    with anyio.move_on_after(30):
        found.extend([number async for number in pair[1]])
    return found


async def the_first(pair: Pair) -> list[int]:
    return [await pair[1].first()]


async def the_first_slowly(pair: Pair) -> list[Any]:
    """Spend more time on an event than it takes to call something a standstill."""
    async with pair[1].merge(marbles("-|")) as group:
        async for number in group:
            await anyio.sleep(20)
            return [number]
    return []


@pytest.mark.parametrize("read", [for_a_while, the_first, the_first_slowly])
@pytest.mark.parametrize("kind", TAKERS)
def test_groups_that_are_left_before_their_end_are_no_error(kind: str, read: Read) -> None:
    """A group may be read for a while, or up to an event, and then the next one is taken."""

    async def main() -> None:
        seen: list[int] = []

        async def note(pair: Pair) -> list[int]:
            got = await read(pair)
            seen.extend(got)
            await pair[1].aclose()
            return got

        with anyio.fail_after(1_000):
            await TAKERS[kind](note)
        assert {number % 3 for number in seen} >= {2} if read is for_a_while else set(seen) == {0, 1, 2}

    on_both_loops(main)


def test_groups_that_other_tasks_read_are_no_error() -> None:
    """A loop that is slow to take the next group holds up the readers of the others, and no more than that."""

    async def main() -> None:
        got: list[list[int]] = []

        async def read(pair: Pair) -> None:
            numbers = await with_another(pair)
            got.append([int(number) for number in numbers if number != "x"])

        async with three_groups() as groups, anyio.create_task_group() as tasks:
            async for pair in groups:
                tasks.start_soon(read, pair)
                await anyio.sleep(100)
        assert sorted(got) == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]

    on_both_loops(main)


@pytest.mark.parametrize("read", [to_the_end, with_another])
def test_enough_functions_at_once_read_all_groups(read: Read) -> None:
    """With as many functions at once as there are groups nothing waits for anything."""

    async def main() -> None:
        got = await three_groups().map(read, concurrency=3).to_list()
        assert [[str(number) for number in group if number != "x"] for group in got] == [
            ["0", "3", "6", "9"],
            ["1", "4", "7", "10"],
            ["2", "5", "8", "11"],
        ]
        seen: list[list[int]] = []

        async def note(pair: Pair) -> None:
            seen.append(await read(pair))

        await three_groups().for_each(note, concurrency=3)
        assert len(seen) == 3

    on_both_loops(main)
