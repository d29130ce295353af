"""What the engines of a server share, at the one on Redis: each opening is a member of its own, one at a time."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
import trio

from evenflow import Unsupported
from evenflow.log import LogError
from evenflow.log._member_engine import MemberEngine
from evenflow.log._redis import RedisEngine


class Made:
    """An opening that opens nothing."""

    member = "me"

    def __init__(self, loop: Any) -> None:
        self.process = os.getpid()
        self.loop = loop
        self.told = list[str]()
        self.marks = self.members = self

    @property
    def mark(self) -> int:
        return 7

    async def wait(self, mark: int) -> int:
        return mark + 1

    def begin(self, group: str, seqs: Any) -> Any:
        return [group, *seqs]

    def settled(self, marks: Any) -> None:
        self.told += map(str, marks)

    def beat(self) -> None:
        self.told.append("beat")

    def wall(self) -> float:
        return 5.0

    async def open(self) -> None:
        self.told.append("open")

    async def close(self) -> None:
        self.told.append("close")

    def abandon(self) -> None:
        self.told.append("abandon")


class Opens(RedisEngine):
    """An engine with such openings."""

    def _make(self, loop: Any) -> Any:
        return Made(loop)


def engine() -> MemberEngine[Any]:
    return Opens("redis://nowhere", "shop")


def on_asyncio(work: Any) -> Any:
    return asyncio.run(work())


def test_it_asks_its_opening_and_refuses_while_there_is_none() -> None:
    """What needs no opening answers nevertheless: the thread that beats need not know, and a clock is a clock."""

    async def work() -> None:
        made = engine()
        for ask in (made.mark, lambda: made.begin("g", [1])):
            with pytest.raises(LogError, match="not open"):
                ask()
        made.beat()
        made.settled([1])
        assert made.wall() > 1e9
        await made.open()
        with pytest.raises(LogError, match="open already"):
            await made.open()
        assert (made.member, made.mark(), await made.wait(7), made.wall()) == ("me", 7, 8, 5.0)
        assert made.begin("g", [1]) == ["g", 1]
        made.settled([3])
        made.beat()
        opening = made._opened()
        await made.close()
        await made.close()
        assert opening.told == ["open", "3", "beat", "close"]

    on_asyncio(work)


def test_a_copy_in_a_forked_child_refuses_and_leaves_the_opening_alone() -> None:
    """It is the parent's: not even closing may touch it."""

    async def work() -> None:
        made = engine()
        await made.open()
        opening = made._opened()
        opening.process = -1
        with pytest.raises(LogError, match="fork"):
            made.mark()
        await made.close()
        assert opening.told == ["open"]

    on_asyncio(work)


def test_a_loop_that_has_ended_leaves_an_opening_that_the_next_abandons() -> None:
    """Nobody could close it there any more."""
    made = engine()
    on_asyncio(made.open)
    before = made._opened()
    on_asyncio(made.open)
    assert before.told == ["open", "abandon"]
    assert made._opened() is not before


def test_on_trio_it_is_refused() -> None:
    """With the client that has none."""
    with pytest.raises(Unsupported, match="redis-py has no trio"):
        trio.run(engine().open)
