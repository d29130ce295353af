"""Observers: whose context a handler sees, order by key, what was cut off, and functions that raise."""

from __future__ import annotations

import asyncio
import logging
import weakref
from contextvars import ContextVar
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from evenflow import Event, ObserverFailed, Subject, share

from .kit import Order, both, both_real, collect, only_asyncio, settle

REQUEST: ContextVar[str] = ContextVar("REQUEST", default="-")


# ------------------------------------------------------------------ contexts


@both
async def test_each_event_is_handled_in_the_context_of_the_block_and_in_a_copy_of_its_own() -> None:
    """What a handler sets is there for its own event alone."""
    subject, seen = Subject(Order), list[tuple[int, str]]()

    async def handle(order: Order) -> None:
        seen.append((order.n, REQUEST.get()))
        REQUEST.set(f"set while handling {order.n}")

    async def request(n: int) -> None:
        REQUEST.set(f"request {n}")
        await subject.publish(Order(n=n))

    subject.observe(handle, Order)
    token = REQUEST.set("at the async with")
    async with subject:
        async with anyio.create_task_group() as tasks:
            for n in range(4):
                tasks.start_soon(request, n)
    REQUEST.reset(token)
    assert sorted(seen) == [(n, "at the async with") for n in range(4)]


WAYS: dict[str, Any] = {
    "publish": lambda subject, order: subject.publish(order),
    "publish_many": lambda subject, order: subject.publish_many([order]),
    "publish_nowait": lambda subject, order: anyio.lowlevel.checkpoint() if subject.publish_nowait(order) else None,
}


@pytest.mark.parametrize("options", [{}, {"conflate": Order.n}, {"overflow": "drop_oldest"}, {"concurrency": 3}])
@pytest.mark.parametrize("way", WAYS)
@both
async def test_the_context_of_the_publisher_goes_through_the_buffer(way: str, options: Any) -> None:
    """However it publishes, and whatever the buffer does with events."""
    subject, seen = Subject(Order), list[tuple[int, str]]()
    subject.observe(lambda order: seen.append((order.n, REQUEST.get())), Order, context="publisher", **options)

    async def request(n: int) -> None:
        REQUEST.set(f"request {n}")
        await WAYS[way](subject, Order(n=n))

    async with subject, anyio.create_task_group() as tasks:
        for n in range(4):
            tasks.start_soon(request, n)
    assert sorted(seen) == [(n, f"request {n}") for n in range(4)]


@both
async def test_a_publish_that_waits_for_room_carries_its_own_context() -> None:
    """Not that of whoever made room."""
    subject, seen, go = Subject(Order), list[tuple[int, str]](), anyio.Event()

    async def handle(order: Order) -> None:
        await go.wait()
        seen.append((order.n, REQUEST.get()))

    async def request(n: int) -> None:
        REQUEST.set(f"request {n}")
        await subject.publish(Order(n=n))

    subject.observe(handle, Order, context="publisher", buffer=1)
    async with subject, anyio.create_task_group() as tasks:
        for n in range(5):
            tasks.start_soon(request, n)
        await settle()
        go.set()
    assert sorted(seen) == [(n, f"request {n}") for n in range(5)]


@pytest.mark.parametrize("full", [False, True])
@both_real
async def test_for_a_publish_from_a_thread_it_is_the_threads_context(full: bool) -> None:
    """Whether it waits for room or not."""
    subject, seen = Subject(Order), list[tuple[int, str]]()

    async def handle(order: Order) -> None:
        await anyio.sleep(0.01)
        seen.append((order.n, REQUEST.get()))

    def publish(n: int) -> None:
        REQUEST.set(f"thread {n}")
        subject.publish_from_thread(Order(n=n))

    subject.observe(handle, Order, context="publisher", buffer=1 if full else 9)
    async with subject, anyio.create_task_group() as tasks:
        for n in range(4):
            tasks.start_soon(partial(anyio.to_thread.run_sync, publish, n))
    assert sorted(seen) == [(n, f"thread {n}") for n in range(4)]


def test_any_other_context_is_refused_with_what_there_is() -> None:
    """When it is written."""
    with pytest.raises(ValueError, match=r"'subject'.*'publisher', not 'request'"):
        Subject(Order).observe(print, Order, context="request")  # type: ignore[call-overload]


# ------------------------------------------------------------------ order by key


@both
async def test_events_of_one_key_are_handled_in_order_and_those_of_others_at_the_same_time() -> None:
    """A slow event holds up its own key alone; leaving waits for what waits behind it."""
    subject, log = Subject(Order), list[str]()

    async def handle(order: Order) -> None:
        log.append(f"+{order.n}")
        await anyio.sleep(10 if order.n == 1 else 1)
        log.append(f"-{order.n}")

    subject.observe(handle, Order, concurrency=2, ordered_by=lambda order: order.n % 2)
    async with subject:
        await subject.publish_many([Order(n=n) for n in (1, 3, 2, 4)])
    assert log == ["+1", "+2", "-2", "+4", "-4", "-1", "+3", "-3"]


@both
async def test_drain_waits_for_what_waits_behind_others_of_its_key() -> None:
    """It was published before, and is handled when drain returns."""
    subject, handled = Subject(Order), list[int]()

    async def handle(order: Order) -> None:
        await anyio.sleep(1)
        handled.append(order.n)

    subject.observe(handle, Order, concurrency=4, ordered_by=lambda _: "one key")
    async with subject:
        await subject.publish_many([Order(n=n) for n in range(3)])
        await subject.drain()
        assert handled == [0, 1, 2]


def test_a_key_that_is_none_is_refused_when_it_is_written() -> None:
    """A field of another class, an async function, or nothing that can be called."""

    class Other(Event):
        key: int

    async def async_key(order: Order) -> int:
        return order.n

    for key in (Other.key, async_key, 5):
        with pytest.raises((TypeError, ValueError), match="ordered_by"):
            Subject(Order).observe(print, Order, concurrency=2, ordered_by=key)  # type: ignore[call-overload]


# ------------------------------------------------------------------ cut off


@pytest.mark.parametrize("concurrency", [1, 2])
@both
async def test_an_observer_that_is_cut_off_says_what_it_did_not_finish(
    concurrency: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What it had in hand, then what its buffer held: counted, kept, and logged in one line."""
    jobs, finished = Subject(Order, name="jobs"), list[int]()

    async def work(order: Order) -> None:
        if order.n == 3:
            await anyio.sleep(60)
        await anyio.lowlevel.checkpoint()
        finished.append(order.n)

    watcher = jobs.observe(work, Order, concurrency=concurrency)
    with anyio.move_on_after(5) as scope:
        async with jobs:
            for n in range(8):
                await jobs.publish(Order(n=n))
    assert scope.cancelled_caught
    assert sorted([*finished, *(order.n for order in watcher.unhandled)]) == list(range(8))
    assert watcher.unhandled[0] == Order(n=3)
    statistics = watcher.statistics()
    assert (statistics.handled, statistics.cancelled) == (len(finished), len(watcher.unhandled))
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 1
    assert f"did not finish {len(watcher.unhandled)} event" in lines[0]
    async with jobs:
        assert watcher.unhandled == ()


@both
async def test_what_was_handled_or_discarded_on_purpose_is_not_unhandled(caplog: pytest.LogCaptureFixture) -> None:
    """A normal end, and an observer that was detached."""
    subject, go = Subject(Order), anyio.Event()
    ends = subject.observe(lambda _: None, Order)
    detached = subject.observe(lambda _: go.wait(), Order)
    async with subject:
        await subject.publish_many([Order(n=n) for n in range(3)])
        await settle()
        detached.detach()
        go.set()
    assert (ends.unhandled, detached.unhandled) == ((), ())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# ------------------------------------------------------------------ functions that raise


@pytest.mark.parametrize("which", ["where", "conflate"])
@both
async def test_an_observer_whose_function_raises_on_an_event_goes_on(which: str) -> None:
    """The event counts as not wanted, and the error is published on ``failures``."""
    subject, got = Subject(Order), list[int]()

    def picky(order: Order) -> bool:
        if order.n == 0:
            raise LookupError
        return True

    options: Any = {which: picky}
    watcher = subject.observe(lambda order: got.append(order.n), Order, **options)
    failed: list[ObserverFailed] = []
    subject.failures.observe(failed.append, ObserverFailed)
    async with subject:
        assert await subject.publish(Order(n=0)) == 0
        await settle()
        assert await subject.publish(Order(n=1)) == 1
        await settle()
    assert got == [1]
    assert [(one.event, type(one.error), one.observer) for one in failed] == [(Order(n=0), LookupError, watcher)]


# ------------------------------------------------------------------ nothing is held


class Frame(Event):
    """A large event."""

    data: bytes = b""


async def _kept(subject: Subject[Frame], take: Any = None) -> bool:
    frame = Frame(data=bytes(100_000))
    there = weakref.ref(frame)
    await subject.publish(frame)
    del frame
    await settle()
    if take is not None:
        await take()
    await settle()
    collect()
    return there() is not None


@pytest.mark.parametrize("options", [{}, {"concurrency": 4}, {"context": "publisher"}, {"ordered_by": lambda _: 1}])
@both
async def test_no_observer_holds_an_event_that_it_has_handled(options: Any) -> None:
    """Large frames would stay until the next one comes."""

    async def show(frame: Frame) -> None:
        await anyio.lowlevel.checkpoint()

    frames = Subject(Frame)
    frames.observe(show, Frame, **options)
    async with frames:
        assert not await _kept(frames)


@both
async def test_share_and_for_each_hold_no_event_that_was_delivered() -> None:
    """One is handed on, the other handled."""

    async def show(frame: Frame) -> None:
        await anyio.lowlevel.checkpoint()

    frames = Subject(Frame)
    async with share(frames.subscribe(Frame)) as shared, shared.subscribe() as one:

        async def take() -> None:
            await one.receive()

        assert not await _kept(frames, take)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(frames.subscribe(Frame).for_each, show)
        await settle()
        assert not await _kept(frames)
        tasks.cancel_scope.cancel()


@only_asyncio
async def test_a_deadline_of_asyncio_cuts_an_observer_off_like_any_other() -> None:
    """The error that goes out is the deadline's, in no group."""
    jobs = Subject(Order)

    async def work(_: Order) -> None:
        await anyio.sleep_forever()

    watcher = jobs.observe(work, Order)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), jobs:
            await jobs.publish(Order(n=1))
    assert watcher.unhandled == (Order(n=1),)
