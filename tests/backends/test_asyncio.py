"""The core asks asyncio itself: the same answers as asyncio gives, and nothing is kept alive."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import suppress

import pytest

from evenflow._backends import backend_of
from evenflow._backends.asyncio import BACKEND


def test_a_loop_of_asyncio_is_known_as_one() -> None:
    """Whatever its class is."""

    async def main() -> None:
        assert backend_of(asyncio.get_running_loop()) is BACKEND

    asyncio.run(main())


def test_the_running_loop_and_task_are_asyncios_own() -> None:
    """Where no loop runs, both raise."""

    async def main() -> None:
        assert BACKEND.running_loop() is asyncio.get_running_loop()
        assert BACKEND.current_task() is asyncio.current_task()

    asyncio.run(main())
    for ask in (BACKEND.running_loop, BACKEND.current_task):
        with pytest.raises(RuntimeError):
            ask()


def test_in_a_callback_no_task_runs() -> None:
    """The current task is None there."""
    found: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: found.append(BACKEND.current_task()))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert found == [None]


def test_a_known_task_tells_whether_it_runs() -> None:
    """It runs while it asks, and not while another task does."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        known = BACKEND.know(task, lambda _: None)
        assert known.cr_running

        async def other() -> None:
            assert not known.cr_running

        await asyncio.create_task(other())
        assert known.cr_running

    asyncio.run(main())


def test_a_known_task_is_not_kept_alive() -> None:
    """Once it is gone it does not run."""
    gone: list[object] = []

    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(0))
        known = BACKEND.know(task, gone.append)
        await task
        del task
        gc.collect()
        with suppress(ReferenceError):
            assert not known.cr_running
            return
        assert gone == [known]

    asyncio.run(main())


def test_a_turn_lets_each_task_that_is_ready_run_once() -> None:
    """It is one turn, and no more."""
    ran: list[int] = []

    async def other() -> None:
        for n in range(3):
            ran.append(n)
            await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.create_task(other())
        await BACKEND.turn()
        assert ran == [0]
        await BACKEND.turn()
        assert ran == [0, 1]
        await task

    asyncio.run(main())


def test_a_turn_is_a_checkpoint() -> None:
    """A cancelled task does not get past it."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await BACKEND.turn()

    asyncio.run(main())


def test_a_wake_up_wakes_its_sleeper() -> None:
    """It is done when it was fired, or when its sleeper was cancelled."""

    async def main() -> None:
        wake_up, cancelled = BACKEND.wake_up(), BACKEND.wake_up()

        async def sleep(on: asyncio.Future[None]) -> str:
            await on
            return "woken"

        sleeper, other = asyncio.create_task(sleep(wake_up)), asyncio.create_task(sleep(cancelled))
        await asyncio.sleep(0)
        assert not wake_up.done()
        other.cancel()
        wake_up.set_result(None)
        assert await sleeper == "woken"
        with pytest.raises(asyncio.CancelledError):
            await other
        assert cancelled.done()

    asyncio.run(main())


def test_a_thread_can_have_the_loop_call_something() -> None:
    """In the loop's thread; once the loop has ended it raises."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loop, called = asyncio.get_running_loop(), asyncio.Event()
        loops.append(loop)
        thread = threading.Thread(target=lambda: BACKEND.call_soon(loop, called.set))
        thread.start()
        await called.wait()
        thread.join()
        assert not BACKEND.loop_has_ended(loop)

    asyncio.run(main())
    assert BACKEND.loop_has_ended(loops[0])
    with pytest.raises(RuntimeError):
        BACKEND.call_soon(loops[0], lambda: None)


def test_a_tasks_name_and_end_are_known() -> None:
    """Whatever way it ends."""

    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(0), name="small")
        assert BACKEND.task_name(task) == "small"
        assert not BACKEND.task_has_ended(task)
        task.cancel()
        assert BACKEND.times_cancelled(task) == 1
        with pytest.raises(asyncio.CancelledError):
            await task
        assert BACKEND.task_has_ended(task)

    asyncio.run(main())


def test_a_function_is_called_in_the_next_turn_and_the_clock_is_the_loops() -> None:
    """Before whoever lets the loop turn goes on."""

    async def main() -> None:
        called: list[float] = []
        BACKEND.in_next_turn(lambda: called.append(BACKEND.time()))
        assert called == []
        before = asyncio.get_running_loop().time()
        await BACKEND.turn()
        assert before <= called[0] <= asyncio.get_running_loop().time()

    asyncio.run(main())
