"""Section 2, observers: handlers that run while the subject is entered."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from evenflow import ObserverFailed, Subject as PlainSubject

from .kit import BigOrder, Order, Shipped, Subject, both, fill, group, numbers, settle, take_all, turn

colour: ContextVar[str] = ContextVar("colour", default="none")


@both
async def test_an_observer_reads_its_wants_off_the_annotation() -> None:
    """`@subject.observer` takes the annotation of the first parameter for what the observer wants."""
    subject = Subject(Order, Shipped)
    orders: list[int] = []
    either: list[int] = []

    @subject.observer
    async def one(order: Order) -> None:
        orders.append(order.n)

    @subject.observer
    def two(event: BigOrder | Shipped) -> None:
        either.append(event.n)

    async with subject:
        await subject.publish_many([Order(n=0), BigOrder(n=1), Shipped(n=2)])
    assert orders == [0, 1]
    assert either == [1, 2]


@both
async def test_the_decorator_returns_the_function() -> None:
    """The decorated function stays what it was, whether the decorator is called or not."""
    subject = Subject(Order)

    def bare(order: Order) -> None: ...

    def called(order: Order) -> None: ...

    assert subject.observer(bare) is bare
    assert subject.observer(Order, where=Order.n > 1)(called) is called
    assert subject.observer()(called) is called


@both
async def test_the_called_decorator_takes_wants_and_options() -> None:
    """`@subject.observer(Order, where=..., name=...)` observes what it says."""
    subject = Subject(Order, Shipped)
    seen: list[int] = []

    @subject.observer(Order, where=Order.n > 1, name="big ones")
    def handle(order: Order) -> None:
        seen.append(order.n)

    async with subject:
        await subject.publish_many([Order(n=0), Order(n=2), Shipped(n=3)])
    assert seen == [2]


@both
async def test_observe_with_wants_needs_no_annotation() -> None:
    """`observe(handler, Shipped)` observes events of that class."""
    subject = Subject(Order, Shipped)
    seen: list[Any] = []
    subject.observe(seen.append, Shipped)
    async with subject:
        await subject.publish_many([Order(n=0), Shipped(n=1)])
    assert seen == [Shipped(n=1)]


@both
async def test_events_published_before_the_subject_is_entered_are_not_delivered_to_observers() -> None:
    """Nor do they make the publisher wait."""
    subject = Subject(Order)
    seen: list[int] = []
    subject.observe(lambda order: seen.append(order.n), Order, buffer=1)
    with anyio.fail_after(1):
        for n in range(10):
            assert await subject.publish(Order(n=n)) == 0
    async with subject:
        assert await subject.publish(Order(n=10)) == 1
    assert seen == [10]


@both
async def test_an_observer_added_inside_the_block_is_subscribed_from_the_call_on() -> None:
    """It handles what is published after the call."""
    subject = Subject(Order)
    seen: list[int] = []
    async with subject:
        await subject.publish(Order(n=0))
        subject.observe(lambda order: seen.append(order.n), Order)
        subject.publish_nowait(Order(n=1))
    assert seen == [1]


@both
async def test_the_first_publish_that_only_observers_not_running_wanted_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The subject was not entered, and only observers would have wanted the event: one line is logged, once."""
    subject = PlainSubject(Order, Shipped, name="orders")
    subject.observe(lambda order: None, Order)
    with caplog.at_level(logging.DEBUG):
        await subject.publish(Shipped(n=0))
        assert ours(caplog) == []
        await subject.publish(Order(n=0))
        assert len(ours(caplog)) == 1
        assert "orders" in ours(caplog)[0].getMessage()
        for n in range(5):
            await subject.publish(Order(n=n))
        assert len(ours(caplog)) == 1


@both
async def test_nothing_is_logged_if_a_subscription_wanted_the_event(caplog: pytest.LogCaptureFixture) -> None:
    """That the observer does not run is expected then."""
    subject = Subject(Order)
    subject.observe(lambda order: None, Order)
    subscription = subject.subscribe(Order)
    with caplog.at_level(logging.DEBUG):
        await subject.publish(Order(n=0))
    assert ours(caplog) == []
    assert len(take_all(subscription)) == 1


@both
async def test_with_concurrency_one_events_are_handled_in_order() -> None:
    """One event is handled at a time, in order, however long each handler takes."""
    subject = Subject(Order)
    running = 0
    done: list[int] = []

    async def handle(order: Order) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await anyio.sleep(5 - order.n)
        running -= 1
        done.append(order.n)

    subject.observe(handle, Order)
    async with subject:
        fill(subject, 5)
    assert done == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("concurrency", [2, 4])
@both
async def test_concurrency_is_the_number_of_handlers_at_once(concurrency: int) -> None:
    """No more handlers than that run at once, and all events are handled."""
    subject = Subject(Order)
    running = 0
    most = 0
    done: list[int] = []

    async def handle(order: Order) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(1)
        running -= 1
        done.append(order.n)

    subject.observe(handle, Order, concurrency=concurrency)
    async with subject:
        fill(subject, 12)
    assert most == concurrency
    assert sorted(done) == list(range(12))


@both
async def test_an_observer_with_a_full_buffer_makes_the_publisher_wait() -> None:
    """An observer has a buffer as a subscription has, and by default it blocks."""
    subject = Subject(Order)
    go = anyio.Event()

    async def handle(order: Order) -> None:
        await go.wait()

    subject.observe(handle, Order, buffer=1)
    async with subject, group() as tasks:
        await subject.publish(Order(n=0))
        await settle()
        await subject.publish(Order(n=1))
        with anyio.move_on_after(1) as scope:
            await subject.publish(Order(n=2))
        assert scope.cancelled_caught
        go.set()
        await settle()
        assert await subject.publish(Order(n=3)) == 1
        tasks.cancel_scope.cancel()


@both
async def test_an_observer_takes_overflow_and_conflate() -> None:
    """They mean what they mean for a subscription."""
    subject = Subject(Order)
    seen: list[int] = []
    newest: list[int] = []
    subject.observe(lambda order: seen.append(order.n), Order, buffer=1, overflow="drop_newest")
    subject.observe(lambda order: newest.append(order.n), Order, conflate=Order.region)
    async with subject:
        fill(subject, 5)
    assert seen == [0]
    assert newest == [4]


@both
async def test_a_handler_sees_the_context_of_the_block() -> None:
    """A handler sees the context variables of `async with`, not the publisher's, nor what other handlers set."""
    subject = Subject(Order)
    seen: list[str] = []

    async def handle(order: Order) -> None:
        seen.append(colour.get())

    def sync_handle(order: Order) -> None:
        seen.append(colour.get())

    subject.observe(handle, Order)
    subject.observe(sync_handle, Order)
    token = colour.set("outside")
    try:
        async with subject:
            colour.set("inside")
            await subject.publish(Order(n=0))
            subject.observe(handle, Order, name="later")
            await subject.publish(Order(n=1))
    finally:
        colour.reset(token)
    assert seen == ["outside"] * 5


@both
async def test_an_observer_whose_handler_raises_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged with its traceback, and published as ObserverFailed(event, error, observer) on `failures`."""
    subject = Subject(Order, name="orders")
    failures = subject.failures.subscribe(ObserverFailed)
    handled: list[int] = []

    async def handle(order: Order) -> None:
        handled.append(order.n)
        if order.n == 1:
            raise ZeroDivisionError("one")

    watcher = subject.observe(handle, Order)
    with caplog.at_level(logging.DEBUG):
        async with subject:
            fill(subject, 3)
            await subject.drain()
            failed = failures.receive_nowait()
    assert handled == [0, 1, 2]
    assert failed.event == Order(n=1)
    assert isinstance(failed.error, ZeroDivisionError)
    assert failed.observer is watcher or failed.observer == getattr(watcher, "name", None)
    logged = [record for record in ours(caplog) if record.exc_info]
    assert len(logged) == 1
    assert logged[0].levelno == logging.ERROR
    assert logged[0].exc_info is not None
    assert logged[0].exc_info[0] is ZeroDivisionError
    await failures.aclose()


@pytest.mark.parametrize("concurrency", [2, 4])
@both
async def test_every_failure_of_handlers_that_run_at_once_is_published_and_counted(concurrency: int) -> None:
    """With concurrency as without: each event whose handler raised is one ObserverFailed, and one in the statistics."""
    subject = Subject(Order)
    failures = subject.failures.subscribe(ObserverFailed)

    async def handle(order: Order) -> None:
        await anyio.sleep(1)
        if order.n % 2:
            raise ZeroDivisionError(order.n)

    watcher = subject.observe(handle, Order, concurrency=concurrency)
    async with subject:
        fill(subject, 8)
        await subject.drain()
        failed = take_all(failures)
    assert sorted(failure.event.n for failure in failed) == [1, 3, 5, 7]
    assert [failure.error.args for failure in failed] == [(failure.event.n,) for failure in failed]
    assert (watcher.statistics().handled, watcher.statistics().failed) == (8, 4)


@both
async def test_failures_never_make_a_handler_wait() -> None:
    """A subscriber of `failures` that never reads delays no handler, and `overflow="block"` is refused there."""
    subject = Subject(Order)
    with pytest.raises(ValueError):
        subject.failures.subscribe(ObserverFailed, overflow="block")
    unread = subject.failures.subscribe(ObserverFailed, buffer=1)

    def handle(order: Order) -> None:
        raise ZeroDivisionError

    subject.observe(handle, Order)
    with anyio.fail_after(10):
        async with subject:
            for n in range(20):
                await subject.publish(Order(n=n))
    assert unread.statistics().waiting == 1
    await unread.aclose()


@both
async def test_an_observer_of_failures_handles_them(caplog: pytest.LogCaptureFixture) -> None:
    """It runs with the block of the subject, and what its own handler raises is only logged."""
    subject = Subject(Order)
    told: list[int] = []

    @subject.failures.observer
    def on_failure(failure: ObserverFailed) -> None:
        told.append(failure.event.n)  # type: ignore[attr-defined]
        raise ValueError("in the failure's handler")

    def handle(order: Order) -> None:
        raise ZeroDivisionError

    subject.observe(handle, Order)
    with anyio.fail_after(10), caplog.at_level(logging.DEBUG):
        async with subject:
            fill(subject, 3)
    assert told == [0, 1, 2]
    errors = [record.exc_info[0] for record in ours(caplog) if record.exc_info]
    assert errors.count(ZeroDivisionError) == 3
    assert errors.count(ValueError) == 3


@both
async def test_leaving_waits_for_the_observers_of_failures() -> None:
    """The last failure is told, though its handler takes a while; so is the failure of that handler."""
    subject = Subject(Order)
    told: list[str] = []

    @subject.failures.failures.observer
    async def on_failure_of_failure(failure: ObserverFailed) -> None:
        await anyio.sleep(1)
        told.append(type(failure.error).__name__)

    @subject.failures.observer
    async def on_failure(failure: ObserverFailed) -> None:
        await anyio.sleep(1)
        told.append(type(failure.error).__name__)
        raise ValueError("in the failure's handler")

    def handle(order: Order) -> None:
        raise ZeroDivisionError

    subject.observe(handle, Order)
    async with subject:
        await subject.publish(Order(n=1))
    assert told == ["ZeroDivisionError", "ValueError"]


@both
async def test_leaving_by_an_error_waits_for_no_observer_of_failures() -> None:
    """They are cancelled, as the observers of the subject are."""
    subject = Subject(Order)
    begun, told = anyio.Event(), []

    @subject.failures.observer
    async def on_failure(failure: ObserverFailed) -> None:
        begun.set()
        await anyio.sleep(1)
        told.append(failure)

    def handle(order: Order) -> None:
        raise ZeroDivisionError

    subject.observe(handle, Order)
    with pytest.raises(KeyError):
        async with subject:
            await subject.publish(Order(n=1))
            await begun.wait()
            raise KeyError
    assert not told


@pytest.mark.parametrize("asked", ["before", "by the handler"])
@both
async def test_what_a_handler_raises_while_it_is_cancelled_is_published_too(asked: str) -> None:
    """And the readers of failures get the end, also those that are there only then."""
    subject = Subject(Order)
    readers = [subject.failures.subscribe()] if asked == "before" else []

    async def handle(order: Order) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            if asked == "by the handler":
                readers.append(subject.failures.subscribe())
            raise ZeroDivisionError

    subject.observe(handle, Order)
    with pytest.raises(KeyError):
        async with subject:
            await subject.publish(Order(n=1))
            await settle()
            raise KeyError
    (reader,) = readers
    assert isinstance((await reader.receive()).error, ZeroDivisionError)
    with pytest.raises(anyio.EndOfStream):
        await reader.receive()
    await reader.aclose()


@pytest.mark.parametrize("how", ["left", "left by an error", "closed"])
@both
async def test_readers_of_failures_of_failures_get_the_end(how: str) -> None:
    """However the subject ends."""
    subject = Subject(Order)
    failures = [subject.failures.subscribe(), subject.failures.failures.subscribe()]
    if how == "closed":
        subject.close()
    else:
        with suppress(KeyError):
            async with subject:
                if how == "left by an error":
                    raise KeyError
    for reader in failures:
        with pytest.raises(anyio.EndOfStream):
            await reader.receive()
        await reader.aclose()


@both
async def test_detach_ends_an_observer() -> None:
    """After detach the observer gets no event and is not counted, also when the subject is entered again."""
    subject = Subject(Order)
    seen: list[int] = []

    async def handle(order: Order) -> None:
        seen.append(order.n)

    watcher = subject.observe(handle, Order)
    async with subject:
        await subject.publish(Order(n=0))
        await subject.drain()
        watcher.detach()
        await turn(3)
        assert await subject.publish(Order(n=1)) == 0
        watcher.detach()
    assert seen == [0]
    async with subject:
        await subject.publish(Order(n=2))
    assert seen == [0]


@both
async def test_an_observer_detached_before_the_block_never_runs() -> None:
    """It gets no event."""
    subject = Subject(Order)
    seen: list[int] = []
    subject.observe(lambda order: seen.append(order.n), Order).detach()
    async with subject:
        await subject.publish(Order(n=0))
    assert seen == []


@both
async def test_an_observer_detached_by_its_own_handler_gets_no_other_event() -> None:
    """The handler that is running may end."""
    subject = Subject(Order)
    seen: list[int] = []

    async def handle(order: Order) -> None:
        watcher.detach()
        await anyio.sleep(1)
        seen.append(order.n)

    watcher = subject.observe(handle, Order)
    with anyio.fail_after(10):
        async with subject:
            fill(subject, 3)
            await anyio.sleep(3)
    assert seen in ([0], [])


@both
async def test_an_observer_has_statistics() -> None:
    """`statistics()` of an observer says how many events it handled and how many of them failed."""
    subject = Subject(Order)

    def handle(order: Order) -> None:
        if order.n == 1:
            raise ZeroDivisionError

    watcher = subject.observe(handle, Order, name="counter")
    assert watcher.statistics() is not None
    async with subject:
        fill(subject, 3)
        await subject.drain()
        statistics: Any = watcher.statistics()
    assert statistics.handled == 3
    assert statistics.failed == 1
    assert "counter" in repr(watcher)


@both
async def test_a_coroutine_that_a_sync_handler_returns_is_not_lost_silently() -> None:
    """A lambda around an async function: its coroutine is awaited, or the handler fails."""
    subject = Subject(Order)
    failures = subject.failures.subscribe(ObserverFailed)
    handled: list[int] = []

    async def handle(order: Order) -> None:
        handled.append(order.n)

    subject.observe(lambda order: handle(order), Order)
    async with subject:
        await subject.publish(Order(n=0))
        await subject.drain()
        failed = take_all(failures)
    assert handled == [0] or len(failed) == 1
    await failures.aclose()


@both
async def test_methods_partials_and_callable_objects_are_handlers() -> None:
    """Bound methods, partials and objects with an async `__call__` can observe as well."""
    from functools import partial

    subject = Subject(Order)
    seen: list[str] = []

    class Service:
        async def on_order(self, order: Order) -> None:
            seen.append(f"method {order.n}")

        async def __call__(self, order: Order) -> None:
            seen.append(f"call {order.n}")

    async def with_more(word: str, order: Order) -> None:
        seen.append(f"{word} {order.n}")

    service = Service()
    subject.observe(service.on_order, Order)
    subject.observe(service, Order)
    subject.observe(partial(with_more, "partial"), Order)
    async with subject:
        await subject.publish(Order(n=1))
    assert sorted(seen) == ["call 1", "method 1", "partial 1"]


@both
async def test_observers_run_again_when_the_subject_is_entered_again() -> None:
    """They are added once and handle the events of each run."""
    subject = Subject(Order)
    seen: list[int] = []
    subject.observe(lambda order: seen.append(order.n), Order)
    for run in range(3):
        async with subject:
            await subject.publish(Order(n=run))
    assert seen == [0, 1, 2]


@both
async def test_a_handler_may_cancel_a_scope_of_its_own() -> None:
    """After it the handler goes on, and handles later events."""
    subject = Subject(Order)
    seen: list[int] = []

    async def handle(order: Order) -> None:
        with anyio.move_on_after(1):
            await anyio.sleep_forever()
        seen.append(order.n)

    subject.observe(handle, Order)
    async with subject:
        fill(subject, 3)
    assert seen == [0, 1, 2]


@both
async def test_many_observers_each_get_everything() -> None:
    """Each of fifty observers handles all events in order."""
    subject = Subject(Order)
    seen: list[list[int]] = [[] for _ in range(50)]

    def keep(mine: list[int]) -> Any:
        async def handle(order: Order) -> None:
            await turn()
            mine.append(order.n)

        return handle

    for mine in seen:
        subject.observe(keep(mine), Order)
    async with subject:
        await subject.publish_many(Order(n=n) for n in range(20))
    assert all(mine == list(range(20)) for mine in seen)


@both
async def test_a_publish_counts_running_observers() -> None:
    """publish counts an observer like any other subscription."""
    subject = Subject(Order)
    subject.observe(lambda order: None, Order)
    plain = subject.subscribe(Order)
    async with subject:
        assert await subject.publish(Order(n=0)) == 2
    assert numbers(take_all(plain)) == [0]


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The log records of evenflow's own loggers."""
    return [record for record in caplog.records if record.name.split(".")[0] == "evenflow"]


@both
async def test_a_generator_is_no_handler() -> None:
    """Calling a generator function runs nothing, so it is refused in `observe`."""
    subject = Subject(Order)

    async def generates(order: Order) -> AsyncIterator[int]:
        yield order.n

    def generates_too(order: Order) -> Iterator[int]:
        yield order.n

    for handler in (generates, generates_too):
        with pytest.raises(TypeError, match="generator"):
            subject.observe(handler, Order)
    assert subject.statistics().observers == ()
