"""A log in PostgreSQL: ``from evenflow.log.postgres import PostgresLog``; needs ``evenflow[postgres]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from evenflow._options import checked_seconds
from evenflow._state import State

from ._capabilities import Capabilities
from ._log import Log
from ._names import checked_keep_ids
from ._sqlite_log import KEEP_IDS
from ._transaction import SQLTransaction, Transaction
from ._wire import MAX_EVENT_BYTES

try:
    from ._postgres import PostgresEngine
    from ._postgres._address import address_in
    from ._postgres._outbox import Executes, OutboxTransaction
except ImportError as _error:
    raise ImportError("a log in PostgreSQL needs asyncpg: pip install 'evenflow[postgres]'") from _error

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta

    from ._engine import Engine

__all__ = ["Executes", "PostgresLog"]


class PostgresLog(Log):
    """A log in a schema of a PostgreSQL database, version 13 or newer.

    A pooler in transaction mode may stand before the server.

    Args:
        dsn: ``postgresql://user:password@host:5432/database``, or whatever asyncpg takes; ``?schema=`` and ``?name=``
            in it are the log's own.
        name: the log's name, in the ``source`` of its events; if neither this nor the address says, ``log``.
        schema: where its tables lie, each log of a database has its own; if neither says, ``evenflow``.
        durability: whether ``publish`` waits for the server's disk (``"power"``), or only for the server.
        keep_ids: how long an id that was given is known.
        max_event_bytes: the most that an event's JSON and headers may take.
        publish_timeout: seconds that anything waits for the server, at most.
        options: for ``asyncpg.connect``: ``ssl``, ``server_settings`` and others.

    Raises:
        TypeError, ValueError: an argument makes no sense.
    """

    def __init__(
        self,
        dsn: str,
        *,
        name: str | None = None,
        schema: str | None = None,
        durability: Literal["power", "process"] = "power",
        keep_ids: timedelta = KEEP_IDS,
        max_event_bytes: int = MAX_EVENT_BYTES,
        publish_timeout: float = 30.0,
        **options: Any,
    ) -> None:
        if durability not in {"power", "process"}:
            raise ValueError(f"durability must be 'power' or 'process', not {durability!r}")
        checked_keep_ids(keep_ids)
        checked_seconds(publish_timeout, "publish_timeout")
        if not isinstance(dsn, str):
            raise TypeError(f"the address of a PostgreSQL server is a text such as postgresql://host/shop, not {dsn!r}")
        self._dsn, its_schema, its_name = address_in(dsn)
        name = its_name or "log" if name is None else name
        self._settings: dict[str, Any] = {
            "schema": schema or its_schema or "evenflow",
            "keep_ids": keep_ids,
            "patience": publish_timeout,
            "to_disk": durability == "power",
            "options": options,
        }
        self.connected: State[bool] = State(False, name=f"{name} is connected")
        self._engine()
        self.capabilities: Capabilities = Capabilities(
            durable_on_power_cut=durability == "power",
            own_rows=True,
            several_processes=True,
            several_machines=True,
            counts_first_attempt=False,
            notices_dead_members=False,
            trio=False,
        )
        super().__init__(name, max_event_bytes=max_event_bytes)

    def _engine(self) -> Engine:
        return PostgresEngine(self._dsn, tell_connected=self._note_connected, **self._settings)

    def _note_connected(self, connected: bool) -> None:
        self.connected.set(connected)

    @overload
    def transaction(self, /) -> AbstractAsyncContextManager[SQLTransaction]: ...
    @overload
    def transaction(self, connection: Executes, /) -> AbstractAsyncContextManager[Transaction]: ...
    def transaction(self, connection: Executes | None = None, /) -> AbstractAsyncContextManager[Any]:
        """Several things in one commit: all of them, or none.

        Without a connection it is a list of things to do, done at the end of the block: events, acknowledgements, and
        statements on tables of yours in the same database (``$1`` and ``$2`` are their placeholders).

        With a connection the events become part of the transaction that is open on it: they go to the log, in order,
        within 100 ms of its commit, or never if it is rolled back. No lock is held for that, and their offsets are
        known only then.

        Raises:
            ValueError: the connection is in no transaction.
            TypeError: it is none of asyncpg, psycopg or SQLAlchemy.
        """
        if connection is None:
            return SQLTransaction(self._openings)
        return OutboxTransaction(self._openings, self._settings["schema"], connection)
