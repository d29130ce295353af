"""Where tasks wait, for the error of a test that hangs."""

from __future__ import annotations

import asyncio

from evenflow.testing import run_virtual
from evenflow.testing._tasks import waiting_tasks, way_down


async def outer(event: asyncio.Event) -> None:
    """Wait two calls down."""
    await inner(event)


async def inner(event: asyncio.Event) -> None:
    """Wait."""
    await event.wait()


def test_each_task_has_its_way_down() -> None:
    """A line for the task, then one for each call, the innermost last, with file, line and name."""

    async def main() -> list[str]:
        event = asyncio.Event()
        task = asyncio.create_task(outer(event), name="a reader")
        await asyncio.sleep(0)
        lines = waiting_tasks(asyncio.get_running_loop()).splitlines()
        event.set()
        await task
        return lines

    lines = run_virtual(main)
    at = lines.index("  a reader waits in")
    assert [line.split(" in ")[1] for line in lines[at + 1 : at + 4]] == ["outer", "inner", "Event.wait"]
    assert lines[at + 1].startswith(f"    test_tasks.py:{outer.__code__.co_firstlineno + 2} in ")


def test_what_is_no_coroutine_has_no_way() -> None:
    """For a future, a generator or None, there are no calls to show."""
    assert way_down(None) == []
    assert way_down(object()) == []
