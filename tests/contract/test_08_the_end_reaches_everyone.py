"""Guarantee 8: the end reaches everyone. After close or failure nobody hangs."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from evenflow import SlowSubscriber, SubjectClosed

from .kit import Order, Subject, balanced, both, fill, group, numbers, publishing, read_all, settle, take_all


class Broken(Exception):
    """What went wrong."""


@both
async def test_close_with_full_buffers_delivers_what_is_buffered_then_ends() -> None:
    """Each reader gets its whole buffer, then the end."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order, buffer=5, overflow=p) for p in ("block", "drop_oldest", "drop_newest")]
    fill(subject, 5)
    subject.close()
    for subscription in subscriptions:
        assert numbers(await read_all(subscription)) == [0, 1, 2, 3, 4]
        with pytest.raises(anyio.EndOfStream):
            await subscription.receive()
        with pytest.raises(anyio.EndOfStream):
            subscription.receive_nowait()
        assert await read_all(subscription) == []
        balanced(subscription)


@both
async def test_close_ends_the_publishers_that_wait() -> None:
    """Ten publishes wait for a full subscription: close ends all of them with SubjectClosed, and no event arrives."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    free = subject.subscribe(Order)
    fill(subject, 1)
    async with group() as tasks:
        waiting = [await publishing(tasks, subject, Order(n=n)) for n in range(1, 11)]
        subject.close()
        await settle()
        assert all(isinstance(task.error, SubjectClosed) for task in waiting)
    assert numbers(await read_all(full)) == [0]
    assert numbers(await read_all(free)) == [0]


@both
async def test_close_with_an_error_ends_waiting_publishers_with_subject_closed() -> None:
    """Readers get the error; publishers that wait get SubjectClosed."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        subject.close(Broken("it broke"))
        await settle()
        assert isinstance(waiting.error, SubjectClosed)
    assert (await full.receive()).n == 0
    with pytest.raises(Broken, match="it broke"):
        await full.receive()


@both
async def test_a_publish_many_that_waits_ends_as_well() -> None:
    """A publish_many that waits gets SubjectClosed; the events before that were delivered."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=2)
    ended: list[type[BaseException]] = []

    async def publish() -> None:
        try:
            await subject.publish_many([Order(n=n) for n in range(5)])
        except SubjectClosed as error:
            ended.append(type(error))

    async with group() as tasks:
        tasks.start_soon(publish)
        await settle()
        subject.close()
        await settle()
    assert ended == [SubjectClosed]
    assert numbers(await read_all(full)) == [0, 1]


@pytest.mark.parametrize("way", ["receive", "for", "batches", "first"])
@both
async def test_close_wakes_readers_that_wait(way: str) -> None:
    """Readers that wait with nothing buffered get the end at once, however they read."""
    subject = Subject(Order)
    outcomes: list[str] = []

    async def read() -> None:
        if way == "first":
            try:
                await subject.first(Order)
            except (anyio.EndOfStream, SubjectClosed):
                outcomes.append("end")
            return
        async with subject.subscribe(Order) as subscription:
            if way == "receive":
                with pytest.raises(anyio.EndOfStream):
                    await subscription.receive()
            else:
                async for _ in subscription if way == "for" else subscription.batches():
                    outcomes.append("event")
        outcomes.append("end")

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(read)
        await settle()
        subject.close()
    assert outcomes == ["end"] * 3


@both
async def test_all_readers_of_one_subscription_get_the_end() -> None:
    """Five tasks wait on one subscription: close ends all five."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    ended: list[int] = []

    async def read(reader: int) -> None:
        async for _ in subscription:
            pass
        ended.append(reader)

    async with anyio.create_task_group() as tasks:
        for reader in range(5):
            tasks.start_soon(read, reader)
        await settle()
        subject.close()
    assert sorted(ended) == [0, 1, 2, 3, 4]


@both
async def test_close_with_an_error_raises_it_after_what_is_buffered() -> None:
    """Each reader gets its buffer, then the error, each time it asks."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order) for _ in range(3)]
    fill(subject, 2)
    subject.close(Broken("it broke"))
    for subscription in subscriptions:
        assert numbers([await subscription.receive(), await subscription.receive()]) == [0, 1]
        for _ in range(3):
            with pytest.raises(Broken, match="it broke"):
                await subscription.receive()
        with pytest.raises(Broken, match="it broke"):
            subscription.receive_nowait()


@both
async def test_close_with_an_error_ends_async_for_with_it() -> None:
    """A loop over events or batches raises the error instead of ending silently."""
    subject = Subject(Order)
    one, two = subject.subscribe(Order), subject.subscribe(Order)
    fill(subject, 2)
    subject.close(Broken("it broke"))
    seen: list[int] = []
    with pytest.raises(Broken):
        async for event in one:
            seen.append(event.n)
    with pytest.raises(Broken):
        async for batch in two.batches():
            seen.extend(numbers(list(batch)))
    assert seen == [0, 1, 0, 1]


@both
async def test_a_subject_closed_with_an_end_of_stream_ends_every_iteration() -> None:
    """`close(anyio.EndOfStream())` ends loops over events, batches and chains; `receive` raises one like it."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order) for _ in range(4)]
    fill(subject, 2)
    subject.close(error := anyio.EndOfStream("that was all"))
    events, batches, chain, last = subscriptions
    assert [event.n async for event in events] == [0, 1]
    assert [numbers(list(batch)) async for batch in batches.batches()] == [[0, 1]]
    assert await chain.map(lambda order: order.n).to_list() == [0, 1]
    for _ in range(2):
        await last.receive()
    with pytest.raises(anyio.EndOfStream, match="that was all") as raised:
        await last.receive()
    assert raised.value is not error
    assert raised.value.__cause__ is error


@both
async def test_each_reader_gets_the_error_with_a_fresh_traceback() -> None:
    """The traceback of the error does not grow with each reader that gets it."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order) for _ in range(5)]
    subject.close(Broken("it broke"))
    lengths: list[int] = []
    for subscription in subscriptions:
        for _ in range(3):
            try:
                await subscription.receive()
            except Broken as error:
                lengths.append(len(traceback.extract_tb(error.__traceback__)))
    assert len(lengths) == 15
    assert len(set(lengths)) == 1, lengths


WAYS: dict[str, Callable[[Any], Awaitable[object]]] = {
    "receive": lambda subscription: subscription.receive(),
    "async for": lambda subscription: anext(subscription),
    "batches": lambda subscription: anext(subscription.batches()),
    "an operator": lambda subscription: subscription.map(lambda order: order.n).to_list(),
}


async def _without_waiting(subscription: Any) -> object:
    return subscription.receive_nowait()


WAYS["without waiting"] = _without_waiting


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ended_by", ["close", "where", "late"])
@both
async def test_each_reader_gets_an_exception_of_its_own_chained_to_the_one_given(ended_by: str, way: str) -> None:
    """What one reader does with its exception is seen by no other, and not on the exception that was given."""
    subject = Subject(Order)
    given = Broken("it broke")

    def where(_: Order) -> bool:
        raise given

    early = [subject.subscribe(Order, where=where if ended_by == "where" else None) for _ in range(2)]
    if ended_by == "where":
        await subject.publish(Order(n=0))
        subject.close()
    else:
        subject.close(given)
    subscriptions = early if ended_by != "late" else [subject.subscribe(Order) for _ in range(2)]
    traceback_of_given = given.__traceback__
    caught: list[BaseException] = []
    for subscription in subscriptions:
        try:
            try:
                raise LookupError(f"context {len(caught)}")
            except LookupError:
                await WAYS[way](subscription)
        except Broken as error:
            error.add_note(f"reader {len(caught)}")
            caught.append(error)
    one, two = caught
    assert len({one, two, given}) == 3
    assert one.__cause__ is two.__cause__ is given
    assert (one.args, two.args) == (given.args, given.args)
    assert [str(error.__context__) for error in caught] == ["context 0", "context 1"]
    assert [error.__notes__ for error in caught] == [["reader 0"], ["reader 1"]]
    assert not hasattr(given, "__notes__")
    assert given.__traceback__ is traceback_of_given
    assert given.__context__ is None


@both
async def test_a_disconnected_subscriber_gets_an_error_of_its_own_at_each_read() -> None:
    """Nobody gave it, so that it has no cause."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="disconnect")
    fill(subject, 2)
    assert subscription.receive_nowait().n == 0
    caught: list[SlowSubscriber] = []
    for _ in range(2):
        with pytest.raises(SlowSubscriber) as raised:
            await subscription.receive()
        caught.append(raised.value)
    assert caught[0] is not caught[1]
    assert [error.__cause__ for error in caught] == [None, None]
    assert [error.missed for error in caught] == [1, 1]


@pytest.mark.parametrize("error", [StopAsyncIteration(), StopIteration()])
@both
async def test_a_where_that_raises_the_end_of_an_iterator_is_no_normal_end(error: Exception) -> None:
    """A loop over the subscription raises instead of ending as if all was read."""
    subject = Subject(Order)

    def where(_: Order) -> bool:
        raise error

    subscription = subject.subscribe(Order, where=where)
    await subject.publish(Order(n=0))
    with pytest.raises(RuntimeError, match=type(error).__name__) as raised:
        await read_all(subscription)
    assert raised.value.__cause__ is error


@both
async def test_an_end_is_never_empty() -> None:
    """``EndOfStream`` and ``ClosedResourceError`` name the subscription."""
    subject = Subject(Order)
    ended, closed = (subject.subscribe(Order, name=name) for name in ("first", "second"))
    subject.close()
    closed.close()
    with pytest.raises(anyio.EndOfStream, match="first"):
        await ended.receive()
    with pytest.raises(anyio.ClosedResourceError, match="second"):
        await closed.receive()


@both
async def test_one_readers_traceback_is_not_changed_by_the_next_reader() -> None:
    """An error that one reader has caught and kept stays as it was when the next reader gets the same error."""
    subject = Subject(Order)
    one, two = subject.subscribe(Order), subject.subscribe(Order)
    subject.close(Broken("it broke"))

    async def catch(subscription: Any) -> Broken:
        try:
            await subscription.receive()
        except Broken as error:
            return error
        raise AssertionError

    first = await catch(one)
    before = traceback.format_exception(first)
    second = await catch(two)
    assert traceback.format_exception(first) == before
    assert second.args == first.args


@both
async def test_closing_with_no_subscriber_ends_at_once() -> None:
    """Without subscribers close, aclose and drain return at once."""
    subject = Subject(Order)
    subject.close()
    with anyio.fail_after(1):
        await subject.aclose()
        await subject.drain()


@both
async def test_closing_twice_changes_nothing() -> None:
    """The second close raises nothing, and does not replace the end by an error."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    subject.close()
    subject.close()
    subject.close(Broken("too late"))
    await subject.aclose()
    assert await read_all(subscription) == []


@both
async def test_closing_from_a_subscribers_own_loop_ends_it() -> None:
    """A reader that closes the subject it reads gets its buffer, then the end."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 5)
    seen: list[int] = []
    with anyio.fail_after(1):
        async for event in subscription:
            seen.append(event.n)
            if event.n == 1:
                subject.close()
    assert seen == [0, 1, 2, 3, 4]


@both
async def test_aclose_from_a_subscribers_own_loop_does_not_wait_for_that_reader() -> None:
    """aclose waits for observers and not for readers, so a reader may call it in its own loop."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 3)
    seen: list[int] = []
    with anyio.fail_after(1):
        async for event in subscription:
            seen.append(event.n)
            await subject.aclose()
    assert seen == [0, 1, 2]


@both
async def test_after_close_publishing_is_an_error_and_nobody_gets_it() -> None:
    """All ways to publish raise SubjectClosed, which is an anyio.ClosedResourceError and names the subject."""
    subject = Subject(Order, name="orders")
    subscription = subject.subscribe(Order)
    subject.close()
    with pytest.raises(SubjectClosed, match="orders"):
        await subject.publish(Order(n=0))
    with pytest.raises(anyio.ClosedResourceError):
        subject.publish_nowait(Order(n=0))
    with pytest.raises(SubjectClosed):
        await subject.publish_many([Order(n=0)])
    assert await read_all(subscription) == []
    assert subscription.statistics().wanted == 0


@both
async def test_late_subscribers_get_the_end_at_once() -> None:
    """A subscription to a closed subject ends at once; one to a failed subject gets the error."""
    closed, failed = Subject(Order), Subject(Order)
    closed.close()
    failed.close(Broken("it broke"))
    with anyio.fail_after(1):
        late = closed.subscribe(Order)
        assert await read_all(late) == []
        with pytest.raises(anyio.EndOfStream):
            await closed.subscribe(Order).receive()
        with pytest.raises(Broken):
            await failed.subscribe(Order).receive()
        with pytest.raises((anyio.EndOfStream, SubjectClosed)):
            await closed.first(Order)
        with pytest.raises((Broken, SubjectClosed)):
            await failed.first(Order)


@both
async def test_a_late_subscriber_of_a_closed_subject_gets_the_replay_then_the_end() -> None:
    """It gets the history first, then the end or the error."""
    closed, failed = Subject(Order, replay=3), Subject(Order, replay=3)
    fill(closed, 5)
    fill(failed, 5)
    closed.close()
    failed.close(Broken("it broke"))
    assert numbers(await read_all(closed.subscribe(Order))) == [2, 3, 4]
    late = failed.subscribe(Order)
    assert numbers([late.receive_nowait() for _ in range(3)]) == [2, 3, 4]
    with pytest.raises(Broken):
        await late.receive()


@both
async def test_closing_a_subscription_wakes_its_readers() -> None:
    """When another task closes a subscription, no reader that waits on it hangs."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    outcomes: list[str] = []

    async def read() -> None:
        try:
            await subscription.receive()
        except (anyio.ClosedResourceError, anyio.EndOfStream) as error:
            outcomes.append(type(error).__name__)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(read)
        await settle()
        await subscription.aclose()
    assert len(outcomes) == 3


@both
async def test_receiving_from_a_closed_subscription_is_an_error() -> None:
    """After aclose, receive raises anyio's ClosedResourceError, as any anyio stream does."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 2)
    await subscription.aclose()
    await subscription.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await subscription.receive()
    with pytest.raises(anyio.ClosedResourceError):
        subscription.receive_nowait()


@both
async def test_a_subscription_that_dropped_events_still_ends() -> None:
    """With `gaps=True` the reader gets the event, the gap, and then the end."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="drop_newest", gaps=True)
    fill(subject, 5)
    subject.close()
    with anyio.fail_after(1):
        received = await read_all(subscription)
    assert [getattr(event, "n", "gap") for event in received] == [0, "gap"]


@both
async def test_a_reader_that_sleeps_and_one_that_publishes_both_end() -> None:
    """After close each of them comes to its end."""
    subject = Subject(Order)
    ended: list[str] = []

    async def sleeper() -> None:
        async with subject.subscribe(Order, overflow="drop_oldest", buffer=1) as subscription:
            async for _ in subscription:
                await anyio.sleep(3)
        ended.append("sleeper")

    async def forwarder() -> None:
        try:
            async with subject.subscribe(Order, where=Order.n < 5) as subscription:
                async for event in subscription:
                    await subject.publish(Order(n=event.n + 5))
        except SubjectClosed:
            pass
        ended.append("forwarder")

    async with anyio.create_task_group() as tasks:
        for task in (sleeper, forwarder):
            tasks.start_soon(task)
        await settle()
        for n in range(10):
            await subject.publish(Order(n=n))
        subject.close()
    assert sorted(ended) == ["forwarder", "sleeper"]
    assert take_all(subject.subscribe(Order)) == []
