"""What a task waits for while another sends it."""

from __future__ import annotations

import asyncio

import pytest

from evenflow.log._engine import Change, Done
from evenflow.log._nats._requests import Commit, Request

from .kit import on_asyncio


@on_asyncio
async def test_cancelled_in_the_queue_it_was_never_sent() -> None:
    """It is done at once, so that nobody sends it."""
    request = Request()
    task = asyncio.create_task(request.outcome())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert request.is_done


@on_asyncio
async def test_cancelled_on_its_way_its_outcome_is_known_first() -> None:
    """However often; only then the cancellation goes out."""
    request = Request()
    request.is_on_its_way = True
    task = asyncio.create_task(request.outcome())
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    request.succeed("stored")
    with pytest.raises(asyncio.CancelledError):
        await task


@on_asyncio
async def test_the_first_outcome_counts() -> None:
    """An answer that comes after the time was over changes nothing."""
    request = Request()
    request.fail(ValueError("late"))
    request.succeed(1)
    with pytest.raises(ValueError, match="late"):
        await request.outcome()


@on_asyncio
async def test_made_is_called_once() -> None:
    """With the outcome, before whoever waits goes on."""
    made: list[Done] = []
    commit = Commit(Change(), made.append, "c-1")
    commit.finish(Done([1], {}))
    commit.finish(Done([2], {}))
    assert made == [Done([1], {})]
    assert await commit.outcome() == Done([1], {})
