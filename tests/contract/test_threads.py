"""Section 2, publish_from_thread: it works from any thread but the loop's own, and never hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from evenflow import Subject as PlainSubject, SubjectClosed

from .kit import (
    BACKENDS,
    Backend,
    Order,
    Shipped,
    Subject,
    both_real,
    group,
    numbers,
    read_all,
    run,
    settle,
    take_all,
)


class Caller:
    """A thread that makes one call, and keeps what the call returned or raised."""

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

    async def ended(self, within: float = 60) -> Caller:
        """Wait for the thread, without blocking the loop."""
        with anyio.fail_after(within):
            while self._thread.is_alive():
                await anyio.sleep(0.005)
        return self

    @property
    def runs(self) -> bool:
        """Whether the thread is still alive."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Wait for the thread, and block the calling thread meanwhile."""
        self._thread.join(seconds)

    def join(self) -> Caller:
        """Wait for the thread to end, and block the calling thread meanwhile."""
        self._thread.join(60)
        assert not self._thread.is_alive(), "the thread hangs"
        return self


async def waiting(subject: Subject[Any], publishers: int) -> None:
    """Wait until so many publishers, in threads or tasks, wait for room."""
    with anyio.fail_after(60):
        while subject.statistics().waiting_publishers < publishers:
            await anyio.sleep(0.005)


@both_real
async def test_publish_from_thread_returns_how_many_subscriptions_wanted_the_event() -> None:
    """When it returns in the thread the event is in the buffers."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        caller = await Caller(lambda: subject.publish_from_thread(Order(n=1))).ended()
        assert (caller.result, caller.error) == (1, None)
        assert numbers(take_all(subscription)) == [1]


@both_real
async def test_publish_from_thread_works_from_anyios_worker_threads() -> None:
    """`anyio.to_thread.run_sync` runs it in a thread like any other."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        assert await anyio.to_thread.run_sync(subject.publish_from_thread, Order(n=1)) == 1
        assert numbers(take_all(subscription)) == [1]


@both_real
async def test_four_threads_at_once_each_keep_their_order() -> None:
    """Four threads publish two hundred events each: all arrive, those of each thread in its own order."""
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
                await caller.ended()
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
        await waiting(subject, 1)
        assert caller.runs
        assert subscription.statistics().waiting == 1
        assert (await subscription.receive()).n == 0
        assert (await caller.ended()).result == 1
        assert numbers(take_all(subscription)) == [1]


@both_real
async def test_a_timeout_ends_the_wait_and_nobody_got_it() -> None:
    """The thread gets TimeoutError, and the event is in no buffer, not even later."""
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
    """If there is room the call does not wait."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        caller = await Caller(lambda: subject.publish_from_thread(Order(n=1), timeout=60)).ended()
        assert caller.result == 1
    assert numbers(take_all(subscription)) == [1]


@both_real
async def test_a_timeout_of_zero_never_waits() -> None:
    """With `timeout=0` the event is delivered at once, or the call raises TimeoutError and nobody gets it."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    async with subject:
        await subject.publish(Order(n=0))
        caller = await Caller(lambda: subject.publish_from_thread(Order(n=1), timeout=0)).ended()
        assert isinstance(caller.error, TimeoutError)
        assert numbers(take_all(full)) == [0]


@both_real
async def test_a_timeout_while_the_loop_is_busy_is_all_or_none() -> None:
    """The loop is blocked: the thread gets TimeoutError in time, and nobody ever gets the event."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        caller = Caller(lambda: subject.publish_from_thread(Order(n=1), timeout=0.05))
        caller.wait(60)  # The loop stands still meanwhile.
        busy = caller.runs
        await caller.ended()
        assert not busy, "the timeout must not need the loop"
        assert isinstance(caller.error, TimeoutError)
        await anyio.sleep(0.05)
        assert take_all(subscription) == []


@both_real
async def test_a_timeout_while_the_loop_is_busy_leaves_no_waiting_publisher() -> None:
    """The thread gives up before the loop hears of it, and the buffer is full: no publish is left waiting."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    async with subject:
        await subject.publish(Order(n=0))
        caller = Caller(lambda: subject.publish_from_thread(Order(n=1), timeout=0.05))
        caller.wait(60)  # The loop stands still meanwhile.
        await caller.ended()
        assert isinstance(caller.error, TimeoutError)
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert subject.statistics().waiting_publishers == 0
        assert numbers(take_all(subscription)) == [0]
        assert subject.publish_nowait(Order(n=2)) == 1


@both_real
async def test_a_timeout_that_races_with_room_has_one_outcome() -> None:
    """A reader makes room just as timeouts end: a call that returned was delivered, one that raised was not."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    outcome: dict[int, str] = {}

    def publish() -> None:
        for n in range(60):
            try:
                subject.publish_from_thread(Order(n=n), timeout=0.004)
                outcome[n] = "delivered"
            except TimeoutError:
                outcome[n] = "timeout"

    received: list[int] = []
    async with subject:
        caller = Caller(publish)
        while caller.runs:
            await anyio.sleep(0.003)
            received += numbers(take_all(subscription))
        received += numbers(take_all(subscription))
    assert received == [n for n in sorted(outcome) if outcome[n] == "delivered"]
    assert len(outcome) == 60


@both_real
async def test_publish_from_thread_is_refused_in_the_loops_own_thread() -> None:
    """It would wait for itself: it raises RuntimeError at once, and says to use publish."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        with pytest.raises(RuntimeError, match="publish"):
            subject.publish_from_thread(Order(n=0))
    assert take_all(subscription) == []


@both_real
async def test_publish_from_thread_is_refused_if_the_subject_was_not_entered() -> None:
    """There is no loop to publish in: it raises RuntimeError, and says to enter the subject."""
    subject = Subject(Order)
    caller = await Caller(lambda: subject.publish_from_thread(Order(n=0))).ended()
    assert isinstance(caller.error, RuntimeError)
    assert "async with" in str(caller.error) or "enter" in str(caller.error)


@both_real
async def test_publish_from_thread_after_the_block_is_an_error() -> None:
    """It raises SubjectClosed or RuntimeError, and never hangs."""
    subject = Subject(Order)
    async with subject:
        pass
    caller = await Caller(lambda: subject.publish_from_thread(Order(n=0))).ended()
    assert isinstance(caller.error, (SubjectClosed, RuntimeError))


@both_real
async def test_closing_the_subject_ends_the_wait_of_a_thread() -> None:
    """Threads wait for room when the subject is closed: they get SubjectClosed, and nobody gets the events."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    async with subject:
        await subject.publish(Order(n=0))
        callers = [Caller(partial(subject.publish_from_thread, Order(n=n))) for n in range(1, 4)]
        await waiting(subject, 3)
        assert all(caller.runs for caller in callers)
        subject.close()
        for caller in callers:
            await caller.ended()
            assert isinstance(caller.error, SubjectClosed)
    assert numbers(await read_all(subscription)) == [0]


@pytest.mark.parametrize("how", ["normally", "by an exception"])
@both_real
async def test_leaving_the_block_ends_the_wait_of_threads(how: str) -> None:
    """Threads wait for room when the block is left: each of them gets SubjectClosed."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    callers: list[Caller] = []
    try:
        async with subject:
            await subject.publish(Order(n=0))
            callers = [Caller(partial(subject.publish_from_thread, Order(n=n))) for n in range(1, 4)]
            await waiting(subject, 3)
            if how == "by an exception":
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    for caller in callers:
        await caller.ended()
        assert isinstance(caller.error, SubjectClosed)
    assert subscription.statistics().wanted == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_end_of_the_loop_ends_the_wait_of_threads(backend: Backend) -> None:
    """The program ends while threads publish without end: they get SubjectClosed or RuntimeError, and none hangs."""
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
def test_publish_from_thread_after_the_loop_has_ended_is_an_error(backend: Backend) -> None:
    """It raises SubjectClosed or RuntimeError, and never hangs."""
    subject = Subject(Order)

    async def main() -> None:
        async with subject:
            pass

    run(main, backend, real=True)
    caller = Caller(lambda: subject.publish_from_thread(Order(n=0))).join()
    assert isinstance(caller.error, (SubjectClosed, RuntimeError))


@both_real
async def test_an_event_of_another_type_is_a_type_error_in_the_thread() -> None:
    """publish_from_thread refuses what publish refuses, and nobody gets it."""
    subject: Any = Subject(Order)
    subscription = subject.subscribe(Order)
    async with subject:
        caller = await Caller(lambda: subject.publish_from_thread(Shipped(n=0))).ended()
        assert isinstance(caller.error, TypeError)
    assert take_all(subscription) == []


@both_real
async def test_the_traceback_of_an_error_in_the_thread_shows_its_caller() -> None:
    """The line that called publish_from_thread is in the traceback."""
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
    ("failures", lambda subject: subject.failures.statistics()),
    ("statistics", lambda subject: subject.statistics()),
]


@pytest.mark.parametrize("name, call", FOREIGN[:-1])
@both_real
async def test_every_other_method_is_refused_in_another_thread(name: str, call: Callable[[Any], Any]) -> None:
    """It raises RuntimeError that names publish_from_thread, and nothing is half-done."""
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
async def test_every_async_method_is_refused_in_the_loop_of_another_thread(name: str) -> None:
    """It raises RuntimeError, since the subject belongs to this loop."""
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


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("name", ["start", "__aenter__", "aclose", "__aexit__", "failures"])
@both_real
async def test_entering_and_leaving_are_refused_in_the_loop_of_another_thread(name: str, closed: bool) -> None:
    """Nothing is half-done there: the subject goes on, and is left where it was entered."""
    subject, handled = Subject(Order), list[int]()
    subject.observe(lambda order: handled.append(order.n), Order)

    async def call() -> None:
        if name == "failures":
            subject.failures.statistics()
        else:
            await getattr(subject, name)(*[None] * 3 * (name == "__aexit__"))

    await subject.start()
    await subject.publish(Order(n=0))
    if closed:
        subject.close()
    caller = await Caller(lambda: anyio.run(call)).ended()
    assert isinstance(caller.error, RuntimeError), caller.error
    assert subject.is_closed is closed
    await subject.aclose()
    assert handled == [0]
    await subject.start()
    assert await subject.publish(Order(n=1)) == 1
    await subject.aclose()


@both_real
async def test_a_publish_in_another_thread_while_the_publishing_task_runs_is_refused() -> None:
    """Another thread runs a step of `publish` while the task that has published all the time runs: RuntimeError."""
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
        thread.join()  # This very task runs meanwhile.
    assert len(errors) == 1
    assert numbers(take_all(subscription)) == [0, 1, 2, 3]


@both_real
async def test_methods_of_a_subscription_are_refused_in_another_thread() -> None:
    """Reading in another thread raises RuntimeError, and takes no event."""
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
    """The handler runs in the loop's thread, and the publishing thread gets the count."""
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
    """For an event from another thread, too, `where` is called in the loop's thread."""
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
async def test_threads_and_tasks_that_wait_go_in_the_order_in_which_they_came() -> None:
    """A thread waits for room, then a task does: the thread's event comes first."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    async with subject, anyio.create_task_group() as tasks:
        await subject.publish(Order(n=0))
        caller = Caller(lambda: subject.publish_from_thread(Order(n=1)))
        await waiting(subject, 1)
        tasks.start_soon(subject.publish, Order(n=2))
        await waiting(subject, 2)
        received = []
        with anyio.fail_after(60):
            for _ in range(3):
                received.append((await subscription.receive()).n)
        await caller.ended()
    assert received == [0, 1, 2]


@pytest.mark.parametrize("way", ["async for", "receive", "receive_nowait"])
@both_real
async def test_another_thread_cannot_read_what_the_reader_could_take_at_once(way: str) -> None:
    """The buffer holds events that a reader in the loop need not wait for: the other thread gets a RuntimeError."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)

    async def read() -> Any:
        if way == "async for":
            return [order async for order in subscription]
        return subscription.receive_nowait() if way == "receive_nowait" else await subscription.receive()

    async with subject:
        for n in range(3):
            await subject.publish(Order(n=n))
        assert (await subscription.receive()).n == 0
        caller = await Caller(lambda: anyio.run(read)).ended()
        assert isinstance(caller.error, RuntimeError), caller.result
        assert numbers(take_all(subscription)) == [1, 2]


@pytest.mark.parametrize("next_waits_already", [True, False])
@both_real
async def test_a_thread_that_gives_up_after_room_came_passes_the_room_on(next_waits_already: bool) -> None:
    """Its slot was kept for it when its time was over: the next publisher gets that slot, and does not hang."""
    subject = Subject(Order)
    reached: list[int] = []

    async def publish() -> None:
        reached.append(await subject.publish(Order(n=2)))

    async with subject, subject.subscribe(Order, buffer=1) as subscription, group() as tasks:
        await subject.publish(Order(n=0))
        while not subject.statistics().waiting_publishers:
            caller = Caller(lambda: subject.publish_from_thread(Order(n=1), timeout=0.5))
            while caller.runs and not subject.statistics().waiting_publishers:
                await anyio.sleep(0.005)  # where the machine stood still its time is over before it has begun to wait
        if next_waits_already:
            tasks.start_soon(publish)
            await settle()
        assert subscription.receive_nowait().n == 0
        caller.wait(60)  # The loop stands still until the thread has given up.
        assert isinstance(caller.error, TimeoutError)
        with anyio.fail_after(60):
            if not next_waits_already:
                tasks.start_soon(publish)
            assert (await subscription.receive()).n == 2
        await settle()
        assert reached == [1]


@both_real
async def test_what_a_where_closes_is_closed_though_the_thread_that_published_gave_up_meanwhile() -> None:
    """Nobody gets the event, and a reader of the closed subscription gets `ClosedResourceError`, without another call."""
    subject = Subject(Order)
    outcomes: list[BaseException | int] = []
    victim = subject.subscribe(Order)

    def closes(order: Order) -> bool:
        victim.close()
        caller[0].wait(60)  # The loop stands still until the thread has given up.
        return True

    async def read() -> None:
        try:
            outcomes.append((await victim.receive()).n)
        except anyio.ClosedResourceError as error:
            outcomes.append(error)

    async with subject, subject.subscribe(Order, where=closes) as looking, group() as tasks:
        tasks.start_soon(read)
        await settle()
        while not outcomes:
            caller = [Caller(lambda: subject.publish_from_thread(Order(n=0), timeout=0.2))]
            while caller[0].runs and not outcomes:
                await anyio.sleep(0.005)  # where the machine stood still its time is over before the event is looked at
            await settle()
        assert isinstance(caller[0].error, TimeoutError)
        assert [type(outcome) for outcome in outcomes] == [anyio.ClosedResourceError]
        assert take_all(looking) == []


class Freed:
    """An event that notes the thread in which it goes."""

    def __init__(self, threads: list[int]) -> None:
        self.threads = threads

    def __del__(self) -> None:
        self.threads.append(threading.get_ident())


@pytest.mark.parametrize("call", ["publish_nowait", "publish", "close", "statistics", "subscribe", "receive_nowait"])
@both_real
async def test_a_call_that_is_refused_in_another_thread_does_nothing_there(call: str) -> None:
    """A subscription was dropped a moment ago: what it held is freed in the loop's thread, not in the one that called."""
    subject: Any = PlainSubject(Freed)
    threads: list[int] = []
    calls: dict[str, Callable[[Any], Any]] = {
        "publish_nowait": lambda kept: subject.publish_nowait(Freed([])),
        "publish": lambda kept: anyio.run(subject.publish, Freed([])),
        "close": lambda kept: kept.close(),
        "statistics": lambda kept: subject.statistics(),
        "subscribe": lambda kept: subject.subscribe(),
        "receive_nowait": lambda kept: kept.receive_nowait(),
    }
    async with subject, subject.subscribe() as kept:
        dropped: list[Any] = [subject.subscribe()]
        await subject.publish(Freed(threads))
        await kept.receive()
        with pytest.warns(ResourceWarning):
            dropped.clear()
        caller = Caller(lambda: calls[call](kept))
        caller.wait(60)  # The loop stands still until the thread has called.
        assert isinstance(caller.error, RuntimeError)
        assert threads == []
        await settle()
        assert threads == [threading.get_ident()]
