"""Destructors: the garbage collector may run wherever an object is made, and a destructor may use the subject then.

Its call takes effect before or after a publish, a read or a close, and never in the middle of one, or it is refused.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

import anyio
import pytest

from evenflow import Deadlock, Subject as PlainSubject, SubjectClosed, Subscription

from .kit import MEDDLING, Meddler, Order, balanced, both, fill, group, only_asyncio, publishing, settle

REFUSED = (anyio.WouldBlock, anyio.EndOfStream, anyio.ClosedResourceError, StopAsyncIteration, Deadlock, SubjectClosed)
AFTER = range(1, 60)
"""After how many new objects the collector runs; an operation makes fewer."""


@pytest.fixture(scope="module", autouse=True)
def what_earlier_tests_left_is_not_looked_at_each_time() -> None:
    """Each test here collects thousands of times. `tests/conftest.py` thaws everything at the end of the run."""
    gc.collect()
    gc.freeze()


@contextmanager
def collecting(meddle: Callable[[], object], after: int) -> Iterator[None]:
    """Run the collector once, after `after` objects were made: it runs a destructor that calls `meddle`."""
    threshold = gc.get_threshold()
    gc.collect(0)
    gc.disable()
    meddler = Meddler(meddle)
    gc.collect(0)  # This makes it older: it is collected only after `after` collections of young objects.
    gc.set_threshold(1, after, 1_000_000)
    # Lists and dicts that Python could reuse are used up, so that each new object counts.
    spare = [[[] for _ in range(200)], [{} for _ in range(200)], [[] for _ in range(after % 2)]]
    del meddler
    gc.enable()
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        del spare


Filled = Callable[[Any, "Subscription[Order]"], Awaitable[None]]


async def _fresh(subject: Any, subscription: Subscription[Order]) -> None:
    """Nothing was published yet."""


async def _read(subject: Any, subscription: Subscription[Order]) -> None:
    """The task has published and read, and has read everything."""
    for n in range(3):
        await subject.publish(Order(n=n))
        await subscription.receive()


async def _filling(subject: Any, subscription: Subscription[Order]) -> None:
    """The buffer has two events, and room for one more."""
    await _read(subject, subscription)
    await subject.publish(Order(n=3))
    await subject.publish(Order(n=4))


async def _full(subject: Any, subscription: Subscription[Order]) -> None:
    """The buffer is full."""
    await _filling(subject, subscription)
    await subject.publish(Order(n=5))


STATES: dict[str, Filled] = {"fresh": _fresh, "read": _read, "filling": _filling, "full": _full}


async def _many(subject: Any, _: Subscription[Order]) -> None:
    await subject.publish_many([Order(n=100), Order(n=101)])


async def _nowait(subject: Any, _: Subscription[Order]) -> None:
    subject.publish_nowait(Order(n=100))


async def _receive(_: Any, subscription: Subscription[Order]) -> None:
    await subscription.receive()


async def _iterate(_: Any, subscription: Subscription[Order]) -> None:
    await anext(aiter(subscription))


async def _batch(_: Any, subscription: Subscription[Order]) -> None:
    await subscription.batches().receive()


async def _close(subject: Any, _: Subscription[Order]) -> None:
    subject.close()


async def _publish(subject: Any, _: Subscription[Order]) -> None:
    await subject.publish(Order(n=100))


OPERATIONS = {
    "publish": _publish,
    "many": _many,
    "nowait": _nowait,
    "receive": _receive,
    "iterate": _iterate,
    "batch": _batch,
    "close": _close,
}


@asynccontextmanager
async def meddled(state: str, operation: str, what: str, after: int) -> AsyncIterator[tuple[Any, list[Any], list[str]]]:
    """Run one operation with one destructor in it; yield the subject, its subscriptions, and what happened."""
    subject = PlainSubject(Order)
    subscription, kept = subject.subscribe(Order, buffer=3), [subject.subscribe(Order, buffer=30)]
    became: list[str] = []

    async def operate() -> None:
        await STATES[state](subject, subscription)
        became.append("began")
        with collecting(lambda: (became.append("meddled"), MEDDLING[what](subject, kept)), after):
            try:
                await OPERATIONS[operation](subject, subscription)
            except REFUSED:
                became.append("refused")
        became.append("ended")

    threshold = gc.get_threshold()
    try:
        async with group() as tasks:
            tasks.start_soon(operate)
            await settle()
            gc.set_threshold(*threshold)
            await settle()
            yield subject, [subscription, *kept], became
    finally:
        gc.collect(1)  # The destructor may not have run yet.
        for each in (subscription, *kept):
            await each.aclose()


@pytest.mark.parametrize("what", MEDDLING)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("state", STATES)
@only_asyncio
async def test_a_destructor_anywhere_in_an_operation_breaks_nothing(state: str, operation: str, what: str) -> None:
    """Buffers keep their bounds and ledgers their sums, no event is lost, and nobody waits for what is there."""
    for after in AFTER:
        async with meddled(state, operation, what, after) as (subject, subscriptions, became):
            for each in subscriptions:
                balanced(each)
                assert each.statistics().waiting <= each.statistics().capacity, after
            reader = subscriptions[0]
            assert reader.statistics().wanted == subject.statistics().published, after
            reads = operation in ("receive", "iterate", "batch")
            if "ended" not in became:  # It waits: then it must have a reason to.
                full = reader.statistics().waiting == 3
                assert reader.statistics().waiting == 0 if reads else full, after
                assert not subject.is_closed, after
        if "meddled" not in became:
            break


@only_asyncio
async def test_a_publish_goes_on_if_a_destructor_reads_as_it_starts_to_wait() -> None:
    """Whenever the destructor frees a slot, the publish that needs it happens within a second."""
    threshold = gc.get_threshold()
    meddlings = 0
    for after in AFTER:
        subject = PlainSubject(Order)
        subscription = subject.subscribe(Order, buffer=1)
        read: list[int] = []
        published: list[int] = []
        meddled: list[int] = []

        def meddle(
            subscription: Subscription[Order] = subscription, read: list[int] = read, meddled: list[int] = meddled
        ) -> None:
            meddled.append(1)
            read.append(subscription.receive_nowait().n)  # It is refused during the publish.

        async def is_known_to_read(subject: Any = subject, subscription: Subscription[Order] = subscription) -> None:
            subject.publish_nowait(Order(n=0))
            await subscription.receive()
            await anyio.sleep_forever()

        async def publish(
            subject: Any = subject,
            published: list[int] = published,
            meddle: Callable[[], object] = meddle,
            after: int = after,
        ) -> None:
            with collecting(meddle, after):
                published.append(await subject.publish(Order(n=2)))

        try:
            async with group() as tasks:
                tasks.start_soon(is_known_to_read)
                await settle()
                subject.publish_nowait(Order(n=1))
                tasks.start_soon(publish)
                await settle()
                gc.set_threshold(*threshold)
                await anyio.sleep(1)  # In virtual time: a waiting publish looks again every half second.
                if read and read[0] == 1:
                    assert published == [1], f"after {after} objects were made it waits in vain"
                meddlings += len(meddled)
                assert subscription.statistics().waiting == (not read or read[0] == 1), after
        finally:
            gc.set_threshold(*threshold)
            gc.collect(1)
            subscription.close()
    assert meddlings > 5


@contextmanager
def collecting_always(meddle: Callable[[], object], times: int) -> Iterator[None]:
    """Run a destructor that calls `meddle` for each object that is made, up to `times`."""
    threshold, left = gc.get_threshold(), times

    class Again:
        """A cycle, which only the collector finds; when it is collected it makes another one."""

        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            nonlocal left
            if left > 0:
                left -= 1
                with suppress(RuntimeError):  # It is refused during a publish.
                    meddle()
                Again()

    gc.collect()
    Again()
    gc.set_threshold(1, 1, 1)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        left = 0


@only_asyncio
async def test_what_a_destructor_publishes_while_a_batch_is_read_comes_after_it() -> None:
    """No event is lost or comes twice, and events come in the order in which they were published."""
    published_meanwhile = 0
    for times in AFTER:
        subject = PlainSubject(Order)
        async with subject.subscribe(Order, buffer=200) as subscription:
            batches = aiter(subscription.batches())
            published = list(range(30))
            for n in published:
                await subject.publish(Order(n=n))

            def publish(subject: Any = subject, published: list[int] = published) -> None:
                subject.publish_nowait(Order(n=len(published)))
                published.append(len(published))

            with collecting_always(publish, times):
                received = [order.n for order in await anext(batches)]
            published_meanwhile += len(published) > 30
            while subscription.statistics().waiting:
                received += [order.n for order in await anext(batches)]
            assert received == published, times
            balanced(subscription)
    assert published_meanwhile


@only_asyncio
async def test_a_destructor_that_reads_during_publish_many_breaks_no_bound_and_no_ledger() -> None:
    """The buffer never holds more than `buffer` events, and no event is lost."""
    meddled_in_it = 0
    for after in AFTER:
        subject = PlainSubject(Order)
        async with subject.subscribe(Order, buffer=8) as subscription:
            await subject.publish_many([Order(n=n) for n in range(3)])
            run = [Order(n=n) for n in range(3, 8)]
            made, read = 0, list[int]()

            def meddle(subscription: Any = subscription, read: list[int] = read, after: int = after) -> None:
                nonlocal made
                made += 1
                if made == after:
                    read.append(subscription.receive_nowait().n)

            with collecting_always(meddle, 100):
                await subject.publish_many(run)
            meddled_in_it += made >= after
            assert subscription.statistics().wanted == subject.statistics().published == 8, after
            balanced(subscription)
            published = 8
            with pytest.raises(anyio.WouldBlock):
                for published in range(8, 20):
                    subject.publish_nowait(Order(n=published))
            assert subscription.statistics().waiting == 8, after
            read += [subscription.receive_nowait().n for _ in range(8)]
            assert read == list(range(published)), after
    assert meddled_in_it


KEYS: dict[str, Any] = {
    "the last": None,
    "by key": lambda order: order.n % 7,
    "by a key with a hash": lambda order: (order.n % 7,),
}


@pytest.mark.parametrize("keyed", KEYS)
@only_asyncio
async def test_a_destructor_that_publishes_during_subscribe_breaks_no_replay(keyed: str) -> None:
    """The new subscription gets the history before the call, in order, whatever is published during it."""
    for times in range(60, 200):
        subject = PlainSubject(Order, replay=200, replay_by=KEYS[keyed])
        published = list(range(30))
        for n in published:
            subject.publish_nowait(Order(n=n))

        def publish(subject: Any = subject, published: list[int] = published) -> None:
            subject.publish_nowait(Order(n=len(published)))
            published.append(len(published))

        with collecting_always(publish, times):
            subscription = subject.subscribe(Order, buffer=200)
        async with subscription:
            received = [subscription.receive_nowait().n for _ in range(subscription.statistics().waiting)]
        assert received[:30] == list(range(30)), times
        assert received == sorted(set(received)), times


@pytest.mark.parametrize("waited", [True, False])
@both
async def test_a_publish_goes_on_if_the_full_subscription_is_let_go_while_it_asks(waited: bool) -> None:
    """A `where` drops its last reference, whether anything has waited on the subject before or not."""
    subject = PlainSubject(Order)
    clients = {0: subject.subscribe(Order, buffer=1)}
    await subject.publish(Order(n=0))

    def where(order: Order) -> bool:
        clients.pop(order.n, None)
        return True

    async with subject.subscribe(where=where) as other:
        if waited:
            with anyio.move_on_after(0.01):
                await other.receive()
        clients[1] = clients.pop(0)
        with anyio.fail_after(1), pytest.warns(ResourceWarning, match="without being closed"):
            assert await subject.publish(Order(n=1)) == 1


@pytest.mark.parametrize("how", ["is let go", "closes it"])
@pytest.mark.parametrize("others", [0, 1])
@only_asyncio
async def test_a_cancelled_publish_passes_its_slot_on_while_the_subscription_goes(how: str, others: int) -> None:
    """Whenever the collector finds the full subscription, or a holder of it that closes it, nobody waits for it."""
    found = 0
    for after in AFTER:
        subject = PlainSubject(Order)
        subscription = subject.subscribe(Order, buffer=1)
        keeps: dict[str, Any] = {"subscription": subscription}
        fill(subject, 1)

        def goes(keeps: dict[str, Any] = keeps) -> None:
            nonlocal found
            gone = keeps.pop("subscription")
            found += 1
            if how == "closes it":
                gone.close()

        def cancelling(scope: anyio.CancelScope, goes: Callable[[], None] = goes, after: int = after) -> None:
            stack.enter_context(collecting(goes, after))
            scope.cancel()

        with ExitStack() as stack, warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            async with group() as tasks:
                first = await publishing(tasks, subject, Order(n=1))
                rest = [await publishing(tasks, subject, Order(n=2 + n)) for n in range(others)]
                subscription.receive_nowait()
                del subscription
                cancelling(first.scope)
                await settle()
                stack.close()
                gc.collect(1)
                keeps.clear()
                await anyio.sleep(1)
                assert first.ended, after
                assert all(task.ended for task in rest), after
    assert found > 5
