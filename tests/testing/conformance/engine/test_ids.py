"""The suite's tests of ids notice an engine that knows none."""

from __future__ import annotations

from typing import Any

from evenflow.log.engine import Change, Done
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance._engine import _ids
from tests.testing.conformance.kit import failures


class KnowsNoIds(MemoryEngine):
    """Stores each event, whatever id it has."""

    async def commit(self, change: Change, /, *, made: Any = None) -> Done:
        appends = [append._replace(id=None, digest=b"") for append in change.appends]
        return await super().commit(change._replace(appends=appends), made=made)


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_ids) == set()


def test_an_event_that_is_stored_twice_is_noticed() -> None:
    """One id, one event: in one change, in two, and in two openings."""
    assert failures(_ids, KnowsNoIds) >= {
        "test_an_id_is_stored_once",
        "test_an_id_twice_in_one_change_is_one_event",
        "test_an_id_is_known_to_every_opening",
    }
