"""Prepared statements: one for each session, and none where a pooler does not keep them."""

from __future__ import annotations

import asyncpg
import pytest

from evenflow.log._postgres._driver import UNPREPARED
from evenflow.log._postgres._prepared import Prepared
from tests.conformance.kit import append, texts
from tests.servers import Postgres

from .kit import on_postgres, opened

NAMES = "SELECT name FROM pg_prepared_statements"


@on_postgres
async def test_a_statement_is_prepared_once_for_each_connection(server: Postgres) -> None:
    """Under a name that says its text."""
    statement = Prepared("SELECT $1::bigint + 1 AS more")
    for _ in range(2):
        connection = await asyncpg.connect(server.dsn, statement_cache_size=0)
        assert [(await statement.fetchrow(connection, n))["more"] for n in range(3)] == [1, 2, 3]
        assert [row["name"] for row in await connection.fetch(NAMES)] == [statement._name]
        await connection.close()
    assert statement._name != Prepared("SELECT $1::bigint + 2 AS more")._name


@pytest.mark.parametrize("what", ["is gone", "is another's"])
@on_postgres
async def test_a_session_that_does_not_keep_it_is_asked_without(server: Postgres, what: str) -> None:
    """Once it is an error that says so; from then on the statement is sent anew each time."""
    statement = Prepared("SELECT 1 AS one")
    connection = await asyncpg.connect(server.dsn, statement_cache_size=0)
    if what == "is gone":
        await statement.fetchrow(connection)
        await connection.execute("DEALLOCATE ALL")
    else:
        await connection.execute(f"PREPARE {statement._name} AS SELECT 1 AS one")
    with pytest.raises(UNPREPARED):
        await statement.fetchrow(connection)
    assert statement.is_refused
    assert (await statement.fetchrow(connection))["one"] == 1
    await connection.close()


@on_postgres
async def test_whoever_publishes_does_not_notice(server: Postgres) -> None:
    """A transaction whose session has lost the statement is made again, once."""
    async with opened(server) as engine:
        await append(engine, "a")
        await engine.opened().writer._connection.execute("DEALLOCATE ALL")
        assert await append(engine, "b") == [2]
        assert await append(engine, "c") == [3]
        assert engine.opened().writer._change.is_refused
        assert await texts(engine) == ["a", "b", "c"]
