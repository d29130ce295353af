"""Waiting until all that was published before is taken and handled."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from evenflow import Event, Subject

from .contract.kit import both, group, settle


class Note(Event):
    """A number."""

    n: int = 0


class Drain:
    """A drain in a task of its own."""

    def __init__(self, subject: Subject[Any], **options: bool) -> None:
        self.subject = subject
        self.options = options
        self.ended = False

    async def __call__(self) -> None:
        await self.subject.drain(**self.options)
        self.ended = True


async def draining(tasks: TaskGroup, subject: Subject[Any], **options: bool) -> Drain:
    """Drain in a task of its own, which has begun when this returns."""
    drain = Drain(subject, **options)
    tasks.start_soon(drain)
    await settle()
    return drain


class Held:
    """An observer that handles nothing until it is released."""

    def __init__(self, subject: Subject[Note]) -> None:
        self.release = anyio.Event()
        self.handled: list[int] = []
        subject.observe(self.handle, Note)

    async def handle(self, note: Note) -> None:
        await self.release.wait()
        self.handled.append(note.n)


@both
async def test_a_subject_of_which_nobody_wants_anything_is_drained_at_once() -> None:
    """There is nothing to wait for."""
    subject = Subject(Note)
    await subject.publish(Note())
    with anyio.fail_after(1):
        await subject.drain()


READING: dict[str, Callable[[Any], Awaitable[object]]] = {
    "one by one": lambda subscription: subscription.receive(),
    "without waiting": lambda subscription: _soon(subscription.receive_nowait),
    "a batch": lambda subscription: subscription.batches().receive(),
    "closed": lambda subscription: subscription.aclose(),
}


async def _soon(function: Callable[[], object]) -> object:
    return function()


@pytest.mark.parametrize("how", READING)
@both
async def test_it_ends_when_what_was_buffered_has_left(how: str) -> None:
    """Whichever way it leaves, read or discarded."""
    subject = Subject(Note)
    subscription = subject.subscribe()
    await subject.publish(Note())
    async with group() as tasks:
        drain = await draining(tasks, subject)
        assert not drain.ended
        await READING[how](subscription)
        await settle()
        assert drain.ended
    subscription.close()


@both
async def test_what_is_published_later_is_not_waited_for() -> None:
    """A busy subject is drained too."""
    subject = Subject(Note)
    async with subject.subscribe() as subscription, group() as tasks:
        await subject.publish(Note(n=1))
        drain = await draining(tasks, subject)
        await subject.publish(Note(n=2))
        assert (await subscription.receive()).n == 1
        await settle()
        assert drain.ended


@both
async def test_a_subscription_that_comes_later_is_not_waited_for() -> None:
    """It holds nothing that was published before."""
    subject = Subject(Note)
    async with subject.subscribe() as first, group() as tasks:
        await subject.publish(Note(n=1))
        drain = await draining(tasks, subject)
        async with subject.subscribe():
            await subject.publish(Note(n=2))
            await first.receive()
            await settle()
            assert drain.ended


@both
async def test_an_event_in_hand_is_waited_for() -> None:
    """It has left the buffer, and its handler still runs."""
    subject = Subject(Note)
    observer = Held(subject)
    async with subject, group() as tasks:
        await subject.publish(Note(n=1))
        await settle()
        drain = await draining(tasks, subject)
        assert not drain.ended
        observer.release.set()
        await settle()
        assert drain.ended
        assert observer.handled == [1]


@both
async def test_a_handler_that_begins_later_is_not_waited_for() -> None:
    """Its event was published after the call."""
    subject = Subject(Note)
    release = {n: anyio.Event() for n in (1, 2)}

    async def handle(note: Note) -> None:
        await release[note.n].wait()

    subject.observe(handle, concurrency=2)
    async with subject, group() as tasks:
        await subject.publish(Note(n=1))
        await settle()
        drain = await draining(tasks, subject)
        await subject.publish(Note(n=2))
        release[1].set()
        await settle()
        assert drain.ended
        release[2].set()


@both
async def test_a_cancelled_drain_changes_nothing() -> None:
    """Nobody waits for a change, and the events are still there."""
    subject = Subject(Note)
    async with subject.subscribe() as subscription:
        await subject.publish(Note(n=1))
        with anyio.move_on_after(1) as scope:
            await subject.drain()
        assert scope.cancelled_caught
        assert not subject._life._watchers
        assert (await subscription.receive()).n == 1


@both
async def test_with_observers_only_a_subscription_that_nobody_reads_is_not_waited_for() -> None:
    """The observer's own events are."""
    subject = Subject(Note)
    observer = Held(subject)
    async with subject, subject.subscribe(), group() as tasks:
        for n in range(3):
            await subject.publish(Note(n=n))
        drain = await draining(tasks, subject, observers_only=True)
        assert not drain.ended
        observer.release.set()
        await settle()
        assert drain.ended
        assert observer.handled == [0, 1, 2]


@both
async def test_with_observers_only_a_subject_without_observers_is_drained_at_once() -> None:
    """Though its subscriptions hold events."""
    subject = Subject(Note)
    async with subject.subscribe() as subscription:
        await subject.publish(Note())
        with anyio.fail_after(1):
            await subject.drain(observers_only=True)
        assert subscription.statistics().waiting == 1


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("is_read", [False, True])
@both
async def test_what_a_drain_has_waited_for_too_long_is_logged_once(
    caplog: pytest.LogCaptureFixture, *, is_read: bool
) -> None:
    """By name and place, with the number of events, and whether anybody reads; once, however often one drains."""
    subject = Subject(Note, name="notes", stall_after=2)
    async with subject.subscribe(name="idle") as idle, subject.subscribe() as busy, group() as tasks:
        await subject.publish(Note(n=0))
        if is_read:

            async def read() -> None:
                await idle.receive()
                await anyio.sleep_forever()

            tasks.start_soon(read)
            await settle()
        for n in range(3):
            await subject.publish(Note(n=n))
        for _ in range(4):
            await busy.receive()
        tasks.start_soon(Drain(subject))
        tasks.start_soon(Drain(subject))
        await anyio.sleep(1.9)
        assert warnings_of(caplog) == []
        await anyio.sleep(0.2)
        (message,) = warnings_of(caplog)
        for words in ("drain of notes", "idle, made at ", "test_drain.py:", "2 s"):
            assert words in message
        assert ("holds 3 events" if is_read else "holds 4 events") in message
        assert ("its readers are slow" if is_read else "nobody reads it") in message
        tasks.start_soon(Drain(subject))
        await anyio.sleep(9)
        assert len(warnings_of(caplog)) == 1


@both
async def test_a_handler_that_a_drain_has_waited_for_too_long_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Its event has left the buffer, and it has not returned."""
    subject = Subject(Note, stall_after=2)

    async def hangs(_: Note) -> None:
        await anyio.sleep(9)

    subject.observe(hangs, name="hanging")
    async with subject:
        await subject.publish(Note())
        await settle()
        await subject.drain(observers_only=True)
        (message,) = warnings_of(caplog)
        assert "hanging, made at" in message
        assert "has not returned" in message


@both
async def test_a_drain_that_was_logged_ends_when_all_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    """The line in the log changes nothing; a subscription that comes in time is not in it."""
    subject = Subject(Note, stall_after=2)
    async with subject.subscribe(name="late") as late, subject.subscribe(name="in time") as in_time, group() as tasks:
        await subject.publish(Note())
        drain = Drain(subject)
        tasks.start_soon(drain)
        await anyio.sleep(1)
        await in_time.receive()
        await anyio.sleep(2)
        assert ["late, made" in message for message in warnings_of(caplog)] == [True]
        await late.receive()
        await settle()
        assert drain.ended
