"""What a task waits for while another one sends it."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from evenflow._loop import running_loop
from evenflow.log._request import Request
from tests.contract.kit import both
from tests.log.load import on_asyncio


def outcome(request: Request, *, must_be_known: bool = True) -> Any:
    return request.outcome(running_loop().backend.wake_up, must_be_known=must_be_known)


@both
async def test_whoever_waits_gets_the_first_outcome() -> None:
    """An answer that comes after the time was over changes nothing; an error is raised, once."""
    waited, known = Request(), Request()
    known.fail(ValueError("late"))
    known.succeed(1)
    with pytest.raises(ValueError, match="late"):
        await outcome(known)
    assert known.error is None
    found = list[object]()

    async def wait() -> None:
        found.append(await outcome(waited))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        waited.succeed("stored")
        waited.fail(ValueError("later"))
    assert found == ["stored"]


@both
async def test_cancelled_in_the_queue_it_was_never_sent() -> None:
    """It is done at once, so that nobody sends it; likewise on its way, where the outcome need not be known."""
    for is_on_its_way, must_be_known in ((False, True), (True, False)):
        request = Request()
        request.is_on_its_way = is_on_its_way
        with anyio.move_on_after(0.001) as scope:
            await outcome(request, must_be_known=must_be_known)
        assert scope.cancelled_caught
        assert request.is_done


@both
async def test_cancelled_on_its_way_its_outcome_is_known_first() -> None:
    """And the task sleeps meanwhile: it is not woken over and over by the scope that is cancelled."""
    request, turns, over = Request(), list[int](), list[str]()
    request.is_on_its_way = True

    def wake_up() -> Any:
        turns.append(1)
        return running_loop().backend.wake_up()

    scope = anyio.CancelScope()

    async def wait() -> None:
        with scope:
            await request.outcome(wake_up)
        over.append("cancelled" if scope.cancelled_caught else "not")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        for _ in range(9):
            await anyio.lowlevel.checkpoint()
        assert not over
        request.succeed("stored")
    assert over == ["cancelled"]
    assert len(turns) == 2


@on_asyncio
async def test_what_asyncio_cancels_over_and_over_waits_likewise() -> None:
    """Only then the cancellation goes out."""
    request = Request()
    request.is_on_its_way = True
    task = asyncio.create_task(outcome(request))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    request.succeed("stored")
    with pytest.raises(asyncio.CancelledError):
        await task
