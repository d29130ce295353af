"""NATSEngine: its face. What every engine must do is in the conformance suite."""

from __future__ import annotations

import os
from typing import Any

import pytest

from evenflow._errors import LogError, Unsupported
from evenflow.log._stored import Change, Statement
from tests.conformance.kit import append, event, texts

from .kit import engine_on, needs_nats, on_asyncio, opened

pytestmark = needs_nats


@on_asyncio
async def test_it_has_no_tables_of_the_applications() -> None:
    """A statement is refused before anything is done."""
    async with opened() as engine:
        with pytest.raises(Unsupported):
            await engine.commit(Change(statements=[Statement("SELECT 1", (), None)]))


@on_asyncio
async def test_more_events_than_a_batch_has_are_stored_in_order() -> None:
    """In several batches; ``made`` is called with all of them."""
    made: list[Any] = []
    async with opened() as engine:
        seqs = await append(engine, *map(str, range(2_500)))
        assert seqs == sorted(seqs)
        assert (await texts(engine, seqs[1_999]))[0] == "2000"
        change = Change(appends=[event("x")] * 1_001)
        await engine.commit(change, made=made.append)
        assert len(made[0].seqs) == 1_001


@on_asyncio
async def test_a_forked_child_refuses() -> None:
    """And leaves the connection alone."""
    async with opened() as engine:
        opening = engine._opened()
        opening.process = os.getppid()
        with pytest.raises(LogError, match="fork"):
            await engine.end("orders")
        opening.process = os.getpid()


@on_asyncio
async def test_it_is_opened_once() -> None:
    """The second time is an error, and changes nothing."""
    async with opened() as engine:
        with pytest.raises(LogError, match="open already"):
            await engine.open()
        await append(engine, "a")


@pytest.mark.parametrize(
    "options, said",
    [
        ({"replicas": 0}, "replicas"),
        ({"publish_timeout": 0}, "publish_timeout"),
        ({"options": {"servers": "x"}}, "servers"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], said: str) -> None:
    """Before anything is opened."""
    with pytest.raises((ValueError, TypeError), match=said):
        engine_on("nats://localhost", "log", **options)
