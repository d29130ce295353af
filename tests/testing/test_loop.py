"""VirtualLoop: what asyncio and anyio do in virtual time."""

from __future__ import annotations

import asyncio
import gc
import socket
import time

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from evenflow.testing import Stuck, VirtualLoop, run_virtual


def test_hours_pass_in_no_time_and_in_order() -> None:
    """Everything that waits for time happens in its order, at exactly its time."""
    seen: list[tuple[float, str]] = []

    async def wait(seconds: float, name: str) -> None:
        await anyio.sleep(seconds)
        seen.append((anyio.current_time(), name))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for seconds, name in [(7200, "last"), (3600, "second"), (0.5, "first")]:
                tasks.start_soon(wait, seconds, name)

    before = time.monotonic()
    run_virtual(main)
    assert seen == [(0.5, "first"), (3600, "second"), (7200, "last")]
    assert time.monotonic() - before < 30


def test_sums_of_fractions_are_one_instant() -> None:
    """The clock counts nanoseconds, so three tenths of a second, one by one, end at 0.3."""

    async def main() -> float:
        for _ in range(3):
            await anyio.sleep(0.1)
        return anyio.current_time()

    assert run_virtual(main) == 0.3


def test_anyio_works_in_it() -> None:
    """Deadlines, task groups, events, and waiting until all tasks are blocked work."""

    async def main() -> None:
        with anyio.move_on_after(5) as scope:
            await anyio.sleep(10)
        assert scope.cancelled_caught
        assert anyio.current_time() == 5
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().create_future()
        event = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(event.wait)
            await anyio.wait_all_tasks_blocked()
            assert event.statistics().tasks_waiting == 1
            event.set()
        assert anyio.current_time() == 10

    run_virtual(main)


def test_the_clock_stands_still_while_a_thread_is_at_work() -> None:
    """While a thread works in real time, no deadline passes, whether anyio or asyncio started it."""

    async def main() -> None:
        with anyio.fail_after(0.001):
            await anyio.to_thread.run_sync(time.sleep, 0.05)
        with anyio.fail_after(0.001):
            await asyncio.to_thread(time.sleep, 0.05)
        assert anyio.current_time() == 0

    run_virtual(main)


def test_a_thread_that_waits_for_the_clock_is_not_waited_for_in_vain() -> None:
    """A thread that makes the loop sleep gets its sleep, after a real second."""

    def in_thread() -> float:
        anyio.from_thread.run(anyio.sleep, 3600)
        return anyio.from_thread.run_sync(anyio.current_time)

    async def main() -> float:
        return await anyio.to_thread.run_sync(in_thread)

    assert run_virtual(main) == 3600


def test_sockets_are_refused() -> None:
    """A socket has no virtual clock, so waiting for one is an error that says so."""

    async def main() -> None:
        here, there = socket.socketpair()
        with here, there:
            here.setblocking(False)
            with pytest.raises(RuntimeError, match="cannot be waited for in virtual time"):
                await asyncio.get_running_loop().sock_recv(here, 1)

    run_virtual(main)


def test_stuck_names_the_line_of_every_task() -> None:
    """If all tasks wait for ever, the error says where each of them waits, down to the innermost call."""

    async def waits_here() -> None:
        await anyio.Event().wait()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waits_here, name="the other one")
            await waits_here()

    with pytest.raises(Stuck) as stuck:
        run_virtual(main)
    message = str(stuck.value)
    assert message.startswith("every task waits for something that nobody is left to do\n")
    assert "the other one waits in" in message
    assert message.count("waits_here") == 2
    assert "in test_stuck_names_the_line_of_every_task.<locals>.main" in message


def test_a_test_that_is_stuck_still_cleans_up() -> None:
    """After the limit, its tasks are cancelled, and cleaning up may take virtual time again."""
    cleaned: list[float] = []

    async def main() -> None:
        try:
            await anyio.Event().wait()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(7)
            cleaned.append(anyio.current_time())

    with pytest.raises(Stuck):
        run_virtual(main, limit=10)
    assert cleaned == [7]


def test_timers_of_one_moment_come_in_the_order_in_which_they_were_set() -> None:
    """However many timers are due at one time, the one that was set first comes first; what is due already comes at once."""
    seen: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in range(500):
            loop.call_at(3, seen.append, number)
        loop.call_at(0, seen.append, -1)
        loop.call_at(3, seen.append, -2).cancel()
        await asyncio.sleep(0)
        assert seen == [-1]
        await asyncio.sleep(3)

    run_virtual(main)
    assert seen == [-1, *range(500)]


def test_a_cancelled_timer_is_forgotten() -> None:
    """Timeouts that were not needed do not pile up until their times."""

    async def main() -> int:
        for _ in range(2_000):
            with anyio.move_on_after(3_600):
                await anyio.lowlevel.checkpoint()
        return sum(isinstance(thing, asyncio.TimerHandle) for thing in gc.get_objects())

    assert run_virtual(main) < 300


def test_it_is_a_loop_factory() -> None:
    """It can be passed wherever a loop factory is taken."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.sleep(3600))
        assert runner.get_loop().time() == 3600
