"""The collector may run at any moment, and close a subscription then: every call goes on to its end."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from evenflow import Event, Subject, Subscription

from .kit import both, collect, group, settle

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Note(Event):
    """A number."""

    n: int = 0


class Holder:
    """Holds a subscription in a cycle, and closes it when it is collected."""

    def __init__(self, subscription: Subscription[Note]) -> None:
        self.subscription = subscription
        self.itself = self

    def __del__(self) -> None:
        self.subscription.close()


@contextmanager
def collected_at(step: int) -> Iterator[None]:
    """Have the collector run when this many things more have been made than were given up."""
    before = gc.get_threshold()
    gc.set_threshold(max(1, step + gc.get_count()[0]), 1_000, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@both
async def test_a_close_ends_every_reader_although_a_subscription_is_collected_meanwhile() -> None:
    """Whenever that happens, it raises nothing, and does not stop half-way: all that wait get the end."""
    for step in range(-9, 60):
        notes = Subject(Note)
        feeds = [notes.subscribe() for _ in range(26)]
        ended: list[int] = []
        async with group() as tasks:
            for feed in feeds:
                tasks.start_soon(_read, feed, ended)
            await settle()
            collect()
            for _ in range(5):
                Holder(notes.subscribe())
            with collected_at(step):
                notes.close()
        assert len(ended) == 26, step


async def _read(feed: Subscription[Note], ended: list[int]) -> None:
    ended.extend([note.n async for note in feed] or [0])


CALLS: dict[str, Callable[[Subject[Any]], object]] = {
    "statistics": lambda notes: notes.statistics(),
    "explain": lambda notes: notes.explain(Note()),
    "publish_nowait": lambda notes: notes.publish_nowait(Note()),
    "subscribe": lambda notes: notes.subscribe(Note, where=Note.n > 2).close(),
    "repr": repr,
    "close": lambda notes: notes.close(),
}


@pytest.mark.parametrize("call", CALLS)
@both
async def test_a_call_goes_on_although_subscriptions_are_collected_meanwhile(call: str) -> None:
    """Whatever it looks through may become smaller while it looks."""
    notes = Subject(Note)
    kept = [notes.subscribe(overflow="drop_oldest") for _ in range(9)]
    observers = [notes.observe(print, Note) for _ in range(3)]
    for step in range(-9, 90):
        collect()
        for _ in range(3):
            Holder(notes.subscribe())
        Holder(notes.subscribe(conflate=Note.n))
        with collected_at(step):
            CALLS[call](notes)
    assert len(kept) == 9
    assert len(observers) == 3
    collect()


@both
async def test_a_drain_goes_on_although_subscriptions_are_collected_meanwhile() -> None:
    """What a destructor closes is not waited for."""
    notes = Subject(Note)
    feed = notes.subscribe()
    for step in range(-9, 60):
        collect()
        for _ in range(5):
            Holder(notes.subscribe())
        await notes.publish(Note())
        async with group() as tasks:
            tasks.start_soon(notes.drain)
            with collected_at(step):
                await settle()
            collect()
            await feed.receive()
    feed.close()
