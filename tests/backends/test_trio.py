"""The core asks trio itself: the same answers as trio gives, and nothing is kept alive."""

from __future__ import annotations

import gc
import threading

import pytest
import trio
import trio.testing

from evenflow._backends import backend_of
from evenflow._backends.trio import BACKEND


def test_a_loop_of_trio_is_known_as_one() -> None:
    """It is known by its token."""

    async def main() -> None:
        assert backend_of(trio.lowlevel.current_trio_token()) is BACKEND

    trio.run(main)


def test_the_running_loop_and_task_are_trios_own() -> None:
    """Where no loop runs, both raise."""

    async def main() -> None:
        assert BACKEND.running_loop() is trio.lowlevel.current_trio_token()
        assert BACKEND.current_task() is trio.lowlevel.current_task()

    trio.run(main)
    for ask in (BACKEND.running_loop, BACKEND.current_task):
        with pytest.raises(RuntimeError):
            ask()


def test_a_known_task_tells_whether_it_runs() -> None:
    """It runs while it asks, and not while another task does, nor after the run."""
    found = []

    async def main() -> None:
        known = BACKEND.know(trio.lowlevel.current_task(), lambda _: None)
        found.append(known)
        assert known.cr_running

        async def other() -> None:
            assert not known.cr_running

        async with trio.open_nursery() as nursery:  # noqa: ASYNC112 -- another task is what this is about
            nursery.start_soon(other)
        assert known.cr_running

    trio.run(main)
    assert not found[0].cr_running


def test_a_known_task_is_not_kept_alive() -> None:
    """Once it is gone it does not run."""
    found = []

    async def child() -> None:
        found.append(BACKEND.know(trio.lowlevel.current_task(), lambda _: None))

    async def main() -> None:
        async with trio.open_nursery() as nursery:  # noqa: ASYNC112 -- a task that ends is what this is about
            nursery.start_soon(child)
        await trio.lowlevel.checkpoint()
        gc.collect()
        assert found[0]._task() is None
        assert not found[0].cr_running

    trio.run(main)


def test_a_turn_lets_others_run_and_is_a_checkpoint() -> None:
    """trio runs the tasks of one turn in any order, so that two turns let each run at least once."""
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    async def main() -> None:
        async with trio.open_nursery() as nursery:  # noqa: ASYNC112 -- another task is what this is about
            nursery.start_soon(other)
            await BACKEND.turn()
            await BACKEND.turn()
            assert ran == ["other"]
        with trio.CancelScope() as scope:
            scope.cancel()
            await BACKEND.turn()
            ran.append("not reached")

    trio.run(main)
    assert ran == ["other"]


def test_a_wake_up_wakes_its_sleeper() -> None:
    """It is done when it was fired."""
    ran: list[str] = []

    async def main() -> None:
        wake_up = BACKEND.wake_up()

        async def sleep() -> None:
            await wake_up
            ran.append("woken")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleep)
            await trio.testing.wait_all_tasks_blocked()
            assert (wake_up.done(), ran) == (False, [])
            wake_up.set_result(None)
            assert wake_up.done()
        assert ran == ["woken"]

    trio.run(main)


def test_a_thread_can_have_the_loop_call_something() -> None:
    """In the loop's thread; once the run has finished it raises."""
    loops: list[trio.lowlevel.TrioToken] = []

    async def main() -> None:
        loop, called = trio.lowlevel.current_trio_token(), trio.Event()
        loops.append(loop)
        thread = threading.Thread(target=lambda: BACKEND.call_soon(loop, called.set))
        thread.start()
        await called.wait()
        thread.join()
        assert not BACKEND.loop_has_ended(loop)

    trio.run(main)
    assert BACKEND.loop_has_ended(loops[0])
    with pytest.raises(RuntimeError):
        BACKEND.call_soon(loops[0], lambda: None)


def test_a_tasks_name_and_end_are_known() -> None:
    """The task of the run itself, which is in no nursery, has not ended."""
    tasks: list[trio.lowlevel.Task] = []

    async def child() -> None:
        tasks.append(trio.lowlevel.current_task())
        assert not BACKEND.task_has_ended(tasks[0])

    async def main() -> None:
        async with trio.open_nursery() as nursery:  # noqa: ASYNC112 -- a task that ends is what this is about
            nursery.start_soon(child, name="small")
        assert BACKEND.task_name(tasks[0]) == "small"
        assert BACKEND.task_has_ended(tasks[0])
        root = trio.lowlevel.current_root_task()
        assert root is not None
        assert not BACKEND.task_has_ended(root)
        assert BACKEND.times_cancelled(tasks[0]) == 0

    trio.run(main)


def test_a_function_is_called_in_one_of_the_next_turns_and_the_clock_is_the_loops() -> None:
    """trio orders nothing within a turn, and needs one more to notice."""

    async def main() -> None:
        called: list[float] = []
        BACKEND.in_next_turn(lambda: called.append(BACKEND.time()))
        assert called == []
        before = trio.current_time()
        for _ in range(3):
            await BACKEND.turn()
        assert before <= called[0] <= trio.current_time()

    trio.run(main)
