"""Section 2, leaving it ends: how a subject's block is left, and what becomes of observers, readers and publishers."""

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
    """A handler that takes its time, and writes down what became of each event."""

    def __init__(self, seconds: float = 1) -> None:
        self.seconds = seconds
        self.begun: list[int] = []
        self.done: list[int] = []
        self.cancelled: list[int] = []

    async def __call__(self, order: Order) -> None:
        """Take the event, take time, be done."""
        self.begun.append(order.n)
        try:
            await anyio.sleep(self.seconds)
        except BaseException:
            self.cancelled.append(order.n)
            raise
        self.done.append(order.n)


@both
async def test_left_normally_the_observers_handle_what_they_are_owed() -> None:
    """The block is left when every event has been handled."""
    subject = Subject(Order)
    handler = Slow()
    subject.observe(handler, Order)
    async with subject:
        fill(subject, 5)
    assert handler.done == [0, 1, 2, 3, 4]
    with pytest.raises(SubjectClosed):
        await subject.publish(Order(n=5))


@both
async def test_left_by_an_exception_the_observers_are_cancelled() -> None:
    """The body's exception goes out as it is, in no group; handlers under way are cancelled; nothing is waited for."""
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
async def test_left_by_cancellation_the_observers_are_cancelled() -> None:
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
async def test_left_by_task_cancel() -> None:
    """`task.cancel()` of a task in the block ends that task as cancelled."""
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
async def test_cancelled_while_it_waits_for_observers() -> None:
    """Left normally, then cancelled while the observers work: they are cancelled, and it ends."""
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
    """Leaving waits for no reader: what is in the buffers is read afterwards, then the end."""
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
    """A publish that waits when the block is left gets SubjectClosed."""
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
    """After close a handler's own publish is SubjectClosed: logged as its failure, and leaving ends."""
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
    """aclose: close, then wait until the observers have handled what they are owed."""
    subject = Subject(Order)
    handler = Slow()
    subject.observe(handler, Order)
    async with subject:
        fill(subject, 3)
        await subject.aclose()
        assert handler.done == [0, 1, 2]


@both
async def test_aclose_with_an_observer_that_never_ends_under_move_on_after() -> None:
    """aclose is bounded by the caller's scope alone: it ends with it, and leaving by an exception ends the rest."""
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
async def test_aclose_twice_and_at_once() -> None:
    """Two tasks call aclose, then once more: all return."""
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
    """`close(error)` in the body: readers get the error; leaving the block raises nothing of its own."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        fill(subject, 1)
        subject.close(Broken("on purpose"))
    assert subscription.receive_nowait().n == 0
    with pytest.raises(Broken, match="on purpose"):
        await subscription.receive()


@both
async def test_a_body_exception_group_goes_out_as_it_is() -> None:
    """A group raised in the body is not wrapped once more."""
    subject = Subject(Order)
    error = ExceptionGroup("mine", [Broken(), ValueError()])
    with pytest.raises(ExceptionGroup) as caught:
        async with subject:
            raise error
    assert caught.value is error


@both
async def test_an_exception_in_the_body_beats_what_handlers_raise() -> None:
    """Handlers that raise while they are cancelled do not hide the body's exception, nor put it in a group."""
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
async def test_with_nothing_in_it_the_block_is_left_at_once() -> None:
    """No observers, no subscribers, nothing published: it ends."""
    subject = Subject(Order)
    with anyio.fail_after(1):
        async with subject as entered:
            assert entered is subject


@both
async def test_readers_in_tasks_end_when_the_subject_does() -> None:
    """The usual program: readers in a task group, the subject's block inside it: everything ends by itself."""
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
