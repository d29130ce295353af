"""The suite's tests of opening and closing notice an engine that forgets at the close what was given back."""

from __future__ import annotations

from typing import Any

from evenflow.log.engine import Change, Done
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance import _opening
from tests.testing.conformance.kit import failures


class ForgetsRetries(MemoryEngine):
    """Stores no record that becomes due."""

    async def commit(self, change: Change, /, *, made: Any = None) -> Done:
        puts = {key: put for key, put in change.puts.items() if put.due is None}
        done = await super().commit(change._replace(puts=puts), made=made)
        return done._replace(versions={**dict.fromkeys(change.puts, 1), **done.versions})


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_opening) == set()


def test_what_is_given_back_and_lost_is_noticed() -> None:
    """A handler that a close has cut off gives its event back, and the next opening must find it."""
    assert "test_a_block_of_opened_that_raises_waits_for_no_handler" in failures(_opening, ForgetsRetries)
