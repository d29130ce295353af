"""From the tasks of an operator to its reader: what is put is taken once, in order, and its task waits for that."""

from __future__ import annotations

import anyio
import pytest

from evenflow.streams._channel import Channel, Notifier

from .drawing import on_both_loops
from .probes import Boom


def test_whoever_puts_an_event_waits_until_it_was_taken() -> None:
    """So a channel holds one event for each task that puts."""

    async def main() -> None:
        channel: Channel[int] = Channel()
        done: list[int] = []

        async def put(number: int) -> None:
            await channel.put(number)
            done.append(number)

        async with anyio.create_task_group() as group:
            group.start_soon(put, 1)
            await anyio.sleep(1)
            group.start_soon(put, 2)
            await anyio.sleep(1)
            assert (len(channel), done) == (2, [])
            assert await channel.take() == 1
            await anyio.sleep(1)
            assert (len(channel), done) == (1, [1])
            assert await channel.take() == 2

    on_both_loops(main)


def test_a_cancelled_put_leaves_its_event_and_a_cancelled_take_takes_none() -> None:
    """Neither loses an event."""

    async def main() -> None:
        channel: Channel[int] = Channel()
        with anyio.move_on_after(1):
            await channel.take()
        with anyio.move_on_after(1):
            await channel.put(1)
        assert await channel.take() == 1

    on_both_loops(main)


def test_the_end_comes_after_what_was_put_before_it() -> None:
    """Only the first end counts, and what is put later is dropped."""

    async def main() -> None:
        channel: Channel[int] = Channel()
        channel.put_nowait(1)
        channel.end(Boom())
        channel.end()
        await channel.put(2)
        assert channel.ended
        assert await channel.take() == 1
        for _ in range(2):
            with pytest.raises(Boom):
                await channel.take()

    on_both_loops(main)


def test_an_end_wakes_a_reader_that_waits() -> None:
    """It gets the end."""

    async def main() -> None:
        channel: Channel[int] = Channel()

        async def read() -> None:
            with pytest.raises(StopAsyncIteration):
                await channel.take()

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.sleep(1)
            channel.end()

    on_both_loops(main)


def test_what_is_dropped_holds_nobody_up() -> None:
    """Its task goes on as if it had been taken."""

    async def main() -> None:
        channel: Channel[int] = Channel()
        taken = channel.put_nowait(1)
        channel.clear()
        assert taken.is_set()
        assert not channel

    on_both_loops(main)


def test_a_notifier_wakes_everyone_who_waits_and_nobody_who_comes_later() -> None:
    """Each look at what it waits for is followed by one wait."""

    async def main() -> None:
        notifier = Notifier()
        woken: list[int] = []

        async def wait(number: int) -> None:
            await notifier.wait()
            woken.append(number)

        async with anyio.create_task_group() as group:
            notifier.notify()
            group.start_soon(wait, 1)
            group.start_soon(wait, 2)
            await anyio.sleep(1)
            assert woken == []
            notifier.notify()
            await anyio.sleep(1)
            assert sorted(woken) == [1, 2]

    on_both_loops(main)
