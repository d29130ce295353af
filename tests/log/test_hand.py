"""Hand: what a reader has fetched, and who waits for it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from anyio import WouldBlock
from anyio.lowlevel import checkpoint
from sniffio import current_async_library

from evenflow._loop import running_loop
from evenflow.log._delivery import Delivery, State
from evenflow.log._group_records import Item, PageRecord
from evenflow.log._hand import Hand
from evenflow.log._held_page import HeldPage
from evenflow.log._offsets import Offset
from evenflow.log._stored import Row
from evenflow.testing import run_virtual
from tests.testing.kit import both


class World:
    """A hand, and deliveries of one page in it."""

    def __init__(self, capacity: int = 4) -> None:
        self.hand = Hand(
            running_loop(), capacity, self.begin, lambda: 0 if self.sure else 1, lambda: self.asked.append(1)
        )
        self.sure = True
        self.asked: list[int] = []
        self.begun: list[int] = []
        self.page = HeldPage("p", PageRecord("m/1", 1.0, tuple(Item(n) for n in range(100)), ("",) * 100), 1)

    def begin(self, deliveries: Sequence[Delivery[Any]]) -> None:
        for delivery in deliveries:
            delivery._state = State.HANDED
            self.begun.append(delivery.event)

    def made(self, *events: int) -> list[Delivery[Any]]:
        made = []
        for event in events:
            row = Row(event, "", 1, b"", {}, "", 0)
            hands: Any = None
            made.append(Delivery(event, row, lambda seq: Offset("s", "l", seq), "g", 1, self.page, event, hands))
        return made

    def add(self, *events: int) -> list[Delivery[Any]]:
        made = self.made(*events)
        self.hand.add(made, made)
        return made

    def add_lane(self, *events: int) -> list[Delivery[Any]]:
        made = self.made(*events)
        for one, after in itertools.pairwise(made):
            one._following = after
        self.hand.add(made, made[:1])
        return made


@both
async def test_those_who_wait_longest_get_what_comes() -> None:
    """Several tasks take, each an event, and what was begun is known before they run."""
    world = World()
    got: list[tuple[str, int]] = []

    async def take(name: str) -> None:
        got.append((name, (await world.hand.take()).event))

    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(take, name)
            await anyio.sleep(1)
        world.add(1, 2)
        await anyio.sleep(1)
        assert (sorted(name for name, _ in got), sorted(event for _, event in got)) == (["a", "b"], [1, 2])
        world.add(3)
    assert world.begun == [1, 2, 3]


@both
async def test_nobody_is_woken_for_what_another_has_taken_already() -> None:
    """Whoever is woken first takes all that is ready, without waiting: the other sleeps on.

    On trio, which runs what is ready in any order, it may be woken nevertheless.
    """
    world = World()
    sleeps: list[int] = []
    world.hand.when_waited_for = lambda: sleeps.append(1)

    async def take_all() -> None:
        for _ in range(3):
            await world.hand.take()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take_all)
        await anyio.sleep(1)
        tasks.start_soon(take_all)
        await anyio.sleep(1)
        world.add(1, 2, 3)
        await anyio.sleep(1)
        assert world.begun == [1, 2, 3]
        assert len(sleeps) == 2 or current_async_library() == "trio"
        world.add(4, 5, 6)


@both
async def test_nothing_is_handed_over_without_a_place() -> None:
    """Each event takes one; whoever waits is woken when one is given back, and only then is more wanted."""
    world = World()
    world.hand.places = 1
    got: list[int] = []

    async def take() -> None:
        got.append((await world.hand.take()).event)

    world.add(1, 2)
    assert world.hand.take_nowait().event == 1
    with pytest.raises(anyio.WouldBlock):
        world.hand.take_nowait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.sleep(1)
        assert not (got or world.hand.is_waited_for)
        world.hand.give_places(1)
        await anyio.sleep(1)
        assert got == [2]


@both
async def test_a_cancelled_reader_loses_nothing_and_hides_nothing_from_the_others() -> None:
    """An event that arrives as its reader is cancelled goes to the next that waits."""
    world = World()
    got: list[int] = []
    scope = anyio.CancelScope()

    async def cancelled() -> None:
        with scope:
            await world.hand.take()
            got.append(-1)

    async def take() -> None:
        got.append((await world.hand.take()).event)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancelled)
        await anyio.sleep(1)
        tasks.start_soon(take)
        await anyio.sleep(1)
        world.add(1)
        scope.cancel()
        await anyio.sleep(1)
        # the cancelled one was quicker, or it left the event to the other
        assert got in ([1], [-1])
        if got == [-1]:
            world.add(2)
    assert got in ([1], [-1, 2])


@both
async def test_room_is_wanted_once_half_was_handed_over() -> None:
    """Fetching waits until half of the buffer is free, and then fills it."""
    world = World(4)
    assert world.hand.room == 4
    world.add(1, 2, 3, 4)
    assert world.hand.room == 0
    woken = anyio.Event()

    async def fetch() -> None:
        await world.hand.wait_for_room()
        woken.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetch)
        world.hand.take_nowait()
        await anyio.sleep(1)
        assert not woken.is_set()
        world.hand.take_nowait()
        await woken.wait()
    assert world.hand.room == 2


@both
async def test_the_next_of_a_lane_is_ready_once_the_one_before_is_settled() -> None:
    """One that was lost with what was before it is never handed over, and takes no room."""
    world = World()
    first, second, third = world.add_lane(1, 2, 3)
    assert world.hand.take_nowait() is first
    with pytest.raises(anyio.WouldBlock):
        world.hand.take_nowait()
    first._state = State.SETTLED
    world.hand.settled(first)
    assert world.hand.take_nowait() is second
    world.page.gone.add(third._index)
    second._state = State.SETTLED
    world.hand.settled(second)
    with pytest.raises(anyio.WouldBlock):
        world.hand.take_nowait()
    assert not world.hand.fetched


@both
async def test_a_batch_takes_the_following_of_a_lane_too() -> None:
    """A batch has up to its size, lane after lane; what is left of a lane waits for the batch."""
    world = World()
    lane = world.add_lane(1, 2, 3)
    world.add(4)
    await world.hand.wait_for(4)
    assert [each.event for each in world.hand.take_batch(2)] == [1, 2]
    assert [each.event for each in world.hand.take_batch(9)] == [4]
    with pytest.raises(anyio.WouldBlock):
        world.hand.take_batch(9)
    lane[1]._state = State.SETTLED
    world.hand.settled(lane[1])
    assert [each.event for each in world.hand.take_batch(9)] == [3]


@both
async def test_nothing_is_handed_over_until_it_is_sure_whose_it_is() -> None:
    """Whoever waits goes on once it is."""
    world = World()
    world.sure = False
    world.add(1)
    got: list[int] = []

    async def take() -> None:
        got.append((await world.hand.take()).event)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.sleep(1)
        assert (got, world.begun) == ([], [])
        assert world.asked, "nobody looks whose it is"
        world.sure = True
        world.hand.is_sure_again()
    assert got == [1]


@both
async def test_the_end_returns_what_was_fetched_and_reaches_whoever_waits() -> None:
    """Readers get the error, or the end; what is another's by now is not given back."""
    world = World()
    one, two = world.add(1, 2)
    world.page.gone.add(two._index)
    assert world.hand.end(ZeroDivisionError("no")) == [one]
    assert world.hand.end() == []
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await world.hand.take()
    await world.hand.wait_for(3)

    waiting = World()

    async def take() -> None:
        with pytest.raises(anyio.EndOfStream):
            await waiting.hand.take()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        tasks.start_soon(waiting.hand.wait_for, 1)
        await anyio.sleep(1)
        waiting.hand.end()
        await checkpoint()


def test_a_task_that_is_cancelled_as_its_event_arrives_leaves_it_to_the_next() -> None:
    """asyncio's own cancellation, in the very turn in which the event came."""

    async def main() -> None:
        world = World()
        cancelled, other = (asyncio.create_task(world.hand.take()) for _ in range(2))
        await asyncio.sleep(1)
        world.add(1)
        cancelled.cancel()
        assert (await other).event == 1
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    run_virtual(main)


@both
async def test_of_those_whose_process_died_one_is_out_at_a_time() -> None:
    """Beside new ones, in order; the next goes once it is settled, and one that is another's by now holds up nobody."""
    world = World(capacity=20)
    hand = world.hand
    made = world.made(1, 2, 3, 4, 5)
    hand.add(made, made, made[:4])
    assert [hand.take_nowait().event for _ in range(2)] == [1, 5]
    with pytest.raises(WouldBlock):
        hand.take_nowait()
    hand.settled(made[0])
    second = hand.take_nowait()
    assert second is made[1] is hand.alone
    world.page.gone.update({2, 3})
    hand.forget_lost()
    assert hand.take_nowait() is made[3] is hand.alone
    hand.settled(made[3])
    assert hand.alone is None
    with pytest.raises(WouldBlock):
        hand.take_nowait()


@both
async def test_a_batch_has_one_of_those_whose_process_died() -> None:
    """The killer is begun with new ones, which then go out apart from it."""
    world = World(capacity=20)
    hand = world.hand
    made = world.made(1, 2, 3, 4)
    hand.add(made, made, made[:3])
    assert [delivery.event for delivery in hand.take_batch(10)] == [1, 4]
    hand.settled(made[0])
    assert [delivery.event for delivery in hand.take_batch(10)] == [2]
    assert [delivery.event for delivery in hand.end()] == [3]
