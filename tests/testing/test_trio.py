"""JumpingClock: what trio does in virtual time."""

from __future__ import annotations

import anyio
import pytest

from evenflow.testing import marbles, run_virtual

trio = pytest.importorskip("trio")


def test_deadlines_pass_at_exactly_their_times() -> None:
    """Sleeps and deadlines end at their times, and waiting until all tasks are blocked takes no time."""

    async def main() -> None:
        with anyio.move_on_after(5) as scope:
            await anyio.sleep(10)
        assert scope.cancelled_caught
        await anyio.wait_all_tasks_blocked()
        assert trio.current_time() == 5
        await trio.sleep(0.25)
        assert anyio.current_time() == 5.25

    run_virtual(main, backend="trio")


def test_a_deadline_waits_for_the_sources_of_its_moment() -> None:
    """While sources have their turns, tasks see the new time, and no deadline of that time has passed."""
    seen: list[tuple[str, float]] = []

    async def main() -> None:
        with anyio.move_on_after(3):
            async with marbles("---a").merge(marbles("---b")) as chain:
                async for event in chain:
                    seen.append((event, anyio.current_time()))
                    await anyio.lowlevel.checkpoint()
        seen.append(("deadline", anyio.current_time()))

    run_virtual(main, backend="trio")
    assert seen == [("a", 3), ("b", 3), ("deadline", 3)]


def test_a_thread_can_wake_the_loop() -> None:
    """A thread's result arrives; the clock may have jumped meanwhile."""

    async def main() -> str:
        return await anyio.to_thread.run_sync(lambda: "done")

    assert run_virtual(main, backend="trio") == "done"
