"""What is done later."""

from __future__ import annotations

import asyncio

import anyio

from evenflow.testing import run_virtual
from evenflow.web._later import later


def test_it_is_done_at_its_time_and_not_when_it_was_cancelled() -> None:
    """Nobody waits for it, and no task is left."""
    done: list[tuple[str, float]] = []

    async def note(word: str) -> None:
        await anyio.sleep(1)
        done.append((word, round(anyio.current_time() - begin)))

    async def main() -> None:
        nonlocal begin
        begin = anyio.current_time()
        assert later(2, lambda: note("done")) is not None
        cancelled = later(3, lambda: note("cancelled"))
        assert cancelled is not None
        await anyio.sleep(2.5)
        cancelled.cancel()
        await anyio.sleep(5)
        assert len(asyncio.all_tasks()) == 1

    begin = 0.0
    run_virtual(main, backend="asyncio")
    assert done == [("done", 3)]


def test_on_trio_nothing_is_done() -> None:
    """There a task owns what it has entered."""

    async def fails() -> None:
        raise AssertionError

    async def main() -> None:
        assert later(1, fails) is None
        await anyio.sleep(2)

    run_virtual(main, backend="trio")
