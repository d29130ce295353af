"""What the tests of engines share: an engine is closed again, whatever its test does."""

from __future__ import annotations

import pytest

from evenflow import LogError
from evenflow.testing import run_virtual
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance._engine._kit import append, event, opened, texts


def test_an_engine_is_closed_after_a_test_that_fails() -> None:
    """And used as it is within the block."""
    made: list[MemoryEngine] = []

    def make() -> MemoryEngine:
        made.append(MemoryEngine())
        return made[-1]

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with opened(make) as engine:
                assert await append(engine, "a", "b") == [1, 2]
                assert await texts(engine, 1) == ["b"]
                raise ZeroDivisionError
        with pytest.raises(LogError, match="closed"):
            await texts(made[0])

    run_virtual(main)


def test_an_event_with_an_id_has_a_digest() -> None:
    """Its text is both, so that other text under one id is other data."""
    assert (event("a").id, event("a").digest) == (None, b"")
    assert (event("a", id="x").id, event("a", id="x").digest) == ("x", b"a")
