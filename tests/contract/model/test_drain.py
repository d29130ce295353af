"""Random steps with drains in between: each ends with the step in which what lay in the buffers before it has left."""

from __future__ import annotations

from functools import partial
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ..kit import BACKENDS, Backend, Subject, Tick, balanced, group, run, settle

OPTIONS = st.fixed_dictionaries(
    {
        "buffer": st.sampled_from([1, 2, 3]),
        "overflow": st.sampled_from(["drop_oldest", "drop_newest", "disconnect"]),
        "conflate": st.sampled_from([None, Tick.symbol]),
        "gaps": st.booleans(),
    }
)
which = st.integers(0, 7)
STEPS = st.lists(
    st.tuples(st.sampled_from([*"aaabc", "read", "read", "read", "drain", "drain", "subscribe", "close"]), which),
    max_size=30,
)


class Reader:
    """A subscription, and what must lie in it: events, which are their own identity."""

    def __init__(self, subject: Subject[Tick], options: dict[str, Any], kept: list[Tick]) -> None:
        self.options = options
        self.subscription: Any = subject.subscribe(Tick, **options)
        self.replay = kept[:]
        self.buffer: list[Tick] = []
        self.ended = False

    def publish(self, tick: Tick) -> None:
        """What the policy says happens to it."""
        if self.ended:
            return
        same = [place for place, held in enumerate(self.buffer) if held.symbol == tick.symbol]
        if self.options["conflate"] is not None and same:
            self.buffer[same[0]] = tick
        elif len(self.buffer) < self.options["buffer"]:
            self.buffer.append(tick)
        elif self.options["overflow"] == "drop_oldest":
            self.buffer = [*self.buffer[1:], tick]
        else:
            self.ended = self.options["overflow"] == "disconnect"

    def read(self) -> None:
        """Take one item; a gap is nothing that drain waits for."""
        expected = [*self.replay, *self.buffer][:1]
        while expected:
            if isinstance(item := self.subscription.receive_nowait(), Tick):
                assert [item] == expected
                (self.replay or self.buffer).pop(0)
                return

    def close(self) -> None:
        """Discard everything."""
        self.subscription.close()
        self.ended, self.replay, self.buffer = True, [], []

    def holds(self) -> set[Tick]:
        """All that lies there."""
        return {*self.replay, *self.buffer}


class Drain:
    """A drain in a task of its own, and what it has to wait for: what each reader held when it began."""

    def __init__(self, subject: Subject[Tick], readers: list[Reader]) -> None:
        self.subject = subject
        self.owed = [(reader, reader.holds()) for reader in readers if not reader.ended]
        self.left = not any(held for _, held in self.owed)
        self.ended = False

    async def __call__(self) -> None:
        await self.subject.drain()
        self.ended = True

    def check(self) -> None:
        """It has ended, if and only if all that it waits for has left."""
        self.left = self.left or not any(held & reader.holds() for reader, held in self.owed)
        assert self.ended is self.left


async def drain_and_compare(replay: int, options: list[dict[str, Any]], steps: list[tuple[str, int]]) -> None:
    subject: Subject[Tick] = Subject(Tick, replay=replay)
    published: list[Tick] = []
    readers: list[Reader] = []
    drains: list[Drain] = []
    async with group() as tasks:
        for step, which in [*(("a", 0) for _ in range(replay)), *(("subscribe", n) for n in range(3)), *steps]:
            mine = readers[which % len(readers)] if readers else None
            if step == "drain":
                drains.append(Drain(subject, readers))
                tasks.start_soon(drains[-1])
            elif step == "subscribe":
                readers.append(Reader(subject, options[which % len(options)], published[-replay:] if replay else []))
            elif step in ("a", "b", "c"):
                published.append(Tick(symbol=step, price=len(published)))
                await subject.publish(published[-1])
                for reader in readers:
                    reader.publish(published[-1])
            elif mine is not None and step == "read":
                mine.read()
            elif mine is not None:
                mine.close()
            await settle()
            for drain in drains:
                drain.check()
    for reader in readers:
        balanced(reader.subscription)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=60)
@given(replay=st.sampled_from([0, 2]), options=st.lists(OPTIONS, min_size=1, max_size=3), steps=STEPS)
def test_a_drain_ends_with_the_last_of_what_was_buffered_before_it(
    backend: Backend, replay: int, options: list[dict[str, Any]], steps: list[tuple[str, int]]
) -> None:
    """Read, replaced, dropped or discarded: whatever the policy, with a replay or without, not earlier and not later."""
    run(partial(drain_and_compare, replay, options, steps), backend)
