"""asyncpg alone: a table of events with group commit written by hand, and a queue with ``FOR UPDATE SKIP LOCKED``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg

_TABLES = """
CREATE SCHEMA bare;
CREATE TABLE bare.counter (seq bigint NOT NULL, time bigint NOT NULL);
INSERT INTO bare.counter VALUES (0, 0);
CREATE TABLE bare.event (seq bigint NOT NULL, subject text COLLATE "C" NOT NULL, type text NOT NULL,
    version integer NOT NULL, id text, time bigint NOT NULL, headers text, data text NOT NULL, key text);
CREATE UNIQUE INDEX ON bare.event (subject, seq);
CREATE TABLE bare.queue (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data text NOT NULL);
"""
_INSERT = """
WITH held AS (UPDATE bare.counter SET seq = seq + cardinality($1::text[]) RETURNING seq)
INSERT INTO bare.event (seq, subject, type, version, time, data)
SELECT held.seq - cardinality($1) + o, 'orders', 'Ordered', 1, (extract(epoch FROM clock_timestamp()) * 1e6)::bigint, d
FROM held, unnest($1) WITH ORDINALITY AS e(d, o)
"""
_TAKE = """
DELETE FROM bare.queue WHERE seq IN (SELECT seq FROM bare.queue ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING seq, data
"""


async def connect(dsn: str) -> Any:
    """A connection, with new tables."""
    connection: Any = await asyncpg.connect(dsn)
    await connection.execute("DROP SCHEMA IF EXISTS bare CASCADE")
    await connection.execute(_TABLES)
    return connection


class Writer:
    """What is waiting when a commit ends goes into the next."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def publish(self, data: str) -> None:
        """Return once it is stored."""
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((data, stored))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await stored

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await publish(self._connection, [data for data, _ in batch])
            for _, stored in batch:
                stored.set_result(None)
        self._writing = None


async def publish(connection: Any, data: list[str]) -> None:
    """Store events in one commit."""
    async with connection.transaction():
        await connection.execute(_INSERT, data)


async def fill(connection: Any, data: list[str]) -> None:
    """Put events into the queue."""
    await connection.execute("INSERT INTO bare.queue (data) SELECT unnest($1::text[])", data)


async def consume(connection: Any, decode: Callable[[str], object], count: int, at_once: int) -> None:
    """Take events from the queue, as many at once in each transaction."""
    while count > 0:
        async with connection.transaction():
            rows = await connection.fetch(_TAKE, at_once)
            for row in rows:
                decode(row["data"])
        count -= len(rows)
