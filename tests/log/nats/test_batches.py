"""An atomic batch on its way."""

from __future__ import annotations

from evenflow.log._nats import NATSEngine
from evenflow.log._nats._batches import Batch, sent
from evenflow.log._nats._faults import CHANGED, MADE
from evenflow.log._nats._plan import Plan
from evenflow.log._nats._requests import Commit
from evenflow.log._stored import Change, Put
from tests.conformance.kit import event, texts

from .kit import needs_nats, on_asyncio, opened

pytestmark = needs_nats


def batch_of(engine: NATSEngine, name: str, change: Change) -> Batch:
    """A batch of one change."""
    commit = Commit(change, None, name)
    commit.plan = Plan(engine._opened().commits._writing, change, name, {}, {})
    return Batch(name, [commit])


@on_asyncio
async def test_a_batch_that_is_sent_again_is_found() -> None:
    """By any of its messages that is still there: a record, or an event where the records were replaced since."""
    async with opened() as engine:
        opening = engine._opened()
        change = Change(puts={"a": Put(b"1")}, appends=[event("x"), event("y")])
        batch = batch_of(engine, "b-1", change)
        reply, first = await sent(opening.line, opening.reads, batch)
        assert not reply.kind
        assert [row.seq for row in (await engine.read("orders", 0, 9)).rows] == [first, first + 1]
        reply, again = await sent(opening.line, opening.reads, batch)
        assert (reply.kind, again) == (MADE, first)
        await engine.commit(Change(puts={"a": Put(b"2")}))
        assert (await sent(opening.line, opening.reads, batch))[1] == first
        assert await texts(engine) == ["x", "y"]


@on_asyncio
async def test_a_batch_that_expects_what_is_not_there_stores_nothing() -> None:
    """Not its first message either."""
    async with opened() as engine:
        opening = engine._opened()
        batch = batch_of(engine, "b-1", Change({"a": 99}, {"a": Put(b"1")}, appends=[event("x")]))
        reply, _ = await sent(opening.line, opening.reads, batch)
        assert reply.kind == CHANGED
        assert await texts(engine) == []
