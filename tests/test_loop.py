"""Which loop runs here, which task, and whether it is cancelled: the same answers as the library gives."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from contextlib import suppress
from weakref import ref

import anyio
import pytest
from anyio import lowlevel

from evenflow._backends import NOT_RUNNING
from evenflow._fairness import GIVEN, TAKEN
from evenflow._loop import RunningLoop, running_loop, running_loop_or_none

from .parts import on_both, run


def test_outside_a_loop_there_is_none() -> None:
    """One asks and hears None, the other raises."""
    assert running_loop_or_none() is None
    with pytest.raises(anyio.NoEventLoopError):
        running_loop()


@on_both
def test_a_loop_is_one_object_however_often_it_is_asked_for(backend: str) -> None:
    """All subjects in a loop share its budget; the next loop is another."""
    loops: list[RunningLoop] = []

    async def main() -> None:
        loops.append(running_loop())
        assert running_loop() is running_loop_or_none() is loops[-1]
        assert loops[-1].counts is loops[-1].budget.counts

    run(main, backend)
    run(main, backend)
    assert loops[0] is not loops[1]


@on_both
def test_it_knows_whether_it_is_here_and_whether_it_has_ended(backend: str) -> None:
    """It is here, is not in another thread, and has ended for good after its run."""
    loops: list[RunningLoop] = []
    elsewhere: list[bool] = []

    async def main() -> None:
        loop = running_loop()
        loops.append(loop)
        assert loop.is_here()
        assert not loop.has_ended()
        assert loop.thread == threading.get_ident()
        thread = threading.Thread(target=lambda: elsewhere.append(loop.is_here()))
        thread.start()
        thread.join()

    run(main, backend)
    assert elsewhere == [False]
    assert not loops[0].is_here()
    assert loops[0].has_ended()


@on_both
def test_the_librarys_own_loop_is_not_kept_alive(backend: str) -> None:
    """A subject that outlives its loop holds only this object."""
    loops: list[RunningLoop] = []

    async def main() -> None:
        loops.append(running_loop())

    run(main, backend)
    gc.collect()
    if backend == "asyncio":
        assert loops[0]._loop() is None
    assert loops[0].has_ended()
    with pytest.raises(RuntimeError):
        loops[0].call_soon(lambda: None)


@on_both
def test_a_cancelled_scope_is_seen(backend: str) -> None:
    """And a shield is respected."""

    async def main() -> None:
        loop = running_loop()
        for _ in range(3):  # at first the task is a stranger, and then it is known
            assert not loop.is_cancelled()
            with anyio.CancelScope() as scope:
                scope.cancel()
                assert loop.is_cancelled()
                with anyio.CancelScope(shield=True):
                    assert not loop.is_cancelled()
                    await lowlevel.checkpoint()
                await lowlevel.checkpoint()

    run(main, backend)


@on_both
def test_the_answer_is_about_the_task_that_runs(backend: str) -> None:
    """A known task in no cancelled scope says nothing about another that is in one, nor the other way round."""
    loops: list[RunningLoop] = []

    def ask(expected: bool) -> None:
        for _ in range(3):
            assert loops[0].is_cancelled() is expected

    async def child() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            ask(expected=True)
            await lowlevel.checkpoint()

    async def main() -> None:
        loops.append(running_loop())
        for _ in range(2):
            ask(expected=False)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(child)
                tasks.start_soon(child)
        ask(expected=False)

    run(main, backend)
    assert not loops[0].known.cr_running


def test_a_task_that_is_cancelled_by_itself_is_seen() -> None:
    """Without a scope: `task.cancel()`, before the task has run again."""
    answers: list[bool] = []

    async def child() -> None:
        loop = running_loop()
        answers.append(loop.is_cancelled())
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        answers.append(loop.is_cancelled())
        assert loop.backend.times_cancelled(task) == 1
        await lowlevel.checkpoint()

    async def main() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.create_task(child())

    asyncio.run(main())
    assert answers == [False, True]


def test_a_task_that_was_cancelled_before_it_is_first_asked_is_seen() -> None:
    """A stranger is asked for that as well."""
    answers: list[bool] = []

    async def child() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        answers.append(running_loop().is_cancelled())
        await lowlevel.checkpoint()

    async def main() -> None:
        assert not running_loop().is_cancelled()
        with suppress(asyncio.CancelledError):
            await asyncio.create_task(child())

    asyncio.run(main())
    assert answers == [True]


def test_in_a_callback_of_the_loop_no_task_runs() -> None:
    """Nobody is cancelled there."""
    answers: list[object] = []

    async def main() -> None:
        loop = running_loop()
        asyncio.get_running_loop().call_soon(lambda: answers.extend((loop.current_task(), loop.is_cancelled())))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert answers == [None, False]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="unavoidable: Python 3.12 brought eager tasks")
def test_an_eager_task_is_not_taken_for_the_one_that_makes_it() -> None:
    """Its first step runs inside a step of the other, whose coroutine runs as well."""
    answers: list[bool] = []

    async def child() -> None:
        answers.append(running_loop().is_cancelled())

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 -- 3.12
        with anyio.CancelScope() as scope:
            scope.cancel()
            for _ in range(3):
                assert running_loop().is_cancelled()
            await asyncio.create_task(child())

    with suppress(asyncio.CancelledError):
        asyncio.run(main())
    assert answers == [False]


@on_both
def test_a_task_that_is_gone_is_known_no_more(backend: str) -> None:
    """Nothing of it is kept: neither the task nor its coroutine."""
    gone: list[ref[object]] = []
    loops: list[RunningLoop] = []

    async def child() -> None:
        loop = running_loop()
        loops.append(loop)
        for _ in range(3):
            loop.is_cancelled()
        assert loop.known.cr_running
        gone.append(ref(loop.current_task()))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:  # noqa: ASYNC112 -- the task is what is tested
            tasks.start_soon(child)
        await lowlevel.checkpoint()
        gc.collect()
        assert gone[0]() is None
        assert not loops[0].known.cr_running
        if backend == "asyncio" and sys.version_info < (3, 12):
            assert loops[0].known is NOT_RUNNING

    run(main, backend)


@on_both
def test_a_turn_lets_others_run_and_starts_the_count_anew(backend: str) -> None:
    """It is a checkpoint; whoever counts keeps the list, so that it must stay the same list."""
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    async def main() -> None:
        loop = running_loop()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            counts = loop.counts
            counts[GIVEN] = counts[TAKEN] = 10
            await loop.turn()
            assert (counts[GIVEN], counts[TAKEN]) == (0, 0)
            assert loop.counts is loop.budget.counts is counts
            await loop.turn()
            assert ran == ["other"]
        with anyio.CancelScope() as scope:
            scope.cancel()
            await loop.turn()
            ran.append("not reached")

    run(main, backend)
    assert ran == ["other"]


@on_both
def test_a_thread_can_have_the_loop_call_something(backend: str) -> None:
    """Until the loop has ended."""
    threads: list[int] = []

    async def main() -> None:
        loop, called = running_loop(), anyio.Event()

        def call() -> None:
            threads.append(threading.get_ident())
            called.set()

        thread = threading.Thread(target=lambda: loop.call_soon(call))
        thread.start()
        await called.wait()
        thread.join()

    run(main, backend)
    assert threads == [threading.get_ident()]
