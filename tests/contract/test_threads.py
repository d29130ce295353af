"""Section 2, publish_from_thread: from any thread but the loop's own; never a hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from evenflow import SubjectClosed

from .kit import BACKENDS, Backend, Order, Shipped, Subject, both_real, numbers, read_all, run, take_all


class Caller:
    """A thread that makes one call, and keeps what came of it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:  # noqa: ASYNC103 - a thread has no one to raise it to
            self.error = error

    async def ended(self, within: float = 10) -> Caller:
        """Wait for it, without blocking the loop."""
        with anyio.fail_after(within):
            while self._thread.is_alive():
                await anyio.sleep(0.005)
        return self

    @property
    def runs(self) -> bool:
        """Whether it is still under way."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Wait for it, holding whatever thread calls this."""
        self._thread.join(seconds)

    def join(self) -> Caller:
        """Wait for it, blocking."""
        self._thread.join(10)
        assert not self._thread.is_alive(), "the thread hangs"
        return self


@both_real
async def test_it_publishes_and_returns_how_many_wanted_it() -> None:
    """Called from a thread, it returns the count there, and the event is in the buffers."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        caller = await Caller(lambda: subject.publish_from_thread(Order(n=1))).ended()
        assert (caller.result, caller.error) == (1, None)
        assert numbers(take_all(subscription)) == [1]


@both_real
async def test_it_works_from_anyios_worker_threads() -> None:
    """`anyio.to_thread.run_sync` is a thread like any other."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        assert await anyio.to_thread.run_sync(subject.publish_from_thread, Order(n=1)) == 1
        assert numbers(take_all(subscription)) == [1]


@both_real
async def test_four_threads_at_once_each_keep_their_order() -> None:
    """Four threads, two hundred events each, a buffer of four: everything arrives, each thread's own order kept."""
    subject = Subject(Order)
    received: list[int] = []

    async def read() -> None:
        async with subject.subscribe(Order, buffer=4) as subscription:
            async for event in subscription:
                received.append(event.n)

    def publish(thread: int) -> int:
        return sum(subject.publish_from_thread(Order(n=thread * 1_000 + n)) for n in range(200))

    async with anyio.create_task_group() as tasks:
        async with subject:
            tasks.start_soon(read)
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            callers = [Caller(partial(publish, thread)) for thread in range(4)]
            for caller in callers:
                await caller.ended(25)
            assert [caller.error for caller in callers] == [None] * 4
            assert [caller.result for caller in callers] == [200] * 4
    assert len(received) == 800
    for thread in range(4):
        own = [n for n in received if n // 1_000 == thread]
        assert own == sorted(own)


@both_real
async def test_backpressure_reaches_the_thread() -> None:
    """A full buffer blocks the thread until there is room."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    async with subject:
        await subject.publish(Order(n=0))
        caller = Caller(lambda: subject.publish_from_thread(Order(n=1)))
        await anyio.sleep(0.1)
        assert caller.runs
        assert subscription.statistics().waiting == 1
        assert (await subscription.receive()).n == 0
        assert (await caller.ended()).result == 1
        assert numbers(take_all(subscription)) == [1]


@both_real
async def test_a_timeout_ends_the_wait_and_nobody_got_it() -> None:
    """TimeoutError in the thread; the event is in no buffer, not even later."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    free = subject.subscribe(Order)
    async with subject:
        await subject.publish(Order(n=0))
        caller = await Caller(lambda: subject.publish_from_thread(Order(n=1), timeout=0.05)).ended()
        assert isinstance(caller.error, TimeoutError)
        assert numbers(take_all(full)) == [0]
        await anyio.sleep(0.05)
        assert take_all(full) == []
        assert numbers(take_all(free)) == [0]
        assert await subject.publish(Order(n=2)) == 2


@both_real
async def test_a_timeout_that_is_not_needed_changes_nothing() -> None:
    """With room there is no wait: the timeout does not matter."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        caller = await Caller(lambda: subject.publish_from_thread(Order(n=1), timeout=5)).ended()
        assert caller.result == 1
    assert numbers(take_all(subscription)) == [1]


@both_real
async def test_a_timeout_of_zero_never_waits() -> None:
    """0: it is placed or TimeoutError, at once; either all have it or none."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    async with subject:
        await subject.publish(Order(n=0))
        caller = await Caller(lambda: subject.publish_from_thread(Order(n=1), timeout=0)).ended(3)
        assert isinstance(caller.error, TimeoutError)
        assert numbers(take_all(full)) == [0]


@both_real
async def test_a_timeout_while_the_loop_is_busy_is_all_or_none() -> None:
    """The loop is held by something else: the thread gets TimeoutError on time, and then nobody ever gets the event."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        caller = Caller(lambda: subject.publish_from_thread(Order(n=1), timeout=0.05))
        caller.wait(5)  # the loop stands still meanwhile
        busy = caller.runs
        await caller.ended()
        assert not busy, "the timeout must not need the loop"
        assert isinstance(caller.error, TimeoutError)
        await anyio.sleep(0.05)
        assert take_all(subscription) == []


@both_real
async def test_a_timeout_while_the_loop_is_busy_leaves_no_publisher_in_the_line() -> None:
    """The thread has given up before the loop heard of it, and the buffer is full: nothing goes on waiting for it."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    async with subject:
        await subject.publish(Order(n=0))
        caller = Caller(lambda: subject.publish_from_thread(Order(n=1), timeout=0.05))
        caller.wait(5)  # the loop stands still meanwhile
        await caller.ended()
        assert isinstance(caller.error, TimeoutError)
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert subject.statistics().waiting_publishers == 0
        assert numbers(take_all(subscription)) == [0]
        assert subject.publish_nowait(Order(n=2)) == 1


@both_real
async def test_a_timeout_race_is_decided_once() -> None:
    """A reader makes room just as timeouts fire: a call that returned was delivered, one that raised was not."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    outcome: dict[int, str] = {}

    def publish() -> None:
        for n in range(60):
            try:
                subject.publish_from_thread(Order(n=n), timeout=0.004)
                outcome[n] = "placed"
            except TimeoutError:
                outcome[n] = "timeout"

    received: list[int] = []
    async with subject:
        caller = Caller(publish)
        while caller.runs:
            await anyio.sleep(0.003)
            received += numbers(take_all(subscription))
        received += numbers(take_all(subscription))
    assert received == [n for n in sorted(outcome) if outcome[n] == "placed"]
    assert len(outcome) == 60


@both_real
async def test_from_the_loops_own_thread_it_is_refused() -> None:
    """It would wait for itself: RuntimeError, at once, that says to use publish."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        with pytest.raises(RuntimeError, match="publish"):
            subject.publish_from_thread(Order(n=0))
    assert take_all(subscription) == []


@both_real
async def test_where_the_subject_was_not_entered_it_is_refused() -> None:
    """No loop to go to: RuntimeError in the thread that says to enter the subject."""
    subject = Subject(Order)
    caller = await Caller(lambda: subject.publish_from_thread(Order(n=0))).ended()
    assert isinstance(caller.error, RuntimeError)
    assert "async with" in str(caller.error) or "enter" in str(caller.error)


@both_real
async def test_a_subject_that_was_left_is_refused() -> None:
    """After the block: SubjectClosed or RuntimeError in the thread, never a hang."""
    subject = Subject(Order)
    async with subject:
        pass
    caller = await Caller(lambda: subject.publish_from_thread(Order(n=0))).ended()
    assert isinstance(caller.error, (SubjectClosed, RuntimeError))


@both_real
async def test_a_subject_that_closes_meanwhile_ends_the_wait() -> None:
    """A thread waits for room, the subject is closed: SubjectClosed there, and nobody got it."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    async with subject:
        await subject.publish(Order(n=0))
        callers = [Caller(partial(subject.publish_from_thread, Order(n=n))) for n in range(1, 4)]
        await anyio.sleep(0.05)
        assert all(caller.runs for caller in callers)
        subject.close()
        for caller in callers:
            await caller.ended()
            assert isinstance(caller.error, SubjectClosed)
    assert numbers(await read_all(subscription)) == [0]


@pytest.mark.parametrize("how", ["normally", "by an exception"])
@both_real
async def test_leaving_the_block_ends_the_threads_that_wait(how: str) -> None:
    """The block is left while threads wait: SubjectClosed in each of them."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    callers: list[Caller] = []
    try:
        async with subject:
            await subject.publish(Order(n=0))
            callers = [Caller(partial(subject.publish_from_thread, Order(n=n))) for n in range(1, 4)]
            await anyio.sleep(0.05)
            if how == "by an exception":
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    for caller in callers:
        await caller.ended()
        assert isinstance(caller.error, SubjectClosed)
    assert subscription.statistics().wanted == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_that_ends_meanwhile_ends_the_wait(backend: Backend) -> None:
    """The whole program ends while a thread publishes without an end: SubjectClosed (or RuntimeError) there, no hang."""
    subject = Subject(Order)
    callers: list[Caller] = []

    def publish_for_ever() -> None:
        while True:
            subject.publish_from_thread(Order(n=0))

    async def main() -> None:
        subscription = subject.subscribe(Order, buffer=1)
        try:
            async with subject:
                callers.extend(Caller(publish_for_ever) for _ in range(3))
                for _ in range(20):
                    await subscription.receive()
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    run(main, backend, real=True)
    for caller in callers:
        caller.join()
        assert isinstance(caller.error, (SubjectClosed, RuntimeError))


@pytest.mark.parametrize("backend", BACKENDS)
def test_after_the_loop_has_ended_it_is_an_error(backend: Backend) -> None:
    """A call long after: an error, no hang."""
    subject = Subject(Order)

    async def main() -> None:
        async with subject:
            pass

    run(main, backend, real=True)
    caller = Caller(lambda: subject.publish_from_thread(Order(n=0))).join()
    assert isinstance(caller.error, (SubjectClosed, RuntimeError))


@both_real
async def test_a_foreign_event_is_a_type_error_in_the_thread() -> None:
    """What publish refuses, it refuses there."""
    subject: Any = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        caller = await Caller(lambda: subject.publish_from_thread(Shipped(n=0))).ended()
        assert isinstance(caller.error, TypeError)
    assert take_all(subscription) == []


@both_real
async def test_an_error_in_the_thread_has_its_own_callers_traceback() -> None:
    """The line of the thread that called is in the traceback of what it raises."""
    import traceback

    subject = Subject(Order)
    async with subject:
        subject.close()
        caller = await Caller(lambda: subject.publish_from_thread(Order(n=0))).ended()
        assert isinstance(caller.error, SubjectClosed)
        assert "test_threads.py" in "".join(traceback.format_exception(caller.error))


FOREIGN: list[Any] = [
    ("publish_nowait", lambda subject: subject.publish_nowait(Order(n=0))),
    ("subscribe", lambda subject: subject.subscribe(Order)),
    ("observe", lambda subject: subject.observe(print, Order)),
    ("close", lambda subject: subject.close()),
    ("first", lambda subject: subject.first(Order)),
    ("statistics", lambda subject: subject.statistics()),
]


@pytest.mark.parametrize("name, call", FOREIGN[:-1])
@both_real
async def test_every_other_method_from_a_foreign_thread_is_refused(name: str, call: Callable[[Any], Any]) -> None:
    """RuntimeError that names publish_from_thread, and nothing half-done."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        await subject.publish(Order(n=0))
        caller = await Caller(lambda: call(subject)).ended()
        assert isinstance(caller.error, RuntimeError), caller.error
        assert "publish_from_thread" in str(caller.error)
        assert len(subject.statistics().subscriptions) == 1
        assert await subject.publish(Order(n=1)) == 1
    assert numbers(take_all(subscription)) == [0, 1]


@pytest.mark.parametrize("name", ["publish", "publish_many", "drain", "aclose"])
@both_real
async def test_every_async_method_in_another_threads_loop_is_refused(name: str) -> None:
    """The same in a loop of another thread: the subject belongs to this one."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    arguments: dict[str, tuple[Any, ...]] = {"publish": (Order(n=1),), "publish_many": ([Order(n=1)],)}

    async def call() -> None:
        await getattr(subject, name)(*arguments.get(name, ()))

    async with subject:
        await subject.publish(Order(n=0))
        caller = await Caller(lambda: anyio.run(call)).ended()
        assert isinstance(caller.error, RuntimeError), caller.error
        assert numbers(take_all(subscription)) == [0]
        assert await subject.publish(Order(n=2)) == 1


@both_real
async def test_a_publish_in_another_thread_while_the_publishing_task_runs_is_refused() -> None:
    """The task that publishes all the time runs, but not here: whoever has its event in another thread is told so."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    errors: list[RuntimeError] = []

    def publish_by_hand() -> None:
        try:
            subject.publish(Order(n=100)).send(None)
        except RuntimeError as error:
            errors.append(error)

    async with subject:
        for n in range(4):
            await subject.publish(Order(n=n))
        thread = threading.Thread(target=publish_by_hand)
        thread.start()
        thread.join()  # this very task runs meanwhile
    assert len(errors) == 1
    assert numbers(take_all(subscription)) == [0, 1, 2, 3]


@both_real
async def test_a_subscriptions_own_methods_from_a_foreign_thread_are_refused() -> None:
    """Reading and closing a subscription belong to its loop as well."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        await subject.publish(Order(n=0))
        caller = await Caller(subscription.receive_nowait).ended()
        assert isinstance(caller.error, RuntimeError), caller.error
        caller = await Caller(lambda: anyio.run(subscription.receive)).ended()
        assert isinstance(caller.error, RuntimeError), caller.error
    assert numbers(take_all(subscription)) == [0]


@both_real
async def test_a_handler_gets_what_a_thread_published() -> None:
    """From a thread to an observer, and back to the thread the count."""
    subject = Subject(Order)
    handled: list[tuple[int, bool]] = []
    loop_thread = threading.get_ident()

    def handle(order: Order) -> None:
        handled.append((order.n, threading.get_ident() == loop_thread))

    subject.observe(handle, Order)
    async with subject:
        caller = await Caller(lambda: [subject.publish_from_thread(Order(n=n)) for n in range(3)]).ended()
        assert caller.result == [1, 1, 1]
    assert handled == [(0, True), (1, True), (2, True)]


@both_real
async def test_a_where_runs_in_the_loops_thread() -> None:
    """`where` runs in the publisher's task: in the loop, also for an event from a thread."""
    subject = Subject(Order)
    threads: list[int] = []

    def where(order: Order) -> bool:
        threads.append(threading.get_ident())
        return True

    subscription = subject.subscribe(Order, where=where)
    async with subject:
        await Caller(lambda: subject.publish_from_thread(Order(n=0))).ended()
    assert threads == [threading.get_ident()]
    assert numbers(take_all(subscription)) == [0]


@both_real
async def test_a_thread_that_waits_keeps_its_place_in_the_line() -> None:
    """Backpressure is one line for tasks and threads: who waited first goes first."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    async with subject, anyio.create_task_group() as tasks:
        await subject.publish(Order(n=0))
        caller = Caller(lambda: subject.publish_from_thread(Order(n=1)))
        with anyio.fail_after(5):
            while subject.statistics().waiting_publishers == 0:
                await anyio.sleep(0.005)
        tasks.start_soon(subject.publish, Order(n=2))
        await anyio.sleep(0.02)
        received = []
        with anyio.fail_after(5):
            for _ in range(3):
                received.append((await subscription.receive()).n)
        await caller.ended()
    assert received == [0, 1, 2]
