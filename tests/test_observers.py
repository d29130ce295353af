"""A handler under supervision, with a host that only notes what it hears."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from evenflow import Event
from evenflow._crew import Crew
from evenflow._life import Life
from evenflow._loop import running_loop
from evenflow._mailbox import Carried, Mailbox, UserFunctions, with_context
from evenflow._observers import HANDLING, Observer, ObserverFailed

from .contract.kit import both, only_asyncio, settle

if TYPE_CHECKING:
    from evenflow._handling import Handled


class Note(Event):
    """A number."""

    n: int = 0


class Host:
    """Who runs an observer, and what it hears."""

    name = "notes"

    def __init__(self) -> None:
        self.life: Life[Note] = Life(
            "notes", (Note,), stall_after=9, unwanted=lambda _: None, loop_ended=lambda _: None
        )
        self.heard: list[str] = []
        self.failures: list[ObserverFailed] = []

    def remove(self, observer: Observer, /) -> None:
        """It was detached."""
        self.heard.append("removed")

    def failed(self, failed: ObserverFailed, /) -> None:
        """A handler raised."""
        self.failures.append(failed)

    def ended(self, observer: Observer, /) -> None:
        """Its last task has ended."""
        self.heard.append("ended")

    def observer(
        self, handler: Callable[[Any], object], *, where: Any = None, conflate: Any = None, concurrency: int = 1
    ) -> Observer:
        """An observer of all notes."""
        interest = self.life.members.interest((Note,), where)
        options = {"capacity": 4, "overflow": "block", "created_at": ("", 0)}
        functions = UserFunctions(where if interest.asks else None, conflate)
        return Observer(self, handler, interest, functions, options, concurrency=concurrency, name="handler")

    def publish(self, *numbers: int) -> None:
        """Publish some notes."""
        for n in numbers:
            self.life.delivery.publish_nowait(Note(n=n))


@asynccontextmanager
async def running(*observers: Observer) -> AsyncIterator[Crew]:
    """The observers run, until they are cancelled."""
    crew = Crew("notes", running_loop())
    await crew.open()
    for observer in observers:
        observer._start(crew, observer._host.life)  # type: ignore[attr-defined]
    try:
        yield crew
        await settle()
    finally:
        await crew.close()


@both
async def test_it_is_subscribed_as_soon_as_it_is_started() -> None:
    """Before its task has begun to read."""
    host, got = Host(), list[int]()
    observer = host.observer(lambda note: got.append(note.n))
    host.publish(0)
    async with running(observer):
        host.publish(1, 2)
        await settle()
        assert got == [1, 2]
        assert observer.statistics().handled == 2


@pytest.mark.parametrize("concurrency", [1, 2, 3])
@both
async def test_as_many_events_are_in_hand_as_its_concurrency_says(concurrency: int) -> None:
    """All its tasks are expected to read from the start."""
    host, release = Host(), anyio.Event()

    async def handle(_: Note) -> None:
        await release.wait()

    observer = host.observer(handle, concurrency=concurrency)
    async with running(observer):
        subscription = observer._subscription
        assert subscription is not None
        assert subscription._mailbox.line.all_known(concurrency)
        assert not subscription._mailbox.line.all_known(concurrency - 1)
        host.publish(1, 2, 3, 4)
        await settle()
        assert len(observer._handling.in_hand) == observer.statistics().handling == concurrency
        release.set()
        await settle()
        assert (observer.statistics().handling, observer.statistics().handled) == (0, 4)


@both
async def test_a_handler_that_raises_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged and told of, with the event and the observer."""
    host, got = Host(), list[int]()

    def handle(note: Note) -> None:
        got.append(10 // note.n)

    observer = host.observer(handle)
    async with running(observer):
        host.publish(0, 1)
    assert got == [10]
    (failed,) = host.failures
    assert (failed.event, failed.observer) == (Note(n=0), observer)
    assert isinstance(failed.error, ZeroDivisionError)
    assert (observer.statistics().handled, observer.statistics().failed) == (2, 1)
    assert "handler of notes raised on Note(n=0)" in caplog.text


@only_asyncio
async def test_a_cancellation_that_is_not_its_own_is_a_failure_of_the_handler() -> None:
    """A handler that awaits a cancelled task lets the cancellation out, and goes on with the next event."""
    import asyncio

    host, got = Host(), list[int]()

    async def handle(note: Note) -> None:
        if note.n == 0:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.cancel()
            await future
        got.append(note.n)

    observer = host.observer(handle)
    async with running(observer):
        host.publish(0, 1)
    assert got == [1]
    assert "let a cancellation out" in str(host.failures[0].error)


@both
async def test_an_observer_that_is_cut_off_keeps_what_it_did_not_finish(caplog: pytest.LogCaptureFixture) -> None:
    """In hand first, then what its buffer holds; that is no failure, and one line in the log."""
    host = Host()

    async def handle(_: Note) -> None:
        await anyio.sleep_forever()

    observer = host.observer(handle)
    async with running(observer):
        host.publish(1, 2, 3)
    assert host.failures == []
    assert host.heard == ["ended"]
    assert observer.unhandled == (Note(n=1), Note(n=2), Note(n=3))
    assert (observer.statistics().cancelled, observer.statistics().handled) == (3, 0)
    assert [record.getMessage() for record in caplog.records] == [
        "observer handler of notes was cut off, and did not finish 3 events: see its `unhandled`"
    ]
    async with running(observer):
        assert observer.unhandled == ()


@only_asyncio
async def test_a_task_that_is_cancelled_by_itself_ends_that_observer_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the group goes on."""
    import asyncio

    host, other = Host(), Host()
    tasks: list[asyncio.Task[Any] | None] = []

    async def handle(_: Note) -> None:
        tasks.append(asyncio.current_task())
        await anyio.sleep_forever()

    got: list[int] = []
    observer, goes_on = host.observer(handle), other.observer(lambda note: got.append(note.n))
    with caplog.at_level(logging.INFO, logger="evenflow.tasks"):
        async with running(observer, goes_on):
            host.publish(1)
            await settle()
            assert tasks[0] is not None
            tasks[0].cancel()
            await settle()
            assert host.heard[-1] == "ended"
            other.publish(2)
    assert got == [2]
    assert "was cancelled, and has ended" in caplog.text


@both
async def test_what_ends_its_subscription_ends_the_observer_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All its tasks hear of it; the last one closes the subscription and tells."""
    host = Host()
    observer = host.observer(lambda _: None, concurrency=2)
    async with running(observer):
        await settle()
        host.life.close(OSError("the source has failed"))
        await settle()
        assert host.heard == ["ended"]
        assert observer.ended
    assert caplog.text.count("observer handler of notes has ended") == 1


@pytest.mark.parametrize("which", ["where", "conflate"])
@both
async def test_a_where_or_conflate_that_raises_is_a_failure_on_that_event_alone(which: str) -> None:
    """The event counts as not wanted, and the observer goes on."""
    host, got = Host(), list[int]()
    picky = lambda note: 1 / note.n  # noqa: E731
    observer = host.observer(lambda note: got.append(note.n), **{which: picky})
    async with running(observer):
        await settle()
        assert host.life.delivery.publish_nowait(Note(n=0)) == 0
        assert host.life.delivery.publish_nowait(Note(n=1)) == 1
    assert got == [1]
    (failed,) = host.failures
    assert (failed.event, failed.observer) == (Note(n=0), observer)
    assert isinstance(failed.error, ZeroDivisionError)
    assert observer.statistics().handled == 1


@both
async def test_a_detached_observer_lets_its_handler_end() -> None:
    """What it has not handled is discarded; the second time nothing happens."""
    host, release, got = Host(), anyio.Event(), list[int]()

    async def handle(note: Note) -> None:
        await release.wait()
        got.append(note.n)

    observer = host.observer(handle)
    async with running(observer):
        host.publish(1, 2)
        await settle()
        observer.detach()
        observer.detach()
        assert not observer.ended
        release.set()
        await settle()
        assert observer.ended
    assert got == [1]
    assert host.heard == ["removed", "ended"]


@both
async def test_a_second_start_begins_with_counters_at_zero() -> None:
    """It reads a subscription of the new life."""
    host = Host()
    observer = host.observer(lambda note: 1 / note.n)
    async with running(observer):
        host.publish(0, 1)
    first = observer._subscription
    async with running(observer):
        assert observer._subscription is not first
        host.publish(1)
    assert (observer.statistics().handled, observer.statistics().failed) == (1, 0)


@both
async def test_it_is_known_in_which_task_a_handler_runs() -> None:
    """A task that the handler starts inherits that, and is another task."""
    host = Host()
    seen: list[tuple[tuple[object, object], ...]] = []
    observer = host.observer(lambda _: seen.append(HANDLING.get()))
    async with running(observer):
        host.publish(1)
    ((inside,),) = seen
    assert inside[0] is host
    assert inside[1] is not None
    assert HANDLING.get() == ()


@both
async def test_an_abandoned_observer_runs_no_more() -> None:
    """Its loop has ended under it, and what its tasks do afterwards changes nothing."""
    host = Host()
    observer = host.observer(lambda _: None)
    async with running(observer):
        await settle()
        observer._abandon()
        assert not observer.statistics().running
        assert observer._subscription is None
    assert "ended" not in host.heard
    observer.detach()
    assert observer.ended


@pytest.mark.parametrize(
    "where, wanted",
    [(None, True), (lambda note: note.n > 0, True), (lambda note: note.n > 1, False), (lambda note: 1 / 0, False)],
)
def test_it_says_whether_it_would_have_wanted_an_event(where: Any, wanted: bool) -> None:
    """While it does not run; what its condition raises wants nothing."""
    observer = Host().observer(lambda _: None, where=where)
    assert observer._would_want(Note(n=1)) is wanted


@both
async def test_it_says_what_it_is_and_does() -> None:
    """Not running, running with what its buffer holds, ended, or detached."""
    host = Host()
    observer = host.observer(lambda _: None)
    assert repr(observer) == "<Observer handler of notes wants Note, not running>"
    async with running(observer):
        host.publish(1)
        assert repr(observer) == "<Observer handler of notes wants Note, 1/4 block>"
    assert repr(observer) == "<Observer handler of notes wants Note, ended>"
    observer.detach()
    assert repr(observer) == "<Observer handler of notes wants Note, detached>"


class Tracer:
    """Who follows observers, and notes what it is asked."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def carry(self, event: Any, /) -> Carried:
        """The event, with a link."""
        return Carried(event, None, "link")

    def handle(self, observer: Observer, item: Any, context: Context, call: Callable[[Context], Handled], /) -> Handled:
        """Note it."""
        self.heard.append((observer.name, item))
        return call(context)

    def retired(self, mailbox: Mailbox, /) -> None:
        """Note it."""
        self.heard.append(mailbox.name)

    def life_began(self, life: Life[Any], /) -> None:
        """Note it."""
        self.heard.append(life.name)


@both
async def test_whoever_follows_an_observer_is_asked_where_an_event_is_published_and_where_it_is_handled() -> None:
    """From the next event on, whether it runs or not; and after that nobody is asked any more."""
    host, tracer = Host(), Tracer()
    seen: list[int] = []
    observer = host.observer(lambda note: seen.append(note.n))
    async with running(observer):
        observer._trace(tracer)
        host.publish(1)
        await settle()
        observer._trace(None)
        host.publish(2)
        await settle()
        observer._trace(tracer)
        host.publish(3)
        await settle()
    assert seen == [1, 2, 3]
    assert tracer.heard == [("handler", Carried(Note(n=n), None, "link")) for n in (1, 3)]


@both
async def test_an_observer_with_its_publishers_context_carries_that_whoever_follows_it() -> None:
    """Following it changes nothing of what it asked for."""
    host, tracer = Host(), Tracer()
    observer = host.observer(lambda note: None)
    observer._options["carry"] = with_context
    observer._trace(tracer)
    assert observer._options["carry"] is with_context
    observer._trace(None)
    assert observer._options["carry"] is with_context


@both
async def test_an_observer_that_is_followed_before_it_starts_is_followed_when_it_runs() -> None:
    """In each of its starts."""
    host, tracer = Host(), Tracer()
    observer = host.observer(lambda note: None)
    observer._trace(tracer)
    for n in (1, 2):
        async with running(observer):
            host.publish(n)
            await settle()
    assert tracer.heard == [("handler", Carried(Note(n=n), None, "link")) for n in (1, 2)]
