"""What can be read, and how it is told apart; what is read of each is tested in test_feed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from evenflow import State, interval, share
from evenflow.testing import MemoryLog
from evenflow.web._sources import Durable, Memory, Values, source_of

from .kit import Placed, both, feed_of, options, orders, read_to_end


@both
async def test_each_kind_has_its_own_way() -> None:
    """A subject, what is shared, a durable subject, and everything else that gives values."""

    class Odd:
        """Somebody's own source."""

        def subscribe(self) -> object:
            async def values() -> AsyncIterator[int]:
                yield 1

            return values()

    assert isinstance(source_of(orders(), options()), Memory)
    assert isinstance(source_of(share(interval(1)), options()), Memory)
    assert isinstance(source_of(MemoryLog().subject("orders", Placed), options()), Durable)
    for given in (State(1), interval(1), Odd()):
        assert isinstance(source_of(given, options()), Values)
    async with feed_of(Odd()) as feed:
        assert [item.data for item in await read_to_end(feed)] == [b"1"]


@pytest.mark.parametrize("given", [None, 1, "text", [1, 2], Placed, Placed(n=1)])
def test_what_gives_no_events_is_refused(given: object) -> None:
    """A list has no events that come; `stream()` makes a source of it."""
    with pytest.raises(TypeError, match="source of events"):
        source_of(given, options())
