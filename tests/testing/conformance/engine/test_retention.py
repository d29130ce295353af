"""The suite's tests of trimming notice an engine that removes too much."""

from __future__ import annotations

from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance._engine import _retention
from tests.testing.conformance.kit import failures


class TrimsTooMuch(MemoryEngine):
    """Removes one event more than it was told."""

    async def trim(self, subject: str, through: int, limit: int, *, keep_newest_of_keys: bool = False) -> int:
        return await super().trim(subject, through + 1, limit + 1, keep_newest_of_keys=keep_newest_of_keys)


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_retention) == set()


def test_what_is_removed_too_early_is_noticed() -> None:
    """Up to the number that was given, and no further."""
    assert "test_the_oldest_go_first_in_slices" in failures(_retention, TrimsTooMuch)
