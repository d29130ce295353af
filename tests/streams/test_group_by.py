"""`group_by`: one stream for each key."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow.streams import Stream, stream
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


def test_more_keys_than_groups_are_an_error_that_says_so() -> None:
    """The error names the key that was one too many."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="max_groups=2 keys, the last was 2"):
            await stream(range(9)).group_by(lambda n: n, max_groups=2).for_each(lambda pair: None)

    on_both_loops(main)
