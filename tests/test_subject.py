"""The face of a subject: what it refuses, what it delegates, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from evenflow import Event, Observer, Subject, SubjectClosed
from evenflow._explain import CLOSED, ENDED, NOT_RUNNING

from .contract.kit import both, both_real, settle


class Note(Event):
    """A number."""

    n: int = 0


class Other(Event):
    """Another event."""


def handle(note: Note) -> None:
    """Do nothing."""


NONSENSE: dict[str, tuple[Callable[[Any], object], type[Exception], str]] = {
    "replay below zero": (lambda _: Subject(Note, replay=-1), ValueError, "replay must be at least 0"),
    "no keys": (lambda _: Subject(Note, replay_keys=0), ValueError, "replay_keys must be at least 1"),
    "a key and no replay": (lambda _: Subject(Note, replay_by=Note.n), ValueError, "give replay=1 or more"),
    "no time": (lambda _: Subject(Note, stall_after=0), ValueError, "stall_after must be more than 0"),
    "a name that is no text": (lambda _: Subject(Note, name=7), TypeError, "name must be a str"),  # type: ignore[call-overload]
    "no class": (lambda _: Subject("Note"), TypeError, "is not a class of events"),
    "no buffer": (lambda subject: subject.subscribe(buffer=0), ValueError, "buffer must be at least 1"),
    "an unknown policy": (lambda subject: subject.subscribe(overflow="wait"), ValueError, "'drop_oldest'"),
    "a class that never comes": (lambda subject: subject.subscribe(Other), ValueError, "ever an Other"),
    "a key that is no key": (lambda subject: subject.subscribe(conflate="n"), TypeError, "conflate must be a field"),
    "no hands": (lambda subject: subject.observe(handle, concurrency=0), ValueError, "concurrency must be at least 1"),
    "no handler": (lambda subject: subject.observe(3), TypeError, "an observer is a function"),
    "a handler that says nothing": (lambda subject: subject.observer(lambda _: None), TypeError, "annotate its"),
    "a handler for something else": (lambda subject: subject.observer(Other)(handle), TypeError, "Other is none"),
    "an argument nobody knows": (lambda subject: subject.subscribe(bufer=1), TypeError, "bufer"),
    "an error that is none": (lambda subject: subject.close("why"), TypeError, "not 'why'"),
    "time that is none": (lambda subject: subject.publish_from_thread(Note(), timeout="1"), TypeError, "seconds"),
    "time below zero": (lambda subject: subject.publish_from_thread(Note(), timeout=-1), ValueError, "at least 0"),
    "time that is not a number": (
        lambda subject: subject.publish_from_thread(Note(), timeout=float("nan")),
        ValueError,
        "at least 0",
    ),
    "failures that block": (
        lambda subject: subject.failures.subscribe(overflow="block"),
        ValueError,
        "would make the handlers wait",
    ),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_is_refused_where_it_is_written(what: str) -> None:
    """With what was given and what would do, and nothing has changed."""
    call, error, says = NONSENSE[what]
    subject = Subject(Note, Other) if "something else" in what else Subject(Note)
    with pytest.raises(error) as caught:
        call(subject)
    assert says in str(caught.value)
    assert not subject.is_closed
    assert subject.statistics().subscriptions == ()
    assert subject.statistics().observers == ()


def test_subjects_without_a_name_have_names_of_their_own() -> None:
    """So that logs can be told apart."""
    assert Subject(Note, name="notes").name == "notes"
    names = [Subject(Note).name for _ in range(2)]
    assert names[0] != names[1]
    assert all(name.startswith("subject-") for name in names)


PUBLISHING: dict[str, Callable[[Subject[Note], Note], Any]] = {
    "publish": lambda subject, note: subject.publish(note),
    "publish_nowait": lambda subject, note: _soon(subject.publish_nowait, note),
    "publish_many": lambda subject, note: subject.publish_many([note]),
    "publish_many of an iterable": lambda subject, note: subject.publish_many(iter([note])),
}
every_way = pytest.mark.parametrize("way", PUBLISHING)


async def _soon(function: Callable[[Note], int], note: Note) -> int:
    return function(note)


@every_way
@both
async def test_every_way_to_publish_counts_whom_it_reached(way: str) -> None:
    """From the first event on, and when the loop is known."""
    subject = Subject(Note)
    async with subject.subscribe() as one, subject.subscribe(where=Note.n > 0) as other:
        assert [await PUBLISHING[way](subject, Note(n=n)) for n in (0, 1, 2)] == [1, 2, 2]
        assert [note.n for note in await one.batches().receive()] == [0, 1, 2]
        assert [note.n for note in await other.batches().receive()] == [1, 2]


@every_way
@both
async def test_no_way_to_publish_takes_what_the_subject_does_not_carry(way: str) -> None:
    """Nobody gets it."""
    subject = Subject(Note)
    with pytest.raises(TypeError, match="nobody got it"):
        await PUBLISHING[way](subject, Other())  # type: ignore[arg-type]
    assert subject.statistics().published == 0


@every_way
@both
async def test_no_way_to_publish_goes_past_the_end(way: str) -> None:
    """The error names the subject."""
    subject = Subject(Note, name="notes")
    subject.close()
    with pytest.raises(SubjectClosed, match="notes is closed"):
        await PUBLISHING[way](subject, Note())


@both_real
async def test_a_thread_publishes_to_an_entered_subject_only() -> None:
    """Before it there is no loop to publish in, in the loop's own thread there is `publish`, and after it all is closed."""
    subject = Subject(Note)

    async def in_thread() -> int:
        return await anyio.to_thread.run_sync(lambda: subject.publish_from_thread(Note()))

    with pytest.raises(RuntimeError, match="was not entered"):
        await in_thread()
    async with subject:
        assert await in_thread() == 0
        with pytest.raises(RuntimeError, match="use 'await publish'"):
            subject.publish_from_thread(Note())
    with pytest.raises(SubjectClosed):
        await in_thread()


@both
async def test_an_iterable_is_drawn_from_when_there_is_room() -> None:
    """One event ahead at most."""
    subject = Subject(Note)
    drawn: list[int] = []

    def notes() -> Any:
        for n in range(9):
            drawn.append(n)
            yield Note(n=n)

    async with subject.subscribe(buffer=2) as subscription, anyio.create_task_group() as tasks:
        tasks.start_soon(subject.publish_many, notes())
        await settle()
        assert drawn == [0, 1, 2]
        await subscription.receive()
        await settle()
        assert drawn == [0, 1, 2, 3]
        tasks.cancel_scope.cancel()


# ------------------------------------------------------------------ observers


def test_a_handler_can_be_made_an_observer_in_four_ways() -> None:
    """Called, with wants, as a bare decorator, and as one with arguments; a decorator returns the function."""
    subject = Subject(Note)
    made = subject.observe(handle, name="by name")
    assert isinstance(made, Observer)
    assert subject.observer(handle) is handle
    assert subject.observer(Note, concurrency=2)(handle) is handle
    assert subject.observer(name="called")(handle) is handle
    names = [observer.name for observer in subject.statistics().observers]
    assert names == ["by name", "handle", "handle", "called"]


def test_a_handler_whose_annotation_says_any_wants_everything() -> None:
    """So does one that says nothing."""

    def anything(event: Any) -> None:
        """Do nothing."""

    subject = Subject(Note)
    for handler in (anything, lambda event: None):
        assert "wants everything" in repr(subject.observe(handler))


# ------------------------------------------------------------------ entering and leaving


@both
async def test_a_subject_is_entered_once_at_a_time() -> None:
    """And may be entered again when it was left."""
    subject = Subject(Note, name="notes")
    async with subject:
        with pytest.raises(RuntimeError, match="notes is entered already"):
            async with subject:
                pass
    assert subject.is_closed
    async with subject:
        assert not subject.is_closed


@both
async def test_entered_again_it_begins_anew() -> None:
    """The same observers, no history, and counters at zero; what belongs to the life before is read to its end."""
    subject = Subject(Note, replay=5)
    handled: list[int] = []
    subject.observe(lambda note: handled.append(note.n), Note)
    old = subject.subscribe()
    async with subject:
        await subject.publish(Note(n=1))
    async with subject, subject.subscribe() as new:
        assert subject.statistics().published == 0
        await subject.publish(Note(n=2))
        assert [note.n for note in await new.batches().receive()] == [2]
    assert [note.n async for note in old] == [1]
    assert handled == [1, 2]
    old.close()


@both
async def test_closing_an_entered_subject_lets_its_observers_finish() -> None:
    """`aclose` waits for them, and its failures are open until then."""
    subject = Subject(Note)
    handled: list[int] = []

    async def slow(note: Note) -> None:
        await anyio.sleep(1)
        handled.append(note.n)

    subject.observe(slow)
    async with subject:
        await subject.publish(Note(n=1))
        await subject.aclose()
        assert handled == [1]
        assert not subject.failures.is_closed
    assert subject.failures.is_closed


@both
async def test_first_is_active_from_its_call_on() -> None:
    """It gets what comes before it is awaited, and no replay."""
    subject = Subject(Note, replay=1)
    await subject.publish(Note(n=1))
    first = subject.first(where=Note.n < 9)
    await subject.publish(Note(n=9))
    await subject.publish(Note(n=2))
    await subject.publish(Note(n=3))
    assert (await first).n == 2
    assert subject.statistics().subscriptions == ()


def test_a_first_that_is_never_awaited_leaves_quietly() -> None:
    """Its coroutine is closed, as with any other, and nobody is left."""
    subject = Subject(Note)
    subject.first().close()
    assert subject.publish_nowait(Note()) == 0


# ------------------------------------------------------------------ what it says of itself


def test_it_says_what_it_carries_and_who_is_there() -> None:
    """Open, with a full subscription, and closed."""
    subject = Subject(Note, Other, name="notes")
    assert repr(subject) == "<Subject notes of Note | Other, 0 subscriptions>"
    assert "of Event" in repr(Subject())
    with subject_subscription(subject, buffer=1):
        subject.publish_nowait(Note())
        assert repr(subject) == "<Subject notes of Note | Other, 1 subscriptions, 1 full>"
    subject.close()
    assert repr(subject) == "<Subject notes of Note | Other, closed>"


class subject_subscription:
    """A subscription, closed without a loop."""

    def __init__(self, subject: Subject[Any], **options: Any) -> None:
        self.subscription = subject.subscribe(**options)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.subscription.close()


@both
async def test_its_statistics_add_up() -> None:
    """What was published, delivered, kept and waits, and a ledger for each subscription."""
    subject = Subject(Note, replay=1, name="notes")
    subject.observe(handle)
    async with subject.subscribe(buffer=1), anyio.create_task_group() as tasks:
        await subject.publish(Note())
        tasks.start_soon(subject.publish, Note())
        await settle()
        statistics = subject.statistics()
        tasks.cancel_scope.cancel()
    assert (statistics.name, statistics.published, statistics.deliveries) == ("notes", 1, 1)
    assert (statistics.waiting_publishers, statistics.kept, statistics.closed) == (1, 1, False)
    assert [one.waiting for one in statistics.subscriptions] == [1]
    assert [one.name for one in statistics.observers] == ["handle"]


@both
async def test_it_explains_who_would_get_an_event() -> None:
    """Subscriptions and observers, each with its reason; nobody gets it."""
    subject = Subject(Note)
    running, ends = subject.observe(handle, name="running"), subject.observe(handle, name="ends")
    assert [one.reason for one in subject.explain(Note())] == [NOT_RUNNING, NOT_RUNNING]
    async with subject:
        assert ends.statistics().running
        ends._subscription.close()  # type: ignore[union-attr]
        await settle()
        by_name = {one.name: one for one in subject.explain(Note())}
        assert by_name[f"{subject.name}/running"].wanted
        assert (by_name["ends"].wanted, by_name["ends"].reason) == (False, ENDED)
        subject.close()
        assert {one.reason for one in subject.explain(Note())} <= {CLOSED, ENDED}
        assert running.statistics().handled == 0
    with pytest.raises(TypeError, match="takes Note"):
        subject.explain(Other())  # type: ignore[arg-type]
