"""No class of events outlives its last use: made in a function, published, subscribed to, and gone."""

from __future__ import annotations

from typing import Any
from weakref import ref

import pytest
from pydantic import BaseModel, create_model

from evenflow import Event, Subject

from .kit import both, collect, settle


class Base(Event):
    """What all of them are."""

    n: int = 0


def made(base: type = Base, name: str = "Made") -> Any:
    """A class that nobody else knows."""
    return type(name, (base,), {"__module__": __name__, "__annotations__": {"m": int}, "m": 0})


async def published(events: Subject[Any], cls: Any) -> ref[type]:
    """Publish an event of the class; whoever called must let go of the class as well."""
    await events.publish(cls(n=1))
    await events.publish(cls(n=2))
    return ref(cls)


@both
@pytest.mark.parametrize("replay", [0, 1])
async def test_a_class_that_was_published_is_freed(replay: int) -> None:
    """Whoever wants a base class gets its events, and keeps it no longer than they are there."""
    events: Subject[Any] = Subject(Base, replay=replay)
    async with events.subscribe(Base) as feed, events.subscribe(where=lambda event: event.n > 5) as other:
        gone = await published(events, made())
        assert [(await feed.receive()).n for _ in range(2)] == [1, 2]
        await events.publish(Base())  # what the replay keeps now
        await feed.receive()
        collect()
        assert gone() is None
        assert await published(events, made()) is not None  # and the next class is found as ever
        assert [(await feed.receive()).n for _ in range(2)] == [1, 2]
        assert other.statistics().wanted == 0


@both
@pytest.mark.parametrize("how", ["class", "union", "field", "callable"])
async def test_a_class_that_was_subscribed_to_is_freed(how: str) -> None:
    """Once nobody subscribes to it, although the subject and other subscriptions go on."""
    events: Subject[Any] = Subject(Base)

    async def use() -> ref[type]:
        cls = made()
        wants: dict[str, tuple[Any, Any]] = {
            "class": (cls, None),
            "union": (cls | Base, None),
            "field": (cls, cls.n > 1),
            "callable": (cls, lambda event: event.n > 1),
        }
        want, where = wants[how]
        async with events.subscribe(want, where=where) as feed:
            await events.publish(Base())
            assert await events.publish(cls(n=7)) == 2
            await events.publish(cls(n=8))
            while (await feed.receive()).n != 8:
                pass
        return ref(cls)

    async with events.subscribe(Base, overflow="drop_oldest", buffer=1) as kept:
        gone = await use()
        await events.publish(Base())
        await kept.receive()
        collect()
        assert gone() is None


@both
async def test_a_class_that_only_an_observer_wanted_is_freed() -> None:
    """Once it is detached."""
    events: Subject[Any] = Subject(Base)

    async def use() -> ref[type]:
        cls = made()
        observer = events.observe(lambda _: None, cls)
        await events.publish(cls())
        await events.drain()
        observer.detach()
        await settle()
        return ref(cls)

    async with events:
        gone = await use()
        collect()
        assert gone() is None


@both
async def test_a_new_class_is_never_taken_for_one_that_is_gone() -> None:
    """Although it may lie where the other lay in memory: each event reaches those who want its class."""
    events: Subject[Any] = Subject(Event)
    other = made(Event)
    async with events.subscribe(other) as feed, events.subscribe(Base, overflow="drop_oldest", buffer=1):
        for n in range(200):
            cls = made(Base if n % 2 else Event)
            assert await events.publish(cls()) == n % 2
            del cls
            if n % 10 == 0:
                collect()
        assert feed.statistics().wanted == 0


@both
async def test_plain_models_are_freed_as_well() -> None:
    """A class need not be an `Event`."""
    things: Subject[Any] = Subject(BaseModel)

    async def use() -> ref[type]:
        cls = create_model("Thing", n=(int, 0))
        async with things.subscribe(cls) as feed:
            await things.publish(cls())
            await feed.receive()
        return ref(cls)

    gone = await use()
    collect()
    assert gone() is None
