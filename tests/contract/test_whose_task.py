"""What runs for a subject is its own: entered and left wherever the host likes, cancelled alone, cancelling nobody."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import anyio
import pytest

from evenflow import Deadlock, ObserverFailed, Subject, share

from .kit import Order, both, only_asyncio, only_asyncio_real, run, settle, turn


class Plugin:
    """A host calls start and stop, in whatever task and order it likes."""

    def __init__(self, name: str) -> None:
        self.orders = Subject(Order, name=name)
        self.handled: list[int] = []
        self.orders.observe(lambda order: self.handled.append(order.n), Order)


# ------------------------------------------------------------------ two hooks


@both
async def test_start_enters_and_aclose_leaves() -> None:
    """Observers handle what was published before they end, and the subject is closed."""
    plugin = Plugin("one")
    await plugin.orders.start()
    await plugin.orders.publish(Order(n=1))
    await plugin.orders.aclose()
    assert plugin.handled == [1]
    assert plugin.orders.is_closed
    assert not plugin.orders.statistics().observers[0].running


@both
async def test_what_was_started_lives_again_after_it_was_closed() -> None:
    """With the same observers."""
    plugin = Plugin("one")
    for n in range(3):
        await plugin.orders.start()
        await plugin.orders.publish(Order(n=n))
        await plugin.orders.aclose()
    assert plugin.handled == [0, 1, 2]


@both
async def test_what_was_started_cannot_be_entered_again_before_it_is_closed() -> None:
    """It lives once at a time, and goes on living."""
    plugin = Plugin("one")
    await plugin.orders.start()
    with pytest.raises(RuntimeError, match="entered already"):
        await plugin.orders.start()
    with pytest.raises(RuntimeError, match="entered already"):
        async with plugin.orders:
            pass
    assert await plugin.orders.publish(Order(n=1)) == 1
    await plugin.orders.aclose()
    assert plugin.handled == [1]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_start_in_a_loop_that_has_ended_is_forgotten(backend: str) -> None:
    """Who enters the subject with ``async with`` after that leaves it with that, and not with ``aclose`` inside."""
    subject = Subject(Order, name="orders")
    asyncio.run(subject.start())

    async def live() -> None:
        async with subject:
            async with anyio.create_task_group():
                await subject.aclose()  # a leaving is refused here on trio, and may begin nothing anew anywhere
            with pytest.raises(RuntimeError, match="entered already"):
                await subject.start()

    anyio.run(live, backend=backend)


@both
async def test_aclose_from_inside_a_handler_is_a_deadlock() -> None:
    """It would wait for that very handler; the subject goes on."""
    subject, refused = Subject(Order), list[bool]()

    async def handle(_: Order) -> None:
        with pytest.raises(Deadlock):
            await subject.aclose()
        refused.append(True)

    subject.observe(handle, Order)
    await subject.start()
    await subject.publish(Order(n=1))
    await settle()
    assert refused == [True]
    assert not subject.is_closed
    await subject.aclose()


@only_asyncio
async def test_started_in_one_task_and_closed_in_another() -> None:
    """Neither task is a parent of what runs."""
    plugin = Plugin("one")
    await asyncio.create_task(plugin.orders.start())
    await plugin.orders.publish(Order(n=1))
    await asyncio.create_task(plugin.orders.aclose())
    assert plugin.handled == [1]


@only_asyncio
async def test_several_are_closed_in_whatever_order() -> None:
    """First in, first out, for instance."""
    plugins = [Plugin(str(number)) for number in range(3)]
    for plugin in plugins:
        await plugin.orders.__aenter__()
    for plugin in plugins:
        await plugin.orders.publish(Order(n=1))
        await plugin.orders.__aexit__(None, None, None)
    assert [plugin.handled for plugin in plugins] == [[1], [1], [1]]


@only_asyncio
async def test_two_tasks_that_close_at_the_same_time_both_wait_for_the_end() -> None:
    """The second does not return before the handlers have ended."""
    subject, ended = Subject(Order), list[str]()

    async def handle(_: Order) -> None:
        await anyio.sleep(5)
        ended.append("handler")

    async def close(name: str) -> None:
        await subject.aclose()
        ended.append(name)

    subject.observe(handle, Order)
    await subject.start()
    await subject.publish(Order(n=1))
    await settle()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(close("first"))
        tasks.create_task(close("second"))
    assert ended[0] == "handler"
    assert sorted(ended[1:]) == ["first", "second"]


def test_on_trio_another_task_is_refused_before_anything_is_cancelled() -> None:
    """The message names the way out, and the subject goes on."""

    async def main() -> None:
        plugin = Plugin("plugin")
        refused: list[str] = []

        async def stop() -> None:
            with pytest.raises(RuntimeError) as caught:
                await plugin.orders.aclose()
            refused.append(str(caught.value))

        await plugin.orders.start()
        async with anyio.create_task_group() as tasks:  # noqa: ASYNC112 -- a task of its own is the point
            tasks.start_soon(stop)
        assert "plugin was entered in task" in refused[0]
        assert "'async with'" in refused[0]
        assert not plugin.orders.is_closed
        await plugin.orders.publish(Order(n=1))
        await plugin.orders.aclose()
        assert plugin.handled == [1]

    run(main, "trio")


def test_on_trio_the_wrong_order_is_refused_before_anything_is_cancelled() -> None:
    """What was started last is closed first."""

    async def main() -> None:
        first, second = Plugin("first"), Plugin("second")
        await first.orders.start()
        await second.orders.start()
        with pytest.raises(RuntimeError, match="entered after it"):
            await first.orders.aclose()
        await first.orders.publish(Order(n=1))
        await second.orders.aclose()
        await first.orders.aclose()
        assert first.handled == [1]

    run(main, "trio")


def test_on_trio_a_time_limit_around_the_end_alone_is_refused_before_anything_is_cancelled() -> None:
    """The way out that the message names works: the scope is opened first, and its deadline is set later."""

    async def main() -> None:
        plugin = Plugin("plugin")
        await plugin.orders.start()
        with pytest.raises(RuntimeError, match="open the scope before"):
            with anyio.fail_after(1):
                await plugin.orders.aclose()
        assert not plugin.orders.is_closed
        await plugin.orders.publish(Order(n=1))
        await plugin.orders.aclose()
        assert plugin.handled == [1]

        with anyio.CancelScope() as limit:
            await plugin.orders.start()
            plugin.orders.observe(lambda _: anyio.sleep_forever(), Order)
            await plugin.orders.publish(Order(n=2))
            limit.deadline = anyio.current_time() + 1
            await plugin.orders.aclose()
        assert limit.cancelled_caught
        assert plugin.orders.is_closed

    run(main, "trio")


# ------------------------------------------------------------------ from inside a handler


@both
async def test_leaving_from_inside_a_handler_is_a_deadlock() -> None:
    """A host's stop hook may call ``__aexit__`` there; the subject goes on."""
    subject, refused = Subject(Order), list[bool]()

    async def handle(_: Order) -> None:
        with pytest.raises(Deadlock, match="call it from outside"):
            await subject.__aexit__(None, None, None)
        refused.append(True)

    subject.observe(handle, Order)
    async with subject:
        await subject.publish(Order(n=1))
        await settle()
        assert refused == [True]
        assert not subject.is_closed


@both
async def test_leaving_from_inside_a_handler_of_its_failures_is_a_deadlock() -> None:
    """They end with the subject, so whoever stops it there would wait for itself; draining it there is none."""
    subject, refused = Subject(Order), list[bool]()

    @subject.observer
    def fails(_: Order) -> None:
        raise ValueError("no")

    @subject.failures.observer
    async def stop(_: ObserverFailed) -> None:
        with pytest.raises(Deadlock):
            await subject.aclose()
        await subject.drain()
        refused.append(True)

    await subject.start()
    await subject.publish(Order(n=1))
    await settle()
    assert refused == [True]
    assert not subject.is_closed
    await subject.aclose()


@only_asyncio
@pytest.mark.parametrize("way", ["task", "wait_for", "group"])
async def test_a_handler_that_waits_for_a_task_that_stops_the_subject_gives_up_in_time(way: str) -> None:
    """Each would wait for the other: the limit of the handler ends both, and what it did not finish is kept."""
    subject = Subject(Order)

    async def handle(_: Order) -> None:
        if way == "task":
            async with asyncio.timeout(1):
                await asyncio.create_task(subject.aclose())
        elif way == "wait_for":
            await asyncio.wait_for(asyncio.create_task(subject.aclose()), 1)
        else:
            with anyio.move_on_after(1):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(subject.aclose)
                    await anyio.sleep_forever()

    watcher = subject.observe(handle, Order)
    await subject.start()
    await subject.publish(Order(n=1))
    await anyio.sleep(2)
    assert subject.is_closed
    assert watcher.ended
    assert watcher.unhandled == (Order(n=1),)
    await subject.start()
    assert watcher.unhandled == ()
    await subject.aclose()


# ------------------------------------------------------------------ cancelled alone, cancelling nobody


@only_asyncio
async def test_cancelling_whoever_stops_it_cancels_nobody_else() -> None:
    """Not the task that had started it, nor the one that asks."""
    subject = Subject(Order)

    async def never_ends(_: Order) -> None:
        await anyio.sleep_forever()

    watcher = subject.observe(never_ends, Order)
    await subject.__aenter__()
    await subject.publish(Order(n=1))
    await settle()
    stopping = asyncio.create_task(subject.__aexit__(None, None, None))
    await settle()
    stopping.cancel()
    await asyncio.wait([stopping])
    assert stopping.cancelled()
    for _ in range(3):
        await asyncio.sleep(0.1)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert watcher.unhandled == (Order(n=1),)
    assert asyncio.all_tasks() == {task}


@only_asyncio
async def test_cancelling_everything_else_leaves_the_body_alone() -> None:
    """Each observer ends, and so does what waits for threads and operators; publishing goes on."""
    subject = Subject(Order)
    handled: list[int] = []
    subject.observe(lambda order: handled.append(order.n), Order)
    async with subject, subject.subscribe(Order).debounce(1) as calm, share(subject.subscribe(Order)) as shared:
        async with shared.subscribe() as copy:
            await subject.publish(Order(n=1))
            await settle()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            assert len(rest) >= 3
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            await turn(3)
            assert await subject.publish(Order(n=2)) >= 0
            assert (await calm.receive()).n == 1
            with pytest.raises(RuntimeError, match="cancelled by somebody else"):
                await calm.receive()
            assert (await copy.receive()).n == 1
            with pytest.raises(RuntimeError, match="cancelled by somebody else"):
                await copy.receive()
    assert handled == [1]


@only_asyncio
async def test_an_observer_cancelled_before_its_first_step_ends_alone() -> None:
    """The others go on, the block ends, and the next life has it again."""
    subject = Subject(Order)
    got: list[tuple[str, int]] = []
    async with subject:
        subject.observe(lambda order: got.append(("first", order.n)), Order, name="first")
        await settle()
        second = subject.observe(lambda order: got.append(("second", order.n)), Order, name="second")
        (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "evenflow observer second")
        task.cancel()
        await turn(3)
        assert second.ended
        assert not second.statistics().running
        await subject.publish(Order(n=1))
    assert got == [("first", 1)]
    async with subject:
        await subject.publish(Order(n=2))
    assert sorted(got) == [("first", 1), ("first", 2), ("second", 2)]


@only_asyncio_real
async def test_a_thread_whose_publish_was_cancelled_in_the_loop_is_answered() -> None:
    """Nobody got the event, and the next is published."""
    subject = Subject(Order)
    async with subject, subject.subscribe(Order, buffer=1) as feed:
        await subject.publish(Order(n=0))
        waiting = asyncio.create_task(asyncio.to_thread(subject.publish_from_thread, Order(n=1)))
        name = f"evenflow publish_from_thread {subject.name}"
        while not (found := [task for task in asyncio.all_tasks() if task.get_name() == name]):
            await asyncio.sleep(0.001)
        found[0].cancel()
        with pytest.raises(anyio.ClosedResourceError, match="nobody got the event"):
            await waiting
        assert (await feed.receive()).n == 0
        assert await asyncio.to_thread(subject.publish_from_thread, Order(n=2)) == 1
        assert (await feed.receive()).n == 2


@only_asyncio
async def test_a_generator_with_a_chain_that_needs_a_task_may_be_broken_off() -> None:
    """Whoever breaks goes on, and the chain is closed when the generator is, by whatever task."""
    subject = Subject(Order)

    async def merged() -> AsyncIterator[Order]:
        async with subject.subscribe(Order).merge(subject.subscribe(Order)) as feed:
            async for order in feed:
                yield order  # noqa: ASYNC119 -- that nobody closes it is the point

    async def consumer() -> str:
        async for _ in merged():
            break
        gc.collect()
        await asyncio.sleep(1)
        return "went on"

    task = asyncio.create_task(consumer())
    await settle()
    await subject.publish(Order(n=1))
    assert await task == "went on"
    await turn(5)
    assert subject.statistics().subscriptions == ()


@only_asyncio
async def test_a_chain_is_entered_in_one_task_and_left_in_another() -> None:
    """Its operators' tasks are its own."""
    subject = Subject(Order)
    chain = subject.subscribe(Order).debounce(1)
    await asyncio.create_task(chain.__aenter__())
    await subject.publish(Order(n=1))
    assert (await chain.receive()).n == 1
    await asyncio.create_task(chain.__aexit__(None, None, None))
    assert subject.statistics().subscriptions == ()


@both
async def test_a_block_that_is_left_leaves_no_task() -> None:
    """Whether its observers were waiting, handling, or had not begun."""
    subject, cleaned = Subject(Order), list[str]()

    async def slow_to_clean(_: Order) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(3)
            cleaned.append("handling")

    subject.observe(slow_to_clean, Order)
    subject.observe(lambda _: None, Order)
    with pytest.raises(KeyError):
        async with subject:
            await subject.publish(Order(n=1))
            await settle()
            subject.observe(lambda _: None, Order)
            raise KeyError
    assert cleaned == ["handling"]
