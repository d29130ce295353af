"""What runs for a subject between entering and leaving it."""

from __future__ import annotations

import logging
from contextvars import ContextVar

import anyio
import anyio.lowlevel
import pytest

from evenflow import Deadlock, Event, ObserverFailed, Subject
from evenflow._mailbox import Carried
from evenflow._supervisor import Supervisor

from .contract.kit import both, settle
from .parts import on_both, run
from .test_observers import Tracer


class Note(Event):
    """A number."""

    n: int = 0


def supervisor_of(subject: Subject[Note]) -> Supervisor:
    """What runs for this subject."""
    return subject._supervisor


@both
async def test_observers_run_while_the_subject_is_entered() -> None:
    """Before and after it there is neither a task nor a courier."""
    subject = Subject(Note)
    observer = subject.observe(lambda _: None, Note)
    supervisor = supervisor_of(subject)
    assert (supervisor.is_entered, supervisor.lives, list(supervisor.running)) == (False, 0, [])
    async with subject:
        assert (supervisor.is_entered, supervisor.lives, list(supervisor.running)) == (True, 1, [observer])
        assert supervisor.courier is not None
    assert (supervisor.is_entered, supervisor.lives, list(supervisor.running)) == (False, 1, [])
    assert supervisor.courier is None
    assert list(supervisor.observers) == [observer]


@both
async def test_left_normally_it_waits_until_all_is_handled() -> None:
    """The subject is closed first, so that there is an end to it."""
    subject = Subject(Note)
    handled: list[int] = []

    async def handle(note: Note) -> None:
        assert subject.is_closed
        await anyio.sleep(1)
        handled.append(note.n)

    subject.observe(handle)
    async with subject:
        await subject.publish_many([Note(n=n) for n in range(3)])
    assert handled == [0, 1, 2]


@pytest.mark.parametrize("how", ["an exception", "a cancel"])
@both
async def test_left_otherwise_it_cancels_the_observers(how: str) -> None:
    """The exception goes out as it is, and not in a group."""
    subject = Subject(Note)
    handled: list[int] = []

    async def handle(note: Note) -> None:
        await anyio.sleep(1)
        handled.append(note.n)

    subject.observe(handle)
    error = LookupError()
    raised: list[BaseException] = []
    with anyio.CancelScope() as scope:
        try:
            async with subject:
                await subject.publish(Note())
                await settle()
                if how == "an exception":
                    raise error
                scope.cancel()
                await anyio.lowlevel.checkpoint()
        except LookupError as caught:
            raised.append(caught)
    assert raised == ([error] if how == "an exception" else [])
    assert handled == []
    assert subject.is_closed
    assert not supervisor_of(subject).is_entered


@both
async def test_leaving_does_not_wait_for_readers() -> None:
    """What they have not read stays readable."""
    subject = Subject(Note)
    async with subject.subscribe() as subscription:
        with anyio.fail_after(1):
            async with subject:
                await subject.publish(Note(n=1))
        assert [note.n async for note in subscription] == [1]


@both
async def test_a_detached_observer_is_waited_for_while_its_handler_runs() -> None:
    """It takes nothing more, and ends by itself."""
    subject = Subject(Note)
    ended: list[bool] = []

    async def handle(_: Note) -> None:
        await anyio.sleep(1)
        ended.append(True)

    observer = subject.observe(handle)
    async with subject:
        await subject.publish(Note())
        await settle()
        observer.detach()
        supervisor = supervisor_of(subject)
        assert list(supervisor.observers) == []
        assert list(supervisor.running) == [observer]
    assert ended == [True]


@pytest.mark.parametrize("what", ["drain", "aclose"])
@both
async def test_waiting_in_a_handler_for_that_very_handler_is_refused(what: str) -> None:
    """A task that the handler starts may wait: it is another."""
    subject = Subject(Note, name="notes")
    errors: list[Exception] = []
    started: list[bool] = []

    async def waits() -> None:
        await getattr(subject, what)()
        started.append(True)

    async with anyio.create_task_group() as tasks:

        async def handle(_: Note) -> None:
            tasks.start_soon(waits)
            try:
                await getattr(subject, what)()
            except Deadlock as error:
                errors.append(error)

        subject.observe(handle)
        async with subject:
            await subject.publish(Note())
            await settle()
    (error,) = errors
    assert f"{what} of notes was called from inside one of its own handlers" in str(error)
    assert started == [True]


@both
async def test_a_handler_may_wait_for_another_subject() -> None:
    """Only its own would wait for itself."""
    one, other = Subject(Note), Subject(Note)
    done: list[bool] = []

    async def handle(_: Note) -> None:
        await other.drain()
        done.append(True)

    one.observe(handle)
    async with one, other:
        await one.publish(Note())
    assert done == [True]


@both
async def test_observers_run_with_the_context_of_whoever_entered() -> None:
    """Each in a copy of its own, those that came later too."""
    variable: ContextVar[str] = ContextVar("variable", default="outside")
    subject = Subject(Note)
    seen: list[str] = []

    def handle(_: Note) -> None:
        seen.append(variable.get())
        variable.set("changed by a handler")

    subject.observe(handle)
    variable.set("entered")
    async with subject:
        variable.set("later")
        subject.observe(handle)
        await subject.publish(Note())
    assert seen == ["entered", "entered"]
    assert variable.get() == "later"


@both
async def test_failures_are_published_to_whoever_observes_them() -> None:
    """The subject of failures is entered and left with its subject."""
    subject = Subject(Note)
    seen: list[int] = []
    subject.observe(lambda note: 1 / note.n, Note)
    subject.failures.observe(lambda failed: seen.append(failed.event.n), ObserverFailed)
    async with subject:
        assert supervisor_of(subject.failures).is_entered  # type: ignore[arg-type]
        await subject.publish_many([Note(n=0), Note(n=1)])
    assert seen == [0]
    assert subject.failures.is_closed


@both
async def test_failures_asked_for_late_are_observed_from_then_on() -> None:
    """While the subject is entered their observers run at once."""
    subject = Subject(Note)
    seen: list[int] = []
    subject.observe(lambda note: 1 / note.n, Note)
    async with subject:
        await subject.publish(Note(n=0))
        await subject.drain()
        subject.failures.observe(lambda failed: seen.append(failed.event.n), ObserverFailed)
        await subject.publish(Note(n=0))
        await subject.drain()
    assert seen == [0]


def test_an_event_for_observers_that_do_not_run_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """With what wanted it; an event that nobody would have wanted is not."""
    subject = Subject(Note, name="notes")
    subject.observe(lambda _: None, Note, where=Note.n > 0, name="the handler")
    with caplog.at_level(logging.WARNING, logger="evenflow.subject"):
        subject.publish_nowait(Note(n=0))
        assert not caplog.messages
        subject.publish_nowait(Note(n=1))
        subject.publish_nowait(Note(n=2))
    (message,) = caplog.messages
    assert message == (
        "notes: Note was wanted only by observers that do not run (the handler);"
        " enter the subject, 'async with', for them"
    )


@on_both
def test_a_loop_that_ends_under_it_leaves_it_closed(backend: str) -> None:
    """Nothing of it will run again; entered in the next loop it lives anew."""
    subject = Subject(Note)
    handled: list[int] = []
    subject.observe(lambda note: handled.append(note.n), Note)

    async def enter_and_leave_behind() -> None:
        supervisor = supervisor_of(subject)
        await supervisor.enter()
        await subject.publish(Note(n=1))
        await settle()
        # as if the loop were stopped without a chance for its tasks
        crew = supervisor._crew
        assert crew is not None
        await crew.close()

    async def enter_again() -> None:
        async with subject:
            await subject.publish(Note(n=2))

    run(enter_and_leave_behind, backend)
    assert subject.statistics().closed
    assert not supervisor_of(subject).is_entered
    run(enter_again, backend)
    assert handled == [1, 2]


@both
async def test_whoever_follows_a_subject_follows_all_observers_in_each_life() -> None:
    """Those that are added later, too; it is told of each life, and of each subscription that is closed."""
    tracer = Tracer()
    subject = Subject(Note, name="notes")
    subject.observe(lambda _: None, Note, name="first")
    supervisor_of(subject).trace(tracer)
    subject.observe(lambda _: None, Note, name="second")
    for n in (1, 2):
        async with subject:
            await subject.publish(Note(n=n))
    supervisor_of(subject).trace(None)
    async with subject:
        await subject.publish(Note(n=3))
    handled = [heard for heard in tracer.heard if isinstance(heard, tuple)]
    assert sorted(handled, key=lambda one: (one[0], one[1].event.n)) == [
        (name, Carried(Note(n=n), None, "link")) for name in ("first", "second") for n in (1, 2)
    ]
    told = [heard for heard in tracer.heard if not isinstance(heard, tuple)]
    assert sorted(map(str, told[:2])) == sorted(map(str, told[3:])) == ["notes/first", "notes/second"]
    assert told[2] == "notes"
