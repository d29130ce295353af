"""Publishing inside a transaction of the application's own: rows of a table, which go to the log once it is committed.

Nothing is locked, and nothing of the log is touched, while the application's transaction is open. The pulse of any
process that has the log open moves committed rows into the log, in the order of their numbers, within 100 ms.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from evenflow.log._transaction import Transaction

from ._schema import quoted

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

    from evenflow.log._delivery import Delivery
    from evenflow.log._openings import Openings

_INSERT: Final = """
INSERT INTO {s}.outbox (subject, type, version, data, headers, id, digest, key)
SELECT r.subject, r.type, r.version, r.data, r.headers, r.id, decode(r.digest, 'hex'), r.key
FROM json_to_recordset(CAST({rows} AS json)) AS r
    (subject text, type text, version integer, data text, headers text, id text, digest text, key text)
"""


class Executes(Protocol):
    """A connection of asyncpg or psycopg, or an ``AsyncConnection`` or ``AsyncSession`` of SQLAlchemy."""

    def execute(self, query: Any, params: Any = ..., /) -> Awaitable[Any]:
        """Execute a statement in the connection's transaction."""
        ...


class OutboxTransaction(Transaction):
    """Events that go to the log when the application's transaction is committed; see ``PostgresLog.transaction``."""

    def __init__(self, openings: Openings, schema: str, connection: Any) -> None:
        _refuse_autocommit(connection)
        super().__init__(openings)
        self._schema = schema
        self._connection = connection

    def ack(self, delivery: Delivery[object], /) -> None:
        """Refuse it: the log does not see the application's transaction.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"{delivery!r} cannot be acknowledged in a transaction of yours; use log.transaction() without a"
            " connection, whose execute() takes your statements"
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state = "rolled back"
        if error is not None:
            return
        if self._appends:
            rows = [
                {
                    "subject": append.subject,
                    "type": append.type,
                    "version": append.version,
                    "data": append.data.decode(),
                    "headers": json.dumps(dict(append.headers)) if append.headers else None,
                    "id": append.id,
                    "digest": append.digest.hex(),
                    "key": append.key,
                }
                for append in self._appends
            ]
            await _execute(self._connection, _INSERT, quoted(self._schema), json.dumps(rows))
        self._state = "written to the outbox"


def _kind(connection: Any) -> str:
    """The library that a connection is of."""
    return next((cls.__module__.partition(".")[0] for cls in type(connection).__mro__ if "." in cls.__module__), "")


def _refuse_autocommit(connection: Any) -> None:
    """Refuse a connection on which each statement is a transaction.

    Raises:
        ValueError: it is one.
        TypeError: it is none that is known.
    """
    kind = _kind(connection)
    if kind not in {"asyncpg", "psycopg", "sqlalchemy"}:
        raise TypeError(
            f"a transaction of yours is given as a connection of asyncpg or psycopg, or as an AsyncConnection or"
            f" AsyncSession of SQLAlchemy, not {connection!r}"
        )
    alone = (kind == "asyncpg" and not connection.is_in_transaction()) or (
        kind == "psycopg" and connection.autocommit and connection.info.transaction_status == 0
    )
    if alone:
        raise ValueError(
            "this connection is in no transaction: each statement would be committed by itself; begin one first, as in"
            " `async with connection.transaction():`"
        )


async def _execute(connection: Any, statement: str, schema: str, rows: str) -> None:
    kind = _kind(connection)
    if kind == "asyncpg":
        await connection.execute(statement.format(s=schema, rows="$1::text"), rows)
    elif kind == "psycopg":
        await connection.execute(statement.format(s=schema, rows="%s::text"), (rows,))
    else:
        text: Any = import_module("sqlalchemy").text  # it is there, since the connection is one of its own
        await connection.execute(text(statement.format(s=schema, rows=":rows")), {"rows": rows})
