"""The suite's tests of records notice an engine that compares nothing."""

from __future__ import annotations

from typing import Any

from evenflow.log.engine import Change, Done
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance._engine import _records
from tests.testing.conformance.kit import failures


class ComparesNothing(MemoryEngine):
    """Makes each change, whatever it expects."""

    async def commit(self, change: Change, /, *, made: Any = None) -> Done:
        return await super().commit(change._replace(expect={}), made=made)


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_records) == set()


def test_a_lost_update_is_noticed() -> None:
    """Of two that have seen one version, one must be told that it is outdated."""
    assert failures(_records, ComparesNothing) >= {
        "test_of_many_that_compare_and_set_one_wins_each_round",
        "test_two_openings_compare_and_set_one_record",
    }
