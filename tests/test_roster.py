"""Coming and going: what a destructor may do at any moment, and the loop that a subject belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from pydantic import ConfigDict

from evenflow import Event, Subject


class Load(Event):
    """An event that carries anything."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    n: int
    cargo: Any = None


class Bomb:
    """Does something when it is let go."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __del__(self) -> None:
        self.act()


def numbers(subscription: Any) -> list[int]:
    """All that is buffered."""
    taken: list[int] = []
    while True:
        try:
            taken.append(subscription.receive_nowait().n)
        except (anyio.WouldBlock, anyio.EndOfStream):
            return taken


@pytest.mark.asyncio
async def test_a_destructor_that_closes_a_subscription_acts_after_the_event_that_set_it_off() -> None:
    """What is dropped is let go after everybody has the new event: closing then tears nothing."""
    subject = Subject(Load)
    dropping = subject.subscribe(buffer=1, overflow="drop_oldest")
    victim, last = subject.subscribe(), subject.subscribe()
    subject.publish_nowait(Load(n=0, cargo=Bomb(victim.close)))
    numbers(victim)
    numbers(last)
    assert subject.publish_nowait(Load(n=1)) == 3
    assert numbers(last) == [1]
    assert victim.statistics().wanted == 2
    assert subject.publish_nowait(Load(n=2)) == 2
    for subscription in (dropping, last):
        subscription.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("deed", ["close", "subscribe", "publish"])
async def test_whatever_a_destructor_does_in_the_middle_of_a_commit_happens_after_it(deed: str) -> None:
    """The collector may find anything at any allocation; here a subscription's mailbox sets it off in its very put."""
    subject = Subject(Load)
    made: list[Any] = []
    refused: list[BaseException] = []

    def act() -> None:
        if deed == "close":
            subject.close()
        elif deed == "subscribe":
            made.append(subject.subscribe())
        else:
            try:
                subject.publish_nowait(Load(n=99))
            except anyio.WouldBlock as error:
                refused.append(error)

    first = subject.subscribe(conflate=lambda event: 0)
    second = subject.subscribe()
    put = first.box.put

    class Exploding(type(first.box)):  # type: ignore[misc]  # a mailbox like that of `first`
        __slots__ = ()

        def put(self, event: Any, key: object = None) -> object:
            act()
            return put(event, key)

    first.box.__class__ = Exploding
    assert subject.publish_nowait(Load(n=1)) == 2
    assert numbers(second) == [1]
    if deed == "close":
        assert subject.is_closed
    elif deed == "subscribe":
        assert numbers(made[0]) == []
        first.box.__class__ = type(second.box)
        subject.publish_nowait(Load(n=2))
        assert numbers(made[0]) == [2]
    else:
        assert len(refused) == 1
    for subscription in (first, second, *made):
        subscription.close()


def test_a_subject_belongs_to_the_loop_that_first_waits_until_that_loop_has_ended() -> None:
    """A second live loop is refused, publishing without waiting included; after the end of the first one it is free."""
    subject = Subject(Load)
    subscription = subject.subscribe()

    async def waits() -> None:
        with anyio.move_on_after(0):
            await subscription.receive()

    async def publishes() -> int:
        return await subject.publish(Load(n=1))

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        first.run_until_complete(waits())
        with pytest.raises(RuntimeError, match="another event loop"):
            second.run_until_complete(publishes())
        first.close()
        assert second.run_until_complete(publishes()) == 1
    finally:
        first.close()
        second.close()
        subscription.close()
