"""Which loop, which task: the same answers as the running library gives."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest
import trio
from anyio import lowlevel

from evenflow._loops import Home, current_task, home_or_none, task_has_ended, task_name
from evenflow._turns import TURNS

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def test_outside_a_loop_there_is_no_home_and_no_task() -> None:
    """Nothing raises."""
    assert home_or_none() is None
    assert current_task() is None


@BACKENDS
def test_a_home_knows_its_loop_and_its_end(backend: str) -> None:
    """Here, not in another thread, and never again after it has ended."""
    homes: list[Home] = []
    elsewhere: list[bool] = []

    async def main() -> None:
        home = Home()
        homes.append(home)
        assert home.is_here()
        assert not home.has_ended()
        thread = threading.Thread(target=lambda: elsewhere.append(home.is_here()))
        thread.start()
        thread.join()

    anyio.run(main, backend=backend)
    assert elsewhere == [False]
    assert not homes[0].is_here()
    assert homes[0].has_ended()


@BACKENDS
def test_a_cancelled_scope_is_seen(backend: str) -> None:
    """And a shield is respected."""

    async def main() -> None:
        home = Home()
        for _ in range(3):  # a stranger first, then one that is known
            assert not home.is_cancelled(home.current())
            with anyio.CancelScope() as scope:
                scope.cancel()
                assert home.is_cancelled(home.current())
                with anyio.CancelScope(shield=True):
                    assert not home.is_cancelled(home.current())
                    await lowlevel.checkpoint()
                await lowlevel.checkpoint()

    anyio.run(main, backend=backend)


@BACKENDS
def test_a_thread_can_have_the_loop_call_something(backend: str) -> None:
    """Until the loop has ended; then it is told so."""
    homes: list[Home] = []

    async def main() -> None:
        home = Home()
        homes.append(home)
        called = anyio.Event()
        thread = threading.Thread(target=lambda: home.call_soon(called.set))
        thread.start()
        await called.wait()
        thread.join()

    anyio.run(main, backend=backend)
    with pytest.raises(RuntimeError):
        homes[0].call_soon(lambda: None)


def test_the_current_task_is_the_librarys_own() -> None:
    """Its name and its end are known."""
    ended: list[object] = []

    async def in_asyncio() -> None:
        assert current_task() is asyncio.current_task()
        task = asyncio.create_task(lowlevel.checkpoint(), name="small")
        assert not task_has_ended(task)
        assert task_name(task) == "small"
        await task
        assert task_has_ended(task)

    async def child() -> None:
        ended.append(trio.lowlevel.current_task())
        assert not task_has_ended(ended[0])

    async def in_trio() -> None:
        assert current_task() is trio.lowlevel.current_task()
        async with trio.open_nursery() as nursery:  # noqa: ASYNC112 -- a task that ends is what this is about
            nursery.start_soon(child, name="small")
        assert task_name(ended[0]) == "small"
        assert task_has_ended(ended[0])
        assert not task_has_ended(trio.lowlevel.current_root_task())

    asyncio.run(in_asyncio())
    trio.run(in_trio)


@BACKENDS
def test_a_turn_lets_others_run_and_starts_the_count_anew(backend: str) -> None:
    """It is a checkpoint."""
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            TURNS.given = TURNS.taken = 10
            await TURNS.turn()
            assert (TURNS.given, TURNS.taken) == (0, 0)
            await TURNS.turn()
            assert ran == ["other"]

    anyio.run(main, backend=backend)
