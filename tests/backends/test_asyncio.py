"""The core asks asyncio itself: the same answers as asyncio gives, and nothing is kept alive."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from contextlib import suppress

import anyio
import pytest

from evenflow._backends import backend_of
from evenflow._backends.asyncio import BACKEND, _anyios_own


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


def _says_the_same(expected: bool) -> None:
    """Our answer about the task that runs is the one expected, and anyio's."""
    task = asyncio.current_task()
    assert task is not None
    assert BACKEND.pending(task)() is anyio.get_current_task().has_pending_cancellation() is expected


async def _in_scopes() -> None:
    """Every nesting of three scopes, each of which is cancelled or not, and shields or not."""
    _says_the_same(expected=False)
    for cancelled, shields in itertools.product(itertools.product((False, True), repeat=3), repeat=2):
        scopes = [anyio.CancelScope(shield=shield) for shield in shields]
        with scopes[0], scopes[1], scopes[2]:
            for scope, cancel in zip(scopes, cancelled, strict=True):
                if cancel:
                    scope.cancel()
            visible = [cancel for at, cancel in enumerate(cancelled) if not any(shields[at + 1 :])]
            _says_the_same(expected=any(visible))
    _says_the_same(expected=False)


def test_whether_a_task_is_being_cancelled_is_what_anyio_says() -> None:
    """In any scopes, in a task group or outside of one."""

    async def main() -> None:
        await _in_scopes()
        async with anyio.create_task_group() as tasks:  # noqa: ASYNC112 -- the task group is what is tested
            tasks.start_soon(_in_scopes)

    asyncio.run(main())


def test_a_task_that_cancels_itself_is_being_cancelled() -> None:
    """Without a scope, until it hears of that; and in a shield, which says nothing about it."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        for shield in (False, True):
            with anyio.CancelScope(shield=shield):
                task.cancel()
                _says_the_same(expected=True)
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
                task.uncancel()
                _says_the_same(expected=False)

    asyncio.run(main())


def test_where_anyio_keeps_its_scopes_otherwise_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all versions of anyio need have the names that we read; this one has them."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        assert BACKEND.pending(task).__name__ == "is_pending"
        monkeypatch.setattr("evenflow._backends.asyncio._STATE_OF", None)
        is_pending = BACKEND.pending(task)
        assert is_pending.__name__ == "has_pending_cancellation"
        with anyio.CancelScope() as scope:
            assert not is_pending()
            scope.cancel()
            assert is_pending()
            await asyncio.sleep(0)

    asyncio.run(main())


@pytest.mark.parametrize("missing", ["_task_states", "CancelScope"])
def test_another_version_of_anyio_is_asked_itself(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where anyio does not keep what is read here under these names, nothing of it is read."""
    assert _anyios_own() is not None
    monkeypatch.delattr(f"anyio._backends._asyncio.{missing}")
    assert _anyios_own() is None
