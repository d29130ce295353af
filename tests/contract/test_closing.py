"""Section 2, leaving it ends: what happens to observers, readers and publishers when a subject's block is left."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from evenflow import SubjectClosed

from .kit import Order, Subject, both, fill, group, numbers, only_asyncio, publishing, read_all, settle, take_all, turn


class Broken(Exception):
    """What goes wrong in a body."""


class Slow:
    """A handler that takes its time, and notes what happened to each event."""

    def __init__(self, seconds: float = 1) -> None:
        self.seconds = seconds
        self.begun: list[int] = []
        self.done: list[int] = []
        self.cancelled: list[int] = []

    async def __call__(self, order: Order) -> None:
        """Handle an event for some seconds."""
        self.begun.append(order.n)
        try:
            await anyio.sleep(self.seconds)
        except BaseException:
            self.cancelled.append(order.n)
            raise
        self.done.append(order.n)


@both
async def test_leaving_normally_waits_until_the_observers_have_handled_everything() -> None:
    """The block is left when every event was handled."""
    subject = Subject(Order)
    handler = Slow()
    subject.observe(handler, Order)
    async with subject:
        fill(subject, 5)
    assert handler.done == [0, 1, 2, 3, 4]
    with pytest.raises(SubjectClosed):
        await subject.publish(Order(n=5))


@both
async def test_leaving_by_an_exception_cancels_the_observers() -> None:
    """The body's exception goes out as it is, in no group, and nothing is waited for."""
    subject = Subject(Order)
    handler = Slow(1_000)
    subject.observe(handler, Order)
    error = Broken("in the body")
    with anyio.fail_after(10), pytest.raises(Broken) as caught:
        async with subject:
            fill(subject, 5)
            await settle()
            raise error
    assert caught.value is error
    assert handler.begun == [0]
    assert handler.cancelled == [0]
    with pytest.raises(SubjectClosed):
        await subject.publish(Order(n=5))


@both
async def test_leaving_by_cancellation_cancels_the_observers() -> None:
    """A cancelled body leaves at once, and the cancellation goes out as it is."""
    subject = Subject(Order)
    handler = Slow(1_000)
    subject.observe(handler, Order)
    with anyio.move_on_after(5) as scope:
        async with subject:
            fill(subject, 5)
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert handler.cancelled == [0]
    with pytest.raises(SubjectClosed):
        subject.publish_nowait(Order(n=5))


@only_asyncio
async def test_task_cancel_leaves_the_block_and_cancels_the_observers() -> None:
    """The task that was in the block ends as cancelled."""
    subject = Subject(Order)
    handler = Slow(1_000)
    subject.observe(handler, Order)

    async def body() -> None:
        async with subject:
            fill(subject, 3)
            await anyio.sleep_forever()

    task = asyncio.create_task(body())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert handler.cancelled == [0]


@both
async def test_a_cancellation_while_leaving_waits_for_observers_cancels_them() -> None:
    """The block is left normally and then cancelled: the observers are cancelled, and leaving ends."""
    subject = Subject(Order)
    handler = Slow(1_000)
    subject.observe(handler, Order)
    with anyio.move_on_after(5) as scope:
        async with subject:
            fill(subject, 3)
            await turn(3)
    assert scope.cancelled_caught
    assert handler.cancelled == [0]


@pytest.mark.parametrize("how", ["normally", "by an exception"])
@both
async def test_what_is_buffered_stays_readable(how: str) -> None:
    """Leaving waits for no reader: what is buffered can be read afterwards, then comes the end."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    with anyio.fail_after(1):
        try:
            async with subject:
                fill(subject, 5)
                if how == "by an exception":
                    raise Broken
        except Broken:
            pass
    received = []
    try:
        async for event in subscription:
            received.append(event.n)
    except Broken:
        pass
    assert received == [0, 1, 2, 3, 4]


@both
async def test_leaving_ends_the_publishers_that_wait() -> None:
    """A publish that waits when the block is left raises SubjectClosed."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    async with group() as tasks:
        async with subject:
            fill(subject, 1)
            waiting = await publishing(tasks, subject, Order(n=1))
        await settle()
        assert isinstance(waiting.error, SubjectClosed)
    assert numbers(take_all(subscription)) == [0]


@both
async def test_a_handler_that_publishes_while_the_block_is_left() -> None:
    """After close a handler's own publish raises SubjectClosed, and leaving ends."""
    subject = Subject(Order)
    outcome: list[type[BaseException]] = []

    async def handle(order: Order) -> None:
        await anyio.sleep(1)
        try:
            await subject.publish(Order(n=order.n + 1))
        except SubjectClosed as error:
            outcome.append(type(error))

    subject.observe(handler := handle, Order)
    with anyio.fail_after(100):
        async with subject:
            fill(subject, 2)
    assert handler is handle
    assert outcome == [SubjectClosed, SubjectClosed]


@both
async def test_aclose_waits_for_the_observers() -> None:
    """aclose closes the subject, then waits until the observers have handled everything."""
    subject = Subject(Order)
    handler = Slow()
    subject.observe(handler, Order)
    async with subject:
        fill(subject, 3)
        await subject.aclose()
        assert handler.done == [0, 1, 2]


@both
async def test_aclose_is_bounded_by_the_callers_scope_alone() -> None:
    """If an observer never ends aclose waits until its scope is cancelled; an exception then ends the observer."""
    subject = Subject(Order)
    handler = Slow(10_000)
    subject.observe(handler, Order)
    with pytest.raises(Broken), anyio.fail_after(100):
        async with subject:
            fill(subject, 3)
            with anyio.move_on_after(5) as scope:
                await subject.aclose()
            assert scope.cancelled_caught
            raise Broken
    assert handler.begun == [0]
    assert handler.cancelled == [0]


@both
async def test_aclose_can_be_called_several_times_and_at_once() -> None:
    """Two tasks call aclose, then it is called again: all calls return."""
    subject = Subject(Order)
    handler = Slow()
    subject.observe(handler, Order)
    async with subject:
        fill(subject, 2)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(subject.aclose)
            tasks.start_soon(subject.aclose)
        assert handler.done == [0, 1]
        await subject.aclose()
    await subject.aclose()


@both
async def test_closing_with_an_error_inside_the_block() -> None:
    """After `close(error)` in the body readers get the error; leaving the block raises nothing."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        fill(subject, 1)
        subject.close(Broken("on purpose"))
    assert subscription.receive_nowait().n == 0
    with pytest.raises(Broken, match="on purpose"):
        await subscription.receive()


@both
async def test_an_exception_group_of_the_body_goes_out_as_it_is() -> None:
    """It is not wrapped in another group."""
    subject = Subject(Order)
    error = ExceptionGroup("mine", [Broken(), ValueError()])
    with pytest.raises(ExceptionGroup) as caught:
        async with subject:
            raise error
    assert caught.value is error


@both
async def test_an_exception_of_the_body_is_not_hidden_by_what_handlers_raise() -> None:
    """Handlers that raise while they are cancelled neither replace the body's exception nor put it in a group."""
    subject = Subject(Order)

    async def stubborn(order: Order) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("while cancelled")

    subject.observe(stubborn, Order)
    error = Broken()
    with pytest.raises(Broken) as caught:
        async with subject:
            fill(subject, 1)
            await settle()
            raise error
    assert caught.value is error


@both
async def test_a_block_without_observers_and_subscribers_is_left_at_once() -> None:
    """Nothing was published, and leaving waits for nothing."""
    subject = Subject(Order)
    with anyio.fail_after(1):
        async with subject as entered:
            assert entered is subject


@both
async def test_readers_in_tasks_end_when_the_subject_does() -> None:
    """Readers in a task group end by themselves when the block of the subject is left."""
    received: dict[int, list[int]] = {}

    async def read(subject: Any, reader: int) -> None:
        received[reader] = numbers(await read_all(subject.subscribe(Order)))

    subject = Subject(Order)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks, subject:
            for reader in range(3):
                tasks.start_soon(read, subject, reader)
            await settle()
            for n in range(10):
                await subject.publish(Order(n=n))
    assert received == {reader: list(range(10)) for reader in range(3)}
