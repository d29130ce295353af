"""Which loop, which task: the same answers as the running library gives."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress

import anyio
import pytest
import trio
from anyio import lowlevel

from evenflow._loops import Home, current_task, home_or_none, task_has_ended, task_name

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


@pytest.mark.parametrize("known_by", ["its coroutine", "being current"])
@BACKENDS
def test_a_cancelled_scope_is_seen(backend: str, known_by: str) -> None:
    """And a shield is respected."""

    async def main() -> None:
        home = Home()
        home._one_step_at_a_time = known_by == "its coroutine"
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


@pytest.mark.parametrize("known_by", ["its coroutine", "being current"])
@BACKENDS
def test_the_answer_is_about_the_task_that_runs(backend: str, known_by: str) -> None:
    """One that is known, in no cancelled scope, says nothing about another that is, nor the other way round."""
    homes: list[Home] = []

    async def ask(expected: bool) -> None:
        for _ in range(3):
            assert homes[0].is_cancelled(homes[0].current()) is expected

    async def child() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await ask(expected=True)

    async def main() -> None:
        homes.append(Home())
        homes[0]._one_step_at_a_time = known_by == "its coroutine"
        for _ in range(2):
            await ask(expected=False)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(child)
                tasks.start_soon(child)
        await ask(expected=False)

    anyio.run(main, backend=backend)
    assert not homes[0].known.cr_running


@pytest.mark.skipif(sys.version_info < (3, 12), reason="unavoidable: Python 3.12 brought eager tasks")
def test_an_eager_task_is_not_taken_for_the_one_that_makes_it() -> None:
    """Its first step runs inside a step of the other, whose coroutine runs as well."""
    answers: list[bool] = []

    async def child(home: Home) -> None:
        answers.append(home.is_cancelled(asyncio.current_task()))

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 -- 3.12
        home = Home()
        with anyio.CancelScope() as scope:
            scope.cancel()
            for _ in range(3):
                assert home.is_cancelled(home.current())
            await asyncio.create_task(child(home))

    with suppress(asyncio.CancelledError):
        asyncio.run(main())
    assert answers == [False]


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
