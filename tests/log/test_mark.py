"""The mark of an opening, and who waits for it to grow."""

from __future__ import annotations

import anyio
import pytest

from evenflow._loop import running_loop
from evenflow.log import LogError
from evenflow.log._mark import Mark
from tests.contract.kit import both


@both
async def test_whoever_waits_is_woken_once_for_each_change() -> None:
    """All of them; and whoever knows an older mark does not wait."""
    mark, found = Mark[str](running_loop()), list[int]()

    async def wait() -> None:
        found.append(await mark.wait_about(0, "anything"))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert not found
        mark.moved()
    assert found == [1, 1, 1]
    assert await mark.wait_about(0, "anything") == 1


@both
async def test_closing_wakes_everybody_with_an_error() -> None:
    """And whoever comes later gets it, too."""
    mark = Mark[str](running_loop())

    async def wait() -> None:
        with pytest.raises(LogError, match="closed"):
            await mark.wait_about(0, "anything")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        mark.close("it is closed")
    with pytest.raises(LogError, match="closed"):
        await mark.wait_about(mark.mark, "anything")


@both
async def test_whoever_gives_up_waiting_is_not_waited_for() -> None:
    """The one who listens for others' changes sleeps until somebody else waits."""
    mark, awaited = Mark[str](running_loop()), list[str]()

    async def listen() -> None:
        while True:
            await mark.until_awaited()
            awaited.extend(mark._waiting.values())
            await mark.wait_about(mark.mark, "the listener")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        assert not awaited
        async with anyio.create_task_group() as others:
            others.start_soon(mark.wait_about, 0, "one")
            await anyio.wait_all_tasks_blocked()
            assert awaited == ["one"]
            others.cancel_scope.cancel()
        assert list(mark._waiting.values()) == ["the listener"]
        tasks.cancel_scope.cancel()
