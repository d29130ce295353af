"""The suite's tests of schedules notice an engine that calls nothing due."""

from __future__ import annotations

from collections.abc import Mapping

from evenflow.log.engine import Record
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance import _schedule
from tests.testing.conformance.kit import failures


class NeverDue(MemoryEngine):
    """Finds nothing due, whatever the time."""

    async def due(self, prefix: str, until: float, limit: int) -> Mapping[str, Record]:
        return {}

    async def next_due(self, prefix: str) -> float | None:
        return None


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_schedule) == set()


def test_an_event_that_never_goes_out_is_noticed() -> None:
    """While the log is open, and at its next opening."""
    assert failures(_schedule, NeverDue) >= {
        "test_an_event_goes_out_at_its_time_and_not_before",
        "test_it_goes_out_at_the_next_opening",
    }
