"""The tables: versions, rights, and more than one log in a database."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from evenflow import LogError
from evenflow.log._postgres import _schema
from tests.conformance.kit import append, texts
from tests.servers import Postgres

from .kit import ask, engine_on, on_postgres, opened


@on_postgres
async def test_an_older_server_is_refused_with_its_version(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """At opening, and nothing is made there."""
    monkeypatch.setattr(_schema, "OLDEST_SERVER", 99)
    engine = engine_on(server)
    with pytest.raises(LogError, match=r"is a PostgreSQL \d+.*needs 99"):
        await engine.open()
    assert await ask(server, "SELECT 1 FROM pg_namespace WHERE nspname = $1", engine.schema) == []


@on_postgres
async def test_newer_tables_are_refused(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both versions, and what to do."""
    async with opened(server) as engine:
        await append(engine, "a")
    await ask(server, f"UPDATE {engine.schema}.meta SET value = '7' WHERE name = 'version'")
    with pytest.raises(LogError, match=r"tables of version 7.*knows 5"):
        await engine.open()


@on_postgres
async def test_an_older_log_is_brought_up_at_opening(server: Postgres) -> None:
    """With its functions and columns, and what was stored is there; the version says so to an older evenflow."""
    async with opened(server) as engine:
        await append(engine, "a")
    await ask(server, f"DROP FUNCTION {engine.schema}.change, {engine.schema}.place, {engine.schema}.read")
    for column in ("outcome", "detail", "base", "seqs", "put_version"):
        await ask(server, f"ALTER TABLE {engine.schema}.writer DROP COLUMN {column}")
    await ask(server, f"UPDATE {engine.schema}.meta SET value = '1' WHERE name = 'version'")
    async with opened(server, engine.schema) as again:
        assert await append(again, "b") == [2]
        assert await again.place("orders", 0) == 0
        assert await texts(again) == ["a", "b"]
    assert await ask(server, f"SELECT value FROM {engine.schema}.meta WHERE name = 'version'") == [("5",)]


@on_postgres
async def test_two_schemas_are_two_logs(server: Postgres) -> None:
    """With numbers, ids and histories of their own."""
    async with opened(server) as one, opened(server) as other:
        assert await append(one, "a", id="one") == [1]
        assert await append(other, "b", id="one") == [1]
        assert await texts(one) == ["a"]
        assert one.lineages != other.lineages


@on_postgres
async def test_many_that_open_at_once_make_one_log(server: Postgres) -> None:
    """Whoever is first makes the tables, and the others wait for that."""
    schema = f"log_{uuid4().hex}"
    engines = [engine_on(server, schema) for _ in range(5)]
    await asyncio.gather(*(engine.open() for engine in engines))
    assert len({engine.lineages for engine in engines}) == 1
    for engine in engines:
        await engine.close()


@on_postgres
async def test_a_role_needs_a_schema_or_the_right_to_make_one(server: Postgres) -> None:
    """Without either it is told; in a schema that was made for it a log works."""
    role, schema = f"role_{uuid4().hex}", f"log_{uuid4().hex}"
    await ask(server, f"CREATE ROLE {role} LOGIN")
    engine: Any = engine_on(server, schema, dsn=server.dsn.replace("evenflow@", f"{role}@"))
    with pytest.raises(LogError, match=r"cannot be opened: .*permission denied"):
        await engine.open()
    await ask(server, f"CREATE SCHEMA {schema} AUTHORIZATION {role}")
    await engine.open()
    assert await append(engine, "a", id="one") == [1]
    assert await engine.trim("orders", 1, 10) == 1
    await engine.close()


def test_a_name_cannot_break_out_of_its_quotes() -> None:
    """Though such names are refused before."""
    assert _schema.quoted('a"b') == '"a""b"'


@on_postgres
async def test_a_person_reads_a_log_with_a_select(server: Postgres) -> None:
    """Data and headers are text."""
    async with opened(server) as engine:
        await append(engine, '{"n":1}')
    rows = await ask(server, f"SELECT subject, type, data FROM {engine.schema}.event")
    assert rows == [("orders", "Placed", '{"n":1}')]
    connection = await asyncpg.connect(server.dsn)
    assert await connection.fetchval(f"SELECT data::json ->> 'n' FROM {engine.schema}.event") == "1"
    await connection.close()
