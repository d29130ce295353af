"""`group_by`: one stream for each key."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow.streams import Stream, interval, stream
from evenflow.testing import marbles

from .drawing import on_both_loops
from .probes import Boom


async def read_all(group: Stream[Any], into: list[Any]) -> None:
    into.extend([event async for event in group])


def test_group_by_gives_each_group_as_a_stream_that_ends_with_the_source() -> None:
    """Each group can be read in a task of its own, through operators of its own."""

    async def main() -> None:
        got: dict[int, list[int]] = {}
        async with stream(range(6)).group_by(lambda n: n % 2) as groups, anyio.create_task_group() as tasks:
            async for key, group in groups:
                tasks.start_soon(read_all, group.map(lambda n: n * 10), got.setdefault(key, []))
        assert got == {0: [0, 20, 40], 1: [10, 30, 50]}

    on_both_loops(main)


def test_a_group_that_nobody_keeps_holds_up_nobody() -> None:
    """Its events are left out, and so are those of a group that was closed."""

    async def main() -> None:
        async with stream(range(9)).group_by(lambda n: n % 3) as groups:
            first, kept = await groups.receive()
            assert (first, await kept.receive()) == (0, 0)
            second, dropped = await groups.receive()
            assert second == 1
            del dropped
            gc.collect()
            third, closed = await groups.receive()
            await closed.aclose()
            assert third == 2
            assert [event async for event in kept] == [3, 6]
            with pytest.raises(anyio.EndOfStream):
                await groups.receive()

    on_both_loops(main)


def test_groups_can_be_counted_and_filtered() -> None:
    """An operator that only counts groups, or looks at their keys, keeps none alive while it waits for the next."""

    async def main() -> None:
        assert await stream(range(9)).group_by(lambda n: n % 3).count() == 3
        only = stream(range(9)).group_by(lambda n: n % 3).filter(lambda pair: pair[0] == 2)
        assert await only.flat_map(lambda pair: pair[1]).to_list() == [2, 5, 8]
        skipped = stream(range(9)).group_by(lambda n: n % 3).skip(2).flat_map(lambda pair: pair[1])
        assert await skipped.to_list() == [2, 5, 8]

    on_both_loops(main)


def test_an_error_reaches_every_group() -> None:
    """All groups, and the stream of groups, raise the error itself."""

    async def main() -> None:
        boom = Boom()
        raised = []

        async def read(group: Stream[Any]) -> None:
            try:
                async for _ in group:
                    pass
            except Boom as error:
                raised.append(error)

        async with anyio.create_task_group() as tasks, marbles("ab#", error=boom).group_by(str) as groups:
            try:
                async for _, group in groups:
                    tasks.start_soon(read, group)
            except Boom as error:
                raised.append(error)
            await checkpoint()
        assert raised == [boom, boom, boom]

    on_both_loops(main)


def test_more_groups_than_may_be_open_are_an_error_that_says_so() -> None:
    """The error names the key whose group was one too many, and reaches the groups, too."""

    async def main() -> None:
        kept: list[Any] = []
        with pytest.raises(RuntimeError, match=r"max_groups=2 groups open, and 2 would be one more.*idle=seconds"):
            await (
                stream([0, 1, 2])
                .group_by(lambda n: n, max_groups=2)
                .flat_map(lambda pair: pair[1])
                .for_each(kept.append)
            )
        assert kept == [0, 1]

    on_both_loops(main)


def test_groups_that_nobody_keeps_or_that_were_closed_are_not_counted() -> None:
    """A thousand keys one after the other need few open groups, if each group is left when it has been looked at."""

    async def main() -> None:
        # The next group may come before the one before it has been closed.
        one_of_each = stream(range(1_000)).group_by(lambda n: n, max_groups=3).flat_map(lambda pair: pair[1].take(1))
        assert await one_of_each.to_list() == list(range(1_000))
        assert await stream(range(1_000)).group_by(lambda n: n, max_groups=1).count() == 1_000
        async with stream(range(9)).group_by(lambda n: n, max_groups=1) as groups:
            for number in range(9):
                key, group = await groups.receive()
                assert (key, await group.receive()) == (number, number)
                await group.aclose()
                await group.aclose()

    on_both_loops(main)


def test_events_of_a_key_whose_group_was_closed_are_left_out() -> None:
    """Without ``idle`` such a key opens no second group, as in Rx."""

    async def main() -> None:
        firsts = stream(range(9)).group_by(lambda n: n % 3, max_groups=3).flat_map(lambda pair: pair[1].take(1))
        assert await firsts.to_list() == [0, 1, 2]

    on_both_loops(main)


async def with_times(chain: Stream[Any]) -> list[Any]:
    return [(event, anyio.current_time()) async for event in chain]


def test_a_group_ends_when_nothing_has_come_for_its_key() -> None:
    """With ``idle=3`` it ends three seconds after its last event, and a later event opens a new group."""

    async def main() -> None:
        ended: list[Any] = []

        def joined(pair: tuple[str, Stream[str]]) -> Stream[Any]:
            return pair[1].finally_do(lambda: ended.append((pair[0], anyio.current_time()))).batches(100)

        async with marbles("-a-a---b-a-|").group_by(str, idle=3).flat_map(joined) as chain:
            assert await with_times(chain) == [(("a", "a"), 6), (("b",), 10), (("a",), 11)]
        assert ended == [("a", 6), ("b", 10), ("a", 11)]

    on_both_loops(main)


def test_an_event_at_the_moment_at_which_its_group_would_end_comes_in_time() -> None:
    """It belongs to the old group, which goes on."""

    async def main() -> None:
        async with marbles("a--a--a-----|").group_by(str, idle=3).flat_map(lambda pair: pair[1].batches(100)) as chain:
            assert await with_times(chain) == [(("a", "a", "a"), 9)]

    on_both_loops(main)


def only_the_first(pair: tuple[int, Stream[int]]) -> Stream[int]:
    return pair[1].take(1)


def test_an_idle_group_is_not_counted_and_its_key_is_forgotten() -> None:
    """A stream of keys that never come back is read for ever with a few groups, also where a group was closed early."""

    async def main() -> None:
        for read in (lambda pair: pair[1], only_the_first):
            keys = interval(1).take(200).group_by(lambda n: n // 2, max_groups=2, idle=1.5)
            got = await keys.flat_map(read).to_list()
            assert got == list(range(0, 200, 2 if read is only_the_first else 1))

    on_both_loops(main)


def test_a_slow_reader_does_not_make_groups_idle() -> None:
    """While an event waits to be read in its group, no time passes for the others: their events may wait behind it."""

    async def main() -> None:
        opened: list[str] = []

        async def slowly(pair: tuple[str, Stream[str]]) -> Any:
            opened.append(pair[0])
            async for event in pair[1]:
                yield event
                await anyio.sleep(4)

        chain = marbles("(abababab)|").group_by(str, idle=3).flat_map(slowly)
        assert "".join(await chain.to_list()) == "abababab"
        assert opened == ["a", "b"]

    on_both_loops(main)


def test_a_group_that_waits_to_be_taken_is_not_idle() -> None:
    """Its time runs from the moment at which it was taken."""

    async def main() -> None:
        async with marbles("a-|").group_by(str, idle=3) as groups:
            await anyio.sleep(50)
            _, group = await groups.receive()
            assert await group.to_list() == ["a"]

    on_both_loops(main)


@pytest.mark.parametrize(
    "idle, error", [(0, ValueError), (-1, ValueError), ("1", TypeError), (float("nan"), ValueError)]
)
def test_a_time_that_makes_no_sense_is_refused(idle: Any, error: type[Exception]) -> None:
    """The error is raised where the chain is written, and the source stays free."""
    source = stream([1])
    with pytest.raises(error, match="group_by expected"):
        source.group_by(str, idle=idle)
    source.group_by(str)
