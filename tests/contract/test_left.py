"""A subject that was left lets go of its loop at once: another loop may use it, and nothing of it holds the first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from weakref import ref

import pytest

from evenflow import Event, Subject, SubjectClosed, Subscription

from .kit import collect


class Note(Event):
    """A number."""

    n: int = 0


@pytest.fixture
def loops() -> Iterator[list[asyncio.AbstractEventLoop]]:
    """Two loops that have not ended."""
    made = [asyncio.new_event_loop() for _ in range(2)]
    yield made
    for loop in made:
        loop.close()


async def lived(notes: Subject[Note]) -> list[int]:
    """One life of a subject, in which an event is read, and another is handled."""
    handled: list[int] = []
    observer = notes.observe(lambda note: handled.append(note.n), Note)
    async with notes, notes.subscribe() as feed:
        await notes.publish(Note(n=1))
        await feed.receive()
    observer.detach()
    return handled


def test_a_subject_that_was_left_may_be_entered_in_another_live_loop(loops: list[asyncio.AbstractEventLoop]) -> None:
    """And in the first one again, as often as one likes."""
    notes = Subject(Note)
    for loop in (*loops, *loops):
        assert loop.run_until_complete(lived(notes)) == [1]


def test_a_subject_that_an_exception_has_left_may_be_entered_elsewhere(loops: list[asyncio.AbstractEventLoop]) -> None:
    """However it was left."""
    notes = Subject(Note)

    async def fail() -> None:
        async with notes, notes.subscribe() as feed:
            await notes.publish(Note())
            await feed.receive()
            raise ZeroDivisionError

    for loop in loops:
        with pytest.raises(ZeroDivisionError):
            loop.run_until_complete(fail())


def test_in_the_other_loop_it_is_closed_until_it_is_entered(loops: list[asyncio.AbstractEventLoop]) -> None:
    """Publishing says that, instead of naming a loop; a subscription gets the end."""
    notes = Subject(Note)
    loops[0].run_until_complete(lived(notes))

    async def elsewhere() -> None:
        with pytest.raises(SubjectClosed):
            await notes.publish(Note())
        async with notes.subscribe() as late:
            assert [note async for note in late] == []

    loops[1].run_until_complete(elsewhere())


def test_what_was_left_unread_is_read_in_either_loop(loops: list[asyncio.AbstractEventLoop]) -> None:
    """Reading the rest of a former life in its loop keeps nobody from entering the subject in another."""
    notes = Subject(Note)
    feeds: list[Subscription[Note]] = []

    async def fill() -> None:
        async with notes:
            feeds.append(notes.subscribe())
            for n in range(3):
                await notes.publish(Note(n=n))

    async def read() -> int:
        return (await feeds[0].receive()).n

    loops[0].run_until_complete(fill())
    assert loops[0].run_until_complete(read()) == 0
    assert loops[1].run_until_complete(lived(notes)) == [1]
    assert loops[0].run_until_complete(read()) == 1
    feeds[0].close()


def test_a_subject_that_was_left_holds_no_loop() -> None:
    """Neither the subject, nor an observer, nor what failed, keeps the loop alive in which they were used."""
    notes = Subject(Note)
    failures = notes.failures
    observer = notes.observe(lambda note: 1 / 0, Note)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(lived(notes))
    loop.close()
    known = ref(loop)
    del loop
    collect()
    assert known() is None
    assert observer.statistics().failed == 1
    assert failures.is_closed


def test_the_failures_of_a_subject_that_was_left_are_read_in_either_loop(
    loops: list[asyncio.AbstractEventLoop],
) -> None:
    """They are left with it."""
    notes = Subject(Note)
    failed = notes.failures.subscribe()

    async def fail() -> None:
        observer = notes.observe(lambda note: 1 / 0, Note)
        async with notes:
            await notes.publish(Note(n=1))
        observer.detach()

    async def read() -> int:
        return len([failure async for failure in failed])

    loops[0].run_until_complete(fail())
    assert loops[1].run_until_complete(read()) == 1
    failed.close()


def test_a_subject_that_cannot_be_entered_here_is_not_half_entered(loops: list[asyncio.AbstractEventLoop]) -> None:
    """Somebody waits for its failures in another live loop: it is refused, and entered there."""
    notes = Subject(Note)
    failed = notes.failures.subscribe()

    async def wait() -> asyncio.Task[object]:
        waiting = asyncio.ensure_future(failed.receive())
        await asyncio.sleep(0)
        return waiting

    waiting = loops[0].run_until_complete(wait())
    with pytest.raises(RuntimeError, match="another event loop"):
        loops[1].run_until_complete(lived(notes))
    assert not notes.is_closed
    assert loops[0].run_until_complete(lived(notes)) == [1]
    waiting.cancel()
    failed.close()


def test_an_observer_is_added_while_the_loop_pauses() -> None:
    """Between two calls of ``run_until_complete``, as in a test that is no coroutine, or in a notebook."""
    notes, handled = Subject(Note), list[int]()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(notes.start())
    failed = notes.failures.subscribe()
    notes.observe(lambda note: handled.append(note.n), Note)
    notes.observe(lambda note: 1 / 0, Note)
    assert notes.publish_nowait(Note(n=1)) == 2
    loop.run_until_complete(notes.drain())
    assert handled == [1]
    assert failed.receive_nowait().event == Note(n=1)
    loop.run_until_complete(notes.aclose())
    failed.close()
    loop.close()
