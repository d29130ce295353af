"""The suite's tests of events notice an engine that says the wrong end of a page."""

from __future__ import annotations

from typing import Any

from evenflow.log.engine import Page
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance._engine import _events
from tests.testing.conformance.kit import failures


class LooksTooFar(MemoryEngine):
    """Says of a full page that everything was looked at."""

    async def read(self, subject: str, after: int, limit: int, **how: Any) -> Page:
        return (await super().read(subject, after, limit, **how))._replace(through=self.store.newest)


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_events) == set()


def test_a_page_that_skips_is_noticed() -> None:
    """Whoever reads on after it would miss what was not in it."""
    assert "test_pages_follow_one_another" in failures(_events, LooksTooFar)
