"""The suite's tests of groups notice an engine that lets a late settlement through."""

from __future__ import annotations

from typing import Any

from evenflow.log.engine import Change, Done
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance import _groups
from tests.testing.conformance.kit import failures


class ComparesNothing(MemoryEngine):
    """Makes each change, whatever has happened to the records that it expects."""

    async def commit(self, change: Change, /, *, made: Any = None) -> Done:
        return await super().commit(change._replace(expect={}), made=made)


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_groups) == set()


def test_a_late_settlement_that_is_let_through_is_noticed() -> None:
    """Whoever settles too late must hear of it, and so must two members that fetch at once."""
    found = failures(_groups, ComparesNothing)
    assert "test_what_another_process_has_taken_away_cannot_be_settled" in found
    assert "test_two_processes_share_the_events_of_a_group" in found
