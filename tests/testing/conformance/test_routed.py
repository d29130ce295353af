"""The suite's tests of ``routed_by`` notice an engine whose server leaves out too much."""

from __future__ import annotations

from typing import Any

from evenflow.log.engine import Page, Wanted
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance import _routed
from tests.testing.conformance.kit import failures


class LeavesOutTheRest(MemoryEngine):
    """Believes that an event whose text has not the words of a wanted value in it is not wanted."""

    filters = True

    async def read_wanted(self, subject: str, after: int, limit: int, wanted: Wanted, **how: Any) -> Page:
        page = await super().read_wanted(subject, after, limit, wanted, **how)
        texts = wanted.fields.get("region")
        if texts is None:
            return page
        return page._replace(rows=[row for row in page.rows if any(text.encode() in row.data for text in texts)])


class Filters(LeavesOutTheRest):
    """The same, but it knows that another version may have had another value."""

    async def read_wanted(self, subject: str, after: int, limit: int, wanted: Wanted, **how: Any) -> Page:
        page = await MemoryEngine.read_wanted(self, subject, after, limit, wanted, **how)
        some = await super().read_wanted(subject, after, limit, wanted, **how)
        rows = [row for row in page.rows if row in some.rows or not wanted.texts(row.type, ("region",), row.version)]
        return page._replace(rows=rows)


def test_an_engine_that_filters_passes() -> None:
    """What is right is not complained of, whether the server leaves anything out or not."""
    assert failures(_routed) == set()
    assert failures(_routed, Filters) == set()


def test_an_event_that_is_left_out_is_noticed() -> None:
    """By whoever reads what an upgrade has made another."""
    assert failures(_routed, LeavesOutTheRest) == {"test_an_event_of_an_older_version_is_asked_as_it_is_today"}
