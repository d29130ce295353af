"""SQLiteLog: a log in one file of SQLite, which several processes of one machine may use at once."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evenflow._errors import Unsupported

from ._capabilities import Capabilities
from ._log import Log
from ._sqlite import SQLiteEngine
from ._transaction import SQLiteTransaction
from ._wire import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ._engine import Engine

KEEP_IDS = timedelta(days=7)
"""How long an id that was given is known: longer than a client or a broker tries again."""


class SQLiteLog(Log):
    """A log in one SQLite file: no server, and nothing to install.

    The file is made when the log is first opened. Tables of yours may lie in it, too: ours begin with ``evenflow_``.
    Never open the file beside SQLite, for reading its bytes or copying it: closing it drops SQLite's locks.

    Args:
        path: the file; ``":memory:"`` keeps it in this process alone, and nothing outlives that.
        name: the log's name, in the ``source`` of its events; without it that of the file, without its ending.
        durability: what has been published survives a power cut (``"power"``), or the process (``"process"``, a few
            times faster where each commit waits for the disk).
        keep_ids: how long an id that was given is known.
        max_event_bytes: the most that an event's JSON and headers may take.
        busy_timeout: seconds that a write waits for another process, at most.
        unsafe_filesystem: open it although its file system is one that loses SQLite's locks, such as NFS.

    Raises:
        TypeError, ValueError: an argument makes no sense.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        durability: Literal["power", "process"] = "power",
        keep_ids: timedelta = KEEP_IDS,
        max_event_bytes: int = MAX_EVENT_BYTES,
        busy_timeout: float = 10.0,
        unsafe_filesystem: bool = False,
    ) -> None:
        self._path = os.fspath(path)
        if not self._path:
            raise ValueError('the path of a log must not be empty; it is a file such as "shop.db", or ":memory:"')
        in_memory = self._path == ":memory:"
        self._options = (durability, keep_ids, busy_timeout, unsafe_filesystem)
        self._engine()  # refuses what makes no sense where it is written
        self.capabilities: Capabilities = Capabilities(
            durable_on_power_cut=durability == "power" and not in_memory, own_rows=True, several_processes=not in_memory
        )
        super().__init__(_name_of(self._path) if name is None else name, max_event_bytes=max_event_bytes)

    def _engine(self) -> Engine:
        durability, keep_ids, busy_timeout, unsafe = self._options
        return SQLiteEngine(
            self._path,
            durability=durability,
            keep_ids=keep_ids,
            busy_timeout=busy_timeout,
            unsafe_filesystem=unsafe,
        )

    def transaction(self) -> AbstractAsyncContextManager[SQLiteTransaction]:
        """Several things in one commit, at the end of the block: events, acknowledgements, and your own rows.

        All or nothing: raised or cancelled in the block, nothing is done. No lock is held while the block runs.
        """
        return SQLiteTransaction(self._openings)

    async def vacuum(self) -> None:
        """Give the room of removed events back to the disk. Others can read meanwhile, and wait to write.

        Raises:
            RuntimeError: the log is not open.
            Unsupported: it was put in memory for a test.
            LogError: it failed.
        """
        await self._sqlite().vacuum()

    async def backup(self, path: str | os.PathLike[str], /) -> None:
        """Copy the log into a new file while it is in use. The copy begins a lineage of its own.

        Cancelled, there is no copy.

        Raises:
            RuntimeError: the log is not open.
            Unsupported: it was put in memory for a test.
            LogError: there is something at ``path``, or it cannot be written.
        """
        await self._sqlite().backup(path)

    def _sqlite(self) -> SQLiteEngine:
        engine = self._openings.open().engine
        if not isinstance(engine, SQLiteEngine):
            raise Unsupported(f"log {self.name} was put in memory for a test: it has no file to vacuum, or to copy")
        return engine


def _name_of(path: str) -> str:
    """A name made of the file's: letters, digits, ``_`` and ``-``."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(path).stem)[:64].strip("-") or "log"
