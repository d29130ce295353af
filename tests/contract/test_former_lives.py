"""Section 2, it lives more than once: what an earlier life left behind does no harm to the next one."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import threading
import time
import weakref
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from typing import Any

import anyio
import pytest

import evenflow
from evenflow import Subject

from .kit import (
    BACKENDS,
    Backend,
    Order,
    both,
    both_real,
    collect,
    group,
    numbers,
    only_asyncio,
    run,
    settle,
    take_all,
    turn,
)


@both
async def test_a_drain_still_ends_after_the_subject_was_entered_again() -> None:
    """It waits for what was published before the call, and returns once that was received in the next life."""
    subject = Subject(Order)
    drained: list[bool] = []

    async def drain() -> None:
        await subject.drain()
        drained.append(True)

    async with group() as tasks, subject.subscribe(Order) as subscription:
        subject.publish_nowait(Order(n=0))
        tasks.start_soon(drain)
        await settle()
        subject.close()
        async with subject:
            await settle()
            assert not drained
            assert (await subscription.receive()).n == 0
            await settle()
            assert drained


def test_a_subject_whose_loop_ends_is_closed() -> None:
    """Its readers get the end, and nothing waits for the tasks of that loop."""
    subject = Subject(Order)
    failures = subject.failures
    handled: list[int] = []
    left: list[Any] = []

    @subject.observer
    async def _handle(order: Order) -> None:
        handled.append(order.n)
        if order.n == 0:
            await anyio.sleep_forever()

    async def abandoned() -> None:
        async with subject:
            left.append(subject.subscribe(Order))
            await subject.publish(Order(n=0))
            await anyio.sleep_forever()

    loop = asyncio.new_event_loop()
    task = loop.create_task(abandoned())
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()

    async def afterwards() -> None:
        subscription = left.pop()
        assert (await subscription.receive()).n == 0
        with pytest.raises(anyio.EndOfStream):
            await subscription.receive()
        subscription.close()
        await subject.aclose()
        async with subject:
            assert not failures.is_closed
            assert await subject.publish(Order(n=1)) == 1
            await subject.drain()
            assert handled == [0, 1]

    for backend in ("asyncio", "trio", "asyncio"):
        if left:
            run(afterwards, backend)
    # asyncio logs that the tasks were never ended.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    del task
    collect()
    logging.getLogger("asyncio").setLevel(logging.NOTSET)


def test_a_publish_of_a_loop_that_ended_reserves_no_slot() -> None:
    """A publish that waited when its loop was closed is gone, with its task."""
    subject = Subject(Order)
    held = subject.subscribe(Order, buffer=1)
    full = subject.subscribe(Order, buffer=1)
    subject.publish_nowait(Order(n=0))

    async def wait() -> None:
        waiting.append(asyncio.get_running_loop().create_task(subject.publish(Order(n=1))))
        await asyncio.sleep(0)
        await held.receive()
        await asyncio.sleep(0)

    waiting: list[Any] = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(wait())
    loop.close()

    async def afterwards() -> None:
        assert (await full.receive()).n == 0
        # asyncio logs that the task was never ended.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        waiting.clear()
        gc.collect()
        logging.getLogger("asyncio").setLevel(logging.NOTSET)
        assert await subject.publish(Order(n=2)) == 2
        with pytest.raises(anyio.WouldBlock):
            subject.publish_nowait(Order(n=3))
        assert subject.statistics().waiting_publishers == 0
        held.close()
        full.close()

    run(afterwards, "asyncio")


@both
async def test_failures_that_are_first_asked_for_after_the_end_are_closed() -> None:
    """A subscriber of the `failures` of a closed subject gets the end."""
    subject = Subject(Order)
    subject.close()
    async with subject.failures.subscribe() as failed:
        assert [failure async for failure in failed] == []
    async with subject:
        assert not subject.failures.is_closed


@both
async def test_failures_end_also_if_leaving_was_cancelled() -> None:
    """Leaving the block is cancelled while it waits for observers: `failures` is closed like everything else."""
    subject = Subject(Order)
    subject.observe(_never_ends, Order)
    failed = subject.failures.subscribe()
    with anyio.move_on_after(1) as scope:
        async with subject:
            await subject.publish(Order(n=0))
    assert scope.cancelled_caught
    assert [failure async for failure in failed] == []
    failed.close()


async def _never_ends(_: Order) -> None:
    await anyio.sleep_forever()


@both_real
async def test_threads_that_publish_as_the_subject_is_left_get_subject_closed() -> None:
    """Several threads publish in the very turn in which the block ends, and none hangs."""
    subject = Subject(Order)
    answers: list[type[BaseException]] = []

    def publish() -> None:
        try:
            subject.publish_from_thread(Order(n=1))
        except evenflow.SubjectClosed as error:
            answers.append(type(error))

    threads = [threading.Thread(target=publish, daemon=True) for _ in range(4)]
    async with subject.subscribe(Order, buffer=1):
        async with subject:
            await subject.publish(Order(n=0))
            await settle()
            for thread in threads:
                thread.start()
            time.sleep(0.1)  # noqa: ASYNC251 -- the loop stands still until all threads have asked
            await turn()
        with anyio.fail_after(60):
            while any(thread.is_alive() for thread in threads):
                await anyio.sleep(0.01)
    assert answers == [evenflow.SubjectClosed] * 4


@both
async def test_drain_waits_for_observers_that_were_disconnected_or_detached() -> None:
    """A disconnected observer still handles its buffer, and a detached one the event that it has started with."""
    subject = Subject(Order)
    handled: list[int] = []

    async def handle(order: Order) -> None:
        await anyio.sleep(1)
        handled.append(order.n)

    async with subject:
        subject.observe(handle, Order, overflow="disconnect", buffer=2)
        for n in range(4):
            subject.publish_nowait(Order(n=n))
        await subject.drain()
        assert handled == [0, 1]
        watcher = subject.observe(handle, Order)
        await subject.publish(Order(n=9))
        await settle()
        watcher.detach()
        await subject.drain()
        assert handled == [0, 1, 9]


@both
async def test_observers_that_come_and_go_leave_nothing() -> None:
    """A subject keeps no observer that was detached."""
    subject = Subject(Order)
    async with subject:
        watchers = [subject.observe(_never_ends, Order) for _ in range(3)]
        kept = [weakref.ref(watcher) for watcher in watchers]
        while watchers:
            watchers.pop().detach()
        await settle()
        collect()
        assert [watcher() for watcher in kept] == [None, None, None]


@only_asyncio
async def test_task_cancel_of_an_observers_task_ends_that_observer_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It does not matter whether its handler cancels the task, or another task does while it waits."""
    subject = Subject(Order)
    handled: list[int] = []
    tasks: list[asyncio.Task[Any] | None] = []

    async def cancels_itself(_: Order) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await anyio.sleep_forever()

    async def notes_its_task(_: Order) -> None:
        tasks.append(asyncio.current_task())

    async with subject:
        first = subject.observe(cancels_itself, Order)
        second = subject.observe(notes_its_task, Order)
        subject.observe(lambda order: handled.append(order.n), Order)
        await subject.publish(Order(n=0))
        await settle()
        assert first.ended
        assert tasks[0] is not None
        tasks[0].cancel()
        await settle()
        assert second.ended
        await subject.publish(Order(n=1))
        await subject.drain()
    assert handled == [0, 1]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@both_real
async def test_detaching_from_another_thread_is_refused_and_changes_nothing() -> None:
    """It is a RuntimeError, and the observer can still be detached in its own loop."""
    subject = Subject(Order)
    async with subject:
        watcher = subject.observe(_never_ends, Order)
        with pytest.raises(RuntimeError, match="publish_from_thread"):
            await anyio.to_thread.run_sync(watcher.detach)
        assert len(subject.statistics().observers) == 1
        watcher.detach()
        assert subject.statistics().observers == ()


@both_real
async def test_a_drain_ends_when_the_subscription_it_waits_for_is_collected_in_another_thread() -> None:
    """Its own loop detaches the subscription at once, also if nobody publishes."""
    subject = Subject(Order)
    box: list[Any] = [subject.subscribe(Order)]
    subject.publish_nowait(Order(n=0))

    async def collect_elsewhere() -> None:
        await settle()
        with pytest.warns(ResourceWarning):
            thread = threading.Thread(target=box.clear)
            thread.start()
            thread.join(60)

    with anyio.fail_after(60):
        async with group() as tasks:
            tasks.start_soon(collect_elsewhere)
            await subject.drain()
    assert subject.statistics().subscriptions == ()


@both_real
async def test_a_thread_that_is_interrupted_while_it_waits_publishes_nothing() -> None:
    """An exception that interrupts the waiting thread, as Ctrl-C does, takes the event back: nobody gets it."""
    subject = Subject(Order)
    asks = threading.Event()
    interrupted: list[bool] = []

    class Interrupt(BaseException):
        pass

    def publish() -> None:
        try:
            asks.set()
            subject.publish_from_thread(Order(n=1))
        except Interrupt:
            interrupted.append(True)

    async with subject, subject.subscribe(Order) as subscription:
        await settle()
        thread = threading.Thread(target=publish)
        thread.start()
        asks.wait(5)
        time.sleep(0.1)  # noqa: ASYNC251 -- the loop stands still, so that the thread has to wait for it
        assert thread.ident is not None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupt))
        thread.join(60)
        assert interrupted == [True]
        await turn(5)
        assert subscription.statistics().wanted == 0


def test_a_publish_left_behind_by_a_loop_that_ended_frees_no_slot() -> None:
    """It waited for room when its loop ended and is closed later: the buffer still holds no more than `buffer`."""
    subject = Subject(Order, replay=1, replay_by=lambda order: order.n)
    subscription = subject.subscribe(Order, buffer=2)
    left: list[Any] = []

    async def abandoned() -> None:
        reader = asyncio.create_task(subscription.receive())
        await turn(2)
        await subject.publish(Order(n=0))
        await subject.publish(Order(n=1))
        left.append(subject.publish(Order(n=2)))
        left[0].send(None)  # The slot that the reader frees is reserved for this publish.
        assert (await reader).n == 0

    loop = asyncio.new_event_loop()
    loop.run_until_complete(abandoned())
    loop.close()

    async def afterwards() -> None:
        assert subject.publish_nowait(Order(n=3)) == 1
        left.pop().close()
        with pytest.raises(anyio.WouldBlock):
            subject.publish_nowait(Order(n=4))
        assert numbers(take_all(subscription)) == [1, 3]
        subscription.close()

    asyncio.run(afterwards())


@pytest.mark.parametrize("closed", [False, True])
def test_a_reader_does_not_wait_behind_one_of_a_loop_that_has_ended(closed: bool) -> None:
    """A reader was woken as its loop ended: a reader in the next loop gets the event."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="disconnect")
    left: list[Any] = []

    async def abandoned() -> None:
        left.append(asyncio.create_task(subscription.receive()))
        await turn(2)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(abandoned())
    subject.publish_nowait(Order(n=0))
    subject.publish_nowait(Order(n=1))
    if closed:
        subject.close()
    left[0]._log_destroy_pending = False
    loop.close()

    async def afterwards() -> None:
        with anyio.fail_after(60):
            assert (await subscription.receive()).n == 0
        with pytest.raises(evenflow.SlowSubscriber):
            await subscription.receive()

    asyncio.run(afterwards())
    left.clear()
    subscription.close()


@pytest.mark.parametrize("who", ["reader", "publisher"])
def test_a_task_of_a_loop_that_ended_is_not_kept_alive(who: str) -> None:
    """A loop is closed while a task reads or publishes: the subscription that the task holds is freed."""
    orders, others = Subject(Order), Subject(Order)
    kept = orders.subscribe(Order)

    async def read() -> None:
        async with others.subscribe(Order, buffer=1):
            async for _ in kept:
                pass

    async def publish() -> None:
        async with others.subscribe(Order, buffer=1):
            for n in range(5):
                await orders.publish(Order(n=n))
            await asyncio.Event().wait()

    loop = asyncio.new_event_loop()
    task = loop.create_task(read() if who == "reader" else publish())
    for _ in range(3):
        loop.run_until_complete(asyncio.sleep(0))
        orders.publish_nowait(Order(n=0))
    loop.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task
    gc.collect()

    async def afterwards() -> int:
        return sum(others.publish_nowait(Order(n=n)) for n in range(3))

    assert asyncio.run(afterwards()) == 0
    kept.close()


@only_asyncio
async def test_a_publish_that_lets_the_loop_turn_does_not_reach_the_next_life() -> None:
    """It lets the loop turn after many deliveries; meanwhile the subject is closed, and entered again."""
    subject, busy = Subject(Order), Subject(Order)
    outcomes: list[BaseException | int] = []

    async def publish() -> None:
        for n in range(10_000):  # Without an await, so that the next publish lets the loop turn.
            busy.publish_nowait(Order(n=n))
        began.append(True)
        try:
            outcomes.append(await subject.publish(Order(n=0)))
        except evenflow.SubjectClosed as error:
            outcomes.append(error)

    began: list[bool] = []
    async with (
        group() as tasks,
        subject.subscribe(Order),
        busy.subscribe(Order, buffer=1, overflow="drop_newest"),
    ):
        await settle()
        tasks.start_soon(publish)
        while not began:
            await turn()
        assert not outcomes
        subject.close()
        async with subject, subject.subscribe(Order) as later:
            await settle()
            assert isinstance(outcomes[0], evenflow.SubjectClosed)
            assert later.statistics().wanted == 0


@pytest.mark.parametrize("what", ["subject", "failures"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_closing_a_subscription_of_a_former_life_does_not_close_the_present_life(backend: Backend, what: str) -> None:
    """The loop of that life has ended, and the subject was entered again: publishing and handling go on."""
    subject = Subject(Order)
    handled: list[int] = []
    subject.observe(lambda order: handled.append(order.n), Order)
    left: list[Any] = []

    async def former() -> None:
        async with subject:
            left.append(subject.subscribe(Order) if what == "subject" else subject.failures.subscribe())
        async with subject:  # A second life in the same loop.
            await settle()

    async def present() -> None:
        async with subject, subject.subscribe(Order) as subscription:
            left.pop().close()
            assert not subject.is_closed
            assert not subject.failures.is_closed
            assert await subject.publish(Order(n=1)) == 2
            await settle()
            assert handled == [1]
            assert (await subscription.receive()).n == 1

    run(former, backend)
    run(present, backend)


# The frames of anyio that the publish waits in are closed outside their task, and say so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_publish_of_a_former_loop_that_a_where_frees_does_not_let_that_where_publish() -> None:
    """The last reference to a publish that waited when its loop ended goes inside a `where`, which still only looks."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    subject.publish_nowait(Order(n=0))
    left: list[Any] = []
    refused: list[bool] = []

    async def abandoned() -> None:
        left.append(subject.publish(Order(n=1)))
        left[0].send(None)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(abandoned())
    loop.close()

    def frees(order: Order) -> bool:
        if left:
            left.clear()
            gc.collect()
            try:
                subject.publish_nowait(Order(n=9))
            except RuntimeError as error:
                refused.append("only look" in str(error))
        return True

    async def afterwards() -> None:
        assert (await full.receive()).n == 0
        async with subject.subscribe(Order, where=frees) as looking:
            assert await subject.publish(Order(n=2)) == 2
            assert refused == [True]
            assert numbers(take_all(full)) == numbers(take_all(looking)) == [2]
        full.close()

    run(afterwards, "asyncio")


@both
async def test_a_drain_does_not_wait_for_a_subscription_that_was_dropped_before_any_loop_ran() -> None:
    """The subject belongs to no loop yet: the subscription is gone all the same, with its buffer."""
    subject = Subject(Order)
    dropped: list[Any] = [subject.subscribe(Order)]
    subject.publish_nowait(Order(n=0))
    with pytest.warns(ResourceWarning):
        dropped.clear()
        collect()
    with anyio.fail_after(1):
        await subject.drain()
    assert subject.statistics().subscriptions == ()


@pytest.mark.parametrize("how", ["dropped", "replaced", "closed", "collected"])
@both
async def test_a_drain_ends_when_what_it_waits_for_will_never_be_read(how: str) -> None:
    """The event is dropped for a newer one, replaced by one of its key, or gone with its subscription."""
    subject = Subject(Order)
    options: dict[str, Any] = {"conflate": Order.region} if how == "replaced" else {"overflow": "drop_oldest"}
    subscriptions: list[Any] = [subject.subscribe(Order, buffer=1, **options)]
    subject.publish_nowait(Order(n=0))
    drained: list[bool] = []

    async def drain() -> None:
        await subject.drain()
        drained.append(True)

    async with group() as tasks:
        tasks.start_soon(drain)
        await settle()
        assert not drained
        if how == "closed":
            subscriptions[0].close()
        elif how == "collected":
            with pytest.warns(ResourceWarning):
                subscriptions.clear()
                collect()
        else:
            subject.publish_nowait(Order(n=1))
        await settle()
        assert drained
        for subscription in subscriptions:
            subscription.close()


def test_a_block_that_is_closed_after_its_loop_has_ended_does_not_end_the_next_life() -> None:
    """Its coroutine gets `GeneratorExit` whenever the collector likes: the subject lives on, and is left as always."""
    subject, handled = Subject(Order), list[int]()
    subject.observe(lambda order: handled.append(order.n), Order)

    async def for_ever() -> None:
        async with subject:
            await anyio.sleep_forever()

    async def until_it_waits() -> None:
        former.send(None)
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await settle()

    async def next_life() -> None:
        async with subject:
            former.close()
            assert not subject.is_closed
            assert await subject.publish(Order(n=1)) == 1

    former = for_ever()
    run(until_it_waits, "asyncio")
    run(next_life, "asyncio")
    assert handled == [1]
    assert subject.is_closed


def test_a_leaving_that_is_closed_after_its_loop_has_ended_does_not_end_the_next_life() -> None:
    """Nor the failures of that life: what an observer raises there is published."""
    subject = Subject(Order)

    async def handle(order: Order) -> None:
        if order.n == 0:
            await anyio.sleep_forever()
        raise ZeroDivisionError

    subject.observe(handle, Order)
    failures = subject.failures.subscribe()

    async def left_at_once() -> None:
        async with subject:
            await subject.publish(Order(n=0))

    async def until_it_waits() -> None:
        former.send(None)
        await settle()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await settle()

    async def next_life() -> None:
        async with subject:
            failures = subject.failures.subscribe()
            with suppress(RuntimeError):  # it cannot wait any more
                former.close()
            assert not subject.is_closed
            await subject.publish(Order(n=1))
            assert (await failures.receive()).event.n == 1
            await failures.aclose()

    former = left_at_once()
    run(until_it_waits, "asyncio")
    run(next_life, "asyncio")
    failures.close()


@both
async def test_an_async_generator_that_is_closed_leaves_the_subject() -> None:
    """There `GeneratorExit` is how its block ends in the very life that it has begun."""
    subject, handled = Subject(Order), list[int]()
    subject.observe(lambda order: handled.append(order.n), Order)

    async def living() -> AsyncGenerator[None]:
        async with subject:
            yield  # noqa: ASYNC119 -- the test closes the generator

    for n in range(2):
        life = living()
        await anext(life)
        await subject.publish(Order(n=n))
        await life.aclose()
        assert subject.is_closed
    assert handled == [0, 1]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(subject)
        await subject.publish(Order(n=2))
    assert handled == [0, 1, 2]
