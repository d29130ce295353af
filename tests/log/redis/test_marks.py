"""The mark of an opening, and the bell."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow._loop import running_loop
from evenflow.log import LogError
from evenflow.log._redis._marks import Marks, listen
from tests.contract.kit import both


@both
async def test_a_change_that_is_known_already_is_no_news() -> None:
    """This process's own changes are told at once; the bell rings for them too, and says nothing new."""
    marks = Marks(running_loop(), 5)
    before = marks.mark
    marks.changed(5)
    assert marks.mark == before
    marks.changed(6)
    assert (marks.mark, marks.rev) == (before + 1, 6)
    marks.changed()
    assert (marks.mark, marks.rev) == (before + 2, 6)


class Bell:
    """A line whose bell rings when the test says so."""

    is_up = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.rings = anyio.Event()

    async def exchange(self, commands: list[Any], _: float) -> list[Any]:
        self.asked.append(commands[0][-1])
        await self.rings.wait()
        self.rings = anyio.Event()
        return [[[b"bell", [[b"9-0", [b"seq", b"1"]]]]]]


@both
async def test_the_bell_is_listened_to_only_while_somebody_waits() -> None:
    """From the newest change that is known; then it is silent again."""
    marks, bell = Marks(running_loop(), 5), Bell()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, bell, "bell", marks)
        await anyio.wait_all_tasks_blocked()
        assert bell.asked == []
        marks.changed(7)
        mark = marks.mark

        async def wait() -> None:
            assert await marks.wait(mark) == mark + 1

        async with anyio.create_task_group() as waiting:
            waiting.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert bell.asked == ["7-0"]
            bell.rings.set()
        assert marks.rev == 9
        await anyio.sleep(1)
        assert bell.asked == ["7-0"]
        tasks.cancel_scope.cancel()


@both
async def test_after_the_end_nobody_waits() -> None:
    """Whoever waits is told, and whoever comes later."""
    marks = Marks(running_loop(), 5)
    mark = marks.mark
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            with pytest.raises(LogError, match="closed"):
                await marks.wait(mark)

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        marks.close("it is closed")
    with pytest.raises(LogError, match="closed"):
        await marks.wait(marks.mark)
