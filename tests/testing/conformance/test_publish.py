"""The suite's tests of publishing notice an engine that loses an event."""

from __future__ import annotations

from typing import Any

from evenflow.log.engine import Change, Done
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance import _publish
from tests.testing.conformance.kit import failures


class Loses(MemoryEngine):
    """Says that the last event of many is stored, and stores it not."""

    async def commit(self, change: Change, /, *, made: Any = None) -> Done:
        if len(change.appends) < 2:
            return await super().commit(change, made=made)
        done = await super().commit(change._replace(appends=change.appends[:-1]), made=made)
        return done._replace(seqs=[*done.seqs, done.seqs[-1] + 1])


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_publish) == set()


def test_a_lost_event_is_noticed() -> None:
    """``publish_many`` returned its offset, and reading does not find it."""
    assert "test_publish_many_draws_in_order_and_returns_every_offset" in failures(_publish, Loses)
