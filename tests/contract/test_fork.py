"""After a fork the child's copy belongs to no loop, and what waited, read or observed in the parent is not there."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from evenflow import Event, State, Subject, share

from .forks import in_child
from .kit import both, group, settle

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")


class Done(Event):
    """A job is done."""

    n: int


def ran(main: Callable[[], Coroutine[Any, Any, object]]) -> object:
    """Run it in a loop of the child's own."""
    return asyncio.run(main())


CALLS: dict[str, Callable[[Subject[Done]], object]] = {
    "publish_nowait": lambda done: done.publish_nowait(Done(n=1)),
    "publish": lambda done: ran(lambda: done.publish(Done(n=1))),
    "publish_many": lambda done: ran(lambda: done.publish_many([Done(n=1), Done(n=2)])),
    "publish_from_thread": lambda done: done.publish_from_thread(Done(n=1)),
    "publish_from_thread with a time limit": lambda done: done.publish_from_thread(Done(n=1), timeout=3),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_child_of_an_entered_subject_finds_it_closed(call: str) -> None:
    """Publishing in the child neither hangs nor reports a delivery to the parent's readers: it says to enter it."""

    async def main() -> None:
        async with Subject(Done) as done, done.subscribe(buffer=2) as results:
            await done.publish(Done(n=0))
            await results.receive()
            said = in_child(lambda: CALLS[call](done))
            assert said.startswith("SubjectClosed: ")
            assert "enter it again" in said
            assert results.statistics().wanted == 1
            assert await done.publish(Done(n=2)) == 1  # and in the parent all goes on

    asyncio.run(main())


@pytest.mark.parametrize("call", ["publish_nowait", "publish", "publish_many"])
@pytest.mark.parametrize("waits", [True, False])
def test_a_child_of_a_subject_that_was_not_entered_has_no_subscriptions_in_it(call: str, waits: bool) -> None:
    """Whether the parent's reader has waited yet or not: in the child nobody wants the event."""

    async def main() -> None:
        done = Subject(Done)
        async with done.subscribe(buffer=2) as results, group() as tasks:
            if waits:
                tasks.start_soon(results.receive)
                await settle()
            assert in_child(lambda: CALLS[call](done)) == "0"
            assert results.statistics().wanted == 0
            assert await done.publish(Done(n=1)) == 1

    asyncio.run(main())


def test_entering_it_in_the_child_opens_it_anew() -> None:
    """Its observers run there, threads of the child can publish to it, and counters begin at zero."""
    handled: list[int] = []
    done = Subject(Done)

    @done.observer
    def note(event: Done) -> None:
        handled.append(event.n)

    async def live() -> tuple[int, int, list[int]]:
        async with done:
            wanted = await done.publish(Done(n=7))
            wanted += await asyncio.to_thread(done.publish_from_thread, Done(n=8))
            published = done.statistics().published
        return wanted, published, handled

    async def main() -> None:
        async with done:
            await done.publish(Done(n=1))
            await done.drain()
            assert in_child(lambda: asyncio.run(live())) == "(2, 2, [1, 7, 8])"
        assert handled == [1]

    asyncio.run(main())


def test_the_child_of_a_thread_enters_it_as_well() -> None:
    """It makes no difference that the fork happened in another thread, even in the middle of a publish."""
    done = Subject(Done)
    asked, forked = threading.Event(), threading.Event()

    def slow(_: Done) -> bool:
        asked.set()
        return forked.wait(5)

    async def live() -> int:
        async with done, done.subscribe():
            return await done.publish(Done(n=1))

    said: list[str] = []

    def fork() -> None:
        asked.wait(5)
        said.append(in_child(lambda: asyncio.run(live())))
        forked.set()

    async def main() -> None:
        async with done, done.subscribe(where=slow):
            thread = threading.Thread(target=fork)
            thread.start()
            assert await done.publish(Done(n=0)) == 1
            thread.join()

    asyncio.run(main())
    assert said == ["1"]


@pytest.mark.parametrize("waits", [True, False])
def test_a_subscription_of_the_parent_is_closed_in_the_child(waits: bool) -> None:
    """Reading it in the child does not hang, closing it does nothing, and dropping it warns of nothing."""

    async def main() -> None:
        done = Subject(Done)
        async with done.subscribe() as results, group() as tasks:
            if waits:
                tasks.start_soon(results.receive)
                await settle()
            else:
                done.publish_nowait(Done(n=1))
            said = in_child(lambda: asyncio.run(asyncio.wait_for(results.receive(), 30)))
            assert said.startswith("ClosedResourceError: ")
            assert "process" in said
            assert in_child(results.close) == "None"
            assert results.statistics().waiting == (not waits)
            await done.publish(Done(n=2))

    asyncio.run(main())


def test_a_fork_at_import_time_leaves_a_subject_and_its_replay_as_they_are() -> None:
    """A subject that nothing waits on is plain data: it stays open, and its history is there."""
    done = Subject(Done, replay=2)
    done.publish_nowait(Done(n=1))

    async def late() -> int:
        async with done.subscribe() as results:
            return (await results.receive()).n

    assert in_child(lambda: asyncio.run(late())) == "1"


def test_a_state_keeps_its_value_in_the_child() -> None:
    """It can be set, waited for, and read anew there; whoever waits in the parent hears of nothing."""

    async def main() -> None:
        level = State(1)
        async with level.subscribe() as feed:
            await feed.receive()

            async def use() -> tuple[int, int]:
                level.set(2)
                async with level.subscribe() as own:
                    return await own.receive(), await level.wait_for(lambda value: value == 2)

            assert in_child(lambda: asyncio.run(use())) == "(2, 2)"
            assert in_child(lambda: level.set_from_thread(3)) == "None"
            assert level.value == 1

    asyncio.run(main())


def test_a_child_that_forks_again_passes_nothing_on() -> None:
    """The grandchild is as free as the child."""
    done = Subject(Done)

    async def live() -> str:
        async with done, done.subscribe():
            return in_child(lambda: done.publish_nowait(Done(n=1)))

    async def main() -> None:
        async with done:
            assert "SubjectClosed" in in_child(lambda: asyncio.run(live()))

    asyncio.run(main())


@both
async def test_a_fork_on_either_library_reports_no_delivery() -> None:
    """The parent may run on trio as well as on asyncio."""
    done = Subject(Done)
    async with done, done.subscribe():
        await done.publish(Done(n=1))
        assert in_child(lambda: done.publish_nowait(Done(n=2))).startswith("SubjectClosed")


def test_a_chain_with_tasks_and_a_share_have_ended_in_the_child() -> None:
    """Their tasks run in the parent: reading, subscribing and entering in the child end at once."""

    async def main() -> None:
        done = Subject(Done)
        async with share(done.subscribe()) as shared, done.subscribe().debounce(9) as chain:
            await settle()

            async def late() -> Done:
                async with shared.subscribe() as own:
                    return await asyncio.wait_for(own.receive(), 3)

            async def enter() -> list[Done]:
                async with shared, shared.subscribe() as own:
                    return [event async for event in own]

            said = in_child(lambda: asyncio.run(asyncio.wait_for(chain.receive(), 3)))
            assert said.startswith("ClosedResourceError")
            assert "runs in the parent process" in in_child(lambda: asyncio.run(late()))
            assert in_child(lambda: asyncio.run(enter())).startswith(("ClosedResourceError", "[]"))
            assert await done.publish(Done(n=1)) == 2

    asyncio.run(main())
