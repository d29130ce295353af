"""The core in a program written for trio: its nurseries, cancel scopes and channels, and no asyncio anywhere.

That the contract holds on trio is shown by tests/contract, which runs on both.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import pytest
import trio
import trio.testing

from evenflow import Event, State, Subject, SubjectClosed, Subscription
from evenflow.streams import stream

T = TypeVar("T")


class Order(Event):
    """The event of these tests."""

    n: int


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run on trio in virtual time; a test that hangs or leaves a task fails."""

    async def watched() -> T:
        before = trio.lowlevel.current_statistics().tasks_living
        with trio.fail_after(1_000):
            result = await main()
        assert trio.lowlevel.current_statistics().tasks_living == before
        return result

    return trio.run(watched, clock=trio.testing.MockClock(autojump_threshold=0))


async def collect(subscription: Subscription[Order], into: list[int]) -> None:
    """Read a subscription to its end."""
    async with subscription:
        async for order in subscription:
            into.append(order.n)


def test_a_program_on_trio_never_loads_asyncio() -> None:
    """A program with a subject, an observer, a state and a chain of operators imports trio alone."""
    program = """
import sys, trio
from evenflow import Event, State, Subject
from evenflow.streams import stream

class Order(Event):
    n: int

seen = []

async def main():
    orders, state = Subject(Order), State(0)
    orders.observe(handle, Order)
    async with orders, orders.subscribe(Order).map(lambda order: order.n).debounce(0.001) as numbers:
        await orders.publish(Order(n=1))
        state.set(await numbers.receive())
        await state.wait_for(lambda value: value == 1)
    assert await stream([1, 2]).merge([3]).count() == 3

async def handle(order):
    seen.append(order.n)

trio.run(main)
assert seen == [1], seen
assert "asyncio" not in sys.modules, "asyncio was loaded"
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_readers_in_a_nursery_end_with_the_subject() -> None:
    """They are tasks of trio, and get every event."""

    async def main() -> None:
        orders = Subject(Order)
        first: list[int] = []
        second: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, orders.subscribe(Order), first)
            nursery.start_soon(collect, orders.subscribe(Order, buffer=1), second)
            async with orders:
                for n in range(100):
                    await orders.publish(Order(n=n))
        assert first == second == list(range(100))

    run(main)


def test_a_cancel_scope_of_trio_ends_a_publish_that_waits() -> None:
    """After `trio.move_on_after` nobody has the event, as with anyio's."""

    async def main() -> None:
        orders = Subject(Order)
        async with orders.subscribe(buffer=1) as full, orders.subscribe(buffer=5) as free:
            await orders.publish(Order(n=0))
            with trio.move_on_after(3) as scope:
                await orders.publish(Order(n=1))
            assert scope.cancelled_caught
            assert trio.current_time() == 3
            assert (full.statistics().waiting, free.statistics().waiting) == (1, 1)

    run(main)


def test_a_reader_cancelled_by_its_nursery_loses_nothing() -> None:
    """Whether the cancel or the event comes first, the event is received or still there."""

    async def main() -> None:
        for _ in range(200):
            orders = Subject(Order)
            got: list[int] = []
            async with orders.subscribe() as placed:

                async def read(placed: Subscription[Order], got: list[int]) -> None:
                    got.append((await placed.receive()).n)

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(read, placed, got)
                    await trio.testing.wait_all_tasks_blocked()
                    orders.publish_nowait(Order(n=1))
                    nursery.cancel_scope.cancel()
                if not got:
                    got.append(placed.receive_nowait().n)
            assert got == [1]

    run(main)


def test_what_the_body_raises_goes_out_as_it_is() -> None:
    """Trio wraps what a nursery raises in a group; a subject with observers does not."""

    async def main() -> None:
        orders = Subject(Order)
        orders.observe(_handle, Order)
        with pytest.raises(LookupError, match="as it is"):
            async with orders:
                raise LookupError("as it is")

    run(main)


async def _handle(order: Order) -> None:
    await trio.sleep(1)


def test_an_observer_may_use_trio() -> None:
    """A handler can open nurseries and sleep, and leaving the subject waits for it."""

    async def main() -> None:
        orders = Subject(Order)
        done: list[float] = []

        @orders.observer
        async def handle(order: Order) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, order.n)
                nursery.start_soon(trio.sleep, order.n - 1)
            done.append(trio.current_time())

        async with orders:
            await orders.publish(Order(n=5))
            await orders.publish(Order(n=7))
        assert done == [5, 12]

    run(main)


def test_an_error_of_an_observer_reaches_neither_nursery_nor_publisher() -> None:
    """It is an event on `failures`."""

    async def main() -> None:
        orders = Subject(Order)

        @orders.observer
        async def handle(order: Order) -> None:
            raise LookupError(order.n)

        async with orders.failures.subscribe() as failures, orders:
            await orders.publish(Order(n=1))
            failed = await failures.receive()
            assert isinstance(failed.error, LookupError)

    run(main)


def test_a_subject_can_be_entered_in_one_run_after_another() -> None:
    """A subject belongs to a run until that ends, and then to the next."""
    orders = Subject(Order)

    async def main() -> None:
        async with orders, orders.subscribe() as placed:
            await orders.publish(Order(n=1))
            assert (await placed.receive()).n == 1

    run(main)
    run(main)


def test_a_run_that_crashes_leaves_the_subject_usable() -> None:
    """An error that leaves `trio.run` closes the subject; the next run opens it again."""
    orders = Subject(Order)

    async def crash() -> None:
        async with orders, trio.open_nursery() as nursery:
            nursery.start_soon(collect, orders.subscribe(), [])
            await trio.testing.wait_all_tasks_blocked()
            raise LookupError

    async def main() -> None:
        with pytest.raises(SubjectClosed):
            await orders.publish(Order(n=1))
        async with orders, orders.subscribe() as placed:
            await orders.publish(Order(n=1))
            assert (await placed.receive()).n == 1

    with pytest.raises(ExceptionGroup):
        trio.run(crash)
    run(main)


def test_wait_for_of_a_state_works_in_a_nursery() -> None:
    """It returns when the state has been set to the value."""

    async def main() -> None:
        state = State(0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(state.wait_for, lambda value: value >= 3))
            for n in range(1, 4):
                await trio.sleep(1)
                state.set(n)
        assert trio.current_time() == 3

    run(main)


def test_a_memory_channel_of_trio_is_a_source() -> None:
    """`stream()` takes it as an async iterable, and the chain closes it."""

    async def main() -> None:
        send, receive = trio.open_memory_channel[int](10)
        for n in range(3):
            send.send_nowait(n)
        await send.aclose()
        assert await stream(receive).map(lambda n: n * 10).to_list() == [0, 10, 20]
        with pytest.raises(trio.ClosedResourceError):
            receive.receive_nowait()

    run(main)


def test_a_tight_loop_of_publishes_lets_others_run() -> None:
    """A publish is no checkpoint as trio's calls are, but a bounded number of deliveries is one."""

    async def main() -> None:
        orders = Subject(Order)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        async with trio.open_nursery() as nursery, orders.subscribe(overflow="drop_oldest"):
            nursery.start_soon(count)
            for n in range(100_000):
                await orders.publish(Order(n=n))
            nursery.cancel_scope.cancel()
        assert turns >= 3

    run(main)
