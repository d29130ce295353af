"""Guarantee 10: fair. `publish` and `receive` let the loop turn after a bounded number of deliveries, else they do not."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from evenflow import _buffer
from evenflow._credit import FIRST_ADVANCE
from evenflow._turns import DELIVERIES_A_TURN, turns_here

from .kit import Order, Shipped, Subject, both, fill, group, numbers, settle, take_all, turn

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND = 10_000
"""No figure is promised. Ten thousand deliveries are some five milliseconds: more than that is not "bounded"."""


class Turns:
    """Counts how often the loop turns."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> None:
        while True:
            await turn()
            self.count += 1


@pytest.mark.parametrize("subscribers", [1, 100])
@both
async def test_a_tight_loop_of_publish_lets_the_loop_turn(subscribers: int) -> None:
    """A publisher that never waits lets others run after a bounded number of deliveries."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order, buffer=1, overflow="drop_newest") for _ in range(subscribers)]
    event = Order(n=0)
    turns = Turns()
    async with group() as tasks:
        tasks.start_soon(turns)
        await turn(2)
        before = turns.count
        for _ in range(5 * BOUND // subscribers):
            await subject.publish(event)
        assert turns.count - before >= 3
    assert len(subscriptions) == subscribers


@both
async def test_publish_many_lets_the_loop_turn() -> None:
    """publish_many of any length does not hold the loop."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="drop_newest")
    turns = Turns()
    event = Order(n=0)
    async with group() as tasks:
        tasks.start_soon(turns)
        await turn(2)
        before = turns.count
        await subject.publish_many(event for _ in range(5 * BOUND))
        assert turns.count - before >= 3
    assert subscription.statistics().wanted == 5 * BOUND


@pytest.mark.parametrize("way", ["receive", "for"])
@both
async def test_reading_a_long_buffer_lets_the_loop_turn(way: str) -> None:
    """A reader that never has to wait lets others run after a bounded number of events."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=5 * BOUND)
    event = Order(n=0)
    for _ in range(5 * BOUND):
        subject.publish_nowait(event)
    turns = Turns()
    async with group() as tasks:
        tasks.start_soon(turns)
        await turn(2)
        before = turns.count
        if way == "receive":
            for _ in range(5 * BOUND):
                await subscription.receive()
        else:
            count = 0
            async for _ in subscription:
                count += 1
                if count == 5 * BOUND:
                    break
        assert turns.count - before >= 3


@both
async def test_deliveries_are_counted_over_all_subjects() -> None:
    """A loop that goes round a thousand subjects lets the loop turn as well."""
    subjects = [Subject(Order) for _ in range(1_000)]
    subscriptions = [subject.subscribe(Order, buffer=1, overflow="drop_newest") for subject in subjects]
    turns = Turns()
    event = Order(n=0)
    async with group() as tasks:
        tasks.start_soon(turns)
        await turn(2)
        before = turns.count
        for _ in range(5 * BOUND // 1_000):
            for subject in subjects:
                await subject.publish(event)
        assert turns.count - before >= 3
    assert len(subscriptions) == 1_000


@both
async def test_deliveries_are_counted_over_all_subjects_that_have_room() -> None:
    """A thousand buffers of 64 take sixty thousand events: nobody has to look at one, and the loop turns all the same."""
    subjects = [Subject(Order) for _ in range(1_000)]
    subscriptions = [subject.subscribe(Order) for subject in subjects]
    event = Order(n=0)
    for subject, subscription in zip(subjects, subscriptions, strict=True):
        for _ in range(3):
            await subject.publish(event)
            subscription.receive_nowait()
    turns = Turns()
    async with group() as tasks:
        tasks.start_soon(turns)
        await turn(2)
        before = turns.count
        for _ in range(5 * BOUND // 1_000):
            for subject in subjects:
                await subject.publish(event)
        assert turns.count - before >= 3
        tasks.cancel_scope.cancel()


async def _publish_on(until: Callable[[int, int], bool]) -> int:
    """Publish to a subject of this loop alone, until so many events and so many turns are enough; returns the turns."""
    subject = Subject(Order)
    turns = Turns()
    event = Order(n=0)
    async with group() as tasks, subject.subscribe(Order, buffer=1, overflow="drop_newest"):
        tasks.start_soon(turns)
        await turn(2)
        before, events = turns.count, 0
        while not until(events, turns.count - before):
            await subject.publish(event)
            events += 1
        tasks.cancel_scope.cancel()
        return turns.count - before


def _in_another_thread(until: Callable[[int, int], bool]) -> int:
    turned: list[int] = []
    thread = Thread(target=lambda: turned.append(asyncio.run(_publish_on(until))))
    thread.start()
    thread.join()
    return turned[0]


@both
async def test_what_is_delivered_in_other_threads_turns_only_their_loops() -> None:
    """Half of what makes a loop turn, in each of four threads: none has to; here it takes as much as ever."""
    for _ in range(4):
        assert _in_another_thread(lambda events, _: events == DELIVERIES_A_TURN // 2) == 0
    assert await _publish_on(lambda events, turned: events == 2 * BOUND or turned > 0) >= 1


@both
async def test_a_loop_that_turns_in_another_thread_does_not_begin_the_count_anew_here() -> None:
    """Every now and then another one turns for what it delivers: this one turns for its own all the same."""

    def until(events: int, turned: int) -> bool:
        if events % (BOUND // 4) == 0:
            _in_another_thread(lambda _, turned: turned == 1)
        return events == 2 * BOUND or turned > 0

    assert await _publish_on(until) >= 1


def test_a_run_of_events_is_counted_in_the_thread_that_publishes_it() -> None:
    """A subject that was used here first, and belongs to no loop yet: there its run counts there, and not here."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=10)
    subject.publish_nowait(Order(n=0))
    turns_here().begin()
    there: list[int] = []

    async def publish() -> None:
        await subject.publish_many([Order(n=n) for n in range(5)])
        there.append(turns_here().given)

    thread = Thread(target=lambda: asyncio.run(publish()))
    thread.start()
    thread.join()
    assert (there, turns_here().given) == ([5], 0)
    subscription.close()


@both
async def test_no_publisher_is_kept_back_by_what_others_count_for_themselves() -> None:
    """So many subjects that each turn is used up in advance: whoever has let the loop turn publishes all the same."""
    subjects = [Subject(Order) for _ in range(DELIVERIES_A_TURN // FIRST_ADVANCE + 1)]
    published = [0] * len(subjects)

    async def publish(place: int) -> None:
        while True:
            await subjects[place].publish(Order(n=0))
            published[place] += 1
            await turn()

    async with group() as tasks:
        for place, subject in enumerate(subjects):
            subject.subscribe(Order, buffer=10_000)
            tasks.start_soon(publish, place)
        await turn(300)
        assert min(published) > 50
        tasks.cancel_scope.cancel()


@both
async def test_a_publisher_and_its_reader_let_a_third_task_run() -> None:
    """Two tasks that feed each other do not lock out a third."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    turns = Turns()

    async def read() -> None:
        async for _ in subscription:
            pass

    async with group() as tasks:
        tasks.start_soon(turns)
        tasks.start_soon(read)
        await settle_some()
        before = turns.count
        for n in range(1_000):
            await subject.publish(Order(n=n))
        assert turns.count > before


async def settle_some() -> None:
    """Let everybody start, where one never rests."""
    await turn(5)


@both
async def test_the_first_event_makes_no_stream_for_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand streams take milliseconds: each reader makes its own before it waits, not the publish that wakes it."""
    made: list[float] = []

    def count(size: float) -> Any:
        made.append(size)
        return anyio.create_memory_object_stream[Any](size)

    monkeypatch.setattr(_buffer, "create_memory_object_stream", {Any: count})
    subject = Subject(Order)
    readers = [subject.subscribe(Order, buffer=size) for size in (1, 2)]
    unread = subject.subscribe(Order, buffer=3)
    async with group() as tasks:
        for reader in readers:
            tasks.start_soon(reader.receive)
        await settle()
        assert sorted(made) == [1, 2]
        await subject.publish(Order(n=0))
        assert sorted(made) == [1, 2, 3]
    assert numbers(take_all(unread)) == [0]


@both
async def test_otherwise_they_are_no_checkpoint() -> None:
    """A few hundred publishes with room and reads with something to read let the loop turn hardly ever."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=100)
    turns = Turns()
    async with group() as tasks:
        tasks.start_soon(turns)
        await turn(2)
        before = turns.count
        for n in range(100):
            await subject.publish(Order(n=n))
        for _ in range(100):
            await subscription.receive()
        assert turns.count - before <= 10


@both
async def test_publishes_that_nobody_wants_cost_no_turn() -> None:
    """No delivery, nothing counted: a publish that nobody wants is no checkpoint."""
    subject = Subject(Order, Shipped)
    subscription = subject.subscribe(Shipped)
    turns = Turns()
    async with group() as tasks:
        tasks.start_soon(turns)
        await turn(2)
        before = turns.count
        for n in range(100):
            await subject.publish(Order(n=n))
        assert turns.count - before <= 5
    assert take_all(subscription) == []


@both
async def test_a_tight_publish_loop_does_not_starve_a_dropping_reader() -> None:
    """Before a drop, publish lets a reader that was woken and has not run yet run once: it loses nothing here."""
    subject = Subject(Order)
    received: list[int] = []

    async def read() -> None:
        async with subject.subscribe(Order, buffer=1, overflow="drop_oldest") as subscription:
            async for event in subscription:
                received.append(event.n)

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        for n in range(1_000):
            await subject.publish(Order(n=n))
        await settle()
    assert len(received) >= 500, "the reader was starved"
    assert received == sorted(received)
    assert received[-1] == 999


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "disconnect"])
@both
async def test_before_every_kind_of_drop_the_woken_reader_runs(overflow: Any) -> None:
    """Two publishes in one step into a buffer of one whose reader was woken by the first: the reader has both."""
    subject = Subject(Order)
    received: list[int] = []

    async def read() -> None:
        async with subject.subscribe(Order, buffer=1, overflow=overflow) as subscription:
            async for event in subscription:
                received.append(event.n)

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        await subject.publish(Order(n=0))
        await subject.publish(Order(n=1))
        await settle()
    assert received == [0, 1]


@both
async def test_publish_nowait_lets_nobody_run_before_a_drop() -> None:
    """publish_nowait is not async: it drops at once."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="drop_oldest")
    received: list[int] = []

    async def read() -> None:
        async for event in subscription:
            received.append(event.n)

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        fill(subject, 10)
        await settle()
    assert received == [9]
    assert subscription.statistics().dropped == 9


@both
async def test_a_reader_that_sleeps_in_its_body_is_not_waited_for() -> None:
    """The turn before a drop is for a woken reader only: one that is busy elsewhere loses, and costs no turn for ever."""
    subject = Subject(Order)

    async def read() -> None:
        async with subject.subscribe(Order, buffer=1, overflow="drop_oldest") as subscription:
            async for _ in subscription:
                await anyio.sleep(10)

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        with anyio.fail_after(5):
            for n in range(1_000):
                await subject.publish(Order(n=n))
