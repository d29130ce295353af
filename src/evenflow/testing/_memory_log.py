"""MemoryLog: a log for tests, without a file and without a thread, in virtual time."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from evenflow.log._capabilities import Capabilities
from evenflow.log._log import Log
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing._memory_store import KEEP_IDS, NEW_YEAR, MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime, timedelta

    from evenflow.log._engine import Engine


class MemoryLog(Log):
    """A log in memory: everything that holds for a log on disk holds here, but that it outlives the process.

    Its time is the loop's, from ``start`` on: in a test with virtual time an hour takes none. What was published stays
    until the object goes, however often it is opened.

    Args:
        start: what the clock shows when it is first looked at; with a time zone.
        name: the log's name.
        keep_ids: how long a given id is known.
        max_event_bytes: the most that the JSON of an event may take.
    """

    capabilities: Capabilities = Capabilities(durable_on_power_cut=False)

    def __init__(
        self,
        start: datetime = NEW_YEAR,
        *,
        name: str = "memory",
        keep_ids: timedelta = KEEP_IDS,
        max_event_bytes: int = 2**20,
    ) -> None:
        super().__init__(name, max_event_bytes=max_event_bytes)
        self._store = MemoryStore(start=start, keep_ids=keep_ids)

    def _engine(self) -> Engine:
        return MemoryEngine(self._store)


@asynccontextmanager
async def in_memory(log: Log, *, start: datetime = NEW_YEAR) -> AsyncGenerator[Log]:
    """Open a log, such as an application's own, in memory: nothing is stored in its file or server.

    Its subjects and consumers are used as they are. Within the block its ``capabilities`` are those of a log in memory:
    it has no tables of yours, for example. At the end of the block the log is closed, and its events are forgotten.

    Raises:
        TypeError: it is no log.
        RuntimeError: the log is open already.
    """
    if not isinstance(log, Log):
        raise TypeError(f"in_memory takes a log, such as the application's own SQLiteLog(...), not {log!r}")
    store = MemoryStore(start=start)
    with log._with_engine(lambda: MemoryEngine(store), MemoryLog.capabilities):
        async with log:
            yield log
