"""Section 2, it lives more than once: a subject can be entered again and again, in one loop at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.from_thread
import pytest
import trio

from evenflow import Subject, SubjectClosed

from .kit import BACKENDS, Backend, Order, both, collect, numbers, run, take_all, turn

shop = Subject(Order, name="shop", replay=2)
"""A module's own subject: made at import time, with no event loop."""
handled: list[int] = []


@shop.observer
async def keep(order: Order) -> None:
    """A module-level observer."""
    handled.append(order.n)


async def one_life(n: int) -> None:
    """What a program does with its subject: enter it, subscribe, publish, leave."""
    handled.clear()
    async with shop:
        assert shop.statistics().published == 0
        async with shop.subscribe(Order) as subscription:
            assert take_all(subscription) == []
            assert await shop.publish(Order(n=n)) == 2
            assert (await subscription.receive()).n == n
            await shop.drain()
        assert handled == [n]
    with pytest.raises(SubjectClosed):
        await shop.publish(Order(n=n))


@pytest.mark.asyncio
async def test_a_module_level_subject_in_one_pytest_asyncio_test() -> None:
    """The first of two tests, each with its own loop, that use one module-level subject."""
    await one_life(1)


@pytest.mark.asyncio
async def test_the_same_module_level_subject_in_another_pytest_asyncio_test() -> None:
    """The second of two tests, each with its own loop, that use one module-level subject."""
    await one_life(2)


@pytest.mark.parametrize("backends", [("asyncio", "asyncio"), ("trio", "trio"), ("asyncio", "trio", "asyncio")])
def test_a_subject_can_be_entered_in_one_run_after_another(backends: tuple[Backend, ...]) -> None:
    """Two asyncio.runs, two trio.runs, or both kinds: the subject works in each of them."""
    for n, backend in enumerate(backends):
        if backend == "asyncio":
            asyncio.run(one_life(n))
        else:
            trio.run(one_life, n)


def test_a_web_application_can_be_tested_by_two_test_clients_in_turn() -> None:
    """The application enters its module-level subject in the lifespan."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with shop:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/orders")
    async def post(order: Order) -> int:
        waiter = shop.first(Order)
        await shop.publish(order)
        return (await waiter).n

    for n in (1, 2):
        handled.clear()
        with TestClient(app) as client:
            assert client.post("/orders", json={"n": n}).json() == n
            assert client.post("/orders", json={"n": n + 10}).json() == n + 10
        assert handled == [n, n + 10]


def test_a_subject_that_is_never_entered_works_in_one_run_after_another() -> None:
    """Publishing and reading need no `async with`."""
    subject = Subject(Order)

    async def use() -> None:
        async with subject.subscribe(Order) as subscription, anyio.create_task_group() as tasks:
            tasks.start_soon(subject.publish, Order(n=1))
            assert (await subscription.receive()).n == 1

    for _ in range(2):
        asyncio.run(use())
        trio.run(use)


def test_a_second_live_loop_is_refused() -> None:
    """The subject belongs to the loop in which something first waited, until that ends; another gets RuntimeError."""
    subject = Subject(Order)

    async def wait_once() -> None:
        async with subject.subscribe(Order) as subscription:
            with anyio.move_on_after(0.01):
                await subscription.receive()

    with asyncio.Runner() as first:
        first.run(wait_once())
        with asyncio.Runner() as second, pytest.raises(RuntimeError, match="loop"):
            second.run(wait_once())
        first.run(wait_once())
    with asyncio.Runner() as third:
        third.run(wait_once())


def test_a_live_loop_in_another_thread_is_refused() -> None:
    """It gets RuntimeError, and the loop that the subject belongs to goes on undisturbed."""
    subject = Subject(Order)
    entered, tried = threading.Event(), threading.Event()
    outcome: list[object] = []

    async def owner() -> None:
        async with subject, subject.subscribe(Order) as subscription:
            await subject.publish(Order(n=0))
            entered.set()
            while not tried.is_set():
                await anyio.sleep(0.005)
            outcome.append(numbers(take_all(subscription)))

    async def intruder() -> None:
        await subject.publish(Order(n=1))

    def own() -> None:
        anyio.run(owner)

    thread = threading.Thread(target=own)
    thread.start()
    try:
        assert entered.wait(10)
        with pytest.raises(RuntimeError):
            anyio.run(intruder)
        with pytest.raises(RuntimeError):
            anyio.run(one_entering, subject)
    finally:
        tried.set()
        thread.join(60)
    assert outcome == [[0]]


async def one_entering(subject: Subject[Any]) -> None:
    """Enter the subject, and leave it."""
    async with subject:
        pass


@both
async def test_entering_again_opens_it_anew() -> None:
    """Observers stay, history and counters start from nothing, and earlier subscriptions stay ended."""
    subject = Subject(Order, replay=5)
    seen: list[int] = []
    subject.observe(lambda order: seen.append(order.n), Order)
    async with subject:
        old = subject.subscribe(Order)
        await subject.publish(Order(n=0))
    async with subject:
        statistics = subject.statistics()
        assert statistics.published == 0
        assert statistics.closed is False
        async with subject.subscribe(Order) as new:
            assert take_all(new) == []
            assert await subject.publish(Order(n=1)) == 2
            assert numbers(take_all(new)) == [1]
    assert numbers(take_all(old)) == [0]
    with pytest.raises(anyio.EndOfStream):
        await old.receive()
    await old.aclose()
    assert seen == [0, 1]


@both
async def test_entering_a_closed_subject_opens_it_again() -> None:
    """After `close` and `async with` it takes events again."""
    subject = Subject(Order)
    subject.close(ValueError("over"))
    with pytest.raises(SubjectClosed):
        await subject.publish(Order(n=0))
    async with subject:
        async with subject.subscribe(Order) as subscription:
            assert await subject.publish(Order(n=1)) == 1
            assert numbers(take_all(subscription)) == [1]


@both
async def test_subscriptions_made_before_the_first_entering_stay_active() -> None:
    """They get what is published before it and inside the block."""
    subject = Subject(Order)
    async with subject.subscribe(Order) as subscription:
        await subject.publish(Order(n=0))
        async with subject:
            await subject.publish(Order(n=1))
        assert numbers(take_all(subscription)) == [0, 1]


@both
async def test_entering_a_subject_that_is_entered_is_refused() -> None:
    """The second `async with` raises RuntimeError, and the first goes on."""
    subject = Subject(Order)
    async with subject:
        with pytest.raises(RuntimeError):
            async with subject:
                pass
        async with subject.subscribe(Order) as subscription:
            assert await subject.publish(Order(n=0)) == 1
            assert numbers(take_all(subscription)) == [0]


@both
async def test_a_subject_that_was_left_by_an_exception_can_be_entered_again() -> None:
    """Its observers run again."""
    subject = Subject(Order)
    seen: list[int] = []
    subject.observe(lambda order: seen.append(order.n), Order)
    for n in range(3):
        try:
            async with subject:
                await subject.publish(Order(n=n))
                await subject.drain()
                raise ZeroDivisionError
        except ZeroDivisionError:
            await turn()
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_full_subscription_of_a_loop_that_ended_holds_no_publisher(backend: Backend) -> None:
    """A run ends with a full subscription still referenced: a publisher of the next run does not wait for it."""
    subject = Subject(Order)
    held: list[Any] = []

    async def first() -> None:
        held.append(subject.subscribe(Order, buffer=1))
        await subject.publish(Order(n=0))
        with anyio.move_on_after(1):
            await subject.publish(Order(n=1))

    async def second() -> None:
        held[0].close() if hasattr(held[0], "close") else await held[0].aclose()
        with anyio.fail_after(60):
            assert await subject.publish(Order(n=2)) == 0

    run(first, backend)
    run(second, backend)
    held.clear()
    collect()


def test_a_subject_whose_loop_ended_inside_the_block_can_be_entered_again() -> None:
    """The loop was closed before the block was left, as in a crashed server."""
    subject = Subject(Order)
    seen: list[int] = []
    subject.observe(lambda order: seen.append(order.n), Order)

    async def enter() -> None:
        await subject.__aenter__()
        await subject.publish(Order(n=0))
        await turn(3)

    async def live() -> None:
        async with subject, subject.subscribe(Order) as subscription:
            assert await subject.publish(Order(n=1)) == 2
            assert numbers(take_all(subscription)) == [1]

    with asyncio.Runner() as runner:
        runner.run(enter())
    asyncio.run(live())
    assert seen == [0, 1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_that_was_cut_short_leaves_the_subject_usable(backend: Backend) -> None:
    """KeyboardInterrupt while readers and publishers wait: the next run works as usual."""
    subject = Subject(Order)

    async def cut_short() -> None:
        async with subject, anyio.create_task_group() as tasks:
            subscription = subject.subscribe(Order, buffer=1)
            async with subscription:
                await subject.publish(Order(n=0))
                tasks.start_soon(subject.publish, Order(n=1))
                await turn(3)
                raise KeyboardInterrupt

    async def clean() -> None:
        async with subject, subject.subscribe(Order) as subscription:
            assert await subject.publish(Order(n=2)) == 1
            assert numbers(take_all(subscription)) == [2]

    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)):
        run(cut_short, backend, real=True)
    run(clean, backend)
