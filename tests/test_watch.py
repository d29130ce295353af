"""Being told that a subscription has ended: `ended`, `reason` and `cancelling`."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from threading import Thread
from typing import Any

import anyio
import pytest

from evenflow import Event, SlowSubscriber, Subject, Subscription

from .contract.kit import both, both_real, group, only_asyncio, settle
from .parts import on_both, run


class Note(Event):
    """A number."""

    n: int = 0


class Broken(Exception):
    """What went wrong."""


def publish(subject: Subject[Note], count: int) -> None:
    """Publish some notes."""
    for n in range(count):
        subject.publish_nowait(Note(n=n))


def refuse(_: Note) -> bool:
    """A ``where`` that raises."""
    raise Broken("where")


GIVEN = Broken("given")
ENDS: dict[str, tuple[Callable[[Subject[Note], Subscription[Note]], object], type[BaseException]]] = {
    "the subject is closed": (lambda subject, _: subject.close(), anyio.EndOfStream),
    "with an end": (lambda subject, _: subject.close(anyio.EndOfStream("all")), anyio.EndOfStream),
    "with an error": (lambda subject, _: subject.close(GIVEN), Broken),
    "the subscription is closed": (lambda _, subscription: subscription.close(), anyio.ClosedResourceError),
    "it was too slow": (lambda subject, _: publish(subject, 2), SlowSubscriber),
}
each_end = pytest.mark.parametrize("end", ENDS)
NORMAL = {"the subject is closed", "with an end", "the subscription is closed"}


def subscribed(subject: Subject[Note]) -> Subscription[Note]:
    """A subscription with room for one event, which is disconnected by the second."""
    return subject.subscribe(buffer=1, overflow="disconnect", name="reader")


# ------------------------------------------------------------------ ended, reason


@each_end
@both
async def test_whoever_awaits_the_end_is_told_and_can_ask_why(end: str) -> None:
    """Several tasks, before and after the end, as often as they like; nobody reads."""
    subject = Subject(Note)
    told: list[BaseException | None] = []
    async with subscribed(subject) as feed, group() as tasks:
        ended = feed.ended

        async def wait() -> None:
            await ended
            told.append(feed.reason)

        for _ in range(2):
            tasks.start_soon(wait)
        await settle()
        assert told == []
        assert feed.reason is None
        make_end, expected = ENDS[end]
        make_end(subject, feed)
        await settle()
        await ended
        await feed.ended
        assert [type(reason) for reason in told] == [expected] * 2
        assert str(feed.reason)
        if end == "with an error":
            assert feed.reason is GIVEN


@both
async def test_a_where_that_raises_is_an_end_with_that_very_error_as_its_reason() -> None:
    """The publisher notices nothing."""
    subject = Subject(Note)
    async with subject.subscribe(where=refuse) as feed, group() as tasks:
        told = anyio.Event()

        async def wait() -> None:
            await feed.ended
            told.set()

        tasks.start_soon(wait)
        await settle()
        await subject.publish(Note())
        await told.wait()
        assert isinstance(feed.reason, Broken)


@both
async def test_it_has_ended_when_nothing_more_comes_in_though_it_holds_something() -> None:
    """Whoever is stuck elsewhere will not read that; and what it holds can be read."""
    subject = Subject(Note)
    async with subject.subscribe() as feed:
        publish(subject, 2)
        subject.close()
        with anyio.fail_after(1):
            await feed.ended
        assert [note.n async for note in feed] == [0, 1]


@each_end
@both
async def test_closing_what_has_ended_changes_no_reason(end: str) -> None:
    """Whoever looks after the block still learns why; a read says that it was closed."""
    subject = Subject(Note)
    async with subscribed(subject) as feed:
        make_end, expected = ENDS[end]
        make_end(subject, feed)
    assert type(feed.reason) is expected
    with pytest.raises(anyio.ClosedResourceError):
        await feed.receive()


@both
async def test_a_cancelled_wait_for_the_end_changes_nothing() -> None:
    """Another still hears, and nothing is kept of the one that was cancelled."""
    subject = Subject(Note)
    async with subject.subscribe() as feed, group() as tasks:
        told = anyio.Event()

        async def wait() -> None:
            await feed.ended
            told.set()

        tasks.start_soon(wait)
        with anyio.move_on_after(1) as scope:
            await feed.ended
        assert scope.cancelled_caught
        assert len(feed._mailbox.line._told_of_end or ()) == 1
        subject.close()
        await told.wait()


@both
async def test_a_wait_for_the_end_that_has_come_is_a_checkpoint() -> None:
    """A loop over it lets others run, and can be cancelled."""
    subject = Subject(Note)
    async with subject.subscribe() as feed:
        subject.close()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await feed.ended
        assert scope.cancelled_caught


@only_asyncio
async def test_the_end_can_be_waited_for_in_all_ways_of_asyncio() -> None:
    """It is an awaitable, as ``wait_for`` and ``gather`` take it."""
    subject = Subject(Note)
    async with subject.subscribe() as feed:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(feed.ended, 1)
        waiting = asyncio.ensure_future(feed.ended)
        await settle()
        subject.close()
        await asyncio.gather(waiting, feed.ended)


@both
async def test_losing_the_last_reference_is_an_end() -> None:
    """Whoever awaits it holds the wait, and not the subscription."""
    subject = Subject(Note)
    feed = subject.subscribe()
    ended = feed.ended
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            await ended

        tasks.start_soon(wait)
        await settle()
        with pytest.warns(ResourceWarning):
            del feed
            gc.collect()


@both_real
async def test_another_thread_cannot_wait_for_the_end() -> None:
    """It belongs to the subject's loop."""
    subject = Subject(Note)
    refused: list[BaseException] = []
    async with subject, subject.subscribe() as feed:

        def elsewhere() -> None:
            try:
                feed.ended.__await__().send(None)
            except RuntimeError as error:
                refused.append(error)

        thread = Thread(target=elsewhere)
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
    assert "publish_from_thread" in str(refused[0])


@on_both
def test_who_waited_in_a_loop_that_has_ended_is_not_told(backend: str) -> None:
    """The end comes in the next loop, and only whoever waits there hears of it."""
    subject = Subject(Note)
    feed = subject.subscribe()
    told: list[str] = []
    blocks: list[Any] = []

    async def leave_waiting() -> None:
        wait = feed.ended.__await__()
        wait.send(None)
        block = feed.cancelling()
        await block.__aenter__()
        blocks.extend((wait, block))
        feed._mailbox.line.tell_of_end(lambda: told.append("before"))

    async def wait_anew() -> None:
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                await feed.ended
                told.append("now")

            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            publish(subject, 1)
            await feed.receive()
            subject.close()

    if backend == "asyncio":  # trio checks that no scope is left open
        run(leave_waiting, backend)
    run(wait_anew, backend)
    assert told == ["now"]
    feed.close()


def test_a_subscription_that_nobody_watches_pays_nothing() -> None:
    """Nothing is made before somebody asks."""
    subject = Subject(Note)
    feed = subject.subscribe()
    assert feed._mailbox.line._told_of_end is None
    feed.close()
    assert feed._mailbox.line._told_of_end is None


# ------------------------------------------------------------------ cancelling


async def stuck_in_a_send(feed: Subscription[Note], grace: float) -> float:
    """Read one event, and hang with it; returns after how many seconds that was over."""
    began = anyio.current_time()
    try:
        async with feed.cancelling(grace):
            await feed.receive()
            await anyio.sleep_forever()
    finally:
        took = anyio.current_time() - began
    return took


@pytest.mark.parametrize("grace", [0.0, 1, 2.5])
@each_end
@both
async def test_a_body_that_is_stuck_is_cancelled_when_the_grace_is_over(end: str, grace: float) -> None:
    """After a normal end in silence, else with the error; the grace begins when nothing more comes in."""
    subject = Subject(Note)
    outcome: list[object] = []
    async with subscribed(subject) as feed, group() as tasks:

        async def client() -> None:
            try:
                outcome.append(await stuck_in_a_send(feed, grace))
            except Exception as error:
                outcome.append(error)

        tasks.start_soon(client)
        await settle()
        publish(subject, 1)
        await anyio.sleep(3)
        make_end, expected = ENDS[end]
        make_end(subject, feed)
        if grace:
            await anyio.sleep(grace * 0.9)
            assert outcome == []
        await anyio.sleep(grace * 0.2)
        await settle()
        if end in NORMAL:
            assert outcome == [pytest.approx(3 + grace)]
        else:
            assert type(outcome[0]) is expected
            assert outcome[0] is not GIVEN
            assert getattr(outcome[0], "__cause__", None) is (GIVEN if end == "with an error" else None)
            assert getattr(outcome[0], "__suppress_context__", False)


@both
async def test_the_error_comes_though_the_body_closes_the_subscription_on_its_way_out() -> None:
    """``cancelling`` may stand around the block of the subscription, or inside it."""
    subject = Subject(Note)
    outcome: list[BaseException] = []

    async def client() -> None:
        feed = subscribed(subject)
        try:
            async with feed.cancelling(1), feed:
                await feed.receive()
                await anyio.sleep_forever()
        except SlowSubscriber as error:
            outcome.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client)
        await settle()
        for _ in range(3):
            await subject.publish(Note())
            await settle()
    assert len(outcome) == 1
    assert "reader" in str(outcome[0])


@both
async def test_a_subscription_that_has_ended_before_gives_the_grace_from_the_entering_on() -> None:
    """There is time to read what it holds."""
    subject = Subject(Note)
    async with subject.subscribe() as feed:
        publish(subject, 1)
        subject.close(GIVEN)
        began = anyio.current_time()
        with pytest.raises(Broken):
            async with feed.cancelling(2):
                assert (await feed.receive()).n == 0
                await anyio.sleep_forever()
        assert anyio.current_time() - began == pytest.approx(2)


@pytest.mark.parametrize("ended", [False, True])
@both
async def test_a_body_that_ends_by_itself_is_left_as_any_block_is(ended: bool) -> None:
    """In time, it is not cancelled, and the end of the subscription is not raised."""
    subject = Subject(Note)
    async with subscribed(subject) as feed:
        async with feed.cancelling(5):
            if ended:
                subject.close(GIVEN)
                await anyio.sleep(4)
        assert feed._mailbox.line._told_of_end is None or not feed._mailbox.line._told_of_end
        if not ended:
            publish(subject, 2)
        await anyio.sleep(10)


@both
async def test_what_the_body_raises_goes_out_as_it_is() -> None:
    """By itself, or while it is cancelled."""
    subject = Subject(Note)
    for grace in (0.0, 9.0):
        async with subject.subscribe() as feed:
            error = LookupError()
            with pytest.raises(LookupError) as raised:
                async with feed.cancelling(grace):
                    feed.close()
                    try:
                        await anyio.sleep(1)
                    finally:
                        raise error
            assert raised.value is error


@both
async def test_a_reader_learns_the_end_by_itself_if_it_reads_in_time() -> None:
    """The error comes out of the read, not of the block."""
    subject = Subject(Note)
    got: list[int] = []
    with pytest.raises(SlowSubscriber):
        async with subscribed(subject) as feed, feed.cancelling(1):
            publish(subject, 2)
            async for note in feed:
                got.append(note.n)
    assert got == [0]


@both
async def test_a_cancellation_from_outside_stays_one() -> None:
    """It is neither swallowed nor turned into the error, though the subscription has ended as well."""
    subject = Subject(Note)
    async with subscribed(subject) as feed:
        with anyio.move_on_after(1) as outside:
            async with feed.cancelling(9):
                subject.close(GIVEN)
                await anyio.sleep_forever()
        assert outside.cancelled_caught
        with anyio.move_on_after(1) as outside:
            async with feed.cancelling(1):
                await anyio.sleep_forever()
        assert outside.cancelled_caught


@only_asyncio
async def test_a_cancelled_task_stays_cancelled() -> None:
    """``task.cancel()`` while the body is stuck."""
    subject = Subject(Note)
    async with subscribed(subject) as feed:
        task = asyncio.create_task(stuck_in_a_send(feed, 1))
        await settle()
        publish(subject, 1)
        await settle()
        subject.close()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@both
async def test_an_end_in_the_middle_of_a_publish_and_one_in_a_where_are_ends_too() -> None:
    """The disconnect is decided while the event is given out; the body is cancelled after that."""
    subject = Subject(Note)
    async with group() as tasks:
        for where in (None, refuse):
            feed = subject.subscribe(buffer=1, overflow="disconnect", where=where, name="reader")
            outcome: list[BaseException] = []

            async def client(feed: Subscription[Note] = feed, outcome: list[BaseException] = outcome) -> None:
                try:
                    async with feed, feed.cancelling(0):
                        await anyio.sleep_forever()
                except (SlowSubscriber, Broken) as why:
                    outcome.append(why)

            tasks.start_soon(client)
            await settle()
            await subject.publish(Note())
            await subject.publish(Note())
            await settle()
            assert [type(error) for error in outcome] == [SlowSubscriber if where is None else Broken]
    assert not subject.statistics().subscriptions


@both
async def test_a_block_is_entered_once() -> None:
    """Another block needs another call."""
    subject = Subject(Note)
    async with subject.subscribe() as feed:
        block = feed.cancelling()
        async with block:
            pass
        with pytest.raises(RuntimeError, match="again"):
            async with block:
                pass
        async with feed.cancelling():
            pass


@pytest.mark.parametrize("grace", [-1, float("nan")])
def test_a_grace_below_zero_is_refused(grace: float) -> None:
    """Where it is written, with the value."""
    subject = Subject(Note)
    feed = subject.subscribe()
    with pytest.raises(ValueError, match=f"grace .*{grace}"):
        feed.cancelling(grace)
    feed.close()


@pytest.mark.parametrize("grace", [None, True, "1"])
def test_a_grace_that_is_no_number_is_refused(grace: Any) -> None:
    """Where it is written."""
    subject = Subject(Note)
    feed = subject.subscribe()
    with pytest.raises(TypeError, match="grace must be a number of seconds"):
        feed.cancelling(grace)
    feed.close()
