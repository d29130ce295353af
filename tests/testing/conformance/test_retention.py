"""The suite's tests of retention notice an engine that hides what it has removed."""

from __future__ import annotations

from typing import Any

from evenflow.log.engine import Page
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance import _retention
from tests.testing.conformance.kit import failures


class HidesTheFloor(MemoryEngine):
    """Tells no reader that events before its place are gone."""

    async def read(self, subject: str, after: int, limit: int, **how: Any) -> Page:
        return (await super().read(subject, after, limit, **how))._replace(floor=0)

    async def floor(self, subject: str) -> int:
        return 0


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_retention) == set()


def test_a_reader_that_is_not_told_is_noticed() -> None:
    """It must hear that its place is gone, and never go on silently."""
    found = failures(_retention, HidesTheFloor)
    assert {"test_a_reader_whose_place_is_gone_is_told", "test_a_reader_that_is_overtaken_is_told"} <= found
