"""The suite's tests of readers notice an engine that breaks the order."""

from __future__ import annotations

from typing import Any

from evenflow.log.engine import Page
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance import _subscribe
from tests.testing.conformance.kit import failures


class Swaps(MemoryEngine):
    """Hands out the two last events of a page in the wrong order."""

    async def read(self, subject: str, after: int, limit: int, **how: Any) -> Page:
        page = await super().read(subject, after, limit, **how)
        if len(page.rows) < 2:
            return page
        *before, last_but_one, last = page.rows
        return page._replace(rows=[*before, last, last_but_one])


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_subscribe) == set()


def test_a_broken_order_is_noticed() -> None:
    """By whoever reads history, and by readers beside publishers."""
    found = failures(_subscribe, Swaps)
    assert "test_start_reads_everything_and_goes_on" in found
    assert "test_many_readers_and_publishers_at_once_see_one_order_without_a_hole" in found
