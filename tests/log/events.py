"""The events and logs that the tests of the log's files share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from evenflow import Event
from evenflow.log import DurableSubject
from evenflow.log._opening import Opening
from evenflow.testing import MemoryLog


class Ordered(Event):
    """The event most tests publish."""

    n: int
    region: str = "eu"


class Shipped(Event):
    """An event that is not related to Ordered."""

    n: int


@asynccontextmanager
async def opened() -> AsyncGenerator[tuple[DurableSubject[Ordered | Shipped], Opening]]:
    """A subject of an open log in memory, and that opening."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered, Shipped)
    async with log:
        yield orders, log._openings.open()
