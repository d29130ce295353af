"""The suite's tests of waiting notice an engine that wakes nobody."""

from __future__ import annotations

from collections.abc import Collection

import anyio

from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance._engine import _waiting
from tests.testing.conformance.kit import failures


class WakesNobody(MemoryEngine):
    """Waits for ever."""

    async def wait(self, mark: int, /, about: Collection[str] = ()) -> int:
        await anyio.sleep_forever()
        raise AssertionError


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_waiting) == set()


def test_a_reader_that_is_not_woken_is_noticed() -> None:
    """By a change of its own process, and by that of another."""
    assert failures(_waiting, WakesNobody) >= {
        "test_whoever_waits_is_told_of_a_change",
        "test_whoever_waits_already_is_told_of_what_another_opening_stores",
    }
