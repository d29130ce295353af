"""Guarantee 11: nothing leaks. No task, stream or subscription outlives its scope."""

from __future__ import annotations

import gc
import tracemalloc
import warnings
import weakref
from typing import Any

import anyio
import pytest

from evenflow import Subject

from .kit import BACKENDS, Backend, Order, both, collect, fill, group, publishing, run, settle, turn


def subscriptions_of(subject: Subject[Any]) -> int:
    """How many subscriptions the subject has."""
    return len(subject.statistics().subscriptions)


@both
async def test_a_subscription_is_gone_when_its_block_is_left() -> None:
    """Leaving `async with` detaches the subscription: at the end of the block, by an error, and by a cancel."""
    subject = Subject(Order)
    async with subject.subscribe(Order):
        assert subscriptions_of(subject) == 1
    assert subscriptions_of(subject) == 0
    with pytest.raises(ZeroDivisionError):
        async with subject.subscribe(Order):
            raise ZeroDivisionError
    assert subscriptions_of(subject) == 0
    with anyio.move_on_after(1):
        async with subject.subscribe(Order) as subscription:
            await subscription.receive()
    assert subscriptions_of(subject) == 0
    assert await subject.publish(Order(n=0)) == 0


@both
async def test_a_closed_subscription_is_freed_with_what_its_where_holds() -> None:
    """Once a subscription is closed and its last reference is gone, nothing holds it or its `where`."""
    subject = Subject(Order)

    class Kept:
        """What the callable of a subscription may hold."""

    kept = Kept()
    held = weakref.ref(kept)

    async with subject.subscribe(Order, where=lambda event, kept=kept: kept is not None) as subscription:
        del kept
        assert held() is not None
    ref = weakref.ref(subscription)
    del subscription
    await turn(2)
    collect()
    assert ref() is None
    assert held() is None


@both
async def test_the_subject_keeps_no_subscription_alive() -> None:
    """When the last reference goes the subscription is freed, with a warning that names where it was made."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    ref = weakref.ref(subscription)
    with pytest.warns(ResourceWarning, match=r"test_11_nothing_leaks\.py"):
        del subscription
        collect()
    assert ref() is None
    await turn(2)
    assert subscriptions_of(subject) == 0


@both
async def test_a_subject_without_references_is_freed_with_all_it_has() -> None:
    """A subject with closed subscriptions, observers and history is freed with its last reference."""
    subject = Subject(Order, replay=10)

    async def handle(order: Order) -> None:
        pass

    subject.observe(handle, Order)
    async with subject, subject.subscribe(Order):
        await subject.publish(Order(n=0))
    ref = weakref.ref(subject)
    del subject
    await turn(2)
    collect()
    assert ref() is None


@both
async def test_observers_end_with_the_block() -> None:
    """However `async with subject` is left, no handler's task is left behind (the kit counts the tasks)."""
    subject = Subject(Order)

    async def handle(order: Order) -> None:
        await anyio.sleep(1)

    for concurrency in (1, 4):
        subject.observe(handle, Order, concurrency=concurrency)
    async with subject:
        fill(subject, 5)
    assert subscriptions_of(subject) == 0
    with pytest.raises(ZeroDivisionError):
        async with subject:
            fill(subject, 5)
            await turn(3)
            raise ZeroDivisionError
    assert subscriptions_of(subject) == 0
    with anyio.move_on_after(0.5):
        async with subject:
            fill(subject, 5)
    assert subscriptions_of(subject) == 0


@both
async def test_first_leaves_no_subscription_behind() -> None:
    """`first` detaches when it has its event and when it is cancelled."""
    subject = Subject(Order)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(subject.first, Order)
        await settle()
        assert await subject.publish(Order(n=0)) == 1
    assert await subject.publish(Order(n=1)) == 0
    with anyio.move_on_after(1):
        await subject.first(Order)
    assert subscriptions_of(subject) == 0
    assert await subject.publish(Order(n=2)) == 0


@both
async def test_a_first_that_was_never_awaited_holds_no_publisher() -> None:
    """Python warns of the coroutine that was never awaited, and the subscription of `first` is detached."""
    subject = Subject(Order)
    with pytest.warns(RuntimeWarning, match="never awaited") as caught:
        waiter = subject.first(Order)
        del waiter
        collect()
        await turn(2)
    del caught  # A recorded warning holds the object that it is about.
    collect()
    with anyio.fail_after(5):
        for n in range(200):
            await subject.publish(Order(n=n))
    assert subscriptions_of(subject) == 0


@both
async def test_thousands_of_subscriptions_that_come_and_go_use_no_more_memory() -> None:
    """After 3,000 more subscriptions memory is where it was, and the subject has none."""
    subject = Subject(Order)

    async def come_and_go(count: int) -> None:
        for n in range(count):
            async with subject.subscribe(Order, where=Order.n == n) as subscription:
                await subject.publish(Order(n=n))
                assert subscription.receive_nowait().n == n

    await come_and_go(500)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await come_and_go(3_000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert subscriptions_of(subject) == 0
    assert grown < 100_000, f"{grown} bytes more after 3,000 subscriptions"


@both
async def test_a_cancelled_publish_and_a_cancelled_reader_leave_nothing() -> None:
    """After cancelled waits no publisher is counted as waiting, and the next event goes to the next reader."""
    subject = Subject(Order)
    async with subject.subscribe(Order, buffer=1) as subscription:
        fill(subject, 1)
        async with group() as tasks:
            for n in range(10):
                await publishing(tasks, subject, Order(n=n))
        assert subject.statistics().waiting_publishers == 0
        subscription.receive_nowait()
        async with group() as tasks:
            for _ in range(10):
                tasks.start_soon(subscription.receive)
            await settle()
        await subject.publish(Order(n=11))
        assert (await subscription.receive()).n == 11


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_program_that_closes_everything_leaves_no_warning(backend: Backend) -> None:
    """A program that uses everything and closes it leaves no ResourceWarning, not even at the last collection."""

    async def main() -> None:
        subject = Subject(Order, replay=3)
        seen: list[int] = []

        @subject.observer
        async def note(order: Order) -> None:
            seen.append(order.n)

        async with subject:
            async with subject.subscribe(Order, buffer=1, overflow="drop_oldest", gaps=True):
                await subject.publish_many(Order(n=n) for n in range(10))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(subject.first, Order)
                await settle()
                await subject.publish(Order(n=10))
            await subject.drain()
        assert seen == list(range(11))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(main, backend)
        collect()
    assert [str(warning.message) for warning in caught] == []
