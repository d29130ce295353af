"""A change that somebody waits for."""

from __future__ import annotations

from evenflow._loop import running_loop
from evenflow.log._nats._requests import Commit
from evenflow.log._stored import Change, Done

from .kit import on_asyncio


@on_asyncio
async def test_made_is_called_once() -> None:
    """With the outcome, before whoever waits goes on."""
    made: list[Done] = []
    commit = Commit(Change(), made.append, "c-1")
    commit.finish(Done([1], {}))
    commit.finish(Done([2], {}))
    assert made == [Done([1], {})]
    assert await commit.outcome(running_loop().backend.wake_up) == Done([1], {})
